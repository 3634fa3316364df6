"""The event door: whose userid is believed, and which hosts and headers open nothing."""

from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from taskmaster.trusted_hosts import is_internal
from tests.support.function_pack import Pack

FUNCTIONS = [
    "create-task",
    "update-task",
    "complete-task",
    "reopen-task",
    "delete-task",
    "query-tasks",
    "schedule-next-recurrence",
    "relay-outbox",
    "park-dead-letter",
]


def at_the_event_door(pack: Pack, host: str, function: str = "create-task", **more: str) -> TestResponse:
    """An event in somebody's name, with nothing but a Host header to vouch for it."""
    headers = {
        "Host": host,
        "ce-specversion": "1.0",
        "ce-id": str(uuid4()),
        "ce-source": "/spoof",
        "ce-type": "task.create",
        "ce-userid": pack.user,
        **more,
    }
    return pack.client(function).post(
        "/events", data=b'{"title": "x"}', headers=headers, content_type="application/json"
    )


OUTSIDE = [
    "create-task.default.example.com",
    "create-task.default.example.com:8080",
    "localhost",
    "127.0.0.1:8080",
    "[::1]:8080",
    "svc",
    ".svc",
    "create-task.default.svc.example.com",
    "create-task.default.svc.cluster.local.example.com",
    "create-task.default.svc:80.example.com",
    "create-task-default-svc",
    "example.com, create-task.default.svc",
    "example.com/.svc",
    "example.com#.svc",
    "user@create-task.default.svc",
]


@pytest.mark.parametrize("host", OUTSIDE)
def test_events_are_not_taken_under_an_external_host(pack: Pack, host: str) -> None:
    assert not is_internal(host)
    assert at_the_event_door(pack, host).status_code in (400, 404)  # 400: the server itself, for what is no host
    assert pack.tasks() == []


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-Host", "Forwarded", "X-Original-Host", "X-Host", "X-Forwarded-Server", "X-HTTP-Host-Override"],
)
def test_no_other_header_stands_in_for_the_host(pack: Pack, header: str) -> None:
    inside = "create-task.default.svc.cluster.local"
    value = f"host={inside}" if header == "Forwarded" else inside
    assert at_the_event_door(pack, "tasks.example.com", **{header: value}).status_code == 404
    assert pack.tasks() == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_has_an_event_door_to_the_outside(pack: Pack, function: str) -> None:
    assert at_the_event_door(pack, "tasks.example.com", function).status_code == 404


@pytest.mark.parametrize(
    "host",
    [
        "create-task.default.svc.cluster.local",
        "create-task.default.svc",
        "create-task.default.svc.cluster.local:80",
        "create-task.default.svc.cluster.local.",
        "CREATE-TASK.Default.SVC.Cluster.Local",
    ],
)
def test_the_clusters_own_names_for_a_function_are_inside(pack: Pack, host: str) -> None:
    assert at_the_event_door(pack, host).status_code == 204
    assert len(pack.tasks()) == 1


@pytest.mark.parametrize("path", ["/events/", "/Events", "/events/x", "/tasks/events", "/events%20"])
def test_there_is_one_event_door(pack: Pack, path: str) -> None:
    headers = {
        "ce-specversion": "1.0", "ce-id": "i", "ce-source": "/s", "ce-type": "task.create", "ce-userid": pack.user,
    }  # fmt: skip
    answer = pack.client("create-task").post(
        path, data=b'{"title": "x"}', headers=headers, base_url="http://create-task.default.svc"
    )
    assert answer.status_code == 401
    assert pack.tasks() == []


def test_further_hosts_are_a_setting(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_HOSTS", "localhost, Knative.test")
    assert at_the_event_door(pack, "localhost:8080").status_code == 204
    assert at_the_event_door(pack, "KNATIVE.test").status_code == 204
    assert at_the_event_door(pack, "127.0.0.1:8080").status_code == 404
    assert at_the_event_door(pack, "localhost.example.com").status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_events_are_posted(pack: Pack, method: str) -> None:
    answer = pack.client("create-task").open(
        "/events", method=method, headers={"ce-specversion": "1.0"}, base_url="http://create-task.default.svc"
    )
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
