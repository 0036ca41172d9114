"""How this process proves itself to a host: the bearer token and the files of TLS. Keeps secrets out of its own `repr`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from modrack.errors import FailedPrecondition

if TYPE_CHECKING:
    import grpc

_Stamp = tuple[int, int, int]


@dataclass(slots=True)
class SecretFile:
    """A secret in a file. Read anew whenever the file has changed, so that it can be rotated under a running process.

    `text` costs one `stat` while nothing changes. An empty `path` stands for no secret.

    # Errors
    `FailedPrecondition` with `client.credential.unreadable`; the message names the file, never its content.
    """

    path: str
    _stamp: _Stamp | None = field(default=None, repr=False)
    _text: str = field(default="", repr=False)

    def text(self) -> str:
        """The secret without white space around it; empty without a file."""
        if not self.path:
            return ""
        try:
            found = os.stat(self.path)
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp != self._stamp:
                self._text = Path(self.path).read_text(encoding="ascii").strip()
                self._stamp = stamp
        except (OSError, UnicodeDecodeError) as cause:
            # A decode error would show the byte that it stumbled over.
            why = str(cause) if isinstance(cause, OSError) else f"`{self.path}` is not ASCII text"
            raise FailedPrecondition("client.credential.unreadable", f"the credential cannot be read: {why}") from None
        return self._text


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of TLS, all PEM: authorities to trust (those of the system without it), and a certificate with its key."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @classmethod
    def find(cls, ca_file: str | None, cert_file: str | None, key_file: str | None) -> Self:
        """What is given, else `MODRACK_CA_FILE`, `MODRACK_CERT_FILE` and `MODRACK_KEY_FILE`."""
        environ = os.environ
        return cls(
            environ.get("MODRACK_CA_FILE", "") if ca_file is None else ca_file,
            environ.get("MODRACK_CERT_FILE", "") if cert_file is None else cert_file,
            environ.get("MODRACK_KEY_FILE", "") if key_file is None else key_file,
        )

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """What gRPC needs; the files are read at each new channel.

        # Errors
        `FailedPrecondition` with `client.credential.unreadable`, also for a certificate without its key.
        """
        import grpc

        if bool(self.cert_file) != bool(self.key_file):
            why = "a certificate needs its key: set both MODRACK_CERT_FILE and MODRACK_KEY_FILE"
            raise FailedPrecondition("client.credential.unreadable", why)
        return grpc.ssl_channel_credentials(_read(self.ca_file), _read(self.key_file), _read(self.cert_file))


def client_token(path: str | None) -> SecretFile:
    """The client's token: the file given, else `MODRACK_TOKEN_FILE`, else none."""
    return SecretFile(os.environ.get("MODRACK_TOKEN_FILE", "") if path is None else path)


def _read(path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as cause:
        raise FailedPrecondition("client.credential.unreadable", f"a file of TLS cannot be read: {cause}") from None
