"""What holds for every rule, start and zone: order, positions, replay, wall time; and python-dateutil agrees."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from hypothesis import assume, given
from hypothesis import strategies as st

from taskmaster.domain import recurrence
from taskmaster.domain.recurrence import next_occurrence, occurrences, parse

ZONES = [
    ZoneInfo(name)
    for name in (
        "Africa/Casablanca",
        "America/New_York",
        "America/Sao_Paulo",
        "Antarctica/Troll",
        "Asia/Kathmandu",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Europe/Zurich",
        "Pacific/Apia",
        "Pacific/Kiritimati",
        "UTC",
    )
]
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]

# A busy machine is no failure: what a search costs is counted in test_recurrence_next.

zones = st.sampled_from(ZONES)
moments = st.datetimes(datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2040-01-01"))
starts = moments.map(lambda moment: moment.replace(microsecond=0))
words = st.sampled_from(["daily", "weekly", "monthly", "yearly", "weekdays", "every monday and friday"])
intervals = st.builds("every {} {}s".format, st.integers(1, 40), st.sampled_from(["day", "week", "month", "year"]))


def values(elements: st.SearchStrategy[object]) -> st.SearchStrategy[str]:
    return st.lists(elements, min_size=1, max_size=4).map(lambda items: ",".join(map(str, items)))


def signed(high: int) -> st.SearchStrategy[int]:
    return st.integers(1, high) | st.integers(-high, -1)


@st.composite
def rrules(draw: st.DrawFn, *, skips: bool = True) -> str:
    """Rules of RFC 5545 in every combination of parts that is allowed; many of them fall due seldom or never."""
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    ordinals = signed(5).map(str) if freq in ("MONTHLY", "YEARLY") else st.just("")
    by_day = st.builds("{}{}".format, st.just("") | ordinals, st.sampled_from(WEEKDAYS))
    offers: dict[str, st.SearchStrategy[str]] = {
        "INTERVAL": st.integers(1, 15).map(str),
        "BYMONTH": values(st.integers(1, 12)),
        "BYDAY": values(by_day),
        "WKST": st.sampled_from(WEEKDAYS),
    }
    if freq != "WEEKLY":
        offers["BYMONTHDAY"] = values(signed(31))
    if freq == "YEARLY":
        offers["BYYEARDAY"] = values(signed(366))
    chosen = draw(st.lists(st.sampled_from(sorted(offers)), unique=True, max_size=4))
    parts = [f"FREQ={freq}", *(f"{part}={draw(offers[part])}" for part in chosen)]
    if any(part.startswith("BY") for part in chosen) and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(values(signed(6)))}")
    if skips and "BYYEARDAY" not in chosen and draw(st.booleans()):
        parts.append(f"SKIP={draw(st.sampled_from(['OMIT', 'BACKWARD', 'FORWARD']))}")
    if draw(st.booleans()):
        parts.append(f"COUNT={draw(st.integers(1, 30))}")
    return ";".join(parts)


patterns = words | intervals | rrules()


def rule_of(pattern: str) -> recurrence.RecurrenceRule:
    try:
        return parse(pattern)
    except recurrence.RuleError:
        assume(False)
        raise


@given(patterns, starts, zones, st.booleans())
def test_positions_are_consecutive_and_due_dates_ascend(
    pattern: str, start: datetime, zone: ZoneInfo, on_a_day: bool
) -> None:
    found = list(islice(occurrences(rule_of(pattern), start.date() if on_a_day else start, zone), 40))
    assert [occurrence.position for occurrence in found] == list(range(1, len(found) + 1))
    due = [occurrence.due for occurrence in found]
    assert all(earlier < later for earlier, later in pairwise(due))
    assert due[0] == (start.date() if on_a_day else start.replace(tzinfo=zone, fold=0).astimezone(UTC))


@given(patterns, starts, zones, st.integers(1, 30))
def test_the_next_of_the_next_is_the_series(pattern: str, start: datetime, zone: ZoneInfo, first: int) -> None:
    rule = rule_of(pattern)
    series = list(islice(occurrences(rule, start, zone), 40))
    assert list(islice(occurrences(rule, start, zone, first=first), 40 - first + 1)) == series[first - 1 :]
    for head, successor in zip(series, [*series[1:], None], strict=True):
        if successor is None and len(series) == 40:
            break
        found = next_occurrence(rule, start, zone, position=head.position)
        assert (found and (found.position, found.due, found.skipped)) == (
            successor and (successor.position, successor.due, 0)
        )


@given(patterns, starts, zones, st.timedeltas(timedelta(days=-400), timedelta(days=4000)), st.integers(0, 20))
def test_the_next_after_a_moment_is_the_first_of_the_series_that_is_later(
    pattern: str, start: datetime, zone: ZoneInfo, late: timedelta, position: int
) -> None:
    rule = rule_of(pattern)
    after = start.replace(tzinfo=UTC) + late
    found = next_occurrence(rule, start, zone, position=position, after=after)
    series = islice(occurrences(rule, start, zone), 5000)
    expected = next((o for o in series if o.position > position and o.due > after), None)
    assert (found and (found.position, found.due)) == (expected and (expected.position, expected.due))
    if found:
        assert found.due > after
        assert found.skipped == found.position - position - 1


@given(patterns, starts, zones, st.integers(0, 10))
def test_from_anywhere_after_a_due_moment_the_series_goes_on_alike(
    pattern: str, start: datetime, zone: ZoneInfo, position: int
) -> None:
    """Completing late or twice changes nothing about when the rest is due."""
    rule = rule_of(pattern)
    for occurrence in islice(occurrences(rule, start, zone), 1, 20):
        just_before = occurrence.due - timedelta(seconds=1)
        found = next_occurrence(rule, start, zone, position=position, after=just_before)
        if occurrence.position > position:
            assert found == recurrence.Next(
                position=occurrence.position,
                due=occurrence.due,
                skipped=occurrence.position - position - 1,
            )


@given(patterns, starts, zones)
def test_wall_time_is_the_same_in_every_zone_but_for_gaps(pattern: str, start: datetime, zone: ZoneInfo) -> None:
    rule = rule_of(pattern)
    for occurrence in islice(occurrences(rule, start, zone), 40):
        assert isinstance(occurrence.due, datetime)
        wall = occurrence.due.astimezone(zone).replace(tzinfo=None)
        if wall.time() != start.time():
            # A gap: the wall time asked for does not survive the way to UTC and back.
            asked = datetime.combine(wall, start.time())
            back = asked.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None)
            before = asked - timedelta(days=1)
            assert back != asked or before.replace(tzinfo=zone).astimezone(UTC) == occurrence.due


@given(patterns, starts)
def test_days_fall_alike_in_zones_that_never_crossed_the_date_line(pattern: str, start: datetime) -> None:
    rule = rule_of(pattern)
    found = [
        list(islice(occurrences(rule, start.date(), zone), 20))
        for zone in ZONES
        if zone.key not in ("Pacific/Apia", "Pacific/Kiritimati")
    ]
    assert all(series == found[0] for series in found)


@given(rrules(skips=False), starts)
def test_days_are_those_of_dateutil(pattern: str, start: datetime) -> None:
    """Another implementation of RFC 5545. It leaves out a start that does not match, so both are read after it."""
    rule = rule_of(pattern.partition(";COUNT")[0])
    # It takes BYDAY=1MO,WE for nothing at all, where the RFC means the first Monday and every Wednesday.
    assume(len({ordinal == 0 for ordinal, _ in rule.by_day}) < 2)
    # And it cuts the week of the start in two before it counts BYSETPOS; the RFC counts in whole weeks.
    assume(rule.freq != "WEEKLY" or not rule.by_set_pos)
    # It searches for ever where nothing comes, so it is only asked for what is known to come.
    horizon = start.replace(tzinfo=UTC) + timedelta(days=5000)
    found = [o.due for o in islice(occurrences(rule, start, ZoneInfo("UTC"), first=2), 60)]
    ours = [due for due in found if isinstance(due, datetime) and due < horizon]
    theirs = (moment.replace(tzinfo=UTC) for moment in rrulestr(rule.text, dtstart=start) if moment > start)
    assert ours == list(islice(theirs, len(ours)))


@given(patterns, st.dates(date(9990, 1, 1), date.max), zones, st.booleans())
def test_the_end_of_the_calendar_ends_a_series_without_an_error(
    pattern: str, start: date, zone: ZoneInfo, on_a_day: bool
) -> None:
    noon = datetime.combine(start, datetime.min.time().replace(hour=12))
    series = occurrences(rule_of(pattern), start if on_a_day else noon, zone)
    assert sum(1 for _ in series) <= 10 * 366
