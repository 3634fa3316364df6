"""What a user prefers: shown without secrets, and followed by the tasks that say nothing else."""

from typing import Any

import pytest

from taskmaster.reminding import apprise_channel
from tests.support.assistant import Assistant
from tests.support.function_pack import Pack

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK = {"type": "webhook", "url": "https://example.com/reminders", "secret": SECRET}


def test_defaults_hold_for_whoever_set_nothing(pack: Pack) -> None:
    assert pack.call("set-preferences", "GET", "/preferences").json == {
        "time_zone": "UTC", "day_hour": "09:00", "reminders": None, "quiet_hours": None, "channels": [],
    }  # fmt: skip


def test_a_task_without_a_zone_takes_the_users(pack: Pack) -> None:
    pack.prefer(time_zone="Europe/Zurich")
    assert pack.create()["time_zone"] == "Europe/Zurich"
    task = pack.create(time_zone="Asia/Tokyo")
    assert task["time_zone"] == "Asia/Tokyo"
    assert pack.update(task, time_zone=None)["time_zone"] == "Europe/Zurich"


def test_a_task_without_reminders_takes_the_users(pack: Pack) -> None:
    pack.prefer(reminders=["PT15M", "p1d", "P1D"])
    task = pack.create(due_at="2090-11-24T09:00:00Z")
    assert task["reminders"] == ["PT15M", "P1D"]
    assert pack.rings(task) == ["2090-11-23T09:00", "2090-11-24T08:45"]
    assert pack.create(due_on="2090-11-24", reminders=None)["reminders"] == ["PT15M", "P1D"]
    assert pack.create(due_at="2090-11-24T09:00:00Z", reminders=["PT0S"])["reminders"] == ["PT0S"]
    assert pack.create(due_at="2090-11-24T09:00:00Z", reminders=[])["reminders"] == []
    assert pack.create()["reminders"] is None


def test_an_occurrence_keeps_the_reminders_that_its_series_began_with(pack: Pack) -> None:
    pack.prefer(reminders=["PT15M"])
    task = pack.create(due_at="2090-11-24T09:00:00Z", recurrence_pattern="daily")
    pack.prefer()
    pack.complete(task)
    pack.deliver()
    [following] = pack.tasks(status="open")
    assert pack.rings(following) == ["2090-11-25T08:45"]


def test_a_secret_is_never_shown_again(pack: Pack) -> None:
    answers = [pack.prefer(channels=[WEBHOOK]), pack.call("set-preferences", "GET", "/preferences").json]
    assert [answer["channels"] for answer in answers if answer] == [[{"type": "webhook", "url": WEBHOOK["url"]}]] * 2
    [updated] = pack.events("preferences.updated")
    assert updated.data["channels"] == ["webhook"]
    everything = str(pack.sql("SELECT headers, convert_from(value, 'UTF8') FROM outbox")) + str(
        pack.sql("SELECT answer FROM inbox WHERE user_id = %(user)s", user=pack.user)
    )
    assert SECRET not in everything


def test_what_was_shown_can_be_put_back(pack: Pack) -> None:
    shown = pack.prefer(time_zone="Europe/Zurich", channels=[WEBHOOK])
    pack.prefer(**{**shown, "day_hour": "08:00"})
    [(channels,)] = pack.sql("SELECT channels FROM preferences WHERE user_id = %(user)s", user=pack.user)
    assert channels == [WEBHOOK]


NTFY = {"type": "apprise", "url": "ntfys://tk_hush@ntfy.sh/ada-topic"}


def test_a_channel_by_apprise_is_never_shown_again_and_can_be_put_back(pack: Pack) -> None:
    shown = pack.prefer(channels=[NTFY, {"type": "apprise", "url": "slack://T1/B2/hush"}]) or {}
    assert [each["name"].partition("-")[0] for each in shown["channels"]] == ["ntfys", "slack"]
    for _ in range(2):
        again = pack.prefer(**{**shown, "day_hour": "08:00"}) or {}
        assert again["channels"] == shown["channels"]
    assert (pack.call("set-preferences", "GET", "/preferences").json or {})["channels"] == shown["channels"]
    [(channels,)] = pack.sql("SELECT channels FROM preferences WHERE user_id = %(user)s", user=pack.user)
    assert [each["url"] for each in channels] == [NTFY["url"], "slack://T1/B2/hush"]
    everything = str(pack.sql("SELECT headers, convert_from(value, 'UTF8') FROM outbox")) + str(
        pack.sql("SELECT answer FROM inbox WHERE user_id = %(user)s", user=pack.user)
    )
    assert not any(secret in everything + str(shown) for secret in ("hush", "ada-topic"))


