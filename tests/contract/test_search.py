"""What a search finds, in memory and on PostgreSQL alike: a part of the title or of the description, in any case."""

from datetime import UTC, datetime
from unicodedata import normalize
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskmaster.database.store import Database
from taskmaster.domain.paging import ListTasks
from taskmaster.domain.search import folded, folded_texts
from taskmaster.domain.task import Task
from tests.support.fake_store import FakeStore
from tests.support.sizes import size

Store = FakeStore | Database

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
# Letters whose cases, or whose forms, are more than one lower() away; beside them what SQL and JSON could stumble over.
AWKWARD = (
    "aAeE\u00e9\u0301\u00c9sS\u00df\u1e9e\u017f\u03c3\u03c2\u03a3\u039f\u03bfiI\u0130\u0131\u0307"
    "\ufb01f\u212akK\u01c4\u01c5 %_\\\\'\ufdfa\ud55c\u1112\u1161\u11ab"
)
texts = st.text(st.sampled_from(AWKWARD), max_size=12)


def keep(store: Store, user: str, title: str, description: str | None = None) -> Task:
    with store.as_user(user) as transaction:
        new_id = transaction.new_task_id()
        task = Task(task_id=new_id, title=title, description=description, created_at=NOW, updated_at=NOW)
        transaction.insert_task(task)
    return task


def found(store: Store, user: str, text: str) -> set[int]:
    command = ListTasks.model_validate({"text": text, "limit": 100})
    with store.as_user(user) as transaction:
        return {task.task_id for task in transaction.list_tasks(command.filters(now=NOW), command.sort, None, 1000)}


@pytest.fixture
def user() -> str:
    return f"user-{uuid4()}"


@pytest.mark.parametrize(
    ("title", "term"),
    [
        ("\u039f\u0394\u039f\u03a3 14", "\u03bf\u03b4\u03bf\u03c2"),
        ("\u03bf\u03b4\u03bf\u03c2", "\u039f\u0394\u039f\u03a3"),
        ("die Stra\u00dfe fegen", "STRASSE"),
        ("STRASSE", "stra\u00dfe"),
        ("STRA\u1e9eE", "stra\u00dfe"),
        ("\u0130stanbul", "istanbul"),
        ("\u0130STANBUL", "i\u0307stanbul"),
        ("ISPARTA", "\u0131sparta"),
        ("caf\u00e9", "CAFE\u0301"),
        ("cafe\u0301", "CAF\u00c9"),
        ("\ufb01nal", "FINAL"),
        ("\u01c4EP", "\u01c6ep"),
        ("273 \u212a", "273 k"),
        ("\u0397 \u1fb3", "\u0391\u0399"),
        ("\u8cb7\u3044\u7269 \uff34\uff2f\uff24\uff2f", "todo"),
        ("100%_'\\ Milk", "%_'\\ mILK"),
    ],
)
def test_a_term_is_found_in_any_case_and_form(store: Store, user: str, title: str, term: str) -> None:
    in_title, elsewhere = keep(store, user, f"- {title} -"), keep(store, user, "another")
    in_description = keep(store, user, "x", f"- {title} -")
    assert found(store, user, term) == {in_title.task_id, in_description.task_id}
    assert found(store, user, "\u00d8" + term) == set()
    assert elsewhere.task_id in found(store, user, "")


@pytest.mark.parametrize(
    ("title", "description"), [("milk", "bread"), ("\u00c4pfel", "bread"), ("milk", "Br\u00f6tchen")]
)
def test_a_term_does_not_match_across_title_and_description(
    store: Store, user: str, title: str, description: str
) -> None:
    keep(store, user, title, description)
    keep(store, user, title)  # without a description it is still found by its title
    for between in ("", " ", "\n", "\t", "null"):
        assert found(store, user, f"{title[-1]}{between}{description[0]}") == set()
    assert len(found(store, user, title)) == 2


def test_what_is_found_follows_a_change(store: Store, user: str) -> None:
    task = keep(store, user, "\u00c4pfel", "\u00d6l")
    for changes in (
        {"title": "Birnen"},
        {"title": "\u00c4PFEL"},
        {"description": None},
        {"title": "\u00fc", "description": "x"},
    ):
        task = task.changed(at=NOW, **changes)
        with store.as_user(user) as transaction:
            transaction.update_task(task)
        for term in ("\u00e4pfel", "birnen", "\u00f6l", "\u00dc", "X"):
            expected = any(folded(term) in folded(text) for text in (task.title, task.description or ""))
            assert bool(found(store, user, term)) == expected, (task, term)


@settings(max_examples=size(25, 100), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    kept=st.lists(st.tuples(texts.filter(bool), st.none() | texts), min_size=1, max_size=12),
    terms=st.lists(texts, min_size=1, max_size=12),
)
def test_a_search_is_a_plain_filter(store: Store, kept: list[tuple[str, str | None]], terms: list[str]) -> None:
    user = f"user-{uuid4()}"
    tasks = [keep(store, user, title, description) for title, description in kept]
    for term in [*terms, *(title[1:3].swapcase() for title, _ in kept)]:
        expected = {
            task.task_id
            for task in tasks
            if folded(term) in folded(task.title) or folded(term) in folded(task.description or "")
        }
        assert found(store, user, term) == expected, term


@given(st.text() | texts)
def test_folding_is_the_same_for_every_case_and_form(text: str) -> None:
    once = folded(text)
    assert folded(once) == once
    assert bool(once) == bool(text)
    for other in (text.casefold(), normalize("NFC", text), normalize("NFD", text), normalize("NFKC", text)):
        assert folded(other) == once, ascii(other)


@given(st.text(st.characters(max_codepoint=127)))
def test_of_ascii_folding_is_lower_case_and_nothing_is_kept(text: str) -> None:
    assert folded(text) == text.lower()
    assert set(folded_texts(text, text, version=3).values()) == {None}
