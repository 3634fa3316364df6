"""The Kubernetes API as a pod sees it: with the token of its service account, trusting the cluster's own authority."""

import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests

    from taskmaster.outbound.deadline import Deadline

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def namespace() -> str:
    """The namespace of this pod; `default` outside of a cluster."""
    return _read("namespace") or "default"


def headers() -> dict[str, str]:
    """The header with the service account's token, read each time since it is rotated; none where there is none."""
    token = _read("token")
    return {"Authorization": f"Bearer {token}"} if token else {}


def trusted() -> ssl.SSLContext | None:
    """A context that trusts the cluster's own authority, for requests to the API; None where there is none.

    Many clusters' authorities have no key usage or key identifier, which Python insists on from 3.13 (RFC 5280,
    VERIFY_X509_STRICT) and Kubernetes' own clients do not: names, signatures and dates are verified as ever.
    """
    authority = _ACCOUNT / "ca.crt"
    if not authority.exists():
        return None
    trusting = ssl.create_default_context(cafile=authority)
    trusting.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return trusting


def session(deadline: "Deadline") -> "requests.Session":
    """For requests to the API until a deadline, verified as `trusted` says."""
    from taskmaster.outbound import http_session

    return http_session.session(deadline, ssl_context=trusted())


def serves(url: str, *, api: str) -> bool:
    """Whether a URL is one of the API's own, so that the service account's token may go there."""
    return _origin(url) == _origin(api)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _read(name: str) -> str:
    try:
        return (_ACCOUNT / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""
