"""Where the host is: reads `MODRACK_HOST` and opens channels to it. Sends nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from modrack._credentials import Tls
from modrack.errors import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    import grpc
    import grpc.aio

VARIABLE = "MODRACK_HOST"
_EXAMPLES = "`http://127.0.0.1:7420` or `unix:/path/to.sock`"

# The registration answer says how large messages may be; until then, and against a host that we chose, gRPC's own limit of
# 4 MiB is only in the way. No proxy stands between us and a host on this machine. Channels share nothing, so that each
# reconnect tries at once instead of inheriting the back-off of the last one.
OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


# For a Unix socket gRPC makes an authority of the path, with `%2F` in it, which is none by RFC 3986: a host may refuse the stream.
_UNIX_OPTIONS = (*OPTIONS, ("grpc.default_authority", "localhost"))


@dataclass(frozen=True, slots=True)
class Address:
    """A host. `text` is as the user wrote it, `target` as gRPC wants it."""

    text: str
    target: str
    secure: bool
    tls: Tls = field(default_factory=Tls)

    def channel(self) -> grpc.Channel:
        """A channel for threads; connects when it is used."""
        import grpc

        if self.secure:
            return grpc.secure_channel(self.target, self.tls.channel_credentials(), OPTIONS)
        return grpc.insecure_channel(self.target, self._options)

    def async_channel(self) -> grpc.aio.Channel:
        """A channel for the running event loop; connects when it is used."""
        import grpc
        import grpc.aio

        if self.secure:
            return grpc.aio.secure_channel(self.target, self.tls.channel_credentials(), OPTIONS)
        return grpc.aio.insecure_channel(self.target, self._options)

    @property
    def _options(self) -> tuple[tuple[str, int | str], ...]:
        return _UNIX_OPTIONS if self.target.startswith("unix:") else OPTIONS


def parse_address(text: str) -> Address:
    """The host that a text names: `http://name:port`, `https://name:port` or `unix:/path`.

    # Errors
    `InvalidArgument` with `client.host.invalid`.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        if path.startswith("/"):
            return Address(text, f"unix:{path}", secure=False)
        raise _invalid(text, "the path of a Unix socket is absolute")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as cause:
        raise _invalid(text, str(cause)) from cause
    if url.scheme not in ("http", "https") or not url.hostname:
        raise _invalid(text, f"a host looks like {_EXAMPLES}")
    if port is None or url.path not in ("", "/") or url.query or url.username:
        raise _invalid(text, "a host has a scheme, a name and a port, nothing else")
    name = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return Address(text, f"{name}:{port}", secure=url.scheme == "https")


def find_address(
    host: str | None,
    *,
    ca_file: str | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
) -> Address:
    """The host given, else that of the environment; the same for the files of TLS.

    # Errors
    `FailedPrecondition` with `client.host.unset`; `InvalidArgument` with `client.host.invalid`.
    """
    text = host or os.environ.get(VARIABLE, "")
    if not text:
        raise FailedPrecondition("client.host.unset", f"no host is named: set {VARIABLE} to {_EXAMPLES}")
    return replace(parse_address(text), tls=Tls.find(ca_file, cert_file, key_file))


def _invalid(text: str, why: str) -> InvalidArgument:
    return InvalidArgument("client.host.invalid", f"`{text}` names no host: {why}")
