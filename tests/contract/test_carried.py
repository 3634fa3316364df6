"""Whatever a door accepts, what follows from it arrives: every attribute is one that KafkaSource carries unchanged.

The stand-in's KafkaSource writes headers as Knative's was seen to (tests/unit/local/kafkasource-observed.json), and
what it wrote is read as the next function reads it.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from knative_delivery.cloud_event import from_record
from taskmaster.database.inbox_rows import outbox_row
from taskmaster.events import cloudevent
from taskmaster.events.header_values import CannotTravel
from taskmaster.events.outgoing import Origin, Outgoing, outgoing
from taskmaster.identity.callers import checked_user_id, is_user_id
from tests.programs.fuzz.targets import Record
from tests.support.fake_store import FakeStore
from tests.support.function_pack import Json, Pack
from tests.support.sizes import size

NASTY = [
    "line1\nline2", "a\r\nb", "a\n b", "a\tb", "a\x00b", "a\x01b", "a\x7fb", "a\x85b", "\x9f", " a", "a ", "\xa0a",
    "😀", "→", "\u2028", "\ufeff", "\ufffe", "\ufdd0", "\U0010ffff", "é", "Zürich", "Ã¼", "a%0Ab", "a%FF", "50%", '"q"',
    '"', "\\", "?", "a, b", "x" * 2048, "x" * 2049, "",
]  # fmt: skip
VALUES = st.sampled_from(NASTY) | st.text(max_size=30) | st.text(st.characters(codec="latin-1"), max_size=30)
NAMES = st.sampled_from(["id", "source", "userid", "correlationid", "partitionkey", "subject", "traceparent", "note"])
ATTRIBUTES = st.dictionaries(NAMES, VALUES, max_size=4)
OFTEN = settings(
    max_examples=size(75, 300),
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pack]:
    with Pack.in_memory(FakeStore(), monkeypatch) as served:
        yield served


def whole(attributes: dict[str, str]) -> dict[str, str]:
    return {"specversion": "1.0", "id": "e", "source": "/s", "type": "task.create", "userid": "ada", **attributes}


def left_behind(pack: Pack) -> list[Outgoing]:
    """What is in the outbox, which is empty then."""
    assert pack.store is not None
    outbox, pack.store.tables.outbox = pack.store.tables.outbox, []
    pack.store.tables.inbox = {}
    return list(outbox)


def all_arrive(pack: Pack, *, accepted: bool, at_least: int = 1) -> None:
    left = left_behind(pack)
    assert len(left) >= at_least or not accepted
    for event in left:
        arrives(event)


def arrives(event: Outgoing) -> None:
    record = Record(
        headers=[(name, value.encode()) for name, value in event.headers.items()],
        value=event.value,
        key=event.key.encode(),
    )
    made = from_record(record, namespace="default", name="s")
    assert made.unsendable() == ""
    read = cloudevent.attributes((name, value.decode("latin-1")) for name, value in made.http_headers().items())
    for name in ("knativekafkapartition", "knativekafkaoffset"):
        del read[name]
    written = {name[3:]: value for name, value in event.headers.items() if name.startswith("ce_")}
    assert read == {**written, "time": made.attributes["time"]}  # which it writes without needless digits
    cloudevent.checked(read)


@OFTEN
@given(attributes=ATTRIBUTES, is_encoded=st.booleans())
def test_by_a_binary_event(pack: Pack, attributes: dict[str, str], is_encoded: bool) -> None:
    def written(value: str) -> str:
        try:
            raw = value.encode("latin-1").decode("latin-1")
        except UnicodeError:
            return quote(value, safe="", errors="surrogatepass")
        return quote(value, safe="") if is_encoded or set(raw) & {"\r", "\n"} else raw

    headers = {f"ce-{name}": written(value) for name, value in whole(attributes).items()}
    answer = pack.deliver_raw("create-task", headers, b'{"title": "x"}')
    assert answer.status_code in (204, 400)
    all_arrive(pack, accepted=answer.status_code == 204)


@OFTEN
@given(attributes=ATTRIBUTES)
def test_by_a_record_with_headers(pack: Pack, attributes: dict[str, str]) -> None:
    headers = [(f"ce_{name}", value.encode("utf-8", "replace")) for name, value in whole(attributes).items()]
    made = from_record(Record(headers=headers, value=b'{"title": "x"}'), namespace="default", name="create-task")
    sent = {name: value.decode("latin-1") for name, value in made.http_headers().items()}
    if made.unsendable() or any(set(value) & {"\r", "\n"} for value in sent.values()):
        return
    answer = pack.deliver_raw("create-task", sent, made.data)
    assert answer.status_code in (204, 400)
    all_arrive(pack, accepted=answer.status_code == 204)


@OFTEN
@given(attributes=ATTRIBUTES)
def test_by_a_structured_event(pack: Pack, attributes: dict[str, str]) -> None:
    body = json.dumps({**whole(attributes), "data": {"title": "x"}}).encode()
    answer = pack.deliver_raw("create-task", {}, body, content_type=cloudevent.STRUCTURED)
    assert answer.status_code in (204, 400)
    all_arrive(pack, accepted=answer.status_code == 204)


@OFTEN
@given(
    fields=st.dictionaries(st.sampled_from(["event_id", "user_id", "correlation_id"]), VALUES),
    metadata=st.dictionaries(st.sampled_from(["source", "trace_id"]), VALUES),
    data=st.sampled_from([{"title": "x"}, {"title": "x", "recurrence_pattern": "daily"}]),
)
def test_by_an_original_envelope(pack: Pack, fields: Json, metadata: Json, data: Json) -> None:
    """And what a rule refuses is told in an event, too."""
    envelope = {"event_type": "task.create", "user_id": "ada", "data": data, "metadata": metadata, **fields}
    answer = pack.envelope("create-task", envelope, offset=1)
    assert answer.status_code in (204, 400)
    all_arrive(pack, accepted=answer.status_code == 204)


@OFTEN
@given(correlation=VALUES, key=VALUES, attributes=ATTRIBUTES, user=VALUES)
def test_by_a_person(pack: Pack, correlation: str, key: str, attributes: dict[str, str], user: str) -> None:
    def header(value: str) -> str:
        return value.encode("utf-8", "replace").decode("latin-1").translate({10: "x", 13: "x"})

    if not is_user_id(user):
        with pytest.raises(ValueError, match="a user id has"):
            checked_user_id(user)
        user = "ada"
    tied: dict[str, Any] = {"X_Correlation_Id": header(correlation), "Idempotency_Key": header(key)}
    answer = pack.call("create-task", "POST", "/tasks", {"title": "x"}, user=user, **tied)
    assert answer.status_code in (201, 400)
    all_arrive(pack, accepted=answer.status_code == 201)

    body = json.dumps({**whole(attributes), "data": {"title": "x"}}).encode()
    answer = pack.call("create-task", "POST", "/", body, user=user, Content_Type=cloudevent.STRUCTURED, **tied)
    assert answer.status_code in (201, 400)
    all_arrive(pack, accepted=answer.status_code == 201)


# Where events are made, and where the outbox is filled ----------------------------------------------------------------


class Empty(BaseModel):
    """Data without a field."""


@pytest.mark.parametrize("value", ["a\nb", "a\x01b", "a\x7fb", "a\x85b", "\ud800", "\ufffe", "→", " a", "a\xa0"])
def test_no_event_is_made_and_no_row_written_that_does_not_arrive(value: str) -> None:
    origin = Origin(function="create-task", user_id="ada", correlation_id=value)
    at = datetime(2026, 11, 24, tzinfo=UTC)
    with pytest.raises(CannotTravel, match="ce_correlationid"):
        outgoing("task.created", Empty(), origin=origin, at=at, key="1")
    with pytest.raises(CannotTravel, match="ce_note"):
        outbox_row(Outgoing(key="1", topics=("t",), headers={"ce_note": value}, value=b""))
