"""The story of a recurring task, by one client in one trace: create, complete, successor, reminder, webhook."""

from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request

from taskmaster import clock
from tests.support.function_pack import Pack
from tests.support.receiver import SECRET

TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT = "b7ad6b7169203331"
STORY = {"traceparent": f"00-{TRACE}-{CLIENT}-01", "tracestate": "app=1"}
# Each span by name, and the name of the one that caused it.
PARENTS = {
    "POST /tasks": "",
    "POST /tasks/{task_id}/complete": "",
    "process task.completed": "POST /tasks/{task_id}/complete",
    "create reminder.due": "process task.completed",
    "process reminder.due": "create reminder.due",
    "POST": "process reminder.due",
}


def live_through(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> Request:
    """All of it; the request that the webhook got."""
    monkeypatch.setenv("WEBHOOK_ALLOW", "127.0.0.0/8")
    pack.restart()
    due = clock.now().replace(microsecond=0) + timedelta(hours=1)
    body = {"title": "water", "recurrence_pattern": "daily", "due_at": due.isoformat()}
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request("/hook", method="POST").respond_with_data("")
        pack.prefer(channels=[{"type": "webhook", "url": server.url_for("/hook"), "secret": SECRET}])
        created = pack.call("create-task", "POST", "/tasks", body, **STORY).json or {}
        completed = pack.call("complete-task", "POST", f"/tasks/{created['task_id']}/complete", **STORY)
        assert completed.status_code == 200
        pack.deliver()
        pack.travel(hours=26)
        assert pack.runtime.due_reminders.dispatch(now=clock.now())
        pack.deliver("reminders", function="send-reminder")
        [(request, _)] = server.log
    return request
