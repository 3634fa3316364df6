"""The states of functions, from their pods as the Kubernetes API lists them."""

import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from taskmaster.overview.functions import FUNCTIONS
from taskmaster.overview.pods import PodsUnknown, functions_now, shown

MADE, READY = "2026-11-24T09:00:00Z", "2026-11-24T09:00:02Z"


def pod(
    function: str = "create-task", *, name: str = "one", made: str = MADE, ready: str = "", **more: Any
) -> dict[str, Any]:
    condition = {"type": "Ready", "status": str(bool(ready)), "lastTransitionTime": ready or made}
    others = [{"type": "Initialized", "status": "True", "lastTransitionTime": made}]
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": made,
            "labels": {"serving.knative.dev/service": function},
            **more,
        },
        "status": {"phase": "Running", "conditions": [*others, condition]},
    }


def states(*pods: dict[str, Any]) -> dict[str, str]:
    """Of those that are not asleep."""
    return {each.function: each.state for each in shown(pods) if each.state != "asleep"}


def test_every_function_is_there_and_without_a_pod_it_sleeps() -> None:
    found = shown([])
    assert {each.function for each in found} == set(FUNCTIONS)
    assert {each.state for each in found} == {"asleep"}


@pytest.mark.parametrize(
    ("given", "state", "start"),
    [
        (pod(), "waking", None),
        (pod(ready=READY), "awake", 2000),
        (pod(made="2026-11-24T09:00:00.100Z", ready="2026-11-24T09:00:00.639Z"), "awake", 539),
        (pod(ready=READY, deletionTimestamp=READY), "draining", 2000),
        (pod(deletionTimestamp=READY), "draining", None),
        ({**pod(), "status": {}}, "waking", None),
    ],
)
def test_the_state_of_a_pod_and_how_long_it_started(given: dict[str, Any], state: str, start: int | None) -> None:
    assert states(given) == {"create-task": state}
    [function] = [each for each in shown([given]) if each.pods]
    assert [(each.state, each.start_ms) for each in function.pods] == [(state, start)]


def test_a_function_is_as_awake_as_its_most_awake_pod() -> None:
    draining = pod(name="old", ready=READY, deletionTimestamp=READY)
    assert states(draining, pod(name="new", made=READY)) == {"create-task": "waking"}
    assert states(draining, pod(name="new", ready=READY), pod(name="third")) == {"create-task": "awake"}


def test_a_pod_that_has_ended_does_not_count_and_a_function_of_ones_own_does() -> None:
    ended = [pod() | {"status": {"phase": phase}} for phase in ("Succeeded", "Failed")]
    assert states(*ended, pod("archive-task", ready=READY)) == {"archive-task": "awake"}


def test_only_pods_of_functions_are_asked_for(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/v1/namespaces/default/pods").respond_with_json({"items": [pod(ready=READY)]})
    assert [each.function for each in functions_now(httpserver.url_for("")) if each.pods] == ["create-task"]
    [(request, _)] = httpserver.log
    assert request.args["labelSelector"] == (
        "app.kubernetes.io/part-of=taskmaster,app.kubernetes.io/component=function"
    )


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (403, {"kind": "Status"}, "its Role is not there"),
        (401, {"kind": "Status"}, "its Role is not there"),
        (500, {"kind": "Status"}, "does not say"),
        (200, {"kind": "Status"}, "does not say"),
        (200, {"items": [{"metadata": {}}]}, "does not say"),
        (200, {"items": None}, "does not say"),
        (200, [], "does not say"),
    ],
)
def test_what_is_no_list_of_pods_has_a_sentence(httpserver: HTTPServer, status: int, content: Any, said: str) -> None:
    httpserver.expect_request("/api/v1/namespaces/default/pods").respond_with_data(json.dumps(content), status)
    with pytest.raises(PodsUnknown, match=said):
        functions_now(httpserver.url_for(""))


def test_an_api_that_is_away_has_a_sentence() -> None:
    with pytest.raises(PodsUnknown, match="does not say"):
        functions_now("http://127.0.0.1:1")
