"""Delivery: looked at again, signed, tried again later as rows, and told on task-updates."""

import json
import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from taskmaster import clock
from taskmaster.database.user_transaction import UserTransaction
from taskmaster.reminding.breaker import Breaker
from tests.support.fake_store import MOST_UNDER_WAY
from tests.support.function_pack import Json, Pack

START = datetime(2089, 5, 20, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """A webhook's other end: answers with `status`, and keeps what it was sent."""

    def __init__(self, server: HTTPServer) -> None:
        self.status = 200
        self.got: list[Request] = []
        self.url = server.url_for("/hook")
        server.expect_request("/hook", method="POST").respond_with_handler(self._take)

    def _take(self, request: Request) -> Response:
        _ = request.data
        self.got.append(request)
        return Response(status=self.status)


@pytest.fixture
def receiver(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("WEBHOOK_ALLOW", "127.0.0.0/8")
    pack.restart()
    pack.travel(to=START)
    with HTTPServer(host="127.0.0.1") as server:
        yield Receiver(server)


def channels(receiver: Receiver) -> list[Json]:
    return [{"type": "webhook", "url": receiver.url, "secret": SECRET}]


def at(**ahead: float) -> str:
    return (START + timedelta(**ahead)).isoformat()


def ring(pack: Pack) -> None:
    """Fire what is due, and deliver it."""
    while pack.runtime.due_reminders.dispatch(now=clock.now()):
        pass
    pack.deliver("reminders", function="send-reminder")


def outcomes(pack: Pack) -> list[tuple[str, Any]]:
    return [(e.type, e.data["reason"]) for e in pack.events() if e.type in ("reminder.sent", "reminder.failed")]


def test_a_reminder_is_delivered_once_and_told(pack: Pack, receiver: Receiver) -> None:
    pack.prefer(channels=channels(receiver))
    task = pack.create(title="call Grace", due_at=at(hours=1))
    pack.travel(hours=1)
    ring(pack)
    ring(pack)
    [request] = receiver.got
    payload = request.json or {}
    assert (payload["type"], payload["data"]["title"], payload["data"]["late"]) == ("reminder.due", "call Grace", False)
    [sent] = pack.events("reminder.sent", of=task)
    assert sent.data["reminder_id"] == request.headers["webhook-id"] == payload["data"]["reminder_id"]
    assert [each["outcome"] for each in sent.data["channels"].values()] == ["delivered"]
    assert receiver.url not in str(sent.data)


def test_whoever_has_no_channel_has_the_event(pack: Pack, receiver: Receiver) -> None:
    pack.create(due_at=at(hours=1))
    pack.travel(hours=1)
    ring(pack)
    assert outcomes(pack) == [("reminder.sent", None)]


def test_a_receiver_that_is_away_is_tried_again_later_under_the_same_id(pack: Pack, receiver: Receiver) -> None:
    pack.prefer(channels=channels(receiver))
    task = pack.create(due_at=at(hours=1))
    pack.travel(hours=1)
    receiver.status = 503
    ring(pack)
    assert outcomes(pack) == []
    assert len(pack.rings(task)) == 1
    ring(pack)
    assert len(receiver.got) == 1  # not yet
    receiver.status = 200
    pack.travel(seconds=20)
    ring(pack)
    assert outcomes(pack) == [("reminder.sent", None)]
    assert len({request.headers["webhook-id"] for request in receiver.got}) == 1
    assert pack.rings(task) == []


def test_tries_have_an_end(pack: Pack, receiver: Receiver) -> None:
    pack.prefer(channels=channels(receiver))
    pack.create(due_at=at(hours=1))
    pack.travel(hours=1)
    receiver.status = 500
    for _ in range(10):
        ring(pack)
        pack.travel(hours=7)
    assert len(receiver.got) == 8
    assert [event_type for event_type, _ in outcomes(pack)] == ["reminder.failed"]


def test_what_failed_for_good_is_not_tried_again(pack: Pack, receiver: Receiver) -> None:
    pack.prefer(channels=channels(receiver))
    pack.create(due_at=at(hours=1))
    pack.travel(hours=1)
    receiver.status = 410
    ring(pack)
    pack.travel(hours=7)
    ring(pack)
    assert len(receiver.got) == 1
    [failed] = pack.events("reminder.failed")
    assert [each["detail"] for each in failed.data["channels"].values()] == ["HTTP 410"]


def test_one_channel_that_took_it_is_not_sent_to_again(pack: Pack, receiver: Receiver) -> None:
    gone = {"type": "webhook", "url": "http://127.0.0.1:1/", "secret": SECRET}
    pack.prefer(channels=[*channels(receiver), gone])
    pack.create(due_at=at(hours=1))
    pack.travel(hours=1)
    ring(pack)
    pack.travel(seconds=20)
    ring(pack)
    assert len(receiver.got) == 1
    assert outcomes(pack) == [("reminder.sent", None)]


@pytest.mark.parametrize("change", ["complete", "delete", "move", "snooze"])
def test_it_looks_again_before_it_sends(pack: Pack, receiver: Receiver, change: str) -> None:
    pack.prefer(channels=channels(receiver))
    task = pack.create(due_at=at(hours=1))
    pack.travel(hours=1)
    pack.runtime.due_reminders.dispatch(now=clock.now())
    match change:
        case "complete":
            pack.complete(task)
        case "delete":
            pack.delete(task)
        case "move":
            pack.update(task, due_at=at(hours=2))
        case "snooze":
            assert pack.call("snooze-reminder", "POST", f"/tasks/{task['task_id']}/snooze", {"duration": "PT10M"}).json
    ring(pack)
    assert receiver.got == []
    pack.travel(hours=1)
    ring(pack)
    assert len(receiver.got) == (change in ("move", "snooze"))


def test_quiet_hours_hold_it_back_over_midnight(pack: Pack, receiver: Receiver) -> None:
    pack.prefer(channels=channels(receiver), time_zone="Europe/Zurich", quiet_hours={"start": "22:00", "end": "07:00"})
    task = pack.create(due_at="2089-05-20T23:30:00+02:00")
    pack.travel(to=datetime(2089, 5, 20, 21, 30, 5, tzinfo=UTC))
    ring(pack)
    assert receiver.got == []
    assert pack.rings(task) == ["2089-05-21T05:00"]
    pack.travel(to=datetime(2089, 5, 21, 5, 0, 5, tzinfo=UTC))
    ring(pack)
    assert len(receiver.got) == 1
    assert (receiver.got[0].json or {})["data"]["late"] is False


def deliver_one(pack: Pack, *, of: int = MOST_UNDER_WAY) -> int:
    """Dispatch what one user may have under way, deliver one of them; how many can be dispatched after that."""
    assert pack.runtime.due_reminders.dispatch(now=clock.now()) == of
    [first, *_] = pack.events("reminder.due")
    assert pack.redeliver(first, "send-reminder").status_code == 204
    return pack.runtime.due_reminders.dispatch(now=clock.now())


def test_quiet_hours_hold_all_that_is_due_with_one_event(pack: Pack, receiver: Receiver) -> None:
    pack.prefer(channels=channels(receiver), quiet_hours={"start": "12:30", "end": "14:00"})
    pack.create(due_at=at(hours=2), reminders=[at(hours=1, seconds=second) for second in range(MOST_UNDER_WAY + 10)])
    pack.travel(hours=1, minutes=1)
    assert deliver_one(pack) == 0
    pack.travel(to=START + timedelta(hours=2))
    ring(pack)
    assert len(receiver.got) == MOST_UNDER_WAY + 10


@pytest.mark.parametrize(("seconds", "trouble", "others"), [(7.0, False, 0), (1.5, True, 0), (1.5, False, 1)])
def test_a_receiver_in_trouble_or_with_much_to_do_holds_back_all(
    pack: Pack, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, seconds: float, trouble: bool, others: int
) -> None:
    limits = pack.module("send-reminder")._limits
    monkeypatch.setattr(limits, "seconds_held", lambda *_, **__: seconds)
    monkeypatch.setattr(limits, "are_in_trouble", lambda *_, **__: trouble)
    pack.prefer(channels=channels(receiver))
    pack.create(due_at=at(hours=2), reminders=[at(hours=1, seconds=second) for second in range(MOST_UNDER_WAY + 10)])
    pack.travel(hours=1, minutes=1)
    assert deliver_one(pack) == others, "one that was held back makes room for one"
    assert receiver.got == []


@pytest.mark.parametrize(("trouble", "held"), [(True, [0, 10]), (False, [0])])
def test_a_receiver_in_trouble_holds_back_what_is_due_soon_too(
    pack: Pack, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, trouble: bool, held: list[int]
) -> None:
    limits = pack.module("send-reminder")._limits
    monkeypatch.setattr(limits, "seconds_held", lambda *_, **__: 60.0)
    monkeypatch.setattr(limits, "are_in_trouble", lambda *_, **__: trouble)
    pack.prefer(channels=channels(receiver))
    pack.create(due_at=at(hours=2), reminders=[at(hours=1, seconds=second) for second in (0, 10, 20)])
    pack.travel(hours=1)
    assert deliver_one(pack, of=1) == 0
    moved = "SELECT moment FROM reminder WHERE user_id = %(user)s AND due_at > moment ORDER BY moment"
    assert [row[0].second for row in pack.sql(moved, user=pack.user)] == held


def test_a_snoozed_task_reminds_at_the_end_of_its_snooze_alone(pack: Pack, receiver: Receiver) -> None:
    task = pack.create(due_at=at(hours=1), reminders=["PT30M", "PT0S"])
    until = at(hours=2)
    answer = pack.call("snooze-reminder", "POST", f"/tasks/{task['task_id']}/snooze", {"until": until})
    assert (answer.json or {})["snoozed_until"] == "2089-05-20T14:00:00Z"
    assert pack.rings(task) == ["2089-05-20T14:00"]
    assert len(pack.events("task.updated", of=task)) == 1


def test_dismissing_ends_a_snooze_and_what_is_tried_again(pack: Pack, receiver: Receiver) -> None:
    pack.prefer(channels=channels(receiver))
    task = pack.create(due_at=at(hours=2), reminders=["PT1H", "PT0S"])
    pack.travel(hours=1)
    receiver.status = 503
    ring(pack)
    assert len(pack.rings(task)) == 2
    assert pack.event("snooze-reminder", "reminder.dismiss", {"task_id": task["task_id"]}).status_code == 204
    assert pack.rings(task) == ["2089-05-20T14:00"]


@pytest.mark.parametrize(
    "body",
    [{}, {"duration": "PT0S"}, {"duration": "soon"}, {"until": at(hours=-1)}, {"duration": "PT1H", "until": at()}],
)
def test_a_snooze_needs_one_end_ahead(pack: Pack, receiver: Receiver, body: Json) -> None:
    task = pack.create(due_at=at(hours=1))
    assert pack.call("snooze-reminder", "POST", f"/tasks/{task['task_id']}/snooze", body).status_code == 422


def test_a_channel_of_another_day_fails_alone_and_hides_no_other(pack: Pack, receiver: Receiver) -> None:
    """Stored before addresses and secrets were checked as they are now."""
    pack.prefer(channels=channels(receiver))
    stored = [
        {"type": "mail", "address": "x@y.example."},
        {"type": "webhook", "url": f"{receiver.url}?x", "secret": "whsec_" + "a" * 33},
        {"type": "webhook", "url": "https://exa mple.com\\x", "secret": SECRET},
    ]
    pack.sql(
        "UPDATE preferences SET channels = %(stored)s::jsonb || channels WHERE user_id = %(user)s",
        stored=json.dumps(stored),
        user=pack.user,
    )
    pack.create(due_at=at(hours=1))
    pack.travel(hours=1)
    ring(pack)
    pack.travel(hours=7)
    ring(pack)
    assert len(receiver.got) == 1
    [event] = pack.events("reminder.sent")
    assert sorted(each["outcome"] for each in event.data["channels"].values()) == ["delivered"] + ["failed"] * 3
    shown = pack.call("set-preferences", "GET", "/preferences").json or {}
    assert len(shown["channels"]) == 4
    refused = pack.call("set-preferences", "PUT", "/preferences", shown)
    assert refused.status_code == 422
    assert "x@y" not in refused.text


def test_what_is_above_a_users_bound_comes_again_without_a_try_less(
    pack: Pack, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Breaker(most=1)
    assert full.enter(pack.user)
    monkeypatch.setattr(pack.module("send-reminder")._limits, "users", full)
    pack.prefer(channels=channels(receiver))
    tasks = [pack.create(due_at=at(hours=1)) for _ in range(3)]
    pack.travel(hours=1)
    for _ in range(10):  # more often than there are tries
        ring(pack)
        assert receiver.got == []
        assert outcomes(pack) == []
        moments = [datetime.fromisoformat(moment).replace(tzinfo=UTC) for task in tasks for moment in pack.rings(task)]
        assert len(set(moments)) == 3, "they come again one by one"
        assert min(moments) > clock.now()
        pack.travel(to=max(moments) + timedelta(milliseconds=1))
    assert pack.sql("SELECT max(attempts) FROM reminder WHERE user_id = %(user)s", user=pack.user) == [(0,)]
    full.leave(pack.user, slow=False)
    while not all(pack.events("reminder.sent", of=task) for task in tasks):
        ring(pack)
        pack.travel(minutes=1)
    assert len(receiver.got) == 3


class _Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as one mail takes."""

    def handle(self) -> None:
        mails: list[str] = self.server.mails  # type: ignore[attr-defined]
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (text := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(text.decode())
                mails.append("".join(lines))
            refused = verb == b"RCPT" and b"nobody" in line
            self.wfile.write(
                b"550 no such user\r\n" if refused else b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n"
            )
            if verb == b"QUIT":
                return


def test_a_mail_goes_out_and_a_refused_address_fails(
    pack: Pack, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mailbox) as server:
        server.mails = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("MAIL_FROM", "reminders@example.com")
        pack.restart()
        pack.prefer(channels=[{"type": "mail", "address": "ada@example.com"}])
        task = {"title": "two\nlines", "due_at": at(hours=1)}
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        pack.call("create-task", "POST", "/tasks", task, traceparent=trace, tracestate="app=1")
        pack.travel(hours=1)
        ring(pack)
        [mail] = server.mails  # type: ignore[attr-defined]
        assert "Subject: Reminder: two lines" in mail
        assert "To: ada@example.com" in mail
        assert f"traceparent: {trace}\r\n" in mail
        assert "tracestate: app=1\r\n" in mail
        pack.prefer(channels=[{"type": "mail", "address": "nobody@example.com"}])
        pack.create(due_at=at(hours=2))
        pack.travel(hours=1)
        ring(pack)
        assert [event_type for event_type, _ in outcomes(pack)] == ["reminder.sent", "reminder.failed"]
        server.shutdown()


# What changes between the look, which locks nothing, and what is written ----------------------------------------------


@pytest.mark.parametrize("change", ["completed", "moved", "retitled"])
def test_what_changes_during_the_call_is_seen_before_its_outcome_is_kept(
    pack: Pack, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    pack.prefer(channels=channels(receiver))
    task = pack.create(due_at=at(hours=1))
    path = f"/tasks/{task['task_id']}"
    pack.travel(hours=1)
    deliver = pack.module("send-reminder").deliver

    def change_and_deliver(*arguments: Any, **named: Any) -> Any:
        sent = deliver(*arguments, **named)
        if change == "completed":
            pack.complete(task)
        else:
            changed = {"due_at": at(hours=9)} if change == "moved" else {"title": "another"}
            assert pack.call("update-task", "PATCH", path, changed).status_code == 200
        return sent

    monkeypatch.setattr(pack.module("send-reminder"), "deliver", change_and_deliver)
    ring(pack)
    assert len(receiver.got) == 1
    told = pack.events("reminder.sent", of=task)
    if change == "retitled":
        assert len(told) == 1
        assert pack.rings(task) == []
    else:
        assert told == []
        assert pack.rings(task) == (["2089-05-20T21:00"] if change == "moved" else [])


def test_a_task_that_moves_as_it_is_held_back_keeps_its_new_moment(
    pack: Pack, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack.prefer(quiet_hours={"start": "12:30", "end": "14:00"})
    task = pack.create(due_at=at(hours=1))
    pack.travel(hours=1)
    read, looks = UserTransaction.read_reminder, list[int]()

    def read_and_move(self: UserTransaction, task_id: int, reminder_id: str) -> Any:
        found = read(self, task_id, reminder_id)
        if not looks:
            looks.append(task_id)
            path = f"/tasks/{task['task_id']}"
            assert pack.call("update-task", "PATCH", path, {"due_at": at(hours=9)}).status_code == 200
        return found

    monkeypatch.setattr(UserTransaction, "read_reminder", read_and_move)
    ring(pack)
    assert looks == [task["task_id"]]
    assert pack.rings(task) == ["2089-05-20T21:00"]


def test_an_event_that_was_answered_during_the_call_is_answered_once(
    pack: Pack, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two deliveries of one event at the same time: both call, and one outcome is kept."""
    pack.prefer(channels=channels(receiver))
    task = pack.create(due_at=at(hours=1))
    pack.travel(hours=1)
    assert pack.runtime.due_reminders.dispatch(now=clock.now()) == 1
    [fired] = pack.events("reminder.due", of=task)
    deliver, again = pack.module("send-reminder").deliver, list[int]()

    def deliver_twice(*arguments: Any, **named: Any) -> Any:
        if not again:
            again.append(1)
            assert pack.redeliver(fired, "send-reminder").status_code == 204
        return deliver(*arguments, **named)

    monkeypatch.setattr(pack.module("send-reminder"), "deliver", deliver_twice)
    assert pack.redeliver(fired, "send-reminder").status_code == 204
    assert len(receiver.got) == 2
    assert len(pack.events("reminder.sent", of=task)) == 1
