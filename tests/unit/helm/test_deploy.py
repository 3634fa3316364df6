"""Deploying: in which order helm and kubectl are asked, and that what fails is taken back. Both are stand-ins here."""

import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pytest_httpserver import HTTPServer

from helm.deploy import main

DIGEST = "sha256:" + "a" * 64
TOOL = """#!/bin/sh
echo "$(basename "$0") $*" >> "$ASKED"
case "$*" in
  *list*) if [ "$FAILS" = list ]; then echo "no cluster" >&2; exit 1; fi; echo "$DEPLOYED" ;;
  *) case "$(basename "$0") $*" in *$FAILS*) echo "$FAILS is broken" >&2; exit 1 ;; esac ;;
esac
"""


class Tools:
    """`helm` and `kubectl` on the PATH: they write down what they are asked, and fail where they are told to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._asked = folder / "asked"
        self._monkeypatch = monkeypatch
        for name in ("helm", "kubectl"):
            (folder / name).write_text(TOOL)
            (folder / name).chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setenv("ASKED", str(self._asked))
        self.deployed(None)
        self.fails("nothing")

    def deployed(self, revision: int | None) -> None:
        self._monkeypatch.setenv("DEPLOYED", json.dumps([{"revision": str(revision)}] if revision else []))

    def fails(self, at: str) -> None:
        self._monkeypatch.setenv("FAILS", at)

    @property
    def asked(self) -> list[str]:
        """The verbs, in order."""
        verbs = ("list", "upgrade", "wait", "test", "rollback taskmaster 7", "rollback")
        lines = self._asked.read_text().splitlines()
        return [next(verb for verb in verbs if f" {verb}" in line) for line in lines]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    return Tools(tmp_path, monkeypatch)


def test_a_release_is_installed_waited_for_and_tried(tools: Tools) -> None:
    done = _deploy()
    assert (done.exit_code, tools.asked) == (0, ["list", "upgrade", "wait", "test"]), done.output


@pytest.mark.parametrize(
    ("broken", "asked"),
    [
        ("upgrade", ["list", "upgrade", "rollback taskmaster 7", "wait"]),
        ("test taskmaster", ["list", "upgrade", "wait", "test", "rollback taskmaster 7", "wait"]),
    ],
)
def test_one_that_fails_is_taken_back(tools: Tools, broken: str, asked: list[str]) -> None:
    tools.deployed(7)
    tools.fails(broken)
    done = _deploy()
    assert (done.exit_code, tools.asked) == (1, asked), done.output
    assert "at revision 7 again" in done.output


def test_a_first_installation_that_fails_stays_to_be_looked_at(tools: Tools) -> None:
    tools.fails("wait")
    done = _deploy()
    assert (done.exit_code, tools.asked) == (1, ["list", "upgrade", "wait"]), done.output
    assert "stays as it is" in done.output


def test_without_a_cluster_nothing_is_done_and_one_sentence_says_why(tools: Tools) -> None:
    tools.fails("list")
    done = _deploy()
    assert (done.exit_code, tools.asked) == (1, ["list"])
    assert done.output == "Error: nothing was done: no cluster\n"


def test_what_cannot_be_taken_back_is_told_in_a_sentence(tools: Tools) -> None:
    tools.deployed(7)
    tools.fails("kubectl")  # it never gets ready, neither before nor after
    done = _deploy()
    assert (done.exit_code, tools.asked) == (1, ["list", "upgrade", "wait", "rollback taskmaster 7", "wait"])
    assert "Error: and it is not back at revision 7 either: " in done.output


def test_from_outside_a_function_must_refuse_in_its_own_words(tools: Tools, httpserver: HTTPServer) -> None:
    tools.deployed(7)
    httpserver.expect_request("/tasks").respond_with_data("", 404)
    assert _deploy("--url", httpserver.url_for("/")).exit_code == 1
    httpserver.clear()
    httpserver.expect_request("/tasks").respond_with_json({}, 401, content_type="application/problem+json")
    assert _deploy("--url", httpserver.url_for("")).exit_code == 0


def test_a_digest_that_is_none_is_refused_before_anything_is_asked(tools: Tools) -> None:
    done = _deploy(digest="latest")
    assert done.exit_code == 1
    assert "64 hexadecimal digits" in done.output


def _deploy(*more: str, digest: str = DIGEST) -> Result:
    return CliRunner().invoke(
        main, ["--namespace=staging", "--image=registry.example.com/taskmaster", f"--digest={digest}", *more]
    )
