"""One signed POST to an address that a user chose: Standard Webhooks, and never into a network of ours.

Every address behind the host is checked, and it is these addresses that are connected to, so that no second answer of
a name server leads elsewhere. Redirects are not followed, proxies not used, and the body of an answer is not read.
"""

import hmac
import json
import socket
import time
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from threading import Timer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from taskmaster.breaker import Breaker
from taskmaster.outcome import DELIVERED, Outcome, failed, later

if TYPE_CHECKING:
    import requests

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

CONNECT_SECONDS = 3.0
READ_SECONDS = 7.0
TOTAL_SECONDS = 12.0  # however slowly an answer trickles in
MOST_WAIT = 3600.0  # seconds that a Retry-After is believed

_RETRYABLE = (408, 425, 429)
_IPV6_UNICAST = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")
# Inside 2000::/3 and still not an address of somebody else: 6to4, Teredo and other protocol assignments, documentation.
_IPV6_SPECIAL = [ip_network(net) for net in ("2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20")]
_IPV4_SPECIAL = [ip_network(net) for net in ("192.88.99.0/24", "192.0.0.0/24")]
_breaker = Breaker()


class Refused(Exception):
    """An address that no webhook may have; nothing was sent."""


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature (Standard Webhooks 1.0, symmetric). `secret` is whsec_ and base64."""
    key = secret.removeprefix("whsec_")
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(b64decode(key + "=" * (-len(key) % 4)), signed, sha256).digest()
    return "v1," + b64encode(digest).decode()


def signed(secret: str, message_id: str, timestamp: int, payload: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    """Headers and body of a message, at `timestamp` in Unix seconds of real time."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "taskmaster-functions",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, message_id, timestamp, body),
    }, body


def is_public(address: str) -> bool:
    """Whether a webhook may go to this address: a unicast one of the public network, however it is written."""
    return _is_public(ip_address(address.partition("%")[0]))


def networks(allowed: Iterable[str]) -> list[Network]:
    return [ip_network(text.strip()) for text in allowed]


def deliver(url: str, secret: str, message_id: str, payload: Mapping[str, Any], *, allowed: Sequence[str]) -> Outcome:
    """POST a message; what came of it. `allowed` are networks beside the public ones, for local runs."""
    host = urlsplit(url).netloc.lower()
    if not _breaker.enter(host):
        return later("too many wait for this host", seconds=5)
    begun = time.monotonic()
    outcome = later("", seconds=None)
    try:
        outcome = _post(url, secret, message_id, payload, networks(allowed))
    finally:
        _breaker.leave(host, slow=time.monotonic() - begun > CONNECT_SECONDS - 1)
    return outcome


def _post(url: str, secret: str, message_id: str, payload: Mapping[str, Any], allowed: Sequence[Network]) -> Outcome:
    import requests

    headers, body = signed(secret, message_id, int(time.time()), payload)  # real time: a receiver checks it
    opened: list[socket.socket] = []
    giving_up = Timer(TOTAL_SECONDS, _hang_up, (opened,))
    giving_up.daemon = True
    giving_up.start()
    try:
        with _session(allowed, opened) as session:
            answer = session.post(
                url,
                data=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            )
            status, retry_after = answer.status_code, answer.headers.get("Retry-After", "")
    except Refused as error:
        return failed(str(error))
    except requests.exceptions.SSLError:
        return later("no TLS connection that holds", seconds=None)
    except requests.RequestException as error:
        return later(type(error).__name__, seconds=None)
    except ValueError as error:  # a host that is none, told by whichever library saw it first
        return failed(f"not an address: {type(error).__name__}")
    finally:
        giving_up.cancel()
    return _classified(status, retry_after)


def _classified(status: int, retry_after: str) -> Outcome:
    detail = f"HTTP {status}"
    if 200 <= status < 300:
        return DELIVERED
    if status >= 500 or status in _RETRYABLE:
        wait = min(float(retry_after), MOST_WAIT) if retry_after.isascii() and retry_after.isdigit() else None
        return later(detail, seconds=wait)
    return failed(f"{detail}: redirects are not followed" if 300 <= status < 400 else detail)


def _is_public(ip: Address) -> bool:
    if isinstance(ip, IPv6Address):
        if ip in _NAT64:
            return _is_public(IPv4Address(int(ip) & 0xFFFF_FFFF))
        return ip in _IPV6_UNICAST and ip.is_global and not any(ip in special for special in _IPV6_SPECIAL)
    special = ip.is_multicast or ip.is_reserved or any(ip in network for network in _IPV4_SPECIAL)
    return ip.is_global and not special


def _connect(host: str, port: int, timeout: Any, *, plain: bool, allowed: Sequence[Network]) -> socket.socket:
    """A connection to one of the host's addresses, all of which are allowed. Raises Refused or OSError."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    for *_, address in found:
        _check(str(address[0]), plain=plain, allowed=allowed)
    error: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout if isinstance(timeout, int | float) else CONNECT_SECONDS)
            connection.connect(address)
            _check(connection.getpeername()[0], plain=plain, allowed=allowed)
        except OSError as failure:
            connection.close()
            error = failure
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise error


def _check(address: str, *, plain: bool, allowed: Sequence[Network]) -> None:
    ip = ip_address(address.partition("%")[0])
    if any(ip in network for network in allowed):
        return
    if not _is_public(ip):
        raise Refused("its address is private, local or special: not a place for webhooks")
    if plain:
        raise Refused("it is plain http: use https")


def _session(allowed: Sequence[Network], opened: list[socket.socket]) -> "requests.Session":
    """A session whose every connection is made by `_connect` and noted in `opened`."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    def connected(connection: HTTPConnection, *, plain: bool) -> socket.socket:
        try:
            made = _connect(connection.host, connection.port, connection.timeout, plain=plain, allowed=allowed)
        except TimeoutError as error:
            raise ConnectTimeoutError(connection, "timed out") from error
        except OSError as error:
            raise NewConnectionError(connection, type(error).__name__) from error
        opened.append(made)
        return made

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connected(self, plain=True)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connected(self, plain=False)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
            super().init_poolmanager(*arguments, **named)
            self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    session = requests.Session()
    session.trust_env = False  # no proxy and no .netrc speaks for a user's webhook
    session.mount("http://", Adapter(max_retries=0))
    session.mount("https://", Adapter(max_retries=0))
    return session


def _hang_up(opened: Iterable[socket.socket]) -> None:
    for connection in list(opened):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue
