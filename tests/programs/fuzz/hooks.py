"""What schemathesis cannot know: how to write what the documents' own formats stand for, and when 422 is a mistake.

Loaded by it alone, through SCHEMATHESIS_HOOKS.
"""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import available_timezones

import schemathesis
from hypothesis import strategies as st

from taskmaster.domain.task import _NO_ZONES

NAMED = ["daily", "weekdays", "weekly", "monthly", "yearly", "every 3 days", "every monday and friday"]
RULES = st.builds(
    lambda freq, interval, end: f"FREQ={freq};INTERVAL={interval}{end}",
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 12),
    st.sampled_from(["", ";COUNT=3", ";UNTIL=20991231T000000Z", ";BYMONTHDAY=-1"]),
)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9000, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.isoformat().replace("+00:00", "Z")
)
DURATIONS = st.builds(lambda days, minutes: f"P{days}DT{minutes}M", st.integers(0, 3000), st.integers(0, 1440))
ZONES = sorted(name for name in available_timezones() if not _NO_ZONES.fullmatch(name))

for name, written in {
    "iana-time-zone": st.sampled_from(ZONES),
    "recurrence-pattern": st.sampled_from(NAMED) | RULES,
    "duration": DURATIONS,
    "etag": st.sampled_from(['"1"', '"2"', 'W/"1"', '"1", "2"', '"other"', "*"]),
    "reminder": DURATIONS | MOMENTS,
    "date": st.dates(date(1970, 1, 1), date(9000, 12, 31)).map(date.isoformat),
    "date-time": MOMENTS,
    "uri": st.sampled_from(["https://example.com/reminders", "http://example.com:8080/a?b=c"]),
}.items():
    schemathesis.openapi.format(name, written)

# What is usable as a mail address or a signing key is more than a pattern can say: bytes, labels, padding. And which
# services a channel by Apprise may name is no part of the released schemas.
BEYOND_A_PATTERN = ("must be a mail address", "must be whsec_", "must be of one of these services")


@schemathesis.check
def what_the_schema_allows_is_refused_by_a_rule_alone(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """No field can be wrong where the schema was kept; that dates do not go together is no matter of a field."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code != 422:
        return
    problem = response.json()
    if any(said in problem["detail"] for said in BEYOND_A_PATTERN):
        return
    assert problem["title"] != "Not a valid command", problem["detail"]
