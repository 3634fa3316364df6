"""Tasks by the thousand or the million, straight into the table: of one caller and of many others, mixed as they come.

What a list is asked for is there in known shares, so that a common, a rare and an absent value of each filter can be
named. The same seed gives the same rows.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from taskmaster.domain.search import folded_texts

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
CALLER = "caller"
RARE_WORD, RARE_TAG, ABSENT_WORD, ABSENT_TAG = "zeppelin", "zoo", "quixotic", "nowhere"
COMMON_WORD, COMMON_TAG, MIDDLING_WORD = "milk", "home", "violin"
RARE = 0.000_2  # of all tasks: 20 of 100,000
MIDDLING = 0.005


def _words(text: str) -> list[str]:
    return text.split()


_VERBS = _words(
    "buy call write read send water clean fix book plan pay order return renew check mail print sort pack paint wash"
    " feed visit ask tell repair replace cancel move sell learn bring collect prepare review update"
)
_THINGS = _words(
    f"{COMMON_WORD} bread rent report letter plants kitchen bicycle dentist ticket invoice garden passport insurance"
    " laundry battery window carpet roof tyres curtain wedding birthday holiday notes slides contract budget lamp shelf"
    " drawer router printer keys jacket shoes camera guitar piano medicine glasses vaccine school meeting newsletter"
    " backup website domain Stra\u00dfe caf\u00e9 M\u00fcller \u03bf\u03b4\u03cc\u03c2 \u725b\u4e73"
)
_MORE = _words(
    "with for and before after without today tomorrow again please urgently soon together later Monday Friday June"
)
_TAGS = _words(
    f"{COMMON_TAG} work garden car family school health money travel shopping calls errands later waiting reading"
)
_COLUMNS = (
    "task_id, user_id, title, description, completed, priority, tags, due_at, due_on, time_zone, deadline,"
    " recurrence_from, recurrence_paused, version, created_at, updated_at, completed_at,"
    " search_title, search_description, search_version"
)


@dataclass(frozen=True, kw_only=True)
class Seeding:
    """How many tasks there are, which share is the caller's, and how many users the others belong to."""

    tasks: int
    share: float = 0.1
    others: int = 1000
    seed: int = 22


def seed(url: str, seeding: Seeding) -> None:
    """Write the tasks as the owner of the tables, and gather statistics."""
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy(f"COPY task ({_COLUMNS}) FROM STDIN") as copy:
                for row in rows(seeding):
                    copy.write_row(row)
            cursor.execute("SELECT setval('task_id', greatest(%s, nextval('task_id')))", [seeding.tasks + 1])
        connection.execute("VACUUM ANALYZE task")


def rows(seeding: Seeding) -> Iterator[tuple[Any, ...]]:
    """One a task, in the order of _COLUMNS."""
    chance = random.Random(seeding.seed)
    callers = set(chance.sample(range(seeding.tasks), round(seeding.tasks * seeding.share)))
    for number in range(seeding.tasks):
        user = CALLER if number in callers else f"user-{chance.randrange(seeding.others)}"
        yield _row(chance, number + 1, user)


def _row(chance: random.Random, task_id: int, user: str) -> tuple[Any, ...]:
    title = " ".join([chance.choice(_VERBS), chance.choice(_THINGS), *chance.choices(_MORE, k=chance.randrange(4))])
    description = (
        " ".join(chance.choices([*_THINGS, *_MORE], k=chance.randint(4, 12))) if chance.random() < 0.3 else None
    )
    tags = chance.sample(_TAGS, k=chance.choice((0, 0, 1, 1, 2, 3)))
    if chance.random() < RARE:
        title += f" {RARE_WORD}"
    if chance.random() < RARE:
        tags.append(RARE_TAG)
    if chance.random() < MIDDLING:
        title += f" {MIDDLING_WORD}"
    if chance.random() < 0.2:
        title += f" {chance.randrange(1_000_000)}"
    created = NOW - timedelta(seconds=chance.random() * 730 * 86_400)
    updated = created + timedelta(
        seconds=chance.random() * (NOW - created).total_seconds() * chance.choice((0, 0.01, 1))
    )
    completed = chance.random() < 0.7
    due = created + timedelta(days=chance.expovariate(1 / 30), minutes=chance.randrange(60))
    due_at, due_on, deadline = None, None, None
    match chance.random():
        case kind if kind < 0.4:
            due_at = deadline = due
        case kind if kind < 0.6:
            due_on = due.date()
            deadline = datetime(due.year, due.month, due.day, tzinfo=UTC) + timedelta(days=1)
    priority = chance.choices(("low", "medium", "high", "urgent"), weights=(20, 69, 10, 1))[0]
    texts = folded_texts(title, description, version=1)
    return (
        *(
            task_id,
            user,
            title,
            description,
            completed,
            priority,
            tags,
            due_at,
            due_on,
            "UTC",
            deadline,
            "due",
            False,
            1,
        ),
        *(created, updated, updated if completed else None),
        *(texts["search_title"], texts["search_description"], texts["search_version"]),
    )
