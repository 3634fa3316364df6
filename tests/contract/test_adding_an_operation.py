"""Somebody who has never seen this adds archive-task: one module, copied from complete_task.py, and nothing else."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.contract.test_two_servers import serving
from tests.support.function_pack import FUNCTIONS, Pack

# What one changes in the copy: the names, and the rule.
RULE = """    task = work.task(command.task_id, expecting=command.expected_version)
    if task.completed:
        return task  # completing twice is one completion
    return work.save_task(task.complete(at=work.now), event="task.completed")
"""
ARCHIVED = """    task = work.task(command.task_id, expecting=command.expected_version)
    if "archived" in task.tags:
        return task  # archiving twice is archiving once
    return work.save_task(task.changed(at=work.now, tags=[*task.tags, "archived"]))
"""


def copied() -> str:
    text = (FUNCTIONS / "complete_task.py").read_text()
    assert RULE in text
    text = text.replace(RULE, ARCHIVED)
    for old, new in [
        ("complete-task", "archive-task"), ("complete_task", "archive_task"), ("CompleteTask", "ArchiveTask"),
        ("task.complete", "task.archive"), ("/complete", "/archive"),
    ]:  # fmt: skip
        text = text.replace(old, new)
    return text


@pytest.fixture
def archive(tmp_path: Path, pack: Pack) -> None:
    """The new function, served from a folder of its own as FUNCTION_SOURCE names it."""
    source = tmp_path / "archive_task.py"
    source.write_text(copied())
    pack.serve("archive-task", source)


@pytest.mark.usefixtures("archive")
def test_the_new_operation_answers_calls(pack: Pack) -> None:
    task = pack.create(tags=["home"])
    path = f"/tasks/{task['task_id']}/archive"
    for _ in range(2):
        answer = pack.call("archive-task", "POST", path)
        assert answer.status_code == 200
        assert answer.headers["ETag"] == '"2"'
    assert pack.get(task)["tags"] == ["home", "archived"]
    [updated] = pack.events("task.updated")
    assert updated.attributes["source"] == "/taskmaster/archive-task"
    assert updated.data["tags"] == ["home", "archived"]


@pytest.mark.usefixtures("archive")
def test_the_new_operation_takes_events(pack: Pack) -> None:
    task = pack.create()
    for _ in range(2):
        answer = pack.event("archive-task", "task.archive", {"task_id": task["task_id"]}, event_id="once")
        assert answer.status_code == 204
    assert pack.get(task)["version"] == 2
    assert pack.event("archive-task", "task.archive", {"task_id": 10**9}).status_code == 204
    assert len(pack.events("task.command.rejected")) == 1
    envelope = {"event_type": "task.archive", "user_id": pack.user, "data": {"task_id": pack.create()["task_id"]}}
    assert pack.envelope("archive-task", envelope, offset=1).status_code == 204
    assert len(pack.events("task.updated")) == 2


@pytest.mark.usefixtures("archive")
def test_the_new_operation_has_everything_that_the_others_have(pack: Pack) -> None:
    task = pack.create()
    path = f"/tasks/{task['task_id']}/archive"
    assert pack.call("archive-task", "POST", path, user=f"stranger-{uuid4()}").status_code == 404
    assert pack.call("archive-task", "POST", path, Authorization="").status_code == 401
    assert pack.call("archive-task", "GET", path).status_code == 405
    assert pack.call("archive-task", "POST", path, {"unknown": 1}).status_code == 422
    assert pack.call("archive-task", "POST", path, If_Match='"7"').status_code == 412
    first, second = (pack.call("archive-task", "POST", path, Idempotency_Key="k") for _ in range(2))
    assert (first.status_code, first.data) == (second.status_code, second.data)
    assert pack.event("archive-task", "task.archive", b"{").status_code == 400
    assert pack.event("archive-task", "task.complete", {}).status_code == 204


def test_our_own_server_serves_it_too(tmp_path: Path, pack: Pack, environment: dict[str, str]) -> None:
    source = tmp_path / "archive_task.py"
    source.write_text(copied())
    task = pack.create()
    with serving("taskmaster.serve", "archive-task", environment, source=source) as served:
        served.user = pack.user
        assert served.ask("POST", f"/{task['task_id']}").status == 200
    assert pack.get(task)["tags"] == ["archived"]
