"""Nothing is lost when daprd, the bridge, Redis or Kafka dies, and what comes twice is known by its id."""

import threading
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.dapr.functions import Answer, Asked
from tests.dapr.stage import Stage
from tests.platform.user import eventually

pytestmark = pytest.mark.dapr

KEYS = ("ada", "grace", "edsger")
EACH = 40


def published(stage: Stage, while_it: Callable[[int], object]) -> dict[str, list[str]]:
    """Publish events of each key, in order and until each is acknowledged; `while_it` is called before each round."""
    stage.publish("update-task", "first")
    eventually(lambda: stage.functions.ids("update-task"))
    sent: dict[str, list[str]] = {key: [] for key in KEYS}
    for number in range(EACH):
        while_it(number)
        for key in KEYS:
            event_id = f"{key}/{number:03}"
            eventually(lambda key=key, event_id=event_id: is_published(stage, key, event_id))  # type: ignore[misc]
            sent[key].append(event_id)
    return sent


def is_published(stage: Stage, key: str, event_id: str) -> bool:
    try:
        return bool(stage.publish("update-task", event_id, key=key))
    except (requests.RequestException, AssertionError):
        return False


def first_deliveries(stage: Stage) -> dict[str, list[str]]:
    """By key, each event once, in the order in which a function got it first."""
    got = dict.fromkeys(stage.functions.ids("update-task"))
    return {key: [event_id for event_id in got if event_id.startswith(key)] for key in KEYS}


def all_arrived(stage: Stage, sent: dict[str, list[str]]) -> None:
    everything = {event_id for ids in sent.values() for event_id in ids}
    eventually(lambda: everything <= set(stage.functions.ids("update-task")), within=150)


@pytest.mark.timeout(300)
def test_a_bridge_that_is_killed_loses_nothing_and_keeps_the_order(stage: Stage) -> None:
    sent = published(stage, lambda number: stage.kill("bridge") if number in (10, 25) else None)
    all_arrived(stage, sent)
    assert first_deliveries(stage) == sent


@pytest.mark.timeout(300)
def test_a_daprd_that_is_killed_loses_nothing(stage: Stage) -> None:
    sent = published(stage, lambda number: stage.kill("daprd") if number in (10, 25) else None)
    all_arrived(stage, sent)
    if stage.kind == "dapr-kafka":
        assert first_deliveries(stage) == sent  # on Redis what had been handed out comes behind: docs/dapr.md


@pytest.mark.timeout(300)
def test_a_redis_that_is_killed_loses_nothing_and_keeps_the_order(stage: Stage) -> None:
    if stage.kind == "dapr-kafka":
        pytest.skip("make chaos kills Kafka")
    sent = published(stage, lambda number: stage.kill("redis") if number in (10, 25) else None)
    all_arrived(stage, sent)
    assert first_deliveries(stage) == sent


@pytest.mark.timeout(400)
def test_an_outage_of_more_than_a_minute_keeps_the_order(stage: Stage) -> None:
    away, handled = threading.Event(), list[str]()

    def answered(asked: Asked) -> Answer:
        if away.is_set():
            return 503
        handled.append(asked.id)
        return 204

    stage.functions.answer = answered
    stage.publish("update-task", "first")
    eventually(lambda: handled)
    away.set()
    sent = {key: [stage.publish("update-task", f"{key}/{n:03}", key=key) for n in range(10)] for key in KEYS}
    began = eventually(lambda: found[1] if len(found := stage.functions.asked("update-task")) > 1 else None).at
    eventually(lambda: stage.functions.asked("update-task")[-1].at > began + 75, within=150)
    away.clear()
    everything = {event_id for ids in sent.values() for event_id in ids}
    eventually(lambda: everything <= set(handled), within=240)
    got = list(dict.fromkeys(handled))
    assert {key: [event_id for event_id in got if event_id.startswith(key)] for key in KEYS} == sent


@pytest.fixture
def held(stage: Stage) -> Iterator[threading.Event]:
    """Functions answer nothing until it is set."""
    may_answer = threading.Event()

    def answered(asked: Asked) -> Answer:
        may_answer.wait(60)
        return 204

    stage.functions.answer = answered
    yield may_answer
    may_answer.set()


@pytest.mark.timeout(300)
def test_what_a_killed_bridge_had_in_hand_comes_again(stage: Stage, held: threading.Event) -> None:
    stage.publish("update-task", "in-hand")
    stage.publish("update-task", "behind")
    eventually(lambda: stage.functions.ids("update-task") == ["in-hand"])
    stage.kill("bridge")
    eventually(lambda: stage.functions.ids("update-task") == ["in-hand", "in-hand"])
    held.set()
    eventually(lambda: stage.functions.ids("update-task") == ["in-hand", "in-hand", "behind"])


@pytest.mark.timeout(300)
def test_what_a_killed_daprd_had_in_hand_comes_again(stage: Stage, held: threading.Event) -> None:
    stage.publish("update-task", "in-hand")
    eventually(lambda: stage.functions.ids("update-task") == ["in-hand"])
    stage.kill("daprd")
    held.set()
    stage.wait_for_daprd()
    eventually(lambda: stage.functions.ids("update-task") == ["in-hand", "in-hand"], within=120)
