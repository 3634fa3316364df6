"""The OpenAPI document is valid, complete and true: its examples are run, and schemathesis looks for what is not."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema_rs
import pytest
import yaml

from knative.local import gateway, manifests
from knative.local.web import WebServer
from tests.programs.specifications import openapi
from tests.programs.specifications.answers import REFUSALS, problem
from tests.programs.specifications.examples import (
    CREATE,
    CURSOR,
    DOCUMENTS,
    PREFERENCES,
    QUERIES,
    REMINDER,
    REQUESTS,
    RESPONSES,
    SECRET,
    STREAM,
    TASK,
    TO_A_COMPLETED_TASK,
)
from tests.programs.specifications.served import Served, served
from tests.support import tokens
from tests.support.address import address
from tests.support.function_pack import FUNCTIONS, Json, Pack
from tests.support.sizes import THOROUGH, size

FUZZ = Path(__file__).parents[1] / "programs" / "fuzz"
OPERATIONS = {each.id: each for each in served() if each.routes}
# Their examples are run where there are pods and a broker: tests/integration/overview/.
OF_THE_PACK = {"showPackAtWork", "showDeadLetters", "replayDeadLetter"}


@pytest.fixture(scope="module")
def document() -> Json:
    return dict(yaml.safe_load(openapi.FILE.read_text()))


def test_it_is_an_openapi_document(document: Json) -> None:
    from openapi_spec_validator import validate  # which makes a parser of IRIs, in a second of every worker

    validate(document)


def filled(path: str) -> str:
    return re.sub(r"\{\w+\}", "7", path.replace("{secret}", SECRET))


def test_every_route_for_people_is_there_and_leads_to_its_function(document: Json) -> None:
    routes = manifests.read(FUNCTIONS.parent / "knative", FUNCTIONS.parent / "eventing").routes
    for each in OPERATIONS.values():
        for route in each.routes:
            assert document["paths"][route.path][route.method.lower()]["operationId"] == each.id
            assert gateway.route(routes, route.method, filled(route.path)) == each.function


def test_every_rule_of_the_route_leads_to_something_that_is_documented(document: Json) -> None:
    routes = manifests.read(FUNCTIONS.parent / "knative", FUNCTIONS.parent / "eventing").routes
    reached = {
        gateway.route(routes, method.upper(), filled(path))
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert {route.service for route in routes} == {
        *reached,
        "show-page",
        "call-tools",
    }  # the page is for people, the tools have a protocol of their own


def test_every_example_is_as_its_schema_says(document: Json) -> None:
    """Of requests and answers; those of parameters are run below."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts = [operation.get("requestBody", {}), *operation["responses"].values()]
            for part in parts:
                for media in openapi.resolved(document, part).get("content", {}).values():
                    schema = {**media["schema"], "components": document["components"]}
                    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
                    for example in media.get("examples", {}).values():
                        faults = [fault.message for fault in validator.iter_errors(example["value"])]
                        assert faults == [], (method, path)


# Examples, run --------------------------------------------------------------------------------------------------------


def called(pack: Pack, each: Served, *, task_id: int = 0, body: Any = None, **headers: str) -> Any:
    [route] = each.routes
    path = route.path.replace("{task_id}", str(task_id))
    if each.operation.by_address:
        made: str = pack.call("show-calendar", "PUT", "/calendar").json["address"]  # type: ignore[index]
        return pack.call(each.function, route.method, made, Authorization="", **headers)
    if each.id in QUERIES:
        about = {"task_id": [task_id]} if "task_id" in QUERIES[each.id] else {}
        path += "?" + urlencode({**QUERIES[each.id], **about}, doseq=True)
    return pack.call(each.function, route.method, path, REQUESTS.get(each.id) if body is None else body, **headers)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in OF_THE_PACK])
def test_the_example_of_an_operation_is_what_happens(pack: Pack, name: str) -> None:
    pack.travel(to=datetime.fromisoformat(TASK["created_at"]))
    each = OPERATIONS[name]
    if name == "showPreferences":
        pack.prefer(**PREFERENCES)
    task = pack.create(**CREATE) if name not in ("createTask", "changePreferences", "showPreferences") else {}
    if name in TO_A_COMPLETED_TASK:
        pack.complete(task)
    answer = called(pack, each, task_id=task.get("task_id", 0))
    assert answer.status_code == (204 if each.answers == [None] else each.operation.status), answer.text
    if name == "streamChanges":
        assert answer.content_type.startswith("text/event-stream")
        assert re.sub("id: .*", f"id: {CURSOR}", answer.text) == STREAM
    elif name in DOCUMENTS:
        assert answer.content_type == "text/calendar; charset=utf-8"
        assert without_ids(answer.text) == without_ids(DOCUMENTS[name])
    elif name in RESPONSES:
        assert settled(answer.json) == settled(RESPONSES[name])
    else:
        assert answer.data == b""
    if any(kind is not None and kind.__name__ == "Task" for kind in each.answers):
        assert answer.headers["ETag"] == f'"{answer.json["version"]}"'
    assert answer.headers.get("Location") == (f"/tasks/{answer.json['task_id']}" if name == "createTask" else None)


