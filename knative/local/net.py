"""How a KafkaSource signs in to its broker: spec.net and the Secrets that it names, as settings of kafka-python.

A source that says nothing of it signs in by a Secret that the stand-in makes up (taskmaster_setup.py), so that the
manifests need no change for a broker with users.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knative.local.fields import Field, ManifestError

_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, kw_only=True)
class SecretKey:
    """One value of a Secret, and where the manifest asks for it."""

    name: str
    key: str
    place: str

    def of(self, secrets: Mapping[str, Mapping[str, str]]) -> str:
        """Raises ManifestError where it is not there: on a cluster the KafkaSource would never be ready."""
        value = secrets.get(self.name, {}).get(self.key)
        if not value:
            raise ManifestError(f"{self.place}: there is no {self.key} in a Secret {self.name}")
        return value


@dataclass(frozen=True, kw_only=True)
class Net:
    """spec.net of a KafkaSource. What is None was not given."""

    user: SecretKey | None = None
    password: SecretKey | None = None
    mechanism: SecretKey | None = None
    tls: bool = False
    ca: SecretKey | None = None
    certificate: SecretKey | None = None
    key: SecretKey | None = None

    @property
    def secrets(self) -> set[str]:
        """The names of the Secrets that it is read from."""
        keys = (self.user, self.password, self.mechanism, self.ca, self.certificate, self.key)
        return {key.name for key in keys if key is not None}

    def client(self, secrets: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
        """kafka-python's settings but for the addresses. Raises ManifestError where a Secret lacks something."""
        settings: dict[str, Any] = {}
        if self.user and self.password:
            settings["sasl_plain_username"] = self.user.of(secrets)
            settings["sasl_plain_password"] = self.password.of(secrets)
            settings["sasl_mechanism"] = self.mechanism.of(secrets) if self.mechanism else "PLAIN"
            if settings["sasl_mechanism"] not in _MECHANISMS:
                raise ManifestError(
                    f"{self.mechanism and self.mechanism.place}: it has to be one of {', '.join(_MECHANISMS)}"
                )
        if self.tls:
            settings["ssl_context"] = self._context(secrets)
        protocol = "SSL" if self.tls else "PLAINTEXT"
        return {"security_protocol": f"SASL_{protocol}" if self.user else protocol, **settings}

    def _context(self, secrets: Mapping[str, Mapping[str, str]]) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.ca.of(secrets) if self.ca else None)
        if self.certificate and self.key:
            with tempfile.NamedTemporaryFile("w") as file:  # the ssl module reads them from a file alone
                file.write(f"{self.certificate.of(secrets)}\n{self.key.of(secrets)}\n")
                file.flush()
                context.load_cert_chain(file.name)
        return context


def read(net: Field) -> Net | None:
    """spec.net as a manifest has it; None where nothing is switched on. Raises ManifestError."""
    sasl, tls = net["sasl"], net["tls"]
    with_sasl, with_tls = sasl["enable"].flag(False), tls["enable"].flag(False)
    if not with_sasl and not with_tls:
        return None
    return Net(
        user=_secret_key(sasl["user"], needed=True) if with_sasl else None,
        password=_secret_key(sasl["password"], needed=True) if with_sasl else None,
        mechanism=_secret_key(sasl["type"]) if with_sasl else None,
        tls=with_tls,
        ca=_secret_key(tls["caCert"]) if with_tls else None,
        certificate=_secret_key(tls["cert"]) if with_tls else None,
        key=_secret_key(tls["key"]) if with_tls else None,
    )


def _secret_key(field: Field, *, needed: bool = False) -> SecretKey | None:
    if not field and not needed:
        return None
    reference = field["secretKeyRef"]
    place = f"{reference.file}: {reference.path}"
    return SecretKey(name=reference["name"].text(), key=reference["key"].text(), place=place)
