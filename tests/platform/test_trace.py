"""A story as `taskmaster trace` tells it, against what really happened on the platform."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaConsumer

from knative.local.up import Platform
from taskmaster.broker.window import KafkaTopicReader
from taskmaster.events import routes
from taskmaster.settings import read
from taskmaster.story.telling import tell
from tests.platform.user import User, eventually
from tests.support.brokers import Kafka
from tests.support.command_line import at_once
from tests.support.findings import doctor
from tests.support.kept_topics import KeptTopics
from tests.support.receiver import SECRET, Receiver
from tests.support.sizes import size

pytestmark = pytest.mark.long

Json = dict[str, Any]
COMMANDS = size(15, 500)  # of each kind, and as many stories; a completion makes four events, a creation two
READ_ANEW = size(2, 10)  # of each kind: told by the command line, which reads the broker for each


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


def told(environment: dict[str, str], identifier: str) -> list[Json]:
    ended = at_once(environment, "trace", identifier, "--json")
    assert ended.exit_code == 0, ended.output
    return list(json.loads(ended.stdout)["story"])


def shape(node: Json) -> Any:
    """A node by its kind and name, and its children, by name: without ids and times."""
    name = node.get("type") or node.get("function") or node.get("outcome") or node["kind"]
    children = sorted((shape(each) for each in node["children"]), key=str)
    return (f"{node['kind']} {name}", children) if children else f"{node['kind']} {name}"


def walk(nodes: list[Json]) -> Iterator[Json]:
    for node in nodes:
        yield node
        yield from walk(node["children"])


def places(kafka: Kafka, user: str) -> dict[str, set[str]]:
    """By event of a user, every place where it lies, as a consumer reads them."""
    consumer = KafkaConsumer(*routes.TOPICS, **kafka.client(), auto_offset_reset="earliest", consumer_timeout_ms=1500)
    found: dict[str, set[str]] = {}
    for record in consumer:
        attributes = {name.removeprefix("ce_"): value.decode() for name, value in record.headers}
        if attributes.get("userid") == user and record.topic != "dead-letters":
            found.setdefault(attributes["id"], set()).add(f"{record.topic}/{record.partition}/{record.offset}")
    consumer.close()
    return found


def test_a_recurring_task_is_one_story_from_its_command_to_its_successor(
    platform: Platform, user: User, looked_at: dict[str, str], broker_of_platform: Kafka
) -> None:
    task = {"title": "water", "due_on": "2090-01-01", "recurrence_pattern": "daily", "reminders": []}
    answer = user.call("POST", "/tasks", task, X_Correlation_Id=(made := f"made-{uuid4()}"))
    assert answer.status_code == 201
    completion = str(uuid4())
    user.produce("complete-task", "task.complete", {"task_id": answer.json()["task_id"]}, event_id=completion)
    user.flush()
    eventually(lambda: len(user.tasks()) == 2)
    eventually(lambda: user.facts().get(user.tasks()[1]["task_id"]))

    assert [shape(each) for each in told(looked_at, made)] == [("call create-task", ["event task.created"])]
    story = told(looked_at, completion)
    assert [shape(each) for each in story] == [
        (
            "event task.complete",
            [
                (
                    "handling complete-task",
                    [
                        (
                            "event task.completed",
                            [
                                (
                                    "handling schedule-next-recurrence",
                                    ["event task.created", "event task.recurring.next"],
                                )
                            ],
                        )
                    ],
                )
            ],
        )
    ]
    handlings = [each for each in walk(story) if each["kind"] == "handling"]
    assert [(each["attempts"], each["status"]) for each in handlings] == [(1, 204), (1, 204)]
    lie = places(broker_of_platform, user.name)
    for event in [each for each in walk(story) if each["kind"] == "event"]:
        assert set(event["places"]) == lie[event["id"]]
    # Any event of it leads to the same story; the task has that story and the one of its creation.
    for event in [each for each in walk(story) if each["kind"] == "event"]:
        assert told(looked_at, event["id"]) == story
    assert len(told(looked_at, str(answer.json()["task_id"]))) == 2


def test_a_reminder_is_told_with_what_its_webhook_answered(
    platform: Platform, user: User, looked_at: dict[str, str], receiver: Receiver
) -> None:
    channel = {"type": "webhook", "url": receiver.url, "secret": SECRET}
    assert user.call("PUT", "/preferences", {"channels": [channel]}).status_code == 200
    due = platform.clock.now() + timedelta(seconds=5)
    task = user.call("POST", "/tasks", {"title": "ring", "due_at": due.isoformat()}).json()
    eventually(lambda: receiver.messages)
    eventually(lambda: [each for each in user.events("task-updates") if each[0]["type"] == "reminder.sent"])
    [reminder_id] = receiver.rung
    [story] = told(looked_at, reminder_id)
    [due_event] = [each for each in walk([story]) if each.get("type") == "reminder.due"]
    assert shape(due_event) == (
        "event reminder.due",
        [("handling send-reminder", [("event reminder.sent", ["channel delivered"])])],
    )
    assert story["id"] == reminder_id
    assert story["state"] == "sent or failed for good"
    of_task = told(looked_at, str(task["task_id"]))
    assert {each["kind"] for each in of_task} == {"call", "reminder"}
    assert due_event["id"] in {each.get("id") for each in walk(of_task)}
    assert "ring" not in json.dumps(of_task)  # titles are none of an operator's business


def test_a_dead_letter_stands_where_its_handling_failed(user: User, looked_at: dict[str, str]) -> None:
    event_id = str(uuid4())
    user.produce("create-task", "task.create", {"title": 7}, event_id=event_id)
    user.flush()
    eventually(lambda: any(each["kind"] == "dead letter" for each in walk(found(looked_at, event_id))))
    [event] = told(looked_at, event_id)
    [handling, letter] = sorted(event["children"], key=lambda each: each["kind"], reverse=True)
    assert (handling["function"], handling["status"]) == ("create-task", 422)
    assert letter["function"] == "create-task"
    assert "title" in letter["reason"]


def test_a_log_adds_each_try_with_what_it_took(user: User, looked_at: dict[str, str], platform: Platform) -> None:
    event_id = str(uuid4())
    user.produce("create-task", "task.create", {"title": "x"}, event_id=event_id)
    user.flush()
    eventually(user.tasks)
    log = Path(platform._state) / "log"
    eventually(lambda: event_id in log.read_text())
    ended = at_once(looked_at, "trace", event_id, "--json", "--logs", str(log))
    [tried] = [each for each in walk(json.loads(ended.stdout)["story"]) if each["kind"] == "invocation"]
    assert (tried["outcome"], tried["attempt"]) == ("done", 1)
    assert tried["duration_ms"] > 0


def found(environment: dict[str, str], identifier: str) -> list[Json]:
    """The same where there may be nothing yet."""
    ended = at_once(environment, "trace", identifier, "--json")
    assert isinstance(ended.exception, SystemExit | None), ended.exception
    return list(json.loads(ended.stdout.splitlines()[0])["story"])


def test_a_record_in_the_original_envelope_has_a_story(user: User, looked_at: dict[str, str]) -> None:
    user.send("create-task", {"event_type": "task.create", "user_id": user.name, "data": {"title": "x"}})
    user.flush()
    eventually(user.tasks)
    [task] = user.tasks()
    eventually(user.facts)
    [story] = told(looked_at, str(task["task_id"]))
    assert shape(story) == ("event task.create", [("handling create-task", ["event task.created"])])


def test_only_records_of_its_time_are_read_for_a_story(
    user: User, looked_at: dict[str, str], broker_of_platform: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it takes under a second however much else lies on the topics."""
    with broker_of_platform.producer() as producer:
        for number in range(2_000):
            producer.send("task-updates", b"{}", headers=[("x", str(number).encode())])
    time.sleep(11)  # a story is looked for from ten seconds before its id was made: clocks differ
    made = user.call("POST", "/tasks", {"title": "x"}).json()
    eventually(lambda: user.facts().get(made["task_id"]))
    [correlation] = {each[0]["correlationid"] for each in user.events() if each[1]["task_id"] == made["task_id"]}
    seen: list[Any] = []

    unchanged = KafkaTopicReader.read

    def counted(reader: KafkaTopicReader, **named: Any) -> Iterator[Any]:
        for record in unchanged(reader, **named):
            seen.append(record)
            yield record

    monkeypatch.setattr(KafkaTopicReader, "read", counted)
    assert [shape(each) for each in told(looked_at, correlation)] == [("call create-task", ["event task.created"])]
    assert 0 < len(seen) < 1_000