def without_ids(calendar: str) -> str:
    """A feed without what is another in every run."""
    return re.sub(r"(UID:)[0-9a-f-]{36}|([0-9]{8}T[0-9]{4})[0-9]{2}Z", r"\1\2", calendar)


def settled(answer: Any) -> Any:
    """An answer without what is another in every run: numbers of tasks, and seconds."""
    if isinstance(answer, list):
        return [settled(each) for each in answer]
    if not isinstance(answer, dict):
        return answer
    same = {name: settled(value) for name, value in answer.items()}
    for name in ("task_id", "series_id"):
        if name in same:
            same[name] = 7
    if "reminder_id" in same:
        same["reminder_id"] = REMINDER["reminder_id"]
    if "cursor" in same:
        same["cursor"] = CURSOR
    if "address" in same:
        same["address"] = re.sub("[A-Za-z0-9_-]{43}", SECRET, same["address"])
    for name in ("created_at", "updated_at", "completed_at", "snoozed_until", "at", "made_at"):
        if same.get(name):
            moment = datetime.fromisoformat(same[name]).astimezone(UTC)
            same[name] = moment.replace(second=0, microsecond=0).isoformat()
    return same


def too_many_calls(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("USER_CALLS_PER_SECOND", "0.1")
    pack.restart()
    answers = [pack.call("query-tasks", "GET", "/tasks") for _ in range(3)]
    monkeypatch.setenv("USER_CALLS_PER_SECOND", "0")
    pack.restart()
    return answers[-1]


def test_the_examples_of_refusals_are_what_is_said(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    task = pack.create(**CREATE)
    task_id = task["task_id"]
    done = pack.complete(pack.create(title="x"))["task_id"]
    met = {
        400: called(pack, OPERATIONS["updateTask"], task_id=task_id, If_Match="x"),
        401: called(pack, OPERATIONS["getTask"], task_id=task_id, Authorization=""),
        403: called(pack, OPERATIONS["showPackAtWork"]),
        404: called(pack, OPERATIONS["getTask"], task_id=999_999_999),
        409: called(pack, OPERATIONS["snoozeTask"], task_id=done),
        410: pack.call("query-tasks", "GET", f"/tasks/changes?cursor={CURSOR}"),
        412: called(pack, OPERATIONS["updateTask"], task_id=task_id, If_Match='"3"'),
        429: too_many_calls(pack, monkeypatch),
        413: called(pack, OPERATIONS["createTask"], body=b" " * 300_000),
        415: called(pack, OPERATIONS["createTask"], Content_Type="text/plain"),
        422: called(pack, OPERATIONS["createTask"], body={}),
    }
    assert {*met, 503} == set(REFUSALS)
    for status, answer in met.items():
        assert answer.status_code == status, answer.text
        assert answer.content_type == "application/problem+json"
        assert json.loads(answer.text.replace(f"Task {task_id} ", "Task 7 ")) == problem(status)
        if header := REFUSALS[status].header:
            assert header in answer.headers


def test_the_example_of_an_outage_is_what_is_said(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setenv("DATABASE_TIMEOUT", "0.2")
    pack.restart()
    answer = called(pack, OPERATIONS["getTask"], task_id=7)
    assert (answer.status_code, answer.json) == (503, problem(503))
    assert int(answer.headers["Retry-After"]) > 0


# Found by schemathesis, and kept --------------------------------------------------------------------------------------


def test_a_whole_number_may_be_written_with_a_fraction_of_nothing(pack: Pack) -> None:
    """JSON Schema has no difference between 1 and 1.0; beyond 2**53 a float no longer tells which number it is."""
    path = f"/tasks/{pack.create()['task_id']}"
    assert pack.call("update-task", "PATCH", path, b'{"priority": "low", "expected_version": 1.0}').status_code == 200
    task_id = pack.create()["task_id"]
    assert pack.event("complete-task", "task.complete", b'{"task_id": %d.0}' % task_id).status_code == 204
    assert pack.get({"task_id": task_id})["completed"]
    for wrong in (b'{"expected_version": 1.5}', b'{"expected_version": 1e300}', b'{"expected_version": "1"}'):
        assert pack.call("update-task", "PATCH", path, wrong).status_code == 422
    for wrong in (b'{"task_id": 9007199254740994.0}', b'{"task_id": "1"}', b'{"task_id": true}'):
        assert pack.event("complete-task", "task.complete", wrong).status_code == 422


def test_version_nought_is_no_version(pack: Pack) -> None:
    """It named a field that nobody had sent."""
    complete = f"/tasks/{pack.create()['task_id']}/complete"
    assert pack.call("complete-task", "POST", complete, If_Match='"0"').status_code == 412
    answer = pack.call("complete-task", "POST", complete, If_Match="0")
    assert (answer.status_code, answer.json) == (400, problem(400))


def test_what_if_match_says_hides_nothing_of_the_body(pack: Pack) -> None:
    """The header took the place of the field, whatever the field was."""
    path = f"/tasks/{pack.create()['task_id']}"
    for wrong in (-0.99999, 6_162_635_821, "1", True):
        answer = pack.call("update-task", "PATCH", path, {"title": "y", "expected_version": wrong}, If_Match='"1"')
        assert answer.status_code == 422
    answer = pack.call("update-task", "PATCH", path, {"title": "y", "expected_version": 2}, If_Match='"1"')
    assert answer.status_code == 412
    for right in (1, 1.0, None):
        etag = pack.call("query-tasks", "GET", path).headers["ETag"]
        command = {"title": "y", "expected_version": right and int(etag.strip('"')) * right}
        assert pack.call("update-task", "PATCH", path, command, If_Match=etag).status_code == 200


@pytest.mark.parametrize("other", [True, False])
def test_which_task_it_is_the_path_alone_says(pack: Pack, other: bool) -> None:
    task_id = pack.create()["task_id"]
    answer = pack.call("update-task", "PATCH", f"/tasks/{task_id}", {"title": "y", "task_id": task_id + other})
    assert answer.status_code == 422
    assert "task_id" in answer.text
    assert pack.call("query-tasks", "GET", f"/tasks/{task_id}?task_id={task_id + other}").status_code == 422
    assert [task["title"] for task in pack.tasks()] != ["y"]


@pytest.mark.parametrize("key", ["é", "\x7f", "\x01", "k" * 256])
def test_an_idempotency_key_is_printable_ascii(pack: Pack, key: str) -> None:
    answer = pack.call("create-task", "POST", "/tasks", {"title": "x"}, Idempotency_Key=key)
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.text
    assert pack.tasks() == []


@pytest.mark.parametrize(
    "given",
    ['"1"', "*", '"1", "2"', 'W/"1", "1"', ', "1",, "7",', '"é"', '"a,b"', "1", '"a b"', "", ",", '"1" "2"', 'w/"1"'],
)
def test_an_if_match_is_as_its_pattern_says(pack: Pack, document: Json, given: str) -> None:
    complete = f"/tasks/{pack.create()['task_id']}/complete"
    answer = pack.call("complete-task", "POST", complete, If_Match=given)
    schema = document["components"]["parameters"]["If-Match"]["schema"]
    assert (answer.status_code != 400) == jsonschema_rs.Draft202012Validator(schema).is_valid(given)


def test_the_greatest_version_is_one_in_a_query_too(pack: Pack) -> None:
    """It has ten digits, and nine were read."""
    path = f"/tasks/{pack.create()['task_id']}"
    assert pack.call("delete-task", "DELETE", f"{path}?expected_version=2147483647").status_code == 412
    assert pack.call("delete-task", "DELETE", f"{path}?expected_version=2147483648").status_code == 422


@pytest.mark.parametrize("apart", ["\x00", " ", "\x85", "\xa0", "\u2028", "\u3000", "\ufeff"])
def test_what_separates_is_in_no_mail_address(pack: Pack, document: Json, apart: str) -> None:
    """JSON Schema's \\s is ECMA-262's, and does not know U+0085: the pattern says each."""
    address = f"a{apart}da@example.com"
    assert pack.call("set-preferences", "PUT", "/preferences", _mailed(address)).status_code == 422
    schema = {**document["components"]["schemas"]["SetPreferences"], "components": document["components"]}
    assert not jsonschema_rs.Draft202012Validator(schema).is_valid(_mailed(address))
    assert jsonschema_rs.Draft202012Validator(schema).is_valid(_mailed("\u00e4da@example.com"))


def _mailed(address: str) -> Json:
    return {"channels": [{"type": "mail", "address": address}]}


# schemathesis itself --------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.timeout(0)
def test_schemathesis_finds_nothing(pack: Pack) -> None:
    """Examples, coverage of the schemas and made-up calls, over the one address: here the same each time.

    `make fuzz-http` makes up others each time, for as long as one says, and sequences of them.
    """
    seconds = int(os.environ.get("FUZZ_SECONDS", "0"))
    phases = "examples,coverage,fuzzing" if THOROUGH else "examples,fuzzing"
    same = ["--seed", "7", "--phases", phases, "--max-examples", str(size(5, 20))]
    asked = ["--max-time", str(seconds)] if seconds else same
    web = WebServer(address(pack))
    try:
        found = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "--config-file", FUZZ / "http.toml", "run", openapi.FILE,
                "--url", f"http://127.0.0.1:{web.port}", "--header", f"Authorization: {tokens.bearer(pack.user)}",
                "--checks", "all", "--exclude-checks", "unsupported_method", *asked,
                "--no-color", "--warnings", "off",
            ],
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.programs.fuzz.hooks",
                "PYTHONPATH": f"{FUNCTIONS}{os.pathsep}{FUNCTIONS.parent}",
            },
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    finally:
        web.stop()
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2_000:]
