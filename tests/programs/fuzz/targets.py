"""What is fuzzed: each target takes any bytes and fails where a decoder breaks a promise.

A decoder raises its own error or none, whatever comes; what it has decoded can be told again, and is the same then; and
the search for a date visits a bounded number of years. atheris calls them with bytes that reach new code (`make fuzz`),
the tests with the seeds, with what was found, and at random.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice, pairwise
from typing import Any, get_args
from unittest.mock import patch
from urllib.parse import quote
from zoneinfo import ZoneInfo

from knative_delivery import cloud_event
from query_tasks import list_tasks
from taskmaster.domain import changes, paging, recurrence, reminders, rrule
from taskmaster.domain.paging import ListTasks
from taskmaster.domain.task import Refused
from taskmaster.events import cloudevent, header_values
from taskmaster.handling.answers import HttpRefusal
from taskmaster.handling.preconditions import Preconditions
from taskmaster.web import http_call
from taskmaster.web.request import Request
from update_task import update_task

_ZURICH = ZoneInfo("Europe/Zurich")
_START = datetime(2024, 1, 31, 9)  # noqa: DTZ001 - a wall time
_YEARS = 2 * 400  # of silence, and of what comes before it
_JSON = {"content-type": cloudevent.JSON}


# Events ---------------------------------------------------------------------------------------------------------------


def binary_event(data: bytes) -> None:
    """A request in binary mode: lines of `name: value`, an empty one, the body."""
    headers, body = _request(data)
    decode(headers, body)
    letter = cloudevent.Received(headers, body).as_dead_letter(reason="fuzzed")
    assert letter.value == body or "ce_specversion" in letter.headers
    assert all(name == "content-type" or header_values.is_name(name[3:]) for name in letter.headers)
    header_values.check(letter.headers.items())
    assert not header_values.obstacle(letter.key)
    assert len(letter.key) <= 128


def structured_event(data: bytes) -> None:
    """An event as JSON."""
    decode({"content-type": cloudevent.STRUCTURED}, data)


def envelope(data: bytes) -> None:
    """A record that is no CloudEvent, as KafkaSource wraps it."""
    attributes = {"specversion": "1.0", "id": "partition:0/offset:7", "source": "/kafka", "type": cloudevent.WRAPPED}
    event = decode({f"ce-{name}": value for name, value in attributes.items()}, data)
    assert event is None or event["wrapped"] == "true"


def decode(headers: dict[str, str], body: bytes) -> Any:
    """The event, or None for one that is malformed; one that is not reads the same when it is sent on."""
    try:
        event = cloudevent.decode(headers, body)
    except cloudevent.Malformed as error:
        assert str(error)
        return None
    attributes = dict(event.get_attributes())
    assert all(attributes[name] for name in ("id", "source", "type"))
    for name in ("id", "source", "userid", "correlationid"):
        assert not header_values.obstacle(attributes.get(name, ""))
    with suppress(OverflowError):
        cloudevent.time_of(attributes)
    data = event.get_data()
    if attributes["type"] == cloudevent.WRAPPED:
        return event  # it would be unwrapped again
    written = _as_it_is if "knativekafkaoffset" in attributes else _encoded
    sent = {f"ce-{name}": written(value) for name, value in attributes.items()}
    again = cloudevent.decode({**sent, **_JSON}, b"" if data is None else json.dumps(data).encode())
    assert dict(again.get_attributes()) == attributes
    assert again.get_data() == data
    return event


def _encoded(value: str) -> str:
    return quote(value, safe="")


def _as_it_is(value: str) -> str:
    """As a KafkaSource writes it: in Latin-1, which is how WSGI reads it (PEP 3333)."""
    return value


@dataclass(frozen=True)
class Record:
    """A record as a consumer has it."""

    headers: list[tuple[str, bytes]]
    value: bytes | None
    topic: str = "create-task"
    partition: int = 0
    offset: int = 7
    timestamp: int = 1_795_000_000_000
    key: bytes | None = b"ada"


def kafka_record(data: bytes) -> None:
    """Any record: what KafkaSource makes of it is an event, or malformed, and never anything else."""
    named, body = _request(data)
    record = Record([(name.replace("-", "_"), value.encode("latin-1")) for name, value in named.items()], body)
    made = cloud_event.from_record(record, namespace="default", name="create-task")
    headers = {name: value.decode("latin-1") for name, value in made.http_headers().items()}
    try:
        event = cloudevent.decode(headers, made.data)
    except cloudevent.Malformed:
        return
    if made.attributes["type"] != cloudevent.WRAPPED and all(value.isascii() for value in made.attributes.values()):
        trimmed = {name: value.strip(" \t") for name, value in made.attributes.items()}
        assert dict(event.get_attributes()) == trimmed


def _request(data: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = data.partition(b"\n\n")
    lines = [line.decode("latin-1").partition(": ") for line in head.split(b"\n")]
    return {name.lower(): value for name, separator, value in lines if separator}, body


# Rules and reminders --------------------------------------------------------------------------------------------------


def pattern(data: bytes) -> None:
    """A recurrence pattern: a rule that reads the same again, whose dates ascend and are found within bounds."""
    text = data.decode("utf-8", "ignore")
    try:
        rule = recurrence.parse(text)
    except recurrence.RuleError as error:
        assert error.part
        assert error.detail.endswith(".")
        return
    assert recurrence.parse(rule.text) == rule
    for start in (_START, _START.date(), date(9990, 2, 28)):
        zone = _ZURICH if isinstance(start, datetime) else ZoneInfo("Pacific/Apia")
        with _years_counted(), suppress(recurrence.RuleError):
            recurrence.check(rule, start, zone)
        with _years_counted():
            following = recurrence.next_occurrence(rule, start, zone, position=1)
        found = list(islice(recurrence.occurrences(rule, start, zone), 5))
        assert all(one.due < other.due for one, other in pairwise(found))
        assert [each.position for each in found] == list(range(1, len(found) + 1))
        assert (following.due if following else None) == (found[1].due if len(found) > 1 else None)


class _years_counted:  # noqa: N801 - reads as what it does
    """Fails where one search visits more years than the calendar takes to begin anew, twice."""

    def __enter__(self) -> None:
        self._visited = 0
        self._patch = patch.object(recurrence, "days_by_year", self._counted(rrule.days_by_year))
        self._patch.start()

    def __exit__(self, *_: object) -> None:
        self._patch.stop()
        assert self._visited <= 2 * _YEARS, self._visited  # check searches twice where UNTIL ends a rule

    def _counted(self, years: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def counted(*arguments: Any) -> Iterator[Any]:
            for year in years(*arguments):
                self._visited += 1
                yield year

        return counted


def reminder(data: bytes) -> None:
    """A reminder: what is kept of it reads as what was written, and is kept the same."""
    text = data.decode("utf-8", "ignore")
    try:
        kept = reminders._written(text)
    except ValueError as error:
        assert str(error).startswith("must ")
        return
    assert kept.isascii()
    assert reminders._written(kept) == kept
    assert reminders.parse_reminder(kept) == reminders.parse_reminder(text.strip().upper())


# Calls ----------------------------------------------------------------------------------------------------------------


def cursor(data: bytes) -> None:
    """A cursor, for every order: a mark, or refused."""
    text = data.decode("utf-8", "surrogateescape")
    for sort in get_args(paging.Sort):
        command = ListTasks.model_construct(sort=sort, cursor=text)
        try:
            mark = paging.position_of(command)
        except Refused as refusal:
            assert refusal.status == 422
            continue
        assert mark is not None
        assert 0 < mark.task_id <= 2**63 - 1
        assert isinstance(mark.key, int) or mark.key.encode()
        if "created" in sort:
            assert datetime.fromisoformat(str(mark.key)).astimezone(UTC)


def change_cursor(data: bytes) -> None:
    """A cursor of the change feed: a position that is written as it was read, or refused."""
    try:
        position = changes.change_position(data.decode("utf-8", "surrogateescape"))
    except Refused as refusal:
        assert refusal.status == 422
        return
    assert changes.change_position(position.cursor()) == position
    assert max(position.beyond) <= 2**63 - 1


def request(data: bytes) -> None:
    """The query, preconditions and Idempotency-Key of a call: read, or turned away."""
    headers, body = _request(data)
    query = headers.pop("query", "")
    for method, operation in (("GET", list_tasks), ("DELETE", list_tasks), ("PATCH", update_task.operations[0])):  # type: ignore[attr-defined]
        asked = Request(method=method, path="/tasks", query=query, headers=headers, body=body)
        with suppress(HttpRefusal):
            http_call._fields(asked, operation, body)
    with suppress(HttpRefusal):
        conditions = http_call._preconditions(headers)
        assert conditions.canonical() == Preconditions.of(headers).canonical()
    with suppress(HttpRefusal):
        key = http_call.idempotency_key("create-task", "ada", headers.get("idempotency-key"))
        assert key is None or (0 < len(key.id) <= 255 and key.id.isascii() and key.id.isprintable())
    origin = http_call.origin_of("create-task", "ada", headers)
    assert 0 < len(origin.correlation_id) <= 128
    assert origin.correlation_id.isprintable()


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        binary_event, structured_event, envelope, kafka_record, pattern, reminder, cursor, change_cursor, request,
    )
}  # fmt: skip
