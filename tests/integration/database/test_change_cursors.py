"""Cursors of the change feed: of another database, older than what is kept, and across a crash of the database."""

import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from knative.local.embedded import Server, postgres
from taskmaster.database import retention
from taskmaster.database.store import Database
from tests.support.change_feed import INSERT, asked, status_of, written
from tests.support.command_line import prepare
from tests.support.function_process import eventually
from tests.support.own_database import migrated_database, own_database
from tests.support.postgresql_program import postgresql_program
from tests.support.task_copy import TaskCopy


@pytest.fixture
def own(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    with migrated_database(environment) as own:
        yield own


# Cursors of another database, or too old ------------------------------------------------------------------------------


def test_a_copy_of_a_database_takes_no_cursor_of_the_original(environment: dict[str, str], own: dict[str, str]) -> None:
    written(own, INSERT, user="ada", count=3)
    original = own["MIGRATION_DATABASE_URL"].rpartition("/")[2]
    cursor = asked(own, "ada", 10)(None)["cursor"]
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
        owner.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [original])
    with own_database(environment, template=original) as copied:
        ask = asked(copied, "ada", 10)
        assert status_of(ask, cursor) == 410
        assert len(ask(None)["tasks"]) == 3


def test_a_dump_that_is_restored_begins_anew_and_tells_all(database_server: Server, own: dict[str, str]) -> None:
    """Its rows carry numbers of transactions that are ahead of all of this database."""
    written(own, INSERT, user="ada", count=3)
    written(own, "ALTER TABLE task DISABLE TRIGGER note_change")
    written(own, "UPDATE task SET changed_in = (2::bigint ^ 40)::bigint::text::xid8 WHERE task_id = 2")
    written(own, "ALTER TABLE task ENABLE TRIGGER note_change")
    written(own, "UPDATE change_feed SET purged_up_to = (2::bigint ^ 40)::bigint::text::xid8")
    before = asked(own, "ada", 10)(None)["cursor"]
    dump = subprocess.run(
        [postgresql_program("pg_dump"), "--no-owner", own["MIGRATION_DATABASE_URL"]], check=True, capture_output=True
    )
    with psycopg.connect(own["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
        owner.execute("DROP SCHEMA public CASCADE")
        owner.execute("CREATE SCHEMA public")
        owner.execute("GRANT USAGE ON SCHEMA public TO taskmaster_user, taskmaster_system")
    subprocess.run(
        [postgresql_program("psql"), "--quiet", "-v", "ON_ERROR_STOP=0", own["MIGRATION_DATABASE_URL"]],
        input=dump.stdout,
        check=True,
        capture_output=True,
    )
    ask = asked(own, "ada", 1)
    assert status_of(ask, before) == 410
    copy = TaskCopy(ask)
    assert sorted(copy.catch_up()) == [1, 2, 3]
    written(own, "UPDATE task SET version = version + 1 WHERE task_id = 2")
    assert copy.catch_up()[2]["version"] == 2
    assert sum(copy.told.values()) == 4
    cursor = copy.cursor
    written(own, "DELETE FROM task WHERE task_id = 2")
    written(own, "UPDATE deleted_task SET deleted_at = now() - interval '31 days'")
    assert purged(own) == 1
    assert status_of(ask, cursor) == 410, "what is purged here counts, and not what was there"


def test_an_operator_makes_every_cursor_one_of_another_database(own: dict[str, str]) -> None:
    ask = asked(own, "ada", 10)
    cursor = ask(None)["cursor"]
    written(own, "UPDATE change_feed SET epoch = gen_random_uuid()")
    assert status_of(ask, cursor) == 410


def test_deletions_are_told_for_30_days_and_older_cursors_refused(own: dict[str, str]) -> None:
    written(own, INSERT, user="ada", count=3)
    ask = asked(own, "ada", 10)
    whole = ask(None)
    ids = [task["task_id"] for task in whole["tasks"]]
    written(own, "DELETE FROM task WHERE task_id = %(id)s", id=ids[0])
    between = ask(whole["cursor"])
    written(own, "DELETE FROM task WHERE task_id = %(id)s", id=ids[1])
    written(own, "UPDATE deleted_task SET deleted_at = now() - interval '29 days' WHERE task_id = %(id)s", id=ids[0])
    assert purged(own) == 0
    assert [gone["task_id"] for gone in ask(whole["cursor"])["deleted"]] == ids[:2]
    written(own, "UPDATE deleted_task SET deleted_at = now() - interval '31 days' WHERE task_id = %(id)s", id=ids[0])
    assert purged(own) == 1
    assert status_of(ask, whole["cursor"]) == 410
    assert [gone["task_id"] for gone in ask(between["cursor"])["deleted"]] == [ids[1]]
    assert status_of(ask, None) == 200


def purged(environment: dict[str, str]) -> int:
    url = environment["SYSTEM_DATABASE_URL"]
    database = Database(user_url=url, system_url=url, pool_size=1, timeout=5)
    try:
        return retention.purge(database)
    finally:
        database.close()


# A crash of the database --------------------------------------------------------------------------------------------


@pytest.fixture
def crashing(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A server of its own. A crash forgets its transactions that were not flushed, and gives their numbers again."""
    with postgres(durable=False) as server:
        there = {
            **environment,
            "MIGRATION_DATABASE_URL": server.url,
            "DATABASE_URL": server.login("taskmaster_user", "u", "postgres"),
            "SYSTEM_DATABASE_URL": server.login("taskmaster_system", "s", "postgres"),
        }
        prepare(there, "migrate")
        written(there, "ALTER ROLE ALL SET synchronous_commit = on")
        written(there, "ALTER SYSTEM SET wal_writer_delay = '10s'")
        written(there, "SELECT pg_reload_conf()")
        yield there


def crash(environment: dict[str, str]) -> None:
    """Kill a session, on which PostgreSQL ends all others, drops its memory and recovers from its log."""
    url = environment["MIGRATION_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as victim, psycopg.connect(url, autocommit=True) as other:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        # The victim is gone before the server knows of it, and until then it takes sessions that it ends at once.
        eventually(lambda: is_gone(other), "the end of every session")
    eventually(lambda: is_there(environment), "PostgreSQL")


def is_gone(victim: "psycopg.Connection[Any]") -> bool:
    try:
        victim.execute("SELECT")
    except psycopg.OperationalError:
        return True
    return False


def is_there(environment: dict[str, str]) -> bool:
    try:
        written(environment, "SELECT")
    except psycopg.OperationalError:
        return False
    return True


def latest_transaction(environment: dict[str, str]) -> int:
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        [(number,)] = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchall()
    return int(number)


@pytest.mark.parametrize("begins", ["before", "after"])
def test_what_has_a_number_that_a_crash_took_back_is_told(crashing: dict[str, str], begins: str) -> None:
    copy = TaskCopy(asked(crashing, "ada", 10))
    written(crashing, INSERT, user="ada", count=2)
    if begins == "before":
        copy.catch_up()
    for _ in range(20):
        written(
            crashing, "SET synchronous_commit = off; " + INSERT.replace("%(user)s", "'bob'").replace("%(count)s", "1")
        )
    copy.catch_up()
    before = latest_transaction(crashing)
    crash(crashing)
    assert latest_transaction(crashing) < before, "no number was taken back"
    while latest_transaction(crashing) < before + 5:
        written(crashing, INSERT, user="ada", count=1)
    with psycopg.connect(crashing["MIGRATION_DATABASE_URL"]) as owner:
        [(there,)] = owner.execute("SELECT count(*) FROM task WHERE user_id = 'ada'").fetchall()
    assert len(copy.catch_up()) == there
    assert set(copy.told.values()) == {1}