@pytest.mark.thorough
def test_each_story_of_a_run_is_told_as_the_topics_and_the_inbox_have_it(
    platform: Platform, user: User, looked_at: dict[str, str], broker_of_platform: Kafka
) -> None:
    """Stories of hundreds of events that were made at once, by ids that say their time and by ids that do not."""
    for number in range(COMMANDS):
        task = {"title": f"{number}", "due_on": "2090-01-01", "recurrence_pattern": "daily", "reminders": []}
        user.produce("create-task", "task.create", task, event_id=f"create-{user.name}-{number}")
    user.flush()
    eventually(lambda: len(tasks := user.tasks()) == COMMANDS and tasks)
    first = [each["task_id"] for each in user.tasks()]
    for task_id in first:
        user.produce("complete-task", "task.complete", {"task_id": task_id}, event_id=f"complete-{user.name}-{task_id}")
    user.flush()
    eventually(lambda: len(user.tasks()) == 2 * COMMANDS, within=180)
    eventually(lambda: len(user.facts()) == 2 * COMMANDS)
    lie = places(broker_of_platform, user.name)
    assert len(lie) == 6 * COMMANDS
    settings = read(looked_at)
    topics = KeptTopics(settings)
    of_creations = [f"create-{user.name}-{number}" for number in range(COMMANDS)]
    of_completions = [f"complete-{user.name}-{task_id}" for task_id in first]
    # A creation: the command, one handling, one event. A completion: its successor as well.
    expected = {**dict.fromkeys(of_creations, (2, 1)), **dict.fromkeys(of_completions, (4, 2))}
    for identifier, (events, handlings) in expected.items():
        told_of = [each.as_json() for each in tell(settings, identifier, topics=topics)]
        story = list(walk(told_of))
        found = {each["id"]: set(each["places"]) for each in story if each["kind"] == "event"}
        assert len(found) == events
        assert found == {event_id: lie[event_id] for event_id in found}
        handled = [each for each in story if each["kind"] == "handling"]
        assert [each["status"] for each in handled] == [204] * handlings
        assert {each["correlation"] for each in story if each["kind"] == "event"} == {identifier}
        if identifier in (*of_creations[:READ_ANEW], *of_completions[:READ_ANEW]):
            assert told(looked_at, identifier) == told_of
            ours = next(event_id for event_id in found if event_id != identifier)
            assert told(looked_at, ours) == told_of


def test_what_nobody_knows_is_one_sentence(looked_at: dict[str, str]) -> None:
    ended = at_once(looked_at, "trace", str(uuid4()), "--since", "1m")
    assert ended.exit_code == 1
    assert "nothing is kept of" in ended.stderr


def test_doctor_finds_nothing_wrong_with_a_platform_that_works(user: User, looked_at: dict[str, str]) -> None:
    assert user.call("POST", "/tasks", {"title": "x"}).status_code == 201
    found = doctor(looked_at, "database", "work", "broker", "groups", "issuer")
    assert {each["code"] for each in found if each["severity"] != "note"} <= {"dead-letters"}  # of other tests
