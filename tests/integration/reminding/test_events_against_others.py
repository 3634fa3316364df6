"""Events of one user against the others: whatever waits in the outbox, everybody has a turn in the next round."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from taskmaster.database.system_transaction import Claimed, SystemTransaction
from tests.support.function_pack import Pack
from tests.support.hostile_user import HOSTILE, nothing_else


@pytest.fixture(autouse=True)
def _alone(pack: Pack) -> Iterator[None]:
    with nothing_else(pack):
        yield


def events_of(pack: Pack, user: str, keys: int, rows: int, *, size: int = 2) -> None:
    pack.sql(
        "INSERT INTO outbox (key, topics, headers, value)"
        " SELECT %(user)s || '-' || k, '{t}', %(headers)s, convert_to(repeat('x', %(size)s), 'UTF8')"
        " FROM generate_series(1, %(rows)s) AS r, generate_series(1, %(keys)s) AS k",
        user=user, keys=keys, rows=rows, size=size, headers=json.dumps({"ce_userid": user}),
    )  # fmt: skip


@contextmanager
def claimed(
    pack: Pack, limit: int = 500, failed: list[int] | None = None
) -> Iterator[tuple[SystemTransaction, list[Claimed]]]:
    with pack.runtime.database.as_system() as transaction:
        yield transaction, transaction.claim_outbox(limit, failed or [])


@pytest.mark.parametrize(("keys", "rows"), [(3000, 1), (60, 50), (1, 5000), (1500, 3)])
def test_an_event_behind_thousands_of_one_user_is_in_the_first_round(pack: Pack, keys: int, rows: int) -> None:
    events_of(pack, HOSTILE, keys, rows)
    events_of(pack, pack.user, 1, 1)
    with claimed(pack) as (_, found):
        assert f"{pack.user}-1" in [row.key for row in found]
        assert len({row.key for row in found}) == len(found)


def test_an_event_behind_thousands_in_other_hands_is_in_the_first_round(pack: Pack) -> None:
    events_of(pack, HOSTILE, 3000, 1)
    events_of(pack, pack.user, 1, 1)
    with psycopg.connect(pack.owner_url) as another:
        another.execute("SELECT FROM outbox WHERE user_id = %s FOR UPDATE", [HOSTILE])
        with claimed(pack) as (_, found):
            assert [row.key for row in found] == [f"{pack.user}-1"]


def test_a_key_is_found_behind_thousands_of_its_user_in_other_hands(pack: Pack) -> None:
    """So that a publisher that freezes keeps what it holds, and nothing behind it."""
    events_of(pack, HOSTILE, 1500, 1)
    with psycopg.connect(pack.owner_url) as another:
        another.execute("SELECT FROM outbox FOR UPDATE")
        events_of(pack, HOSTILE, 1501, 1)
        with claimed(pack) as (_, found):
            assert [row.key for row in found] == [f"{HOSTILE}-1501"]


def test_rows_that_cannot_be_sent_hide_no_other_key_of_their_user(pack: Pack) -> None:
    events_of(pack, HOSTILE, 1, 2000)
    events_of(pack, HOSTILE, 2, 1)
    [(first,)] = pack.sql("SELECT min(id) FROM outbox")
    with claimed(pack, failed=[first]) as (_, found):
        assert [row.key for row in found] == [f"{HOSTILE}-2"]


def test_a_round_of_large_events_is_cut_short(pack: Pack) -> None:
    events_of(pack, HOSTILE, 100, 1, size=100_000)
    events_of(pack, pack.user, 1, 1)
    with claimed(pack) as (_, found):
        assert f"{pack.user}-1" in [row.key for row in found]
        assert len(found) == 21


def test_rounds_take_everything_once_and_each_key_in_order(pack: Pack) -> None:
    for user in (HOSTILE, f"{HOSTILE}-2", pack.user):
        events_of(pack, user, 40, 30)
    taken: list[Claimed] = []
    while True:
        with claimed(pack) as (transaction, found):
            if not found:
                break
            transaction.delete_outbox([row.id for row in found])
        taken += found
    assert len(taken) == len({row.id for row in taken}) == 3 * 40 * 30
    for key in {row.key for row in taken}:
        ids = [row.id for row in taken if row.key == key]
        assert ids == sorted(ids)


def test_followers_of_a_key_belong_to_whoever_has_its_first_row(pack: Pack) -> None:
    events_of(pack, HOSTILE, 2, 10)
    keys = [f"{HOSTILE}-1", f"{HOSTILE}-2"]
    with psycopg.connect(pack.owner_url) as another:
        another.execute("SELECT FROM outbox WHERE key = %s ORDER BY id LIMIT 1 FOR UPDATE", [keys[0]])
        with pack.runtime.database.as_system() as transaction:
            found = transaction.claim_outbox(500, [], behind=keys, most_behind=12)
    assert [row.key for row in found] == [keys[1]] * 6, "as many of each as there is room for, in order"
    assert [row.id for row in found] == sorted(row.id for row in found)


def test_a_claim_of_large_followers_is_cut_short_for_each_key_alike(pack: Pack) -> None:
    events_of(pack, HOSTILE, 2, 30, size=100_000)
    with pack.runtime.database.as_system() as transaction:
        found = transaction.claim_outbox(500, [], behind=[f"{HOSTILE}-1", f"{HOSTILE}-2"], most_behind=1000)
    assert len(found) == 20
    assert [row.key for row in found].count(f"{HOSTILE}-1") == 10
