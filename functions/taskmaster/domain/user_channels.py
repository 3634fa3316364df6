"""The channels of a user: a webhook, a mail address, a service by Apprise. Pure.

What is secret of one is stored and never shown: the secret of a webhook, and the whole URL of Apprise, where a topic or
a token is all that an attacker needs.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from taskmaster.domain.apprise_url import SERVICES, apprise_address
from taskmaster.domain.channels import LONGEST_ADDRESS, LONGEST_URL, mail_address, signing_key, webhook_address
from taskmaster.domain.task import FrozenModel, Refused


def _usable(read: Callable[[str], object]) -> AfterValidator:
    """Refuse a text that `read` cannot read, in its words; the text itself is kept as it was written."""

    def check(text: str) -> str:
        read(text)
        return text

    return AfterValidator(check)


# Patterns that mean the same in every dialect of regular expressions: what \s stands for is another set in each. They
# are the rough ones of the released schemas; the modules channels and apprise_url have the rules.
_APART = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_MAIL_ADDRESS = rf"^[^{_APART}@<>()\[\],;:\\\"]{{1,64}}@[A-Za-z0-9.-]{{1,190}}$"
_KEY = "^whsec_[A-Za-z0-9+/]{32,88}={0,2}$"
_NAME = f"^({'|'.join(SERVICES)}|apprise)-[0-9a-f]{{12}}$"

WebhookUrl = Annotated[
    str, Field(max_length=LONGEST_URL, json_schema_extra={"format": "uri"}), _usable(webhook_address)
]
Secret = Annotated[str, Field(json_schema_extra={"pattern": _KEY}), _usable(signing_key)]
MailAddress = Annotated[
    str,
    Field(max_length=LONGEST_ADDRESS, json_schema_extra={"pattern": _MAIL_ADDRESS}),
    _usable(mail_address),
]
AppriseUrl = Annotated[
    str, Field(max_length=LONGEST_URL, json_schema_extra={"format": "uri"}), _usable(apprise_address)
]


class Webhook(FrozenModel):
    """Reminders are POSTed there, signed with the secret by Standard Webhooks."""

    type: Literal["webhook"]
    url: WebhookUrl
    secret: Secret | None = Field(
        default=None, description="whsec_ and 24 to 64 bytes in base64; absent: the one that is kept for this url"
    )

    @property
    def target(self) -> str:
        return self.url


class Mail(FrozenModel):
    """Reminders are mailed there."""

    type: Literal["mail"]
    address: MailAddress

    @property
    def target(self) -> str:
        return self.address


class Apprise(FrozenModel):
    """Reminders are sent there by Apprise: ntfy, Slack, Mattermost. The url is a secret as a whole."""

    type: Literal["apprise"]
    url: AppriseUrl | None = Field(
        default=None, description=f"of {', '.join(SERVICES)}; absent: the one that is kept under this name"
    )
    name: Annotated[str, Field(pattern=_NAME)] | None = Field(
        default=None, description="what is shown in place of the url, and what its outcomes are told under"
    )

    @property
    def target(self) -> str:
        try:
            return apprise_address(self.url or "").target
        except ValueError:  # stored under other rules
            return self.url or ""


AnyChannel = Webhook | Mail | Apprise
Channel = Annotated[AnyChannel, Field(discriminator="type")]
_MODELS: dict[str, type[AnyChannel]] = {"webhook": Webhook, "mail": Mail, "apprise": Apprise}


class ShownWebhook(FrozenModel):
    """A webhook without its secret."""

    type: Literal["webhook"] = "webhook"
    url: str


class ShownApprise(FrozenModel):
    """A channel by Apprise without its url."""

    type: Literal["apprise"] = "apprise"
    name: str


ShownChannel = Annotated[ShownWebhook | Mail | ShownApprise, Field(discriminator="type")]


def name_of(channel: AnyChannel) -> str:
    """The name of a channel in outcomes: its type or service, and a digest of its address."""
    kind: str = channel.type
    if isinstance(channel, Apprise):
        service = (channel.url or "").partition("://")[0].lower()
        kind = service if service in SERVICES else kind
    return f"{kind}-{hashlib.sha256(channel.target.encode()).hexdigest()[:12]}"


def stored(row: dict[str, Any]) -> AnyChannel:
    """A channel as it was stored. It is not checked again: it was checked when it was set."""
    return _MODELS[row["type"]].model_construct(**row)


def shown(channel: AnyChannel) -> ShownWebhook | Mail | ShownApprise:
    """A channel as its owner sees it: without what is secret of it."""
    if isinstance(channel, Webhook):
        return ShownWebhook(url=channel.url)
    return ShownApprise(name=name_of(channel)) if isinstance(channel, Apprise) else channel


def completed(channels: Sequence[AnyChannel], kept: Sequence[AnyChannel]) -> list[AnyChannel]:
    """The channels that were asked for, with the secrets of those that are kept. Refused (422) where one is missing."""
    secrets = {channel.url: channel.secret for channel in kept if isinstance(channel, Webhook)}
    by_name = {name_of(channel): channel for channel in kept if isinstance(channel, Apprise)}
    whole = [_with_secret(channel, secrets, by_name) for channel in channels]
    if len({channel.target for channel in whole}) < len(whole):
        raise Refused(422, "The same channel twice", "Each address may be given once.")
    return whole


def _with_secret(channel: AnyChannel, secrets: dict[str, str | None], by_name: dict[str, Apprise]) -> AnyChannel:
    if isinstance(channel, Mail):
        return channel
    if isinstance(channel, Apprise):
        if channel.url:
            return channel.model_copy(update={"name": None})
        if channel.name in by_name:
            return by_name[channel.name]
        raise Refused(422, "A URL is missing", "A new channel by Apprise needs its url; no such one is kept.")
    if channel.secret:
        return channel
    secret = secrets.get(channel.url)
    try:
        signing_key(secret or "")
    except ValueError:
        raise Refused(
            422,
            "A secret is missing",
            "A new webhook needs a secret, and so does one whose kept secret is no key: whsec_ and 24 to 64 bytes in"
            " base64.",
        ) from None
    return channel.model_copy(update={"secret": secret})
