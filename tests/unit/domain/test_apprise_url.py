"""URLs of Apprise: of a closed list of services, one form each, and refused in words that quote nothing of a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from taskmaster.domain.apprise_url import SERVICES, apprise_address
from taskmaster.domain.channels import webhook_address
from taskmaster.domain.task import Refused
from taskmaster.domain.user_channels import AnyChannel, Apprise, Channel, completed, name_of, shown

TAKEN = [
    ("ntfys://ntfy.sh/ada-1", "ntfys://ntfy.sh:443/ada-1"),
    ("NTFYS://NTFY.sh./ada-1/", "ntfys://ntfy.sh:443/ada-1"),
    ("ntfys://ntfy.example.com:8443/ada_1", "ntfys://ntfy.example.com:8443/ada_1"),
    ("ntfy://127.0.0.1:8080/ada", "ntfy://127.0.0.1:8080/ada"),
    ("ntfys://[2606:4700::1111]/ada", "ntfys://2606:4700::1111:443/ada"),
    ("ntfys://tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2@ntfy.sh/ada", "ntfys://ntfy.sh:443/ada"),
    ("ntfys://ada:p%40ss@ntfy.sh/ada", "ntfys://ntfy.sh:443/ada"),
    ("slack://T1JJ3T3L2/B4QQ7QQ/xoTgq23L", "slack://hooks.slack.com:443/T1JJ3T3L2/B4QQ7QQ/xoTgq23L"),
    ("mmosts://mattermost.example.com/3ccdd113474722377935511fc85d3dd4",
     "mmosts://mattermost.example.com:443/3ccdd113474722377935511fc85d3dd4"),
    ("mmost://localhost:8065/token", "mmost://localhost:8065/token"),
]  # fmt: skip
REFUSED = [
    "", "ntfys", "ntfys:/ntfy.sh/x", "https://ntfy.sh/ada", "file:///etc/passwd", "json://example.com/",
    "mailto://a:b@c", "discord://1/2", "matrixs://u:p@example.com/#r", "script://x", "windows://", "dbus://",
    "syslog://", " ntfys://ntfy.sh/x", "ntfys://topic", "ntfys://ntfy.sh/", "ntfys://ntfy.sh/a/b",
    "ntfys://ntfy.sh//a", "ntfys://ntfy.sh/a,b", "ntfys:///a", "ntfys://ntfy.sh/a?attach=file:///etc/passwd",
    "ntfys://ntfy.sh/a?verify=no", "ntfys://ntfy.sh/a?", "ntfys://ntfy.sh/a#b", "ntfys://ntfy.sh/%61",
    "ntfys://ntfy.sh/\u00fc", "ntfys://ntfy.sh/a b", "ntfys://ntfy.sh/a\n", "ntfys://ntfy.sh\\@x/a",
    "ntfys://@ntfy.sh/a", "ntfys://ada@ntfy.sh/a", "ntfys://:p@ntfy.sh/a", "ntfys://ada:@ntfy.sh/a",
    "ntfys://tk_@ntfy.sh/a", "ntfys://a:b/c@ntfy.sh/a", "ntfys://a:%0d%0a@ntfy.sh/a",
    "ntfys://ntfy.sh/a@127.0.0.1/b", f"ntfys://a:{'x' * 201}@ntfy.sh/a", "ntfys://ntfy.sh:0/a",
    "ntfys://ntfy.sh:99999/a", "ntfys://0x7f.1/a", "ntfys://127.1/a", f"ntfys://ntfy.sh/{'a' * 65}",
    f"ntfys://ntfy.sh/{'a' * 2000}", "slack://xoxb-1234-1234-abc/#general", "slack://T1/B2",
    "slack://T1/B2/x3/#general", "slack://T1/B2/x3?template=/etc/passwd", "slack://bot@T1/B2/x3",
    "slack://T1/B2/../x3", "slack://T1/B%32/x3", "slacks://T1/B2/x3", "mmosts://mattermost.example.com/",
    "mmosts://mattermost.example.com/path/token", "mmosts://bot@mattermost.example.com/token",
    "mmosts://mattermost.example.com/token?mode=bot",
]  # fmt: skip


@pytest.mark.parametrize(("url", "target"), TAKEN)
def test_one_form_of_each_service_is_taken(url: str, target: str) -> None:
    assert apprise_address(url).target == target


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_not_in_the_list_or_not_of_its_form_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        apprise_address(url)
    with pytest.raises(ValidationError):
        TypeAdapter[AnyChannel](Channel).validate_python({"type": "apprise", "url": url})


def test_a_login_is_read_and_tells_no_channels_apart() -> None:
    read = apprise_address("ntfys://a%20b:p%2Fw%3A@ntfy.sh/ada")
    assert (read.user, read.password, read.access_token) == ("a b", "p/w:", "")
    other = apprise_address("ntfys://tk_abc@ntfy.sh/ada")
    assert (other.access_token, other.target) == ("tk_abc", read.target)


@given(
    st.sampled_from(SERVICES),
    st.text(st.characters(codec="ascii"), max_size=40) | st.from_regex(r"[a-z@:/.%0-9]{0,30}", fullmatch=True),
)
def test_nothing_but_a_host_of_webhooks_is_ever_called(service: str, rest: str) -> None:
    try:
        read = apprise_address(f"{service}://{rest}")
    except ValueError:
        return
    host = f"[{read.host}]" if ":" in read.host else read.host
    assert webhook_address(f"{read.scheme}://{host}:{read.port}/").host == read.host
    assert all(part and not set(part) & set("/?#%@:,") for part in read.parts)


# As channels ----------------------------------------------------------------------------------------------------------

NTFY = Apprise(type="apprise", url="ntfys://tk_secret@ntfy.sh/ada")
SLACK = Apprise(type="apprise", url="slack://T1/B2/x3")


def test_only_the_name_is_shown_and_says_the_service() -> None:
    seen = [shown(each).model_dump() for each in (NTFY, SLACK)]
    assert [each["name"].partition("-")[0] for each in seen] == ["ntfys", "slack"]
    assert not any(secret in str(seen) for secret in ("tk_secret", "ada", "T1", "x3"))


def test_what_is_shown_keeps_what_is_stored() -> None:
    put_back = [Apprise(type="apprise", name=name_of(each)) for each in (SLACK, NTFY)]
    assert completed(put_back, [NTFY, SLACK]) == [SLACK, NTFY]


def test_another_login_is_the_same_channel() -> None:
    renewed = Apprise(type="apprise", url="ntfys://tk_other@ntfy.sh/ada", name=name_of(NTFY))
    assert completed([renewed], [NTFY]) == [Apprise(type="apprise", url=renewed.url)]
    assert name_of(renewed) == name_of(NTFY)
    with pytest.raises(Refused, match="Each address may be given once"):
        completed([renewed, NTFY], [])
    with pytest.raises(Refused, match="Each address may be given once"):
        completed([renewed, Apprise(type="apprise", name=name_of(NTFY))], [NTFY])


@pytest.mark.parametrize("channel", [Apprise(type="apprise"), Apprise(type="apprise", name="slack-0123456789ab")])
def test_a_channel_without_its_url_that_is_not_kept_is_refused(channel: Apprise) -> None:
    with pytest.raises(Refused, match="needs its url"):
        completed([channel], [NTFY])


def test_one_that_was_stored_by_other_rules_can_be_shown_and_put_back() -> None:
    old = Apprise.model_construct(type="apprise", url="pigeon://coop/7", name=None)
    name = shown(old).model_dump()["name"]
    assert name.startswith("apprise-")
    assert completed([Apprise(type="apprise", name=name)], [old]) == [old]
