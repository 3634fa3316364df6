"""Where a channel by Apprise leads: a URL as Apprise has them, of a closed list of services and of one form each. Pure.

Apprise knows a hundred services, and its URLs have parameters that read a file, ask another server or trust anybody.
So its own parser never sees a user's text: this one reads it, where a channel is set and again where it is used.
"""

import re
from typing import Literal, NamedTuple, cast, get_args
from urllib.parse import unquote

from taskmaster.domain.channels import LONGEST_URL, webhook_address

Service = Literal["ntfy", "ntfys", "slack", "mmost", "mmosts"]
SERVICES: tuple[Service, ...] = get_args(Service)

_FORMS = {
    "ntfy": "ntfy://host/topic",
    "ntfys": "ntfys://ntfy.sh/my-topic",
    "slack": "slack://T.../B.../...",
    "mmost": "mmost://host/token",
    "mmosts": "mmosts://mattermost.example.com/token",
}
_SLACK = "hooks.slack.com"
_MOST_OF_A_LOGIN = 200
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
_TOKEN = re.compile(r"[A-Za-z0-9]{1,64}")
_ACCESS_TOKEN = re.compile(r"tk_[A-Za-z0-9]{1,64}")


class AppriseAddress(NamedTuple):
    """An address in its parts: whom it calls, as what, and what is told apart there (a topic, or tokens)."""

    service: Service
    host: str
    port: int
    parts: tuple[str, ...]
    user: str = ""
    password: str = ""
    access_token: str = ""

    @property
    def scheme(self) -> Literal["http", "https"]:
        return "http" if self.service in ("ntfy", "mmost") else "https"

    @property
    def target(self) -> str:
        """What tells it from others: without a login, and in one form however it was written."""
        return f"{self.service}://{self.host}:{self.port}/{'/'.join(self.parts)}"


def apprise_address(url: str) -> AppriseAddress:
    """Read a URL of Apprise. Raises ValueError with a sentence for what is not in the list, or not of its form."""
    scheme, separator, rest = url.partition("://")
    if len(url) > LONGEST_URL:
        raise ValueError(f"must have at most {LONGEST_URL} characters")
    if not separator or scheme.lower() not in SERVICES:
        raise ValueError(f"must be of one of these services: {', '.join(f'{each}://' for each in SERVICES)}")
    service = cast(Service, scheme.lower())
    if not url.isascii() or not url.isprintable() or set(url) & set(" \\?#"):
        raise ValueError(
            "must be ASCII, without a space, backslash, fragment or parameters: none of Apprise's parameters are taken"
        )
    if service == "slack":
        return AppriseAddress(service, _SLACK, 443, _matching(rest.removesuffix("/").split("/"), [_TOKEN] * 3, service))
    login, at, place = rest.rpartition("@")
    read = webhook_address(f"{'http' if service in ('ntfy', 'mmost') else 'https'}://{place}")
    path = read.target.removeprefix("/").removesuffix("/").split("/")
    if service in ("mmost", "mmosts"):
        if at:
            raise ValueError("must hold neither a user nor a password: Mattermost's token is all it needs")
        return AppriseAddress(service, read.host, read.port, _matching(path, [_TOKEN], service))
    topic = _matching(path, [_TOPIC], service)
    return AppriseAddress(service, read.host, read.port, topic, *(_login(login) if at else ()))


def _matching(parts: list[str], patterns: list[re.Pattern[str]], service: Service) -> tuple[str, ...]:
    matching = len(parts) == len(patterns) and all(map(re.Pattern.fullmatch, patterns, parts))
    if not matching:
        raise ValueError(f"must have the form {_FORMS[service]}, with nothing behind it")
    return tuple(parts)


def _login(text: str) -> tuple[str, str, str]:
    """User, password and access token of ntfy: the last, or the first two, percent-encoded (RFC 3986, 3.2.1)."""
    if _ACCESS_TOKEN.fullmatch(text):
        return "", "", text
    user, colon, password = (unquote(part) for part in text.partition(":"))
    usable = user and password and colon and "/" not in text and (user + password).isprintable()
    if not usable or max(len(user), len(password)) > _MOST_OF_A_LOGIN:
        raise ValueError("must have an access token (tk_...) or user:password before its @, or nothing and no @")
    return user, password, ""
