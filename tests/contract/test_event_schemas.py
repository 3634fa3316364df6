"""The events' schemas and the AsyncAPI document are those of the code, and what they say by example is done."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema_rs
import pytest
import yaml

from taskmaster.events import routes
from tests.programs.specifications import asyncapi, events, examples, published
from tests.programs.specifications.documents import written
from tests.programs.specifications.served import readers, served
from tests.support.function_pack import Json, Pack

COMMANDS = [(each.function, name) for each in served() for name in each.commands]


def test_every_document_is_what_make_documents_writes() -> None:
    stale = [path.name for path, text in written().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "make documents"


def test_no_schema_is_left_of_an_event_that_is_gone() -> None:
    assert set(events.FOLDER.iterdir()) == {*events.schemas(), asyncapi.FILE}


def test_every_event_of_the_routes_has_a_schema() -> None:
    assert set(events.facts()) == set(routes.types())


@pytest.mark.parametrize("path", events.schemas(), ids=lambda path: path.name)
def test_every_schema_is_one_and_takes_its_own_example(path: Path) -> None:
    schema = json.loads(path.read_text())
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.Draft7Validator(schema, validate_formats=True)
    assert [fault.message for example in schema["examples"] for fault in validator.iter_errors(example)] == []
    assert schema["$id"] == f"urn:taskmaster:schema:{path.name.removesuffix('.1.0.json')}:1.0"


@pytest.mark.parametrize("name", events.facts())
def test_what_holds_the_published_events_takes_the_example_and_nothing_else(name: str) -> None:
    data = examples.FACTS[name]
    attributes = fact(name)
    published.hold(attributes, data)
    for wrong in ({**data, "unnamed": 1}, {**data, next(iter(data)): {"no": "such"}}, dict(list(data.items())[1:])):
        with pytest.raises(AssertionError):
            published.hold(attributes, wrong)
    for missing in ("userid", "dataschema", "partitionkey", "correlationid"):
        with pytest.raises(AssertionError):
            published.hold({key: value for key, value in attributes.items() if key != missing}, data)


def fact(name: str) -> dict[str, str]:
    return {
        "specversion": "1.0", "id": "1", "source": "/taskmaster/create-task", "type": name, "userid": "ada",
        "time": "2026-11-24T09:00:00Z", "dataschema": f"urn:taskmaster:schema:{name}:1.0", "partitionkey": "7",
        "correlationid": "request-456", "content-type": "application/json",
    }  # fmt: skip


# Commands, by their examples ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("function", "name"), COMMANDS)
def test_the_example_of_a_command_is_done(pack: Pack, function: str, name: str) -> None:
    data = examples.COMMANDS[name]
    task = pack.create(**examples.CREATE)
    if name in examples.TO_A_COMPLETED_TASK:
        pack.complete(task)
    asked = {**data, "task_id": task["task_id"]} if "task_id" in data else data
    assert pack.event(function, name, asked).status_code == 204
    assert pack.events("task.command.rejected") == []


@pytest.mark.parametrize(("function", "name"), COMMANDS)
def test_a_command_refuses_what_its_schema_does_not_have(pack: Pack, function: str, name: str) -> None:
    answer = pack.event(function, name, {**examples.COMMANDS[name], "unnamed": 1})
    assert answer.status_code == 422


def test_the_example_of_the_original_envelope_is_done(pack: Pack) -> None:
    envelope = {**examples.ENVELOPE, "user_id": pack.user, "event_id": str(uuid4())}
    assert pack.envelope("create-task", envelope, offset=1).status_code == 204
    [created] = pack.events("task.created")
    assert created.data["title"] == examples.ENVELOPE["data"]["title"]
    assert created.attributes["correlationid"] == examples.ENVELOPE["correlation_id"]
    assert created.attributes["traceparent"] == examples.ENVELOPE["metadata"]["trace_id"]


# The AsyncAPI document ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def document() -> Json:
    return dict(yaml.safe_load(asyncapi.FILE.read_text()))


def resolved(document: Json, reference: str) -> Any:
    if not reference.startswith("#/"):
        return json.loads((asyncapi.FILE.parent / reference).read_text())
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [found for each in part for found in references(each)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    return own + [found for each in part.values() for found in references(each)]


def test_every_reference_leads_somewhere(document: Json) -> None:
    for reference in references(document):
        resolved(document, reference)


def test_every_topic_is_a_channel_and_every_reader_of_it_an_operation(document: Json) -> None:
    assert [channel["address"] for channel in document["channels"].values()] == list(routes.TOPICS)
    received = {
        (name, resolved(document, each["channel"]["$ref"])["address"])
        for name, each in document["operations"].items()
        if each["action"] == "receive"
    }
    assert received == {(function, topic) for topic, functions in readers().items() for function in functions}


def test_every_fact_is_sent_to_the_topics_of_its_route(document: Json) -> None:
    sent: dict[str, set[str]] = {}
    for each in document["operations"].values():
        if each["action"] == "send":
            for message in each["messages"]:
                name = message["$ref"].rpartition("/")[2]
                sent.setdefault(name, set()).add(resolved(document, each["channel"]["$ref"])["address"])
    del sent["dead-letter"]
    assert sent == {name: set(routes.topics_of(name, recurs=True)) for name in routes.types()}


def test_every_command_is_received_by_the_function_that_handles_it(document: Json) -> None:
    taken = {
        (function, message["$ref"].rpartition("/")[2])
        for function, each in document["operations"].items()
        if each["action"] == "receive"
        for message in each["messages"]
    }
    assert set(COMMANDS) <= taken
