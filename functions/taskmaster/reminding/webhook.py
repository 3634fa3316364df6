"""One signed POST to an address that a user chose: Standard Webhooks, and never into a network of ours.

Every address behind the host is checked, and it is these addresses that are connected to, so that no second answer of
a name server leads elsewhere. Redirects are not followed, proxies not used, and the body of an answer is not read.
"""

import hmac
import json
import socket
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from taskmaster.domain.channels import WebhookAddress, signing_key, webhook_address
from taskmaster.domain.outcome import DELIVERED, Outcome, failed, later
from taskmaster.errors import TaskmasterError
from taskmaster.outbound import http_session
from taskmaster.outbound.deadline import CONNECT_SECONDS, Deadline
from taskmaster.telemetry import spans
from taskmaster.telemetry.trace_context import TraceContext

if TYPE_CHECKING:
    import requests

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

READ_SECONDS = 7.0
TOTAL_SECONDS = 12.0  # from resolving the name to the head of the answer
MOST_WAIT = 3600.0  # seconds of a Retry-After, at most
LEAST_WAIT = 1.0

_RETRYABLE = (408, 425, 429)
_IPV6_UNICAST = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")
# Inside 2000::/3 and still not an address of somebody else: 6to4, Teredo and other protocol assignments, documentation.
_IPV6_SPECIAL = [ip_network(net) for net in ("2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20")]
_IPV4_SPECIAL = [ip_network(net) for net in ("192.88.99.0/24", "192.0.0.0/24")]
# The three forms of a date that a recipient must read (RFC 9110, 5.6.7).
_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")
_authorities = ""  # the public ones


class ForbiddenAddress(TaskmasterError):
    """An address to which no webhook is sent. Nothing was sent."""


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature (Standard Webhooks 1.0, symmetric). Raises ValueError where `secret` is no key."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.new(signing_key(secret), signed, sha256).digest()).decode()


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


def is_public(ip: Address) -> bool:
    """Whether a webhook may be sent to this address: a unicast one of the public network."""
    if isinstance(ip, IPv6Address):
        if ip in _NAT64:
            return is_public(IPv4Address(int(ip) & 0xFFFF_FFFF))
        return ip in _IPV6_UNICAST and ip.is_global and not any(ip in special for special in _IPV6_SPECIAL)
    special = ip.is_multicast or ip.is_reserved or any(ip in network for network in _IPV4_SPECIAL)
    return ip.is_global and not special


def networks(allowed: Iterable[str]) -> list[Network]:
    return [ip_network(text.strip()) for text in allowed]


def post(
    url: str,
    secret: str,
    message_id: str,
    payload: Mapping[str, Any],
    *,
    deadline: Deadline,
    allowed: Sequence[str],
    trace: TraceContext | None = None,
) -> Outcome:
    """POST a message under a deadline. `allowed` are networks beside the public ones, for a laptop.

    The receiver is told of `trace` by W3C Trace Context.
    """
    try:
        address = webhook_address(url)
        headers, body = signed(secret, message_id, int(time.time()), payload)  # real time: a receiver checks it
    except ValueError as error:  # stored by an older version
        return failed(f"set this channel anew: its address or secret {error}")
    headers.update(trace.headers() if trace else {})
    return post_guarded(address, headers, body, deadline=deadline, allowed=allowed)


def post_guarded(
    address: WebhookAddress, headers: Mapping[str, str], body: bytes, *, deadline: Deadline, allowed: Sequence[str]
) -> Outcome:
    """POST these bytes to an address that a user chose, whatever protocol they are of, and read the answer's head."""
    http_session.load()
    import requests

    try:
        with (
            _session(deadline, networks(allowed)) as session,
            session.post(
                address.url,
                data=body,
                headers=dict(headers),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            spans.note({"http.response.status_code": answer.status_code})
            return _classified(answer.status_code, answer.headers.get("Retry-After", ""))
    except ForbiddenAddress as error:
        return failed(str(error))
    except requests.exceptions.SSLError:
        return later("no TLS connection that holds", seconds=None)
    except requests.RequestException as error:
        return later(type(error).__name__, seconds=None)
    except ValueError as error:  # no valid host; which library says so depends on its form
        return failed(f"not an address: {type(error).__name__}")


def _session(deadline: Deadline, allowed: Sequence[Network]) -> "requests.Session":
    def connect(host: str, port: int, tls: bool) -> socket.socket:
        return deadline.connect(host, port, check=lambda address: _check(address, plain=not tls, allowed=allowed))

    session = http_session.session(deadline, connect=connect, ssl_context=http_session.trusting(_authorities))
    session.trust_env = False  # no proxy and no .netrc for a user's webhook
    return session


def _classified(status: int, retry_after: str) -> Outcome:
    detail = f"HTTP {status}"
    if 200 <= status < 300:
        return DELIVERED
    if status >= 500 or status in _RETRYABLE:
        return later(detail, seconds=_wait(retry_after, now=datetime.now(UTC)))
    return failed(f"{detail}: redirects are not followed" if 300 <= status < 400 else detail)


def _wait(retry_after: str, *, now: datetime) -> float | None:
    """Seconds that a Retry-After asks for, as a number of them or as a date (RFC 9110, 10.2.3), within our bounds.

    None where it says neither. `now` is real time: a receiver's dates know nothing of ours.
    """
    text = retry_after.strip(" \t")
    if text.isascii() and text.isdigit():
        return min(max(float(text[:20]), LEAST_WAIT), MOST_WAIT)
    moment = _date(text, now=now)
    return None if moment is None else min(max((moment - now).total_seconds(), LEAST_WAIT), MOST_WAIT)


def _date(text: str, *, now: datetime) -> datetime | None:
    for form in _DATES:
        try:
            moment = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        if "%y" in form and moment.year > now.year + 50:  # two digits mean the past then (RFC 9110, 5.6.7)
            moment = moment.replace(year=moment.year - 100)
        return moment
    return None


def _check(address: str, *, plain: bool, allowed: Sequence[Network]) -> None:
    ip = ip_address(address.partition("%")[0])
    if any(ip in network for network in allowed):
        return
    if not is_public(ip):
        raise ForbiddenAddress("its address is private, local or special: not a place for webhooks")
    if plain:
        raise ForbiddenAddress("it is plain http: use https")
