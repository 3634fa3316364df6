"""`taskmaster add`, `list`, `done`, `watch`: lines for a pipe, a table for a terminal, objects for a program."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from knative.local.web import WebServer
from taskmaster.cli import tasks
from taskmaster.cli.__main__ import main
from taskmaster.client import Changes, Taskmaster
from tests.support import tokens
from tests.support.address import address
from tests.support.function_pack import Pack


@pytest.fixture
def url(pack: Pack) -> Iterator[str]:
    web = WebServer(address(pack))
    yield f"http://127.0.0.1:{web.port}"
    web.stop()


@pytest.fixture
def run(pack: Pack, url: str) -> Any:
    environment = {"TASKMASTER_URL": url, "TASKMASTER_TOKEN": tokens.token(pack.user)}

    def ran(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(main, arguments, env={**environment, **environ})

    return ran


def test_a_task_is_added_listed_and_done(run: Any, pack: Pack) -> None:
    added = run(
        "add", "pay the rent", "--due", "2027-01-31", "--every", "monthly", "--tag", "home", "--priority", "high"
    )
    [task] = pack.tasks()
    line = f"{task['task_id']}\t2027-01-31\thigh\tpay the rent\thome\tmonthly\n"
    assert (added.exit_code, added.output) == (0, line)
    assert run("list", "--tag", "home").output == line
    assert run("list", "--tag", "away").output == ""
    assert run("done", str(task["task_id"])).exit_code == 0
    assert run("list").output == ""
    assert run("list", "--status", "completed").output == line


def test_a_moment_and_a_day_are_told_apart(run: Any, pack: Pack) -> None:
    run("add", "x", "--due", "2027-01-31t09:00:00+01:00", "--zone", "Europe/Zurich", "--remind", "PT30M")
    [task] = pack.tasks()
    assert (task["due_at"], task["due_on"], task["reminders"]) == ("2027-01-31T08:00:00Z", None, ["PT30M"])


def test_json_is_the_task_itself_an_object_a_line(run: Any, pack: Pack) -> None:
    for title in ("Grüße", "y"):
        run("add", title)
    found = [json.loads(line) for line in run("list", "--json", "--sort", "created_at").output.splitlines()]
    assert found == pack.tasks()
    assert len(run("list", "--limit", "1").output.splitlines()) == 1


def test_the_same_key_adds_one_task(run: Any, pack: Pack) -> None:
    first, again = (run("add", "rent", "--key", "rent-1") for _ in range(2))
    assert first.output == again.output
    assert len(pack.tasks()) == 1


def test_a_calendar_address_is_made_and_revoked(run: Any, pack: Pack) -> None:
    run("add", "x")
    first, second = (run("calendar").output.strip() for _ in range(2))
    assert requests.get(first, timeout=30).status_code == 404
    assert "SUMMARY:x" in requests.get(second, timeout=30).text
    assert json.loads(run("calendar", "--json").output)["url"].endswith(".ics")
    assert run("calendar", "--revoke").output == ""
    assert requests.get(second, timeout=30).status_code == 404


def test_on_a_terminal_it_is_a_table(run: Any, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    run("add", "[bold]not markup[/]")
    run("add", "bell\x07 and \x1b[31mred")
    monkeypatch.setattr(tasks, "_is_terminal", lambda: True)
    shown = run("list", COLUMNS="200").output
    assert "priority" in shown.splitlines()[0]
    assert "[bold]not markup[/]" in shown
    assert "\x07" not in shown
    assert "\x1b[31m" not in shown


def test_what_goes_wrong_is_one_sentence_and_an_exit_code_of_its_own(run: Any) -> None:
    for arguments, environ, code, said in [
        (("done", "999999999"), {}, 4, "No such task"),
        (("add", "x", "--due", "tomorrow"), {}, 1, "due_on: must be a day, such as 2026-11-24"),
        (("list",), {"TASKMASTER_TOKEN": "made-up"}, 3, "Not signed in"),
        (("add",), {}, 2, "Missing argument"),
        (("list",), {"TASKMASTER_TOKEN": ""}, 2, "Missing option '--token'"),
    ]:
        ended = run(*arguments, **environ)
        assert (ended.exit_code, said in ended.output) == (code, True), ended.output
        assert "Traceback" not in ended.output


def test_nobody_there_is_an_exit_code_of_its_own(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Taskmaster, "_wait", lambda client, failures, error: _given_up(error))
    ended = run("list", TASKMASTER_URL="http://127.0.0.1:1")
    assert (ended.exit_code, "nothing answers there" in ended.output) == (5, True)


def _given_up(error: Exception) -> None:
    from taskmaster.client import Away

    raise Away(str(error))


def test_watching_shows_changes_until_it_is_interrupted(run: Any, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    task, done = pack.create(title="new"), pack.complete(pack.create(title="old"))

    def follow(_: Taskmaster, cursor: str | None) -> Iterator[Changes]:
        yield Changes("b", [task, done])
        yield Changes("c", [], [{"task_id": 9, "version": 2}])
        raise KeyboardInterrupt

    monkeypatch.setattr(Taskmaster, "follow", follow)
    ended = run("watch")
    assert ended.exit_code == 130
    assert [line.split("\t")[:2] for line in ended.output.splitlines()] == [
        ["open", str(task["task_id"])],
        ["done", str(done["task_id"])],
        ["gone", "9"],
    ]
    assert [json.loads(line)["cursor"] for line in run("watch", "--json").output.splitlines()] == ["b", "c"]
