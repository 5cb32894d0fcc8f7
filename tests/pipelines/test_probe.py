"""Whether MLflow is there, asked of servers behind a proxy: as the user and with the certificates of its variables."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipelines import tracking
from pipelines.config import Environment
from tests.small_server import answering


@dataclass
class Proxy:
    """A server that answers every request with one status, and what it was told."""

    environment: Environment
    authorizations: list[str | None] = field(default_factory=list)


@contextmanager
def proxy(home: Path, status: int, certificate: Path | None = None) -> Iterator[Proxy]:
    def status_of(request: BaseHTTPRequestHandler) -> int:
        told.authorizations.append(request.headers["Authorization"])
        return status

    encryption = None
    if certificate is not None:
        encryption = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        encryption.load_cert_chain(certificate)
    with answering(status_of, encryption) as url:
        told = Proxy(Environment(home=home, tracking_uri=f"{url}/"))
        yield told


@pytest.mark.parametrize(("status", "is_there"), [(200, True), (401, True), (403, True), (500, False), (503, False)])
def test_a_server_that_answers_is_there_whatever_it_refuses(tmp_path: Path, status: int, is_there: bool) -> None:
    with proxy(tmp_path, status) as server:
        assert tracking.answers(server.environment) == is_there
        assert len(server.authorizations) == 1, "it is asked once"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_TOKEN": "a-token"}, "Bearer a-token"),
        ({"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "word"}, "Basic YW5uOndvcmQ="),
    ],
    ids=["nobody", "token", "user"],
)
def test_it_is_asked_as_whom_mlflow_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with proxy(tmp_path, 200) as server:
        assert tracking.answers(server.environment)
        assert server.authorizations == [told]


def test_a_certificate_that_mlflow_is_told_to_trust_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = signed_by_itself(tmp_path / "certificate.pem")
    with proxy(tmp_path, 200, certificate) as server:
        assert not tracking.answers(server.environment)
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
        assert tracking.answers(server.environment)


def signed_by_itself(path: Path) -> Path:
    """Writes a key and its certificate for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "proxy")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, *plain) + certificate.public_bytes(pem))
    return path
