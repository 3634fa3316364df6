"""One message to ntfy, Slack or Mattermost: Apprise makes the request, and it is sent as a webhook is.

Apprise sends by `requests.post` of its own: to any address, for as long as a receiver drips, following redirects, with
answers of any size. So its modules here have no `requests` but one that notes the request down (`_noting`), which is
then sent under the rules and the deadline of webhooks. A plug-in that asks for anything else of `requests` finds
nothing there, and its channel has failed. No URL of a user's reaches Apprise: `domain.apprise_url` reads it.
"""

import logging
import threading
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import quote

from taskmaster.domain.apprise_url import AppriseAddress, apprise_address
from taskmaster.domain.channels import webhook_address
from taskmaster.domain.outcome import Outcome, failed
from taskmaster.errors import TaskmasterError
from taskmaster.outbound import http_session
from taskmaster.outbound.deadline import Deadline
from taskmaster.reminding import webhook

NOT_INSTALLED = "these functions have no Apprise: install taskmaster-functions[apprise], or an image with it"
# Characters: together within the 8,000 bytes of JSON that ntfy takes as a message, of whatever script they are.
LONGEST_TITLE, LONGEST_TEXT = 200, 400
_PORTS = {"http": 80, "https": 443}

_loading = threading.Lock()
_noted = threading.local()  # a call has a thread of its own


class _Request(NamedTuple):
    url: str
    headers: Mapping[str, str]
    body: bytes


class UnexpectedRequest(TaskmasterError):
    """Apprise wants to send what is not the one message. Nothing is sent."""


@cache
def is_installed() -> bool:
    """Whether the extra `apprise` is there."""
    return find_spec("apprise") is not None


def send(url: str, title: str, text: str, *, deadline: Deadline, allowed: Sequence[str]) -> Outcome:
    """Send a message to a URL of Apprise, as `webhook.post_guarded` does. The end of a long text is left out."""
    try:
        address = apprise_address(url)
    except ValueError as error:  # stored by another version
        return failed(f"set this channel anew: its address {error}")
    if not is_installed():
        return failed(NOT_INSTALLED)
    try:
        request = _request(address, _cut(title, LONGEST_TITLE), _cut(text, LONGEST_TEXT))
        receiver = webhook_address(request.url)
    except (ValueError, UnexpectedRequest):
        return failed("Apprise makes no request of it that can be sent")
    if (receiver.scheme, receiver.host, receiver.port) != (address.scheme, address.host, address.port):
        return failed("Apprise would send it elsewhere")
    return webhook.post_guarded(receiver, request.headers, request.body, deadline=deadline, allowed=allowed)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _request(address: AppriseAddress, title: str, text: str) -> _Request:
    """The request that Apprise would send. Raises UnexpectedRequest where it is none, or more than one."""
    noted: list[_Request | None] = []
    _noted.requests = noted
    try:
        _plugin(address).notify(body=text, title=title, body_format="text")
    finally:
        del _noted.requests
    if len(noted) != 1 or noted[0] is None:
        raise UnexpectedRequest
    return noted[0]


def _plugin(address: AppriseAddress) -> Any:
    modules = _modules()
    host = f"[{address.host}]" if ":" in address.host else address.host
    port = None if address.port == _PORTS[address.scheme] else address.port
    place = {"host": host, "port": port, "secure": address.scheme == "https"}
    common = {"include_image": False, "asset": modules.asset}
    match address.service:
        case "ntfy" | "ntfys":
            login = {"user": quote(address.user), "password": quote(address.password)}  # it decodes both
            how = {"auth": "token", "token": address.access_token} if address.access_token else {"auth": "basic"}
            return modules.ntfy.NotifyNtfy(
                targets=list(address.parts), mode="private", **place, **login, **how, **common
            )
        case "slack":
            tokens = dict(zip(("token_a", "token_b", "token_c"), address.parts, strict=True))
            return modules.slack.NotifySlack(**tokens, include_footer=False, **common)
        case "mmost" | "mmosts":
            return modules.mattermost.NotifyMattermost(token=address.parts[0], **place, **common)


@cache
def _modules() -> SimpleNamespace:
    """Apprise's modules of the services in the list, with a `requests` that sends nothing, and without their log."""
    http_session.load()
    with _loading:  # they import each other, and another thread may find half of one
        from apprise import AppriseAsset
        from apprise.common import PersistentStoreMode
        from apprise.plugins import mattermost, ntfy, slack

        logging.getLogger("apprise").disabled = True  # it quotes addresses, tokens and messages
        for module in (mattermost, ntfy, slack):
            vars(module)["requests"] = _noting()
        asset = AppriseAsset(
            app_id="taskmaster-functions", storage_mode=PersistentStoreMode.MEMORY, http_redirects=False
        )
        return SimpleNamespace(asset=asset, mattermost=mattermost, ntfy=ntfy, slack=slack)


def _noting() -> SimpleNamespace:
    """What Apprise's modules have in place of requests."""
    import requests

    def note(method: str, url: str, *, data: Any, headers: Mapping[str, str], **named: Any) -> Any:
        is_message = method == "post" and isinstance(data, str) and not named.get("params") and not named.get("files")
        auth = named.get("auth")
        login = {"Authorization": "Basic " + b64encode(":".join(auth).encode()).decode()} if auth else {}
        _noted.requests.append(_Request(url, {**headers, **login}, data.encode()) if is_message else None)
        return SimpleNamespace(status_code=requests.codes.ok, content=b"ok", headers={})

    return SimpleNamespace(
        post=lambda url, **named: note("post", url, **named),
        request=note,
        codes=requests.codes,
        RequestException=requests.RequestException,
    )
