"""A reminder that did not ring because its receiver refused it: the trace of it says so."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from taskmaster import clock
from tests.support.brokers import Kafka
from tests.support.command_line import at_once
from tests.support.function_pack import Pack
from tests.support.receiver import SECRET


def walk(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from walk(node["children"])


def test_a_webhook_that_answers_500_is_named_in_the_trace(
    pack: Pack, connected: dict[str, str], kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_ALLOW", "127.0.0.0/8")
    pack.restart()
    due = clock.now() + timedelta(hours=1)
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request("/hook", method="POST").respond_with_data("", status=500)
        pack.prefer(channels=[{"type": "webhook", "url": server.url_for("/hook"), "secret": SECRET}])
        task = pack.create(due_at=due.isoformat())
        pack.travel(hours=2)
        assert pack.runtime.due_reminders.dispatch(now=clock.now())
        pack.deliver("reminders", function="send-reminder")
    [(reminder_id,)] = pack.sql("SELECT reminder_id::text FROM reminder WHERE task_id = %(id)s", id=task["task_id"])
    ended = at_once({**connected, **kafka.environment()}, "trace", reminder_id, "--json")
    assert ended.exit_code == 0, ended.output
    [channel] = [each for each in walk(json.loads(ended.stdout)["story"]) if each["kind"] == "channel"]
    assert (channel["outcome"], channel["detail"]) == ("later", "HTTP 500")
