"""The alarm as a job of Dapr's: what is asked of daprd, as 1.16.0 was seen to want it, and what its answers mean."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from taskmaster import clock
from taskmaster.reminding import dapr_job
from taskmaster.reminding.dapr_job import DaprJob
from taskmaster.reminding.wakeup import WakeupNotScheduled
from taskmaster.settings import read

PATH = "/v1.0-alpha1/jobs/reminder-alarm"
NO_SCHEDULER = (
    '{"errorCode":"DAPR_SCHEDULER_SCHEDULE_JOB","message":"failed to schedule job due to: rpc error:'
    ' code = DeadlineExceeded desc = latest balancer error: connection refused"}'
)


def job(url: str) -> DaprJob:
    return DaprJob(read({"DAPR_URL": url, "DAPR_API_TOKEN": "token", "REMINDER_ALARM": "dapr-jobs"}))


def taken(httpserver: HTTPServer) -> list[dict[str, Any]]:
    """The jobs that are set from now on."""
    jobs: list[dict[str, Any]] = []

    def take(request: Request) -> Response:
        assert request.headers["dapr-api-token"] == "token"
        jobs.append(json.loads(request.get_data()))
        return Response(status=204)

    httpserver.expect_request(PATH, method="POST").respond_with_handler(take)
    return jobs


def test_the_job_is_one_that_replaces_itself_and_is_tried_for_ever(httpserver: HTTPServer) -> None:
    jobs = taken(httpserver)
    at = clock.now() + timedelta(hours=1)
    job(httpserver.url_for("/")).schedule(at)
    [asked] = jobs
    assert abs(datetime.fromisoformat(asked.pop("dueTime")) - at) < timedelta(seconds=5)
    assert asked == {"data": {}, "overwrite": True, "failurePolicy": {"constant": {"interval": "1s"}}}


def test_the_job_is_in_real_time_where_business_time_is_moved(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = taken(httpserver)
    ahead = timedelta(days=31)
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + ahead)
    job(httpserver.url_for("/")).schedule(datetime.now(UTC) + ahead + timedelta(minutes=5))
    due = datetime.fromisoformat(jobs[0]["dueTime"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < due < timedelta(minutes=6)


def test_cancelling_deletes_the_job(httpserver: HTTPServer) -> None:
    httpserver.expect_oneshot_request(PATH, method="DELETE").respond_with_data(status=204)
    job(httpserver.url_for("/")).cancel()
    httpserver.check_assertions()


@pytest.mark.parametrize(("status", "body"), [(504, NO_SCHEDULER), (401, ""), (500, "{nope"), (302, "")])
def test_what_daprd_refuses_is_to_be_tried_again(httpserver: HTTPServer, status: int, body: str) -> None:
    httpserver.expect_request(PATH).respond_with_data(body, status=status)
    with pytest.raises(WakeupNotScheduled, match=f"daprd answered {status}"):
        job(httpserver.url_for("/")).schedule(clock.now())


def test_no_daprd_is_to_be_tried_again() -> None:
    with pytest.raises(WakeupNotScheduled, match="ConnectionRefusedError"):
        job("http://127.0.0.1:1").schedule(clock.now())


def test_a_daprd_that_waits_for_its_scheduler_is_given_up(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dapr_job, "TOTAL_SECONDS", 0.2)

    def wait(request: Request) -> Response:
        import time

        time.sleep(1)
        return Response(status=204)

    httpserver.expect_request(PATH).respond_with_handler(wait)
    with pytest.raises(WakeupNotScheduled, match=r"no answer within|TimeoutError"):
        job(httpserver.url_for("/")).schedule(clock.now())
