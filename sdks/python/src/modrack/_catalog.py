"""What the registry of a host says of its modules, as values. Asks nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from modrack._generated.host.v1 import host_pb as pb
from modrack._generated.provider.v1 import registry_pb
from modrack._types import CType
from modrack._wire_types import from_schema


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """A registered module. `name` is qualified, `revision` rises with each replacement, `endpoints` is who serves it.

    A module that is `stream` is called by `stream` and `output` is the type of an item; one that is `batch` takes several
    inputs at once.
    """

    name: str
    description: str
    input: CType
    output: CType
    version: str
    revision: int
    fingerprint: str
    idempotent: bool
    endpoints: tuple[EndpointInfo, ...]
    batch: bool = False
    stream: bool = False


@dataclass(frozen=True, slots=True)
class EndpointInfo:
    """One session that provides a module; `plane` and `state` in lower case, e.g. `link`, `ready`."""

    session_id: str
    service_id: str
    group_id: str
    plane: str
    state: str
    language: str
    pid: int


@dataclass(frozen=True, slots=True)
class ModuleEvent:
    """One change of the registry. `synced` ends the present state; `module` is absent there and for `removed`."""

    kind: Literal["added", "changed", "removed", "synced"]
    name: str
    module: ModuleInfo | None = None
    reason: str = ""


def module_info(module: pb.Module) -> ModuleInfo:
    """The module of a message."""
    return ModuleInfo(
        name=module.name,
        description=module.description,
        input=from_schema(module.input),
        output=from_schema(module.output),
        version=module.version,
        revision=module.revision,
        fingerprint=module.schema_fingerprint,
        idempotent=module.capabilities.idempotent,
        endpoints=tuple(map(_endpoint_info, module.endpoints)),
        batch=module.capabilities.batch,
        stream=module.capabilities.stream,
    )


def module_event(event: pb.WatchResponse) -> ModuleEvent:
    """The event of a message."""
    match event.WhichOneof("event"):
        case "added":
            return ModuleEvent("added", event.added.module.name, module_info(event.added.module))
        case "changed":
            return ModuleEvent("changed", event.changed.module.name, module_info(event.changed.module))
        case "removed":
            return ModuleEvent("removed", event.removed.name, reason=event.removed.reason)
        case _:
            return ModuleEvent("synced", "")


def _endpoint_info(endpoint: pb.Endpoint) -> EndpointInfo:
    return EndpointInfo(
        session_id=endpoint.session_id,
        service_id=endpoint.service_id,
        group_id=endpoint.group_id,
        plane=registry_pb.DataPlane.Name(endpoint.plane).removeprefix("DATA_PLANE_").lower(),
        state=pb.SessionState.Name(endpoint.state).removeprefix("SESSION_STATE_").lower(),
        language=endpoint.info.language,
        pid=endpoint.info.pid,
    )
