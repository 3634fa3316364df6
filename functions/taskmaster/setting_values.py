"""What the value of a setting may be: types of the fields of Settings, each with its check and what to write then."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Json, SecretStr
from pydantic_core import from_json

from taskmaster.domain.channels import mail_address
from taskmaster.trusted_hosts import may_serve_keys

Words = Annotated[
    tuple[str, ...], BeforeValidator(lambda text: tuple(filter(None, map(str.strip, text.split(",")))) if text else ())
]


_TOPIC_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}  # what only whoever signs may know (RFC 7518, 6)


def _https_or_inside(url: str) -> str:
    if url and not may_serve_keys(url):
        raise ValueError("it must be an https address; http is for this machine and the cluster's inside alone")
    return url


def _public_keys(text: str) -> str:
    try:
        keys = from_json(text or '{"keys": [{}]}')["keys"]
        named = [set(key) for key in keys]
    except (ValueError, KeyError, TypeError):
        raise ValueError('it must be a JWK set: {"keys": [...]}') from None
    if any(names & _PRIVATE for names in named):
        raise ValueError("it holds a private key: give the public half, as `taskmaster keys show` prints it")
    if not named:
        raise ValueError("it holds no key")
    return text


def _address_of_mcp(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path != "/mcp" or "?" in url):
        raise ValueError("it must be an address that ends in /mcp, such as https://tasks.example.com/mcp")
    return url


def _topic_names(topics: dict[str, str]) -> dict[str, str]:
    """Kafka's own rule. A source's name of a topic becomes an attribute of what it reads there."""
    for wrong in (name for name in topics.values() if not _TOPIC_NAME.fullmatch(name)):
        raise ValueError(f"{wrong[:64]!a} is no name of a topic: 1 to 249 letters, digits, dots, hyphens, underscores")
    return topics


def _server(*schemes: str, said: str) -> AfterValidator:
    """A server's address by one of these schemes, which may hold a password; else it must be as `said`."""

    def check(url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            usable = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if url and not usable:
            raise ValueError(f"it must be {said}")
        return url

    return AfterValidator(check)


def _address_of_daprd(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        usable = False
    if url and not (usable and parts.path in ("", "/") and not parts.query and not parts.fragment):
        raise ValueError("it must be http://host:port, such as http://taskmaster-bridge:3500")
    return url.rstrip("/")


def _sender(text: str) -> str:
    from email.utils import parseaddr

    if text:
        mail_address(parseaddr(text)[1])
    if not text.isprintable():
        raise ValueError("it must be one line")
    return text


KeysUrl = Annotated[str, AfterValidator(_https_or_inside)]
PublicKeys = Annotated[str, AfterValidator(_public_keys)]
McpUrl = Annotated[str, AfterValidator(_address_of_mcp)]
TopicNames = Annotated[Json[dict[str, str]], AfterValidator(_topic_names)]
MailServer = Annotated[
    SecretStr,
    _server("smtp", "smtps", said="smtp://user:password@host:587 or smtps://..., user and password percent-encoded"),
]
Sender = Annotated[str, AfterValidator(_sender)]
DaprdUrl = Annotated[str, AfterValidator(_address_of_daprd)]
RedisUrl = Annotated[
    SecretStr, _server("redis", "rediss", said="redis://user:password@host:6379/0 or rediss://..., percent-encoded")
]
