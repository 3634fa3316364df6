"""kubectl is believed as it is: a program that prints, refuses, and streams. Here a shell script plays it."""

import os
from pathlib import Path
from threading import Event

import pytest

from knative.cluster.kubectl import ClusterError, Json, Kubectl


def kubectl(tmp_path: Path, script: str) -> Kubectl:
    """One that runs this script instead."""
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Kubectl("here", environ={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})


def test_without_kubectl_it_says_so() -> None:
    with pytest.raises(ClusterError, match="kubectl is not installed"):
        Kubectl("here", environ={"PATH": "/nowhere"})


def test_what_it_refuses_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="kubectl get pods x: no such thing"):
        kubectl(tmp_path, "echo no such thing >&2; exit 1").run("get", "pods", "x")


def test_an_object_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert kubectl(tmp_path, "exit 0").get("pod", "x") is None


def test_its_namespace_is_the_one_it_was_given(tmp_path: Path) -> None:
    assert kubectl(tmp_path, 'echo "$@"').run("get", "pods").split() == ["--namespace=here", "get", "pods"]


def test_a_watch_tells_each_object_as_soon_as_it_is_whole(tmp_path: Path) -> None:
    """kubectl prints objects over many lines, with nothing between them, and the pipe cuts them anywhere."""
    script = r"""
printf '{"type": "ADDED",\n "object": {"n": '; sleep 0.2
printf '1}}\n{"type": "DELETED", "object": {}}'; sleep 30"""
    seen: list[tuple[str, Json]] = []
    both = Event()

    def note(event: str, what: Json) -> None:
        seen.append((event, what))
        if len(seen) == 2:
            both.set()

    watch = kubectl(tmp_path, script).watch("pods", seen=note)
    try:
        assert both.wait(10)
    finally:
        watch.stop()
    assert seen == [("ADDED", {"n": 1}), ("DELETED", {})]


def test_a_watch_that_the_server_ends_begins_anew(tmp_path: Path) -> None:
    """The watch as a whole goes on; what is told twice is the reader's to know."""
    seen: list[str] = []
    twice = Event()

    def note(event: str, _what: Json) -> None:
        seen.append(event)
        if len(seen) == 2:
            twice.set()

    watch = kubectl(tmp_path, """echo '{"type": "ADDED", "object": {}}'""").watch("pods", seen=note)
    try:
        assert twice.wait(10)
    finally:
        watch.stop()
