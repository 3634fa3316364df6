"""GET /reminders: which reminders a task has, and what became of each."""

from typing import Any
from uuid import uuid4

import pytest
from pytest_httpserver import HTTPServer

from tests.integration.reminding.test_send_reminder import Receiver, at, channels, receiver, ring
from tests.support.function_pack import Json, Pack

__all__ = ["receiver"]


def reminders(pack: Pack, *tasks: Json, user: str | None = None) -> list[Json]:
    asked = "&".join(f"task_id={task['task_id']}" for task in tasks)
    answer = pack.call("query-tasks", "GET", f"/reminders?{asked}", user=user)
    assert answer.status_code == 200, answer.text
    found: list[Json] = (answer.json or {})["reminders"]
    return found


def told(pack: Pack, task: Json) -> list[Any]:
    """The status of each reminder, and the outcomes of its channels."""
    return [(each["status"], [one["outcome"] for one in each["channels"].values()]) for each in reminders(pack, task)]


def test_reminders_ahead_are_told_the_latest_first(pack: Pack) -> None:
    task = pack.create(due_at="2090-01-31T09:00:00Z", reminders=["PT0S", "P1D"])
    found = reminders(pack, task)
    assert [each["remind_at"] for each in found] == ["2090-01-31T09:00:00Z", "2090-01-30T09:00:00Z"]
    assert [each["due_at"] for each in found] == [each["remind_at"] for each in found]
    assert told(pack, task) == [("ahead", []), ("ahead", [])]


def test_reminders_of_several_tasks_are_told_at_once_and_nobody_elses(pack: Pack) -> None:
    one, other, none = pack.create(due_on="2090-01-31"), pack.create(due_on="2090-02-01"), pack.create()
    assert [each["task_id"] for each in reminders(pack, one, other, none)] == [other["task_id"], one["task_id"]]
    assert reminders(pack, one, other, user=f"stranger-{uuid4()}") == []


@pytest.mark.parametrize("query", ["", "task_id=0", "task_id=x", "&".join(f"task_id={n}" for n in range(1, 102))])
def test_a_hundred_tasks_at_most_are_asked_about_and_one_at_least(pack: Pack, query: str) -> None:
    assert pack.call("query-tasks", "GET", f"/reminders?{query}").status_code == 422


def test_what_became_of_a_reminder_is_told(pack: Pack, receiver: Receiver) -> None:
    pack.prefer(channels=channels(receiver))
    task = pack.create(due_at=at(minutes=1))
    pack.travel(minutes=1)
    receiver.status = 503
    ring(pack)
    assert told(pack, task) == [("later", ["later"])]
    [waiting] = reminders(pack, task)
    assert waiting["due_at"] > waiting["remind_at"]
    receiver.status = 204
    pack.travel(minutes=1)
    ring(pack)
    assert told(pack, task) == [("sent", ["delivered"])]
    [sent] = reminders(pack, task)
    assert sent["due_at"] is None
    assert receiver.url not in str(sent)


def test_one_channel_that_fails_repeats_no_other(pack: Pack, receiver: Receiver) -> None:
    """A webhook that is away, and a service by Apprise that takes the reminder: each has its own outcome and tries."""
    with HTTPServer(host="127.0.0.1") as mattermost:
        mattermost.expect_request("/hooks/token", method="POST").respond_with_data("ok")
        by_apprise = {"type": "apprise", "url": f"mmost://127.0.0.1:{mattermost.port}/token"}
        shown = pack.prefer(channels=[*channels(receiver), by_apprise])["channels"]
        task = pack.create(title="call Grace", due_at=at(minutes=1))
        pack.travel(minutes=1)
        receiver.status = 503
        ring(pack)
        assert told(pack, task) == [("later", ["delivered", "later"])]
        receiver.status = 204
        pack.travel(minutes=1)
        ring(pack)
        assert told(pack, task) == [("sent", ["delivered", "delivered"])]
        assert (len(receiver.got), len(mattermost.log)) == (2, 1)
        assert "call Grace" in mattermost.log[0][0].get_data(as_text=True)
    [sent] = reminders(pack, task)
    assert shown[1]["name"] in sent["channels"]
    assert [name.partition("-")[0] for name in sent["channels"]] == ["mmost", "webhook"]
    [event] = pack.events("reminder.sent", of=task)
    assert set(event.data["channels"]) == set(sent["channels"])


def test_a_reminder_that_no_channel_took_has_failed(pack: Pack, receiver: Receiver) -> None:
    pack.prefer(channels=channels(receiver))
    task = pack.create(due_at=at(minutes=1))
    pack.travel(minutes=1)
    receiver.status = 404
    ring(pack)
    assert told(pack, task) == [("failed", ["failed"])]
    [failed] = reminders(pack, task)
    assert [each["detail"] for each in failed["channels"].values()] == ["HTTP 404"]


def test_a_reminder_that_is_too_old_has_failed_and_says_why(pack: Pack, receiver: Receiver) -> None:
    task = pack.create(due_at=at(minutes=1))
    pack.travel(days=3)
    ring(pack)
    assert told(pack, task) == [("failed", [])]
    assert [each["reason"] for each in reminders(pack, task)] == ["stale"]


def test_a_reminder_of_a_user_without_channels_has_ended(pack: Pack, receiver: Receiver) -> None:
    task = pack.create(due_at=at(minutes=1))
    pack.travel(minutes=1)
    ring(pack)
    assert told(pack, task) == [("ended", [])]
    assert receiver.got == []


def test_quiet_hours_hold_a_reminder_back(pack: Pack, receiver: Receiver) -> None:
    pack.prefer(channels=channels(receiver), quiet_hours={"start": "12:00", "end": "13:00"})
    task = pack.create(due_at=at(minutes=1))
    pack.travel(minutes=1)
    ring(pack)
    assert told(pack, task) == [("later", [])]
