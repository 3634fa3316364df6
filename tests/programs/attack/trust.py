"""One authority for every https address of an attack, and functions that trust it as they trust the public ones.

A webhook is verified against certifi's bundle whatever the environment says, so the functions find another certifi
first: one whose bundle has this authority. The code of the functions is the same as on a cluster.
"""

import ssl
from pathlib import Path

import trustme

_CERTIFI = '''"""certifi with the authority of an attack in its bundle."""

def where() -> str:
    return {bundle!r}

def contents() -> str:
    with open(where(), encoding="ascii") as bundle:
        return bundle.read()
'''


class Trust:
    """Files below a folder: the authority's bundle, and the key and certificate that every server here shows."""

    def __init__(self, home: Path) -> None:
        self.bundle = home / "authority.pem"
        self.server = home / "server.pem"
        self._modules = home / "modules"

    @classmethod
    def made(cls, home: Path) -> "Trust":
        """A new authority, with one certificate for the loopback."""
        trust = cls(home)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(trust.bundle))
        authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(trust.server))
        package = trust._modules / "certifi"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(_CERTIFI.format(bundle=str(trust.bundle)), encoding="utf-8")
        return trust

    @property
    def environment(self) -> dict[str, str]:
        """What makes a function believe the authority: by certifi, by requests and by OpenSSL."""
        return {
            "PYTHONPATH": str(self._modules),
            "REQUESTS_CA_BUNDLE": str(self.bundle),
            "SSL_CERT_FILE": str(self.bundle),
        }


def server_side(certificate: Path) -> ssl.SSLContext:
    """The context of a server that shows this key and certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def client_side(bundle: Path) -> ssl.SSLContext:
    """The context of a client that believes this bundle alone."""
    return ssl.create_default_context(cafile=str(bundle))
