"""The SQL of the queries: each list of columns stands once, and is that of its record."""

import re
from pathlib import Path

import pytest

from taskmaster.database import queries
from taskmaster.database.inbox_rows import InboxKey, InboxRow
from taskmaster.database.queries import columns, named
from taskmaster.domain.search import folded_texts
from taskmaster.domain.series import Series
from taskmaster.domain.task import Task

FOLDER = Path(queries.__file__).parent / "sql" / "queries"
FILES = sorted(path.name for path in FOLDER.glob("*.sql"))


def test_the_columns_of_a_task_are_its_fields() -> None:
    assert sorted([*columns()["task_fixed"], *columns()["task_state"]]) == sorted(Task.model_fields)
    derived = {"deadline", *folded_texts("x", None, version=1)}
    assert set(columns()["task_derived"]) == derived


def test_the_columns_of_a_series_are_its_fields() -> None:
    assert sorted(["series_id", *columns()["series_state"]]) == sorted(Series.model_fields)


def test_the_columns_of_the_inbox_are_those_of_its_records() -> None:
    assert tuple(columns()["inbox_key"]) == InboxKey._fields
    assert tuple(columns()["inbox_row"]) == InboxRow._fields


@pytest.mark.parametrize("file", FILES)
def test_no_place_for_columns_is_left_open(file: str) -> None:
    for name, query in named(file).items():
        assert not re.search(r"\{\w+:\w+\}", query), name
        assert "--" not in query, name


def test_every_form_of_a_list() -> None:
    put = queries._with_columns
    assert put("SELECT {inbox_row}, {other}") == "SELECT attempts, status, answer, digest, traceparent, {other}"
    assert put("VALUES ({outbox_row:values})") == "VALUES (%(key)s, %(topics)s, %(headers)s, %(value)s)"
    assert put("WHERE {inbox_key:matches}") == (
        "WHERE function = %(function)s AND user_id = %(user_id)s AND source = %(source)s AND id = %(id)s"
    )
    assert put("SET {inbox_key:changes}").startswith("SET function = %(function)s, user_id = %(user_id)s")
