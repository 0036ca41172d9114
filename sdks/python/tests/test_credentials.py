"""Tokens and certificates: against real gRPC servers, the secure ones with certificates made here."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_host import WAIT, FakeHost

from modrack import AsyncClient, Client, FailedPrecondition, Provider, Unavailable
from modrack._credentials import SecretFile


class Authority:
    """Signs certificates, and writes what it made to files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        own = self._builder(self._name, self._key.public_key())
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.ca_file = self._write("ca.pem", own.sign(self._key, hashes.SHA256()).public_bytes(PEM))

    def issue(self, name: str) -> tuple[str, str]:
        """The files of a certificate for this machine and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = self._builder(subject, key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(PEM)
        return self._write(f"{name}.pem", certificate), self._write(f"{name}.key", private)

    def _builder(self, subject: x509.Name, key: Any) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )

    def _write(self, name: str, data: bytes) -> str:
        path = self._directory / name
        path.write_bytes(data)
        return str(path)


PEM = serialization.Encoding.PEM


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def server_credentials(authority: Authority, *, mutual: bool) -> grpc.ServerCredentials:
    certificate, key = (Path(file).read_bytes() for file in authority.issue("host"))
    ca = Path(authority.ca_file).read_bytes() if mutual else None
    return grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=mutual)


@contextlib.asynccontextmanager
async def served(provider: Provider, host: FakeHost) -> AsyncIterator[None]:
    @provider.module
    async def Upper(text: str) -> str:
        return text.upper()

    task = asyncio.create_task(provider.serve())
    try:
        await host.ready()
        yield
    finally:
        provider.stop()
        await asyncio.wait_for(task, WAIT)


@pytest.mark.parametrize("plane", ["link", "attach"])
async def test_provider_and_clients_talk_tls(authority: Authority, plane: str) -> None:
    async with FakeHost(credentials=server_credentials(authority, mutual=False)) as host:
        assert host.url.startswith("https://")
        provider = Provider("text", host=host.url, plane=plane, ca_file=authority.ca_file, grace=1.0)
        async with served(provider, host), AsyncClient(host.url, ca_file=authority.ca_file) as client:
            assert await client.call("text.Upper", text="a") == "A"
            with Client(host.url, ca_file=authority.ca_file) as blocking:
                assert await asyncio.to_thread(blocking.call, "text.Upper", text="b") == "B"
            async with AsyncClient(host.url) as stranger:
                with pytest.raises(Unavailable) as refused:
                    await stranger.call("text.Upper", text="a", timeout=3)
                assert refused.value.code == "client.host.unreachable"


async def test_mutual_tls_shows_the_certificate_of_this_side(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = authority.issue("caller")
    async with FakeHost(credentials=server_credentials(authority, mutual=True)) as host:
        monkeypatch.setenv("MODRACK_CA_FILE", authority.ca_file)
        async with AsyncClient(host.url) as client:
            with pytest.raises(Unavailable):
                await client.list_modules(timeout=3)
        monkeypatch.setenv("MODRACK_CERT_FILE", certificate)
        with pytest.raises(FailedPrecondition) as half:
            AsyncClient(host.url)
        assert half.value.code == "client.credential.unreadable"
        monkeypatch.setenv("MODRACK_KEY_FILE", key)
        provider = Provider("text", host=host.url, grace=1.0)
        async with served(provider, host), AsyncClient(host.url) as client:
            assert await client.call("text.Upper", text="a") == "A"


async def test_a_token_goes_along_as_bearer_and_is_read_anew_when_its_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    async with FakeHost() as host, served(Provider("text", host=host.url, grace=1.0), host):
        monkeypatch.setenv("MODRACK_TOKEN_FILE", str(file))
        async with AsyncClient(host.url) as client:
            await client.call("text.Upper", text="a")
            renewed = tmp_path / "renewed"
            renewed.write_text("an0ther")
            os.replace(renewed, file)
            await client.call("text.Upper", text="a")
            assert [m["authorization"] for m in host.metadata] == ["Bearer s3cret", "Bearer an0ther"]
            file.unlink()
            with pytest.raises(FailedPrecondition) as refusal:
                await client.call("text.Upper", text="a")
            assert refusal.value.code == "client.credential.unreadable"


def test_secrets_are_in_no_text_of_their_holders(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret")
    secret = SecretFile(str(file))
    assert secret.text() == "s3cret"
    assert "s3cret" not in repr(secret)
    file.write_bytes(b"s3cr\xe9t")
    with pytest.raises(FailedPrecondition) as refusal:
        secret.text()
    assert "s3cr" not in str(refusal.value)
    assert refusal.value.__cause__ is None
