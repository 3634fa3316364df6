"""Delivery: each channel has an outcome of its own, and nobody waits for the receiver of somebody else."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pytest_httpserver import HTTPServer

from taskmaster.domain.outcome import DELIVERED, held_back, later
from taskmaster.domain.reminder_rows import MOST_TRIES, ReminderRow, after_delivery
from taskmaster.domain.task import Task
from taskmaster.domain.user_channels import AnyChannel, Apprise, Mail, Webhook, name_of
from taskmaster.reminding import mail, webhook
from taskmaster.reminding.breaker import MOST_AT_ONCE, SLOW_SECONDS, Breaker
from taskmaster.reminding.call_limits import MOST_OF_A_USER, CallLimits
from taskmaster.reminding.delivery import Delivered, deliver
from taskmaster.settings import read
from tests.support.hostile import Authority, Hostile, silence

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
TASK = Task(task_id=1, title="call Grace", created_at=NOW, updated_at=NOW)
SETTINGS = read({"WEBHOOK_ALLOW": "127.0.0.0/8", "SMTP_URL": "smtp://127.0.0.1:1", "MAIL_FROM": "r@example.com"})


@pytest.fixture
def receiver() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        server.expect_request("/hook").respond_with_data("")
        yield server


@pytest.fixture
def tarpit(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    """A receiver over TLS that says nothing."""
    authority = Authority(tmp_path)
    monkeypatch.setattr(webhook, "_authorities", str(authority.file))
    with Hostile(silence, tls=authority.server()) as server:
        yield server


def row(**fields: Any) -> ReminderRow:
    return ReminderRow(
        **{
            "reminder_id": str(uuid4()),
            "task_id": 1,
            "moment": NOW,
            "due_at": NOW,
            "fired_at": NOW,
            "attempts": 0,
            "outcomes": {},
            "is_closed": False,
            **fields,
        }
    )


def hook(url: str) -> Webhook:
    return Webhook.model_construct(type="webhook", url=url, secret=SECRET)


def sent(
    *channels: AnyChannel, user: str = "ada", moment: datetime | None = None, limits: CallLimits | None = None
) -> Delivered:
    """What came of a delivery, by a process that has called nobody yet where `limits` does not say otherwise."""
    reminder = row(moment=moment or datetime.now(UTC))
    by_name = {name_of(channel): channel for channel in channels}
    return deliver(TASK, reminder, by_name, user_id=user, late=False, limits=limits or CallLimits(), settings=SETTINGS)


def outcomes(delivered: Delivered) -> list[str]:
    return [each.outcome for each in delivered.outcomes.values()]


# Each for itself ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [UnicodeError("quotes ada@example.com"), KeyError("x"), RuntimeError("x"), RecursionError(), MemoryError()]
)
def test_a_channel_that_raises_has_failed_and_no_other(
    receiver: HTTPServer, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(mail, "send", raises)
    got = sent(Mail(type="mail", address="ada@example.com"), hook(receiver.url_for("/hook")))
    assert outcomes(got) == ["failed", "delivered"]
    assert len(receiver.log) == 1
    assert "ada@example.com" not in caplog.text
    assert type(error).__name__ in caplog.text


def test_what_was_stored_by_the_rules_of_another_day_fails_alone(receiver: HTTPServer) -> None:
    good = hook(receiver.url_for("/hook"))
    wrong: list[AnyChannel] = [
        Mail.model_construct(type="mail", address="x@y.example."),
        Mail.model_construct(type="mail", address="=?utf-8?q?=0D=0ABcc:_x=40y.example?="),
        hook("https://ada:pass@exa mple.com\\x/#y"),
        Webhook.model_construct(type="webhook", url=good.url + "?x", secret="whsec_" + "a" * 33),
        Webhook.model_construct(type="webhook", url=good.url + "?y", secret=None),
    ]
    got = sent(*wrong, good)
    assert outcomes(got) == ["failed"] * 5 + ["delivered"]
    assert len(receiver.log) == 1
    assert all("set this channel anew" in each.detail for each in list(got.outcomes.values())[:5])


def test_a_channel_that_answers_does_not_wait_less_for_one_that_does_not(
    receiver: HTTPServer, tarpit: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TOTAL_SECONDS", 3.0)
    got = sent(hook(f"https://localhost:{tarpit.port}/"), hook(receiver.url_for("/hook")))
    assert outcomes(got) == ["later", "delivered"]


# One user against the others ------------------------------------------------------------------------------------------


def test_a_tarpit_of_one_user_costs_another_nothing(receiver: HTTPServer, tarpit: Hostile) -> None:
    """Fifty events at once, as many as a KafkaSource has under way, and one reminder of somebody else behind them."""
    limits = CallLimits()
    slow, fast = hook(f"https://localhost:{tarpit.port}/"), hook(receiver.url_for("/hook"))
    assert outcomes(sent(fast, user="bob", limits=limits)) == ["delivered"]  # everything is imported
    held: list[Delivered] = []
    done = threading.Event()

    def eve(_: int) -> None:
        got = sent(slow, user="eve", limits=limits)
        if any(not each.is_try for each in got.outcomes.values()):
            held.append(got)

    with ThreadPoolExecutor(50) as source:
        for number in range(300):
            source.submit(eve, number)
        time.sleep(0.5)
        begun = time.monotonic()
        assert outcomes(source.submit(sent, fast, user="bob", limits=limits).result()) == ["delivered"]
        late = time.monotonic() - begun
        done.set()
        assert late < 8  # and not the twelve seconds of a call
        assert tarpit.connections <= MOST_OF_A_USER
        assert len(held) >= 300 - MOST_OF_A_USER
        waits = [each.seconds or 0 for got in held for each in got.outcomes.values()]
        assert min(waits) >= 1
        assert len({round(wait, 1) for wait in waits}) > 100, "they come again one by one"
        tarpit.__exit__(None, None, None)


def test_a_user_in_trouble_with_one_channel_has_the_others_at_once(receiver: HTTPServer, tarpit: Hostile) -> None:
    limits = CallLimits()
    slow, fast = hook(f"https://localhost:{tarpit.port}/"), hook(receiver.url_for("/hook"))
    with ThreadPoolExecutor(8) as at_once:
        stuck = [at_once.submit(sent, slow, limits=limits) for _ in range(8)]
        time.sleep(SLOW_SECONDS + 1)
        got = sent(slow, fast, limits=limits)
        assert outcomes(got) == ["later", "delivered"]
        assert [each.is_try for each in got.outcomes.values()] == [False, True]
        assert limits.seconds_held({"slow": slow}, user_id="ada", age=timedelta(0)) >= 1
        assert limits.seconds_held({"slow": slow, "fast": fast}, user_id="ada", age=timedelta(0)) == 0
        assert limits.seconds_held({"slow": slow}, user_id="bob", age=timedelta(0)) == 0
        assert limits.are_in_trouble({"slow": slow}, user_id="ada")
        assert not limits.are_in_trouble({"slow": slow, "fast": fast}, user_id="ada")
        assert not limits.are_in_trouble({"slow": slow}, user_id="bob")
        assert not any(each.done() for each in stuck)
        tarpit.__exit__(None, None, None)


def test_a_name_server_that_holds_a_thread_counts_until_it_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def wait(*_: Any, **__: Any) -> Any:
        answered.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    monkeypatch.setattr(webhook, "TOTAL_SECONDS", 0.2)
    limits = CallLimits()
    tries = [sent(hook(f"https://{number}.example.com/"), limits=limits) for number in range(MOST_OF_A_USER + 3)]
    assert [all(each.is_try for each in got.outcomes.values()) for got in tries] == [True] * MOST_OF_A_USER + [
        False
    ] * 3
    answered.set()
    until = time.monotonic() + 10
    while any(not each.is_try for each in sent(hook("https://example.com/"), limits=limits).outcomes.values()):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_is_held_back_for_ever_fails_at_last() -> None:
    limits = CallLimits()
    limits.users = Breaker(most=1)
    assert limits.users.enter("ada")
    channel = hook("https://example.com/")
    assert outcomes(sent(channel, limits=limits)) == ["later"]
    assert outcomes(sent(channel, moment=datetime.now(UTC) - timedelta(hours=37), limits=limits)) == ["failed"]


def test_a_channel_by_apprise_counts_against_the_host_that_it_leads_to() -> None:
    limits = CallLimits()
    ntfy, slack = (Apprise(type="apprise", url=url) for url in ("ntfys://tk_a@ntfy.sh/x", "slack://T1/B2/x3"))
    taken = [limits.slot(f"user-{number}", ntfy).take() for number in range(MOST_AT_ONCE + 1)]
    assert [wait is None for wait in taken] == [True] * MOST_AT_ONCE + [False]
    assert limits.slot("eve", hook("https://ntfy.sh/")).take() is not None
    assert limits.slot("eve", slack).take() is None


# After a delivery ------------------------------------------------------------------------------------------------


def test_being_held_back_takes_no_try() -> None:
    reminder = row()
    for _ in range(3 * MOST_TRIES):
        reminder, event = after_delivery(reminder, {"x": held_back("", seconds=2)}, now=NOW)
        assert (event, reminder.is_closed, reminder.attempts) == (None, False, 0)
        assert reminder.due_at == NOW + timedelta(seconds=2)
    for tried in range(1, MOST_TRIES):
        reminder, event = after_delivery(reminder, {"x": later("HTTP 503", seconds=None)}, now=NOW)
        assert (event, reminder.is_closed, reminder.tries("x")) == (None, False, tried)
    reminder, event = after_delivery(reminder, {"x": later("HTTP 503", seconds=None)}, now=NOW)
    assert (event, reminder.is_closed) == ("reminder.failed", True)


def test_a_channel_is_tried_again_on_its_own_terms() -> None:
    """One that is held back for two seconds does not have the other called before its hour."""
    reminder, event = after_delivery(
        row(), {"x": later("HTTP 429", seconds=3600.0), "y": held_back("", seconds=2), "z": DELIVERED}, now=NOW
    )
    assert (event, reminder.due_at) == ("reminder.sent", NOW + timedelta(seconds=2))
    assert reminder.due_again("x") == NOW + timedelta(hours=1)
    again = NOW + timedelta(seconds=2)
    reminder, event = after_delivery(reminder, {"y": DELIVERED}, now=again, channels=["x", "y", "z"])
    assert (event, reminder.is_closed, reminder.due_at) == (None, False, NOW + timedelta(hours=1))
    reminder, event = after_delivery(reminder, {}, now=again, channels=["y", "z"])  # x is no channel any more
    assert reminder.is_closed


def test_a_row_of_before_channels_were_counted_apart_goes_on() -> None:
    old = row(attempts=MOST_TRIES - 1, outcomes={"x": {"outcome": "later", "detail": "HTTP 503"}})
    assert old.due_again("x") is None
    reminder, event = after_delivery(old, {"x": later("HTTP 503", seconds=None)}, now=NOW)
    assert (event, reminder.is_closed) == ("reminder.failed", True)


def test_what_is_told_of_a_channel_is_what_its_schema_says() -> None:
    reminder, _ = after_delivery(row(), {"x": later("HTTP 503", seconds=None), "y": DELIVERED}, now=NOW)
    told = reminder.outcome_record(late=False, called_at=NOW)
    assert told.channels == {
        "x": {"outcome": "later", "detail": "HTTP 503"},
        "y": {"outcome": "delivered", "detail": ""},
    }
