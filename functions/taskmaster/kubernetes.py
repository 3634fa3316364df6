"""The Kubernetes API as a pod sees it: with the token of its service account, trusting the cluster's own authority."""

from pathlib import Path
from urllib.parse import urlsplit

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def namespace() -> str:
    """The namespace of this pod; `default` outside of a cluster."""
    return _read("namespace") or "default"


def headers() -> dict[str, str]:
    """Who is asking: the service account's token, read anew since it changes; nothing where there is none."""
    token = _read("token")
    return {"Authorization": f"Bearer {token}"} if token else {}


def authority() -> str | bool:
    """What a TLS connection is verified against: the cluster's authority, or the public ones where there is none."""
    own = _ACCOUNT / "ca.crt"
    return str(own) if own.exists() else True


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
