"""Told to stop in mid-work, a function answers what it has begun and ends well inside Knative's grace period."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.contract.test_two_servers import SERVERS, serving
from tests.support.function_process import eventually

GRACE = 30  # seconds: Knative's, before SIGKILL


@pytest.mark.parametrize("server", SERVERS)
def test_work_that_was_begun_before_sigterm_is_finished_answered_and_kept(
    connected: dict[str, str], server: str
) -> None:
    with serving(server, "create-task", connected) as create:
        location = create.ask("POST", "/tasks", b'{"title": "before"}').headers["location"]
        user = create.user
    with (
        serving(server, "update-task", connected) as update,
        psycopg.connect(connected["MIGRATION_DATABASE_URL"]) as owner,
    ):
        update.user = user
        owner.execute("SELECT FROM task WHERE user_id = %s FOR UPDATE", [user])
        with ThreadPoolExecutor(1) as background:
            answer = background.submit(update.ask, "PATCH", location, b'{"title": "after"}')
            eventually(lambda: waiting(connected), "the function in mid-work")
            update.process.send_signal(signal.SIGTERM)
            told = time.monotonic()
            time.sleep(1)
            assert update.process.poll() is None, "it waits for what it has begun"
            owner.rollback()
            assert answer.result().status == 200
        assert update.process.wait(GRACE) == 0
        assert time.monotonic() - told < GRACE
    with psycopg.connect(connected["MIGRATION_DATABASE_URL"]) as owner:
        assert owner.execute("SELECT title FROM task WHERE user_id = %s", [user]).fetchall() == [("after",)]


def waiting(environment: dict[str, str]) -> bool:
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"]) as owner:
        found = owner.execute(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'taskmaster_user'"
        )
        return bool(found.fetchall())