def test_a_channel_by_apprise_needs_apprise(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    """By HTTP, as a tool and by an event alike; what is stored already may be put back."""
    shown = pack.prefer(channels=[NTFY])
    monkeypatch.setattr(apprise_channel, "is_installed", lambda: False)
    refused = pack.call("set-preferences", "PUT", "/preferences", {"channels": [NTFY]})
    assert (refused.status_code, "taskmaster-functions[apprise]" in refused.text) == (422, True)
    assert "hush" not in refused.text
    assert "taskmaster-functions[apprise]" in Assistant(pack).refused("change_preferences", channels=[NTFY])
    assert pack.event("set-preferences", "preferences.set", {"channels": [NTFY]}).status_code == 204
    [rejected] = pack.events("task.command.rejected")
    assert "taskmaster-functions[apprise]" in str(rejected.data)
    assert "hush" not in str(rejected.data)
    assert pack.prefer(**shown) == shown


def test_they_can_be_set_by_event(pack: Pack) -> None:
    assert pack.event("set-preferences", "preferences.set", {"day_hour": "07:30"}).status_code == 204
    assert pack.events("preferences.updated")[0].data["day_hour"] == "07:30"


def test_a_new_day_hour_moves_the_reminders_that_follow_it(pack: Pack) -> None:
    task = pack.create(due_on="2090-11-24")
    assert pack.rings(task) == ["2090-11-24T09:00"]
    pack.prefer(day_hour="07:30")
    pack.deliver("set-preferences")  # what moves them follows the answer
    assert pack.rings(task) == ["2090-11-24T07:30"]


@pytest.mark.parametrize(
    "preferences",
    [
        {"time_zone": "Mars/Olympus"},
        {"day_hour": "24:00"},
        {"day_hour": "0\u0667:00"},  # an Arabic seven
        {"day_hour": "07:00\n"},
        {"reminders": ["2090-11-24T09:00:00Z"]},  # of which task?
        {"reminders": ["15 minutes"]},
        {"reminders": [f"PT{minutes}M" for minutes in range(11)]},
        {"quiet_hours": {"start": "22:00", "end": "22:00"}},
        {"channels": [{**WEBHOOK, "secret": "hush"}]},
        {"channels": [{"type": "webhook", "url": "https://example.com/"}]},
        {"channels": [{**WEBHOOK, "url": "ftp://example.com/"}]},
        {"channels": [{**WEBHOOK, "url": "https://ada:pass@example.com/"}]},
        {"channels": [{"type": "mail", "address": "ada@example.com\r\nBcc: all@example.com"}]},
        {"channels": [{"type": "mail", "address": "a\0da@example.com"}]},
        {"channels": [{"type": "mail", "address": "ada@example.com\n"}]},
        {"channels": [WEBHOOK, WEBHOOK]},
        {"channels": [{"type": "apprise"}]},
        {"channels": [{"type": "apprise", "name": "slack-0123456789ab"}]},
        {"channels": [{"type": "apprise", "url": "discord://hush/MfKQ9r8"}]},
        {"channels": [{"type": "apprise", "url": "ntfys://ntfy.sh/hush?attach=file:///etc/passwd"}]},
        {"channels": [{"type": "apprise", "url": "slack://xoxb-hush-MfKQ9r8/#general"}]},
        {"channels": [{"type": "pigeon"}]},
    ],
)
def test_what_makes_no_sense_is_refused_without_being_quoted(pack: Pack, preferences: Any) -> None:
    answer = pack.call("set-preferences", "PUT", "/preferences", preferences)
    assert answer.status_code == 422
    assert "hush" not in answer.text
    assert "MfKQ9r8" not in answer.text
