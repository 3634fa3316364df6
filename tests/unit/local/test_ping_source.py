"""PingSource ticks in business time, and follows a patched schedule at once."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from knative.local.clock import Clock
from knative.local.fields import Field
from knative.local.kubernetes_api import KubernetesApi, merge_patch
from knative.local.manifests import ping_source
from knative.local.ping_source import PingSourceAdapter
from knative.local.web import WebServer
from knative_delivery.sink import Answer

MANIFEST: dict[str, Any] = {
    "apiVersion": "sources.knative.dev/v1",
    "kind": "PingSource",
    "metadata": {"name": "alarm"},
    "spec": {
        "schedule": "0 0 1 1 *",
        "sink": {"ref": {"kind": "Service", "name": "dispatch"}, "uri": "/events"},
    },
}
PATH = "/apis/sources.knative.dev/v1/namespaces/default/pingsources/alarm"


class Recorder:
    def __init__(self, *statuses: int) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self._statuses = list(statuses)
        self._lock = threading.Lock()

    def __call__(self, url: str, headers: Mapping[str, bytes], body: bytes, timeout: float) -> Answer:
        with self._lock:
            self.requests.append((url, {name: value.decode() for name, value in headers.items()}, body))
            return Answer(self._statuses.pop(0) if self._statuses else 204, {}, b"")


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "offset")


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def started(clock: Clock, sink: Recorder, **spec: Any) -> PingSourceAdapter:
    manifest = merge_patch(MANIFEST, {"spec": spec})
    adapter = PingSourceAdapter(ping_source(Field(manifest, Path("test"))), sink=sink, clock=clock)
    adapter.start()
    return adapter


def test_every_tick_is_an_event_of_its_own(clock: Clock) -> None:
    sink = Recorder()
    adapter = started(
        clock,
        sink,
        schedule="* * * * * *",
        contentType="application/json",
        data='{"a":1}',
        ceOverrides={"extensions": {"team": "x"}},
    )
    until(lambda: len(sink.requests) >= 2)
    adapter.stop()
    (url, headers, body), (_, second, _) = sink.requests[:2]
    assert url == "http://dispatch.default.svc.cluster.local/events"
    assert headers["ce-type"] == "dev.knative.sources.ping"
    assert headers["ce-source"] == "/apis/v1/namespaces/default/pingsources/alarm"
    assert headers["ce-team"] == "x"
    assert (headers["content-type"], body) == ("application/json", b'{"a":1}')
    assert headers["ce-id"] != second["ce-id"]


def test_a_journey_beyond_the_due_moment_is_one_tick(clock: Clock) -> None:
    sink = Recorder()
    adapter = started(clock, sink, schedule="@hourly")
    clock.travel(timedelta(days=31))
    until(lambda: len(sink.requests) == 1)
    time.sleep(0.05)
    adapter.stop()
    assert len(sink.requests) == 1


def test_a_tick_is_retried_five_times_within_two_seconds_and_then_lost(clock: Clock) -> None:
    sink = Recorder(*[503] * 10)
    adapter = started(clock, sink, schedule="@hourly")
    begun = time.monotonic()
    clock.travel(timedelta(hours=1))
    until(lambda: len(sink.requests) == 6)
    assert time.monotonic() - begun < 3
    adapter.stop()
    assert len({headers["ce-id"] for _, headers, _ in sink.requests}) == 1


@pytest.fixture
def alarm(clock: Clock) -> Iterator[tuple[str, PingSourceAdapter, Recorder]]:
    sink = Recorder()
    adapter = started(clock, sink)
    server = WebServer(KubernetesApi([adapter]))
    yield f"http://127.0.0.1:{server.port}{PATH}", adapter, sink
    server.stop()
    adapter.stop()


def patch(url: str, content: Any, media: str = "application/merge-patch+json") -> requests.Response:
    return requests.patch(url, json.dumps(content), headers={"content-type": media}, timeout=10)


def test_a_patched_schedule_takes_effect_at_once(alarm: tuple[str, PingSourceAdapter, Recorder]) -> None:
    url, adapter, sink = alarm
    answer = patch(url, {"spec": {"schedule": "* * * * * *"}})
    assert answer.status_code == 200
    assert answer.json()["spec"]["schedule"] == "* * * * * *"
    until(lambda: bool(sink.requests), 3)
    assert adapter.source.sink == "http://dispatch.default.svc.cluster.local/events"
    assert requests.get(url, timeout=10).json()["spec"]["schedule"] == "* * * * * *"


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        ({"spec": {"schedule": "soon"}}, 400, "has 1 fields"),
        ({"spec": {"sink": None}}, 400, "spec.sink"),
        ({"metadata": {"name": "other"}}, 400, "cannot change what the object is"),
        (["no object"], 400, "a patch is an object"),
    ],
)
def test_a_wrong_patch_changes_nothing(
    alarm: tuple[str, PingSourceAdapter, Recorder], content: Any, status: int, message: str
) -> None:
    url, adapter, _ = alarm
    answer = patch(url, content)
    assert (answer.status_code, answer.json()["kind"]) == (status, "Status")
    assert message in answer.json()["message"]
    assert adapter.source.schedule == MANIFEST["spec"]["schedule"]


def test_other_paths_methods_and_media_are_refused(alarm: tuple[str, PingSourceAdapter, Recorder]) -> None:
    url, _, _ = alarm
    assert requests.get(url + "s", timeout=10).status_code == 404
    assert requests.delete(url, timeout=10).status_code == 405
    assert patch(url, {}, "application/json").status_code == 415


def test_merge_patch_follows_rfc_7396() -> None:
    target = {"a": "b", "c": {"d": "e", "f": "g"}}
    assert merge_patch(target, {"a": "z", "c": {"f": None}}) == {"a": "z", "c": {"d": "e"}}
    assert merge_patch(target, {"c": [1]}) == {"a": "b", "c": [1]}
