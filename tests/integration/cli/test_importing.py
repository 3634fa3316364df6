"""`taskmaster import`: a file of another program becomes tasks, once, and says what it could not keep."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from knative.local.web import WebServer
from taskmaster.cli.__main__ import main
from tests.support import tokens
from tests.support.address import address
from tests.support.function_pack import Pack
from tests.unit.importing.test_files import FIXTURES, sample


@pytest.fixture
def run(pack: Pack) -> Iterator[Any]:
    web = WebServer(address(pack))
    environment = {"TASKMASTER_URL": f"http://127.0.0.1:{web.port}", "TASKMASTER_TOKEN": tokens.token(pack.user)}

    def ran(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(main, ["import", *arguments], env={**environment, **environ})

    yield ran
    web.stop()


@pytest.fixture(params=["todoist", "icalendar", "vikunja"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = tmp_path / request.param
    path.write_bytes(sample(request.param))
    return path


def test_a_dry_run_makes_nothing_and_asks_nobody(file: Path, pack: Pack) -> None:
    environ = {"TASKMASTER_URL": "http://127.0.0.1:1", "TASKMASTER_TOKEN": ""}
    ran = CliRunner().invoke(main, ["import", str(file), "--dry-run"], env=environ)
    assert ran.exit_code == 0, ran.output
    assert "to be made\t" in ran.stdout
    assert "\tnot kept: " in ran.stdout
    assert "would be made" in ran.stderr
    assert pack.tasks() == []


def test_what_a_dry_run_says_is_what_an_import_makes(file: Path, pack: Pack, run: Any) -> None:
    wanted = [json.loads(line) for line in run(str(file), "--dry-run", "--json").stdout.splitlines()]
    made = run(str(file))
    assert made.exit_code == 0, made.output
    tasks = {task["task_id"]: task for task in pack.tasks()}
    wanted = [each for each in wanted if each["outcome"] != "left out"]
    found = sorted(tasks.values(), key=lambda task: task["task_id"])
    for want, task in zip(wanted, found, strict=True):
        assert want["task"].items() <= task.items()
        assert task["completed"] == want["done"]


def test_an_import_that_is_repeated_makes_nothing_more(file: Path, pack: Pack, run: Any) -> None:
    assert run(str(file)).exit_code == 0
    before = pack.tasks()
    again = run(str(file))
    assert again.exit_code == 0
    assert "\nmade\t" not in f"\n{again.stdout}"
    assert pack.tasks() == before


def test_an_import_goes_on_where_one_was_cut_off(file: Path, pack: Pack, run: Any) -> None:
    """By its keys: a task that was made, and has another title since, is not made again."""
    run(str(file))
    [first, *_] = pack.tasks()
    pack.call("update-task", "PATCH", f"/tasks/{first['task_id']}", {"title": "renamed"})
    count = len(pack.tasks())
    assert run(str(file)).exit_code == 0
    assert len(pack.tasks()) == count


def test_a_to_do_that_changed_in_the_file_is_told_and_not_made_twice(pack: Pack, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "tasks.ics"
    file.write_bytes(sample("icalendar"))
    run(str(file))
    count = len(pack.tasks())
    file.write_bytes(sample("icalendar").replace(b"SUMMARY:Often", b"SUMMARY:Often now"))
    again = run(str(file))
    assert again.exit_code == 1
    assert "has changed in the file since" in again.stdout
    assert len(pack.tasks()) == count


def test_the_feed_of_the_pack_comes_back_as_tasks(pack: Pack, run: Any, tmp_path: Path) -> None:
    pack.create(title="pay, the rent", due_at="2090-01-31T09:00:00+01:00", time_zone="Europe/Zurich", tags=["a,b"])
    pack.create(title="water", due_on="2090-02-01", recurrence_pattern="FREQ=DAILY;INTERVAL=3", priority="high")
    made = pack.call("show-calendar", "PUT", "/calendar").json or {}
    file = tmp_path / "feed.ics"
    file.write_bytes(pack.call("show-calendar", "GET", made["address"]).data)
    lines = [
        json.loads(line) for line in run(str(file), "--dry-run", "--json", TASKMASTER_TOKEN="").stdout.splitlines()
    ]
    told = [line["task"] for line in lines if line["outcome"] == "to be made"]
    kept = sorted(pack.tasks(), key=lambda task: str(task["title"]))
    assert [each.items() <= task.items() for each, task in zip(told, kept, strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--zone", "Mars/Olympus"], 2, "no IANA time zone"),
        (["--token", ""], 2, "say who you are"),
        (["--token", "nonsense"], 3, "Not signed in"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(run: Any, arguments: list[str], code: int, said: str) -> None:
    ran = run(str(FIXTURES / "todoist.csv"), *arguments)
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert said in ran.stderr


def test_a_file_of_another_kind_is_told(run: Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello")
    ran = run(str(tmp_path / "x"))
    assert ran.exit_code == 1
    assert "neither Todoist's CSV" in ran.stderr
