"""Patterns that no task can follow are refused at once, and the refusal says which part and what to write."""

import time
import tomllib
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmaster.domain import pattern, recurrence

REFUSED: dict[str, list[str]] = tomllib.loads(
    (Path(__file__).parent / "data/refused_patterns.toml").read_text(encoding="utf-8")
)
CASES = [(part, text) for part, texts in REFUSED.items() for text in texts]
LONG = [
    "FREQ=DAILY;" * 1000,
    "every " * 10_000,
    "9" * 1_000_000,
    "FREQ=YEARLY;BYYEARDAY=" + ",".join(["366"] * 200),
    "RRULE:" * 100_000,
    "every 3 days" + " " * 1_000_000,
]
ZURICH = ZoneInfo("Europe/Zurich")


def refusal_of(text: str) -> recurrence.RuleError:
    with pytest.raises(recurrence.RuleError) as refusal:
        recurrence.parse(text)
    return refusal.value


@pytest.mark.parametrize(("part", "text"), CASES)
def test_a_refusal_names_the_part_and_is_a_sentence(part: str, text: str) -> None:
    refusal = refusal_of(text)
    assert refusal.part == part
    assert refusal.detail.endswith(".")
    assert refusal.detail == str(refusal)
    assert refusal.detail.isascii()
    assert refusal.detail.isprintable()
    assert len(refusal.detail) < 250


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:12])
def test_absurd_lengths_are_refused_as_a_whole(text: str) -> None:
    assert refusal_of(text).part == "pattern"


def test_every_refusal_takes_less_than_100_ms_of_processor_time() -> None:
    """The best of three, so that a busy machine does not fail it."""

    def seconds(text: str) -> float:
        started = time.process_time()
        refusal_of(text)
        return time.process_time() - started

    slow = {text[:60]: min(seconds(text) for _ in range(3)) for text in [text for _, text in CASES] + LONG}
    assert {text: spent for text, spent in slow.items() if spent > 0.1} == {}


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("Daily", "daily"),
        ("  every   3 DAYS ", "every 3 days"),
        ("RRULE:FREQ=WEEKLY;BYDAY=MO,WE", "FREQ=WEEKLY;BYDAY=MO,WE"),
        ("rrule:freq=weekly; byday=mo, we;", "FREQ=WEEKLY;BYDAY=MO,WE"),
    ],
)
def test_a_pattern_is_kept_in_one_spelling(text: str, spelled: str) -> None:
    assert recurrence.parse(text).text == spelled
    assert recurrence.parse(spelled) == recurrence.parse(text)


@given(st.text() | st.text(alphabet="FREQ=DAILYWEKMONTHBSUPC;,-+0123456789:\n ", max_size=60))
def test_any_text_is_a_rule_or_a_refusal(text: str) -> None:
    try:
        recurrence.parse(text)
    except recurrence.RuleError as refusal:
        named = refusal.part
    else:
        return
    assert 1 <= len(named) <= 20


PARTS = st.sampled_from([text for _, text in CASES] + ["FREQ=DAILY;INTERVAL=2", "COUNT=3;WKST=SU", "FREQ=YEARLY"])


@given(st.lists(PARTS.map(lambda text: text.split(";")), min_size=1, max_size=4))
def test_any_mixture_of_parts_is_a_rule_or_a_refusal(rules: list[list[str]]) -> None:
    text = ";".join(part for rule in rules for part in rule)[: pattern.LONGEST_PATTERN]
    try:
        rule = recurrence.parse(text)
    except recurrence.RuleError:
        return
    assert len(list(zip(range(3), recurrence.occurrences(rule, date(2026, 11, 24), ZURICH), strict=False))) <= 3


@pytest.mark.parametrize(
    ("text", "start", "part"),
    [
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", date(2026, 11, 24), "pattern"),
        ("FREQ=MONTHLY;INTERVAL=12", date(2028, 2, 29), None),
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=30", date(2026, 2, 1), "pattern"),
        ("FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29", date(2027, 1, 1), "pattern"),
        ("FREQ=YEARLY;BYMONTH=2", date(2026, 1, 30), "pattern"),
        ("FREQ=YEARLY;INTERVAL=400", date(2026, 1, 30), None),
        ("FREQ=YEARLY;INTERVAL=401", date(2026, 1, 30), "pattern"),
        ("every 9999 years", date(2026, 1, 30), "pattern"),
        ("FREQ=DAILY;UNTIL=20251231", date(2026, 1, 30), "UNTIL"),
        ("FREQ=DAILY;UNTIL=20260130T075959Z", datetime.fromisoformat("2026-01-30T09:00"), "UNTIL"),
        ("FREQ=DAILY;UNTIL=20260130T080000Z", datetime.fromisoformat("2026-01-30T09:00"), None),
        ("FREQ=DAILY;COUNT=1", date(2026, 1, 30), None),
        ("FREQ=DAILY;UNTIL=20260131", date(2026, 1, 30), None),
        ("FREQ=DAILY;UNTIL=20260130", date(2026, 1, 30), None),
        ("daily", date(9999, 12, 31), "pattern"),
        ("daily", date(1, 1, 1), None),
    ],
)
def test_a_rule_that_never_comes_again_from_its_start_is_refused(
    text: str, start: date | datetime, part: str | None
) -> None:
    rule = recurrence.parse(text)
    if part is None:
        recurrence.check(rule, start, ZURICH)
        assert next(recurrence.occurrences(rule, start, ZURICH), None)
        return
    with pytest.raises(recurrence.RuleError) as refusal:
        recurrence.check(rule, start, ZURICH)
    assert refusal.value.part == part
