"""Search columns and code of the version before: rows that were there, and rows that are written while both run."""

import psycopg
from psycopg.rows import dict_row

from taskmaster.database import backfill
from tests.support.command_line import migrate
from tests.support.function_pack import Json, Pack

FORGET = (
    "UPDATE task SET search_title = NULL, search_description = NULL, search_version = NULL WHERE user_id = %(user)s"
)
CHANGE = "UPDATE task SET title = %(title)s, version = version + 1 WHERE task_id = %(task_id)s"


def found(pack: Pack, text: str) -> list[str]:
    return [task["title"] for task in pack.tasks(text=text)]


def as_before(pack: Pack, task: Json, title: str) -> None:
    """A change by code that knows nothing of the columns."""
    pack.sql(CHANGE, title=title, task_id=task["task_id"])


def columns(pack: Pack, task: Json) -> Json:
    query = "SELECT search_title, search_description, search_version FROM task WHERE task_id = %(id)s"
    with psycopg.connect(pack.owner_url, row_factory=dict_row) as connection:
        return dict(connection.execute(query, {"id": task["task_id"]}).fetchone() or {})


def test_rows_that_were_there_are_folded_by_the_migration(pack: Pack, environment: dict[str, str]) -> None:
    tasks = [pack.create(title=title) for title in ("Straße", "plain", "ΟΔΟΣ")]
    described = pack.create(title="plain", description="ÉTÉ")
    pack.sql(FORGET, user=pack.user)
    assert found(pack, "strasse") == []
    assert found(pack, "PLAIN") == ["plain", "plain"]
    migrate(environment)
    assert found(pack, "strasse") == ["Straße"]
    assert found(pack, "οδος") == ["ΟΔΟΣ"]
    assert found(pack, "e\u0301te\u0301") == ["plain"]
    assert columns(pack, described) == {"search_title": None, "search_description": "été", "search_version": 1}
    assert columns(pack, tasks[1])["search_version"] is None
    assert [pack.get(task)["version"] for task in tasks] == [1, 1, 1]


def test_what_the_version_before_writes_is_found_as_it_is_now(pack: Pack, environment: dict[str, str]) -> None:
    task = pack.create(title="Straße")
    as_before(pack, task, "Äpfel")
    assert found(pack, "strasse") == []
    assert found(pack, "äPFEL") == ["Äpfel"]
    as_before(pack, task, "Große Äpfel")
    migrate(environment)
    assert found(pack, "GROSSE") == ["Große Äpfel"]
    pack.update(task, title="apples")
    assert columns(pack, task) == {"search_title": None, "search_description": None, "search_version": None}
    assert found(pack, "große") == []


def test_a_task_in_other_hands_holds_up_no_backfill(pack: Pack) -> None:
    held, free = pack.create(title="Über"), pack.create(title="Öl")
    pack.sql(FORGET, user=pack.user)
    lock = "SELECT FROM task WHERE task_id = %(id)s FOR UPDATE"
    with psycopg.connect(pack.owner_url) as holder, psycopg.connect(pack.owner_url, autocommit=True) as owner:
        holder.execute(lock, {"id": held["task_id"]})
        owner.execute("SET lock_timeout = '1s'")
        backfill.fold_texts(owner)
        assert columns(pack, free)["search_title"] == "öl"
        assert columns(pack, held)["search_title"] is None
        holder.rollback()
        assert backfill.fold_texts(owner) == 1
    assert columns(pack, held)["search_title"] == "über"


def test_a_backfill_of_many_batches_folds_each_once(pack: Pack) -> None:
    many = 2 * backfill._BATCH + 1
    with psycopg.connect(pack.owner_url, autocommit=True) as owner:
        backfill.fold_texts(owner)
    pack.sql(
        "INSERT INTO task (task_id, user_id, title, completed, priority, tags, time_zone, recurrence_from, "
        "recurrence_paused, version, created_at, updated_at) SELECT nextval('task_id'), %(user)s, 'Ä' || n, false, "
        "'low', '{}', 'UTC', 'due', false, 1, now(), now() FROM generate_series(1, %(many)s) AS n",
        user=pack.user,
        many=many,
    )
    with psycopg.connect(pack.owner_url, autocommit=True) as owner:
        assert backfill.fold_texts(owner) == many
        assert backfill.fold_texts(owner) == 0
