"""What a provider says of itself on the wire. Builds messages; sends none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modrack._generated.provider.v1 import registry_pb as pb
from modrack._module import Module
from modrack._version import VERSION
from modrack._wire_types import to_schema
from modrack.errors import FailedPrecondition

PROTOCOL_VERSION = 1


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a provider is, on every registration the same."""

    service_id: str
    namespace: str
    group_id: str
    credential_file: str
    allow_breaking: bool

    def credential(self) -> str:
        """The credential; read anew each time, so that it can be rotated. Empty without a file.

        # Errors
        `FailedPrecondition` with `client.credential.unreadable`.
        """
        if not self.credential_file:
            return ""
        try:
            return Path(self.credential_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as cause:
            why = f"the credential cannot be read: {cause}"
            raise FailedPrecondition("client.credential.unreadable", why) from cause


def module_spec(module: Module) -> pb.ModuleSpec:
    """The registration of one module."""
    return pb.ModuleSpec(
        name=module.name,
        description=module.description,
        input=to_schema(module.input.type),
        output=to_schema(module.output.type),
        version=module.version,
        capabilities=pb.ModuleCapabilities(
            idempotent=module.idempotent, batch=module.many is not None, stream=module.stream
        ),
        examples=[pb.ModuleExample(input_data=given, output_data=expected) for given, expected in module.examples],
    )


def provider_info() -> pb.ProviderInfo:
    """Facts about this process."""
    return pb.ProviderInfo(language="python", sdk=f"modrack {VERSION}", pid=os.getpid())


def register_request(
    identity: Identity,
    modules: Iterable[Module],
    planes: Iterable[pb.DataPlane],
    *,
    service_url: str,
    session_token: str,
) -> pb.RegisterRequest:
    """The registration; `service_url` is empty but for the unary plane, `session_token` for a first one."""
    return pb.RegisterRequest(
        service_id=identity.service_id,
        namespace=identity.namespace,
        group_id=identity.group_id,
        modules=[module_spec(module) for module in modules],
        service_url=service_url,
        protocol_version=PROTOCOL_VERSION,
        planes=list(planes),
        credential=identity.credential(),
        session_token=session_token,
        allow_breaking=identity.allow_breaking,
        lifecycle=bool(service_url),
        info=provider_info(),
    )
