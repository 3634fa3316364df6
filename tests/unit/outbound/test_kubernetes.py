"""The Kubernetes API is asked over TLS that holds, also where the cluster's authority is an old-fashioned one."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from pytest_httpserver import HTTPServer

from taskmaster.outbound import kubernetes
from taskmaster.outbound.deadline import Deadline


class OldAuthority:
    """Certificates without key usage and key identifiers, as `openssl req -x509` alone makes them."""

    def __init__(self) -> None:
        self._key = generate_private_key(SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cluster-ca")])
        ca = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = self._signed(self._name, self._key, (ca, True))

    def write(self, folder: Path) -> Path:
        (folder / "ca.crt").write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        return folder

    def context(self, folder: Path) -> ssl.SSLContext:
        """Of a server that is called localhost."""
        key = generate_private_key(SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kube-apiserver")])
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate = self._signed(name, key, (names, False)).public_bytes(serialization.Encoding.PEM)
        (folder / "server.pem").write_bytes(pem + certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        return context

    def _signed(
        self, name: x509.Name, key: EllipticCurvePrivateKey, *extensions: tuple[x509.ExtensionType, bool]
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        )  # fmt: skip
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a pod's service account."""
    (tmp_path / "account").mkdir()
    monkeypatch.setattr(kubernetes, "_ACCOUNT", tmp_path / "account")
    return tmp_path / "account"


@pytest.fixture
def api(account: Path, tmp_path: Path) -> Iterator[HTTPServer]:
    """A server whose certificate is of the authority that the account names."""
    authority = OldAuthority()
    authority.write(account)
    with HTTPServer(host="localhost", ssl_context=authority.context(tmp_path)) as server:
        server.expect_request("/version").respond_with_json({"major": "1"})
        yield server


def test_an_authority_without_key_usage_is_taken(api: HTTPServer) -> None:
    with kubernetes.session(Deadline(10)) as session:
        assert session.get(api.url_for("/version")).json() == {"major": "1"}


def test_another_authority_is_refused(api: HTTPServer, account: Path) -> None:
    OldAuthority().write(account)
    with kubernetes.session(Deadline(10)) as session, pytest.raises(requests.exceptions.SSLError):
        session.get(api.url_for("/version"))


def test_no_authority_of_the_environment_is_trusted_beside_it(
    api: HTTPServer, account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (account / "ca.crt").rename(tmp_path / "bundle.crt")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "bundle.crt"))
    OldAuthority().write(account)
    with kubernetes.session(Deadline(10)) as session, pytest.raises(requests.exceptions.SSLError):
        session.get(api.url_for("/version"))


def test_another_name_is_refused(api: HTTPServer) -> None:
    with kubernetes.session(Deadline(10)) as session, pytest.raises(requests.exceptions.SSLError):
        session.get(api.url_for("/version").replace("localhost", "127.0.0.1"))


def test_outside_of_a_cluster_the_public_authorities_count(account: Path) -> None:
    with kubernetes.session(Deadline(10)) as session:
        assert session.verify is True
