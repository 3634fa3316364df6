"""What a channel of a user is reached by: the address of a webhook, its signing key, a mail address. Pure.

Each is read by one parser, where it is set and again where it is used: there a value that an earlier release accepted
may be refused, instead of being handed to a protocol. Every text is a user's, and goes into HTTP, TLS, DNS or SMTP.
"""

import binascii
import re
from base64 import b64decode
from typing import NamedTuple

LONGEST_URL = 2000
LONGEST_ADDRESS = 254  # octets of a path without its brackets (RFC 5321, 4.5.3.1.3)
_LONGEST_LOCAL_PART = 64  # octets (RFC 5321, 4.5.3.1.1)
_LONGEST_HOST = 253
_KEY_BYTES = (24, 64)  # Standard Webhooks, symmetric keys

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(:(?P<port>[0-9]{0,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_MAIL_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
# No control, no space and none of RFC 5322's specials; a letter beyond ASCII is for SMTPUTF8 (RFC 6531). A question
# mark is an atom's too, but no mailbox has one, and with it goes every encoded word (RFC 2047).
_NOT_IN_AN_ATOM = re.compile(
    r'[\x00-\x20\x7f-\xa0()<>\[\]:;@\\,."?\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]'
)
# What a request line may hold as it is. All else that prints is percent-encoded on its way (RFC 3986, 2.1).
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%[]")


class WebhookAddress(NamedTuple):
    """A webhook's address in its parts: the host without brackets or a last dot, in small letters."""

    scheme: str
    host: str
    port: int
    target: str  # path and query, as the request line has them

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"http": 80, "https": 443}[self.scheme]
        return f"{self.scheme}://{host}{'' if self.port == default else f':{self.port}'}{self.target}"


def webhook_address(url: str) -> WebhookAddress:
    """Read the address of a webhook (RFC 3986). Raises ValueError with a sentence for what cannot be called."""
    if len(url) > LONGEST_URL:
        raise ValueError(f"must have at most {LONGEST_URL} characters")
    if not url.isascii():
        raise ValueError("must be ASCII: write its host as IDNA has it (xn--...), and percent-encode the rest")
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("must hold no space, control character or backslash: percent-encode them")
    found = _URL.fullmatch(url.partition("#")[0])
    if found is None:
        raise ValueError("must be an https address, such as https://example.com/reminders")
    if "@" in found["authority"] or "#" in url:
        raise ValueError("must hold neither a user, a password nor a fragment")
    place = _AUTHORITY.fullmatch(found["authority"])
    port = int((place and place["port"]) or {"http": 80, "https": 443}[found["scheme"].lower()])
    if place is None or not 0 < port < 65_536:
        raise ValueError("must have a host, and a port from 1 to 65535 or none")
    target = (found["path"] or "/") + (found["query"] or "")
    return WebhookAddress(found["scheme"].lower(), _host(place["host"]), port, _encoded(target))


def signing_key(secret: str) -> bytes:
    """The bytes of a webhook's secret: whsec_ and base64. Raises ValueError with a sentence for what is no key."""
    wanted = "must be whsec_ and 24 to 64 bytes in base64, as Standard Webhooks has it"
    if not secret.startswith("whsec_") or not secret.isascii():
        raise ValueError(wanted)
    text = secret.removeprefix("whsec_")
    digits = text.rstrip("=")
    padding = "=" * (-len(digits) % 4)
    if text not in (digits, digits + padding):
        raise ValueError(f"{wanted}: its padding is wrong")
    try:
        key = b64decode(digits + padding, validate=True)
    except binascii.Error:
        raise ValueError(f"{wanted}: this is no base64") from None
    if not _KEY_BYTES[0] <= len(key) <= _KEY_BYTES[1]:
        raise ValueError(f"{wanted}: these are {len(key)}")
    return key


def mail_address(address: str) -> str:
    """The mail address itself: a dot-atom and a host (RFC 5322, 3.4.1). Raises ValueError with a sentence for others.

    Quoted local parts and address literals are refused: hardly used, and quoted differently by each protocol.
    """
    wanted = "must be a mail address, such as ada@example.com"
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise ValueError(wanted)
    if len(address.encode()) > LONGEST_ADDRESS or len(local.encode()) > _LONGEST_LOCAL_PART:
        raise ValueError(
            f"{wanted}, with at most {_LONGEST_LOCAL_PART} bytes before the @ and {LONGEST_ADDRESS} in all"
        )
    if any(not atom or _NOT_IN_AN_ATOM.search(atom) or not atom.isprintable() for atom in local.split(".")):
        raise ValueError(f"{wanted}: before the @ are letters, digits and signs, with single dots between them")
    labels = domain.split(".")
    if not all(_MAIL_LABEL.fullmatch(label) for label in labels) or _NUMBER.fullmatch(labels[-1]):
        raise ValueError(f"{wanted}: behind the @ is the name of a host, without a dot at its end")
    return address


def _host(host: str) -> str:
    """A host name or an address, in small letters. Raises ValueError."""
    from ipaddress import AddressValueError, IPv4Address, IPv6Address

    if host.startswith("["):
        try:
            return str(IPv6Address(host[1:-1]))
        except AddressValueError:
            raise ValueError("must have a host: what stands in its brackets is no IPv6 address") from None
    name = host.removesuffix(".").lower()
    labels = name.split(".")
    if not name or len(name) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            "must have a host: a name of letters, digits and hyphens with dots between them, or an address"
        )
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(name))
        except AddressValueError:
            raise ValueError("must have a host: an IPv4 address is four decimal numbers") from None
    return name


def _encoded(target: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in target.encode())
