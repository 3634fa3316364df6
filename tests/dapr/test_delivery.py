"""What is published by Dapr reaches its function as KafkaSource would have sent it, in the order of its key."""

import json
import threading
from collections import defaultdict
from typing import Any

import pytest

from tests.dapr.functions import Answer, Asked
from tests.dapr.stage import Stage
from tests.platform.user import eventually

pytestmark = pytest.mark.dapr

ATTRIBUTES = {"specversion": "1.0", "id": "i-1", "source": "/tests", "type": "task.create", "userid": "ada"}


def test_an_event_arrives_with_all_that_it_has(stage: Stage) -> None:
    more = {
        "time": "2026-11-24T10:00:00.123456Z",
        "subject": "tasks/7",
        "correlationid": "c d/%2F+ü",
        "note": '50% "q"',
    }
    data = '{"title": "Zürich <b>&", "big": 12345678901234567890, "f": 1.10}'.encode()
    stage.publish("create-task", "i-1", data=data, **more)
    [asked] = eventually(lambda: stage.functions.asked("create-task"))
    assert asked.body == data
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["prefer"] == "reply"
    assert asked.headers["host"] == "create-task.default.svc.cluster.local"
    given = {**ATTRIBUTES, **more}
    if stage.kind == "dapr-kafka":
        assert asked.headers["ce-knativekafkaoffset"] == "0"
        assert {name: asked.headers[f"ce-{name}"] for name in given} == given
    else:
        assert asked.headers["ce-correlationid"] == "c%20d/%252F+%C3%BC"
        assert asked.headers["ce-note"] == "50%25%20%22q%22"


def test_every_mailbox_reaches_its_function(stage: Stage) -> None:
    sent = {topic: stage.publish(topic) for topic in ("create-task", "set-preferences", "reminders", "reopen-task")}
    functions = {topic: "send-reminder" if topic == "reminders" else topic for topic in sent}
    eventually(lambda: all(stage.functions.ids(functions[topic]) == [name] for topic, name in sent.items()))


def test_a_structured_event_and_an_envelope_arrive_as_ever(stage: Stage) -> None:
    structured = {**ATTRIBUTES, "data": {"title": "x"}}
    stage.publish_raw("create-task", {}, json.dumps(structured).encode(), key="ada")
    envelope = {"event_id": "e-1", "event_type": "task.create", "user_id": "ada", "data": {}}
    stage.publish_raw("create-task", {}, json.dumps(envelope).encode(), key="ada")
    first, second = eventually(lambda: found if len(found := stage.functions.asked("create-task")) == 2 else None)
    assert (first.id, first.body) == ("i-1", b'{"title":"x"}')
    assert second.headers["ce-type"] == "dev.knative.kafka.event"
    assert json.loads(second.body) == envelope


def refusing(bad: str, answer: Answer | None, *, times: int = 1_000_000) -> Any:
    """An answer for one event so many times, and 204 for any other."""
    left = [times]

    def answered(asked: Asked) -> Answer | None:
        if asked.id == bad and asked.function != "park-dead-letter" and left[0]:
            left[0] -= 1
            return answer
        return 204

    return answered


@pytest.mark.parametrize("status", [400, 401, 403, 413, 422, 301])
def test_a_refused_event_is_parked_and_blocks_nobody(stage: Stage, status: int) -> None:
    stage.functions.answer = refusing("bad", (status, {"kne-reason": "no title"}, b'{"detail": "no title"}'))
    stage.publish("create-task", "bad")
    stage.publish("create-task", "behind")
    eventually(lambda: stage.functions.ids("create-task") == ["bad", "behind"])
    [letter] = stage.functions.asked("park-dead-letter")
    assert letter.id == "bad"
    assert letter.headers["ce-knativeerrorcode"] == str(status)
    assert letter.headers["ce-reason"].replace("%20", " ") == "no title"


@pytest.mark.parametrize("answer", [404, 408, 409, 429, 500, 503, None])
def test_what_fails_comes_again_before_what_is_behind_it(stage: Stage, answer: Answer | None) -> None:
    stage.functions.answer = refusing("bad", answer, times=3)
    stage.publish("create-task", "bad")
    for number in range(20):
        stage.publish("create-task", f"behind-{number}")
    eventually(lambda: len(stage.functions.ids("create-task")) == 24)
    assert stage.functions.ids("create-task") == ["bad"] * 4 + [f"behind-{number}" for number in range(20)]
    assert not stage.functions.asked("park-dead-letter")


