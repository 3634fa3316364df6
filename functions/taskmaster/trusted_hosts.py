"""Hosts: which only the cluster's inside can reach, and which may be asked for keys."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_HOST = re.compile(r"(?P<name>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")
_INTERNAL = re.compile(r"[a-z0-9.-]+[.]svc([.]cluster[.]local)?")


def is_internal(host: str, *, also_trusted: Iterable[str] = ()) -> bool:
    """Whether a Host header is one that only the cluster's inside can reach, or one that a setting names."""
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    name = found["name"].rstrip(".")
    return bool(_INTERNAL.fullmatch(name)) or name in map(str.lower, also_trusted)


def may_serve_keys(url: str) -> bool:
    """Whether keys may come from there: by https, and by http from inside the cluster or from this machine alone."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (is_internal(host) or _is_this_machine(host)))


def _is_this_machine(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
