"""Indexes are built by `taskmaster migrate` while others write, and a build that broke off is done again."""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from taskmaster.database import indexes
from tests.programs.bench import seeding
from tests.support.command_line import taskmaster
from tests.support.function_process import eventually
from tests.support.own_database import migrated_database

STATE = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'task'::regclass"
INSERT = (
    "INSERT INTO task (task_id, user_id, title, completed, priority, tags, time_zone, recurrence_from, "
    "recurrence_paused, version, created_at, updated_at) "
    "VALUES (nextval('task_id'), 'writer', 'x', false, 'low', '{}', 'UTC', 'due', false, 1, now(), now())"
)
SUPERSEDED = {
    "task_by_creation": "user_id, created_at, task_id",
    "task_by_update": "user_id, updated_at, task_id",
    "task_by_deadline": "user_id, coalesce(deadline, 'infinity'), task_id",
    "task_listed_by_creation": "user_key(user_id), completed, created_at, task_id",
    "task_listed_by_update": "user_key(user_id), completed, updated_at, task_id",
}
OF_SERIES_BEFORE = "task_series_id_occurrence_key"
TERMS_BEFORE = (
    "CREATE INDEX task_found_by_terms ON task USING gin (task_terms(user_id,"
    " searched_text(search_title, search_version, version, title),"
    " searched_text(search_description, search_version, version, description), tags))"
)


@pytest.fixture
def environment(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A database of its own, whose schema is there."""
    with migrated_database(environment) as own:
        yield own


@pytest.fixture
def owner(environment: dict[str, str]) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        yield connection


def as_before(owner: "psycopg.Connection[Any]") -> None:
    """The indexes that releases before left."""
    for name in indexes.NAMES:
        owner.execute(f"DROP INDEX IF EXISTS {name}".encode())
    for name, columns in SUPERSEDED.items():
        owner.execute(f"CREATE INDEX {name} ON task ({columns})".encode())
    owner.execute(TERMS_BEFORE.encode())
    owner.execute(f"ALTER TABLE task ADD CONSTRAINT {OF_SERIES_BEFORE} UNIQUE (series_id, occurrence)".encode())


def state(owner: "psycopg.Connection[Any]") -> dict[str, bool]:
    return dict(owner.execute(STATE).fetchall())


def test_a_migrated_database_has_all_indexes_and_no_superseded_one(owner: "psycopg.Connection[Any]") -> None:
    assert {name for name, is_valid in state(owner).items() if is_valid} >= set(indexes.NAMES)
    assert not set(SUPERSEDED) & set(state(owner))
    assert indexes.build(owner) == ([], [])


def test_the_migration_says_which_indexes_it_built(
    environment: dict[str, str], owner: "psycopg.Connection[Any]"
) -> None:
    as_before(owner)
    assert f"applied {', '.join(indexes.NAMES)}" in taskmaster(environment, "migrate").stdout
    assert "up to date" in taskmaster(environment, "migrate").stdout
    assert not {*SUPERSEDED, OF_SERIES_BEFORE, "task_found_by_terms"} & set(state(owner))


def test_a_build_that_broke_off_is_done_again(environment: dict[str, str], owner: "psycopg.Connection[Any]") -> None:
    as_before(owner)
    first = next(iter(indexes.NAMES))
    url = environment["MIGRATION_DATABASE_URL"]
    with psycopg.connect(url) as writer, psycopg.connect(url, autocommit=True) as builder:
        writer.execute(INSERT)  # the build waits for its end
        failed: list[Exception] = []

        def build() -> None:
            try:
                indexes.build(builder)
            except psycopg.Error as error:
                failed.append(error)

        thread = threading.Thread(target=build)
        thread.start()
        eventually(lambda: first in state(owner), "the beginning of the build")
        owner.execute("SELECT pg_terminate_backend(%s)", [builder.info.backend_pid])
        thread.join(30)
        assert [type(error) for error in failed] == [errors.AdminShutdown]
        writer.commit()
    assert state(owner)[first] is False
    assert set(SUPERSEDED) <= set(state(owner))
    assert taskmaster(environment, "migrate").returncode == 0
    assert all(state(owner).values())
    assert set(indexes.NAMES) <= set(state(owner))


def test_a_build_of_a_unique_name_that_is_valid_is_left_alone(owner: "psycopg.Connection[Any]") -> None:
    oids = owner.execute("SELECT indexrelid FROM pg_index WHERE indrelid = 'task'::regclass ORDER BY 1").fetchall()
    indexes.build(owner)
    again = owner.execute("SELECT indexrelid FROM pg_index WHERE indrelid = 'task'::regclass ORDER BY 1").fetchall()
    assert oids == again


def test_writes_go_on_while_indexes_are_built(environment: dict[str, str], owner: "psycopg.Connection[Any]") -> None:
    as_before(owner)
    url = environment["MIGRATION_DATABASE_URL"]
    seeding.seed(url, seeding.Seeding(tasks=5_000))
    ended, written = threading.Event(), [0, 0]

    def write(slot: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET lock_timeout = '1s'")  # what waits longer fails, and is not counted
            while not ended.is_set():
                connection.execute(INSERT)
                connection.execute(
                    "UPDATE task SET version = version + 1, title = title || '!'"
                    " WHERE task_id = (SELECT max(task_id) FROM task WHERE user_id = 'writer')"
                )
                written[slot] += 1

    writers = [threading.Thread(target=write, args=(slot,)) for slot in range(2)]
    for writer in writers:
        writer.start()
    eventually(lambda: all(written), "the first write of each")
    before = sum(written)
    assert len(indexes.build(owner).built) == len(indexes.NAMES)
    during = sum(written) - before
    ended.set()
    for writer in writers:
        writer.join(30)
    assert during > 0
    assert all(state(owner).values())
    owner.execute("SET enable_seqscan = off")
    for name, condition in {
        "task_listed_by_title": "user_key(user_id) = user_key('writer')",
        "task_found_by_sampled_terms": (
            "task_terms(task_id, user_id, searched_text(search_title, search_version, version, title),"
            " searched_text(search_description, search_version, version, description), tags)"
            " @@ terms_wanted('writer', 'x', '{}', false)"
        ),
    }.items():
        query = f"SELECT count(*) FROM task WHERE {condition} AND user_id = 'writer'"
        plan = owner.execute(f"EXPLAIN {query}".encode()).fetchall()
        assert "Seq Scan" not in str(plan), (name, plan)
        assert owner.execute(query.encode()).fetchone() == (sum(written),)


def test_functions_of_the_release_before_find_terms_by_either_index(owner: "psycopg.Connection[Any]") -> None:
    """While the new index is built, and after the one that they know was dropped."""
    for _ in range(3):
        owner.execute(INSERT)
    as_before(owner)
    owner.execute("SELECT set_config('taskmaster.user_id', 'writer', false)")
    for text, count in (("x", 3), ("y", 0)):
        assert owner.execute("SELECT count(*) FROM tasks_with_terms(%s, '{}')", [text]).fetchone() == (count,)
    indexes.build(owner)
    assert "task_found_by_terms" not in state(owner)
    for text, count in (("x", 3), ("y", 0)):
        assert owner.execute("SELECT count(*) FROM tasks_with_terms(%s, '{}')", [text]).fetchone() == (count,)