def test_a_letter_that_cannot_be_parked_is_not_lost(stage: Stage) -> None:
    away = [3]

    def answered(asked: Asked) -> Answer:
        if asked.function != "park-dead-letter":
            return 400
        away[0] -= 1
        return 503 if away[0] >= 0 else 204

    stage.functions.answer = answered
    stage.publish("create-task", "bad")
    eventually(lambda: len(stage.functions.asked("park-dead-letter")) == 4)


def test_keys_keep_their_order_while_several_are_retried(stage: Stage) -> None:
    failures: dict[str, int] = defaultdict(int)

    def answered(asked: Asked) -> Answer:
        failures[asked.id] += 1
        return 503 if asked.id.endswith(("3", "7")) and failures[asked.id] < 3 else 204

    stage.functions.answer = answered
    sent = {f"user-{number}": [f"user-{number}/{count}" for count in range(10)] for number in range(5)}
    for count in range(10):
        for key, ids in sent.items():
            stage.publish("update-task", ids[count], key=key)
    everything = {event_id for ids in sent.values() for event_id in ids}
    eventually(lambda: set(stage.functions.ids("update-task")) == everything)
    got = list(dict.fromkeys(stage.functions.ids("update-task")))
    assert {key: [i for i in got if i in ids] for key, ids in sent.items()} == sent


def test_another_mailbox_does_not_wait_for_one_that_is_retried(stage: Stage) -> None:
    stage.functions.answer = refusing("bad", 503)
    stage.publish("create-task", "bad")
    eventually(lambda: stage.functions.ids("create-task"))
    stage.publish("complete-task", "elsewhere")
    eventually(lambda: stage.functions.ids("complete-task"), within=20)


def test_a_slow_reminder_holds_up_no_other_on_redis(stage: Stage) -> None:
    if stage.kind == "dapr-kafka":
        pytest.skip("on Kafka daprd waits for each event of a partition: see docs/dapr.md")
    may_answer = threading.Event()

    def answered(asked: Asked) -> Answer:
        if asked.id == "slow":
            may_answer.wait(30)
        return 204

    stage.functions.answer = answered
    stage.publish("reminders", "slow")
    eventually(lambda: stage.functions.ids("send-reminder"))
    for number in range(10):
        stage.publish("reminders", str(number))
    eventually(lambda: len(stage.functions.ids("send-reminder")) == 11, within=20)
    may_answer.set()


def test_a_record_that_http_cannot_carry_is_parked_on_kafka(stage: Stage) -> None:
    if stage.kind == "dapr-redis":
        pytest.skip("on Redis only who publishes past Dapr could put such a record there")
    headers = [(f"ce_{name}", text.encode()) for name, text in {**ATTRIBUTES, "note": "a\nb"}.items()]
    key = b"a\r\nX-Evil: 1"
    with stage.producer() as producer:
        producer.send("create-task", key=key, value=b"{}", headers=[*headers, ("h\u00e9", b"1"), ("", b"2")])
        producer.send("create-task", key=key, value=b"no event", headers=[("dapr-api-token", b"x"), ("host", b"x")])
        producer.send("create-task", key=key, value=b"{}", headers=[*headers[:-1], ("host", b"evil")])
        producer.flush()
    eventually(lambda: stage.functions.ids("create-task") == ["i-1"])
    letters = stage.functions.asked("park-dead-letter")
    assert [letter.headers.get("ce-note") for letter in letters] == ["a%0Ab", None]
    assert letters[1].headers["ce-partitionkey"] == "a%0D%0AX-Evil:%201"
    assert stage.functions.asked("create-task")[0].headers["host"] == "create-task.default.svc.cluster.local"


def test_nothing_is_delivered_twice_in_peace(stage: Stage) -> None:
    sent = [stage.publish("create-task", key=f"u{number % 7}") for number in range(200)]
    eventually(lambda: len(set(stage.functions.ids("create-task"))) == len(sent))
    last = [stage.publish("create-task", key=f"u{number}") for number in range(7)]  # each behind all of its key
    eventually(lambda: set(last) <= set(stage.functions.ids("create-task")))
    assert sorted(stage.functions.ids("create-task")) == sorted([*sent, *last])
