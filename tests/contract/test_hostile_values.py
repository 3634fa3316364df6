"""Values that no column can hold: refused with a sentence by every door, before they reach the store."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.support.fake_store import FakeStore
from tests.support.function_pack import Json, Pack

NUL, LONE = "a\x00b", "a\ud800b"
SECRET = "whsec_" + "a" * 32


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pack]:
    with Pack.in_memory(FakeStore(), monkeypatch) as pack:
        yield pack


def texts_of_a_task(text: str) -> list[Json]:
    fields: list[Json] = [
        {name: text} for name in ("title", "description", "time_zone", "recurrence_pattern", "priority")
    ]
    lists: list[Json] = [{"tags": [text]}, {"reminders": [text]}]
    return [*fields, *lists, {"due_at": text}, {"due_on": text}, {"recurrence_from": text}, {text: 1}]


def texts_of_preferences(text: str) -> list[Json]:
    return [
        {"time_zone": text},
        {"day_hour": text},
        {"quiet_hours": {"start": text, "end": "07:00"}},
        {"channels": [{"type": text}]},
        {"channels": [{"type": "webhook", "url": f"https://example.com/{text}", "secret": SECRET}]},
        {"channels": [{"type": "webhook", "url": "https://example.com/x", "secret": SECRET + text}]},
        {"channels": [{"type": "mail", "address": f"{text}@example.com"}]},
        {"channels": [{"type": "apprise", "url": f"ntfys://ntfy.sh/{text}"}]},
        {"channels": [{"type": "apprise", "name": f"slack-{text}"}]},
    ]


DOORS = [
    *(("create-task", "task.create", "POST", "/tasks", {"title": "x", "due_on": "2090-01-01"}, texts_of_a_task),),
    *(("update-task", "task.update", "PATCH", "/tasks/1", {}, texts_of_a_task),),
    *(("set-preferences", "preferences.set", "PUT", "/preferences", {}, texts_of_preferences),),
]


@pytest.mark.parametrize("text", [NUL, LONE], ids=["U+0000", "a lone surrogate"])
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door[0])
def test_a_text_that_cannot_be_kept_is_refused_by_every_door(pack: Pack, door: Any, text: str) -> None:
    function, event_type, method, path, fields, texts = door
    task = pack.create()
    for number, wrong in enumerate(texts(text)):
        body = {**fields, **wrong}
        answer = pack.call(function, method, path, body)
        assert answer.status_code in (400, 422), (body, answer.text)
        data = {**body, "task_id": task["task_id"]} if event_type == "task.update" else body
        for answer in (
            pack.event(function, event_type, data),
            pack.envelope(function, {"event_type": event_type, "user_id": pack.user, "data": data}, offset=number),
            pack.deliver_raw(
                function,
                {},
                json.dumps(
                    {
                        "specversion": "1.0",
                        "id": str(number),
                        "source": "/x",
                        "type": event_type,
                        "userid": pack.user,
                        "data": data,
                    }
                ).encode(),
                content_type="application/cloudevents+json",
            ),
        ):
            assert answer.status_code in (400, 422), (data, answer.text)
    assert pack.tasks() == [task]


@pytest.mark.parametrize("query", ["text=a%00b", "tag=a%00b", "cursor=a%00b", "sort=%00", "status=%00", "due_from=%00"])
def test_a_query_that_cannot_be_asked_is_refused(pack: Pack, query: str) -> None:
    assert pack.call("query-tasks", "GET", f"/tasks?{query}").status_code == 422


HUGE = [2**63, 2**63 - 1 + 2**10, 10**18 * 9 + 10**18, 10**30, 10**400, 0, -1]


@pytest.mark.parametrize("number", HUGE, ids=lambda number: f"{number:.0e}" if number < 10**300 else "1e400")
def test_a_number_beyond_bigint_is_no_task_and_no_version(pack: Pack, number: int) -> None:
    task = pack.create()
    for function, event_type, method, path in (
        ("complete-task", "task.complete", "POST", "/tasks/{}/complete"),
        ("delete-task", "task.delete", "DELETE", "/tasks/{}"),
        ("update-task", "task.update", "PATCH", "/tasks/{}"),
        ("schedule-next-recurrence", "task.skip", "POST", "/tasks/{}/skip"),
        ("snooze-reminder", "reminder.dismiss", "POST", "/tasks/{}/dismiss"),
        ("query-tasks", "", "GET", "/tasks/{}"),
        ("query-tasks", "", "GET", "/tasks/{}/occurrences"),
    ):
        body: Json | None = {} if method in ("POST", "PATCH") else None
        assert pack.call(function, method, path.format(number), body).status_code in (404, 422)
        if event_type:
            for data in ({"task_id": number}, {"task_id": task["task_id"], "expected_version": number}):
                assert pack.event(function, event_type, data).status_code in (400, 422)
            version: Json = {"expected_version": number}
            query = f"?{urlencode(version)}" if body is None else ""
            sent = pack.call(function, method, path.format(1) + query, None if body is None else version)
            assert sent.status_code in (400, 422), sent.text
    for event_type, function in (("task.completed", "schedule-next-recurrence"), ("reminder.due", "send-reminder")):
        data = {"task_id": number, "reminder_id": "01a227e3-4aeb-74c3-a644-22a9e9dfc273"}
        assert pack.event(function, event_type, data).status_code in (400, 422)
    for query in (f"limit={number}", f"limit={10**5 + abs(number)}"):
        assert pack.call("query-tasks", "GET", f"/tasks?{query}").status_code == 422
    assert pack.tasks() == [task]


@pytest.mark.parametrize(
    ("sort", "cursor"),
    [
        ("created_at", ["created_at", "2026-11-24T09:00:00+00:00", 2**63]),
        ("created_at", ["created_at", "2026-11-24T09:00:00+00:00", 0]),
        ("created_at", ["created_at", "2026-11-24T09:00:00+00:00", True]),
        ("created_at", ["created_at", "2026-11-24T09:00:00+00:00", 1.0]),
        ("created_at", ["created_at", "2026-11-24T09:00:00+00:00", 10**400]),
        ("created_at", ["created_at", "0000-01-01T00:00:00+00:00", 1]),
        ("created_at", ["created_at", "10000-01-01T00:00:00+00:00", 1]),
        ("created_at", ["created_at", "infinity", 1]),
        ("created_at", ["created_at", "2026-11-24T09:00:00+01:00", 1]),
        ("due", ["due", "-infinity", 1]),
        ("due", ["due", "now", 1]),
        ("due", ["created_at", "2026-11-24T09:00:00+00:00", 1]),
        ("priority", ["priority", 4, 1]),
        ("priority", ["priority", -1, 1]),
        ("priority", ["priority", 2**70, 1]),
        ("priority", ["priority", "1", 1]),
        ("title", ["title", "a\x00b", 1]),
        ("title", ["title", "a\ud800b", 1]),
        ("title", ["title", None, 1]),
        ("title", {"title": 1, "b": 2, "c": 3}),
        ("title", ["title", "x"]),
        ("title", None),
        ("title", "title"),
    ],
)
def test_a_cursor_that_was_not_made_here_is_refused(pack: Pack, sort: str, cursor: Any) -> None:
    sent = urlsafe_b64encode(json.dumps(cursor).encode()).decode()
    answer = pack.call("query-tasks", "GET", f"/tasks?sort={sort}&cursor={quote(sent)}")
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize(
    "zone",
    ["europe/zurich", "EUROPE/ZURICH", "utc ", " UTC", "", "Europe", "Europe/", "/Europe/Zurich", "Europe//Zurich",
     "./UTC", "../UTC", "../../../../etc/passwd", "Europe/../UTC", "__init__.py", "__pycache__", "tzdata.zi",
     "zone.tab", "leapseconds", "UTC+1", "Europe\\Zurich", "Zürich", "\u202eUTC", "UTC\n", "x" * 65],
)  # fmt: skip
def test_what_is_not_exactly_a_zone_is_refused(pack: Pack, zone: str) -> None:
    assert pack.call("create-task", "POST", "/tasks", {"title": "x", "time_zone": zone}).status_code == 422
    assert pack.event("create-task", "task.create", {"title": "x", "time_zone": zone}).status_code == 422
    assert pack.call("set-preferences", "PUT", "/preferences", {"time_zone": zone}).status_code == 422
    query = f"recurrence_pattern=daily&due_on=2090-01-01&time_zone={quote(zone)}"
    assert pack.call("query-tasks", "GET", f"/occurrences?{query}").status_code == 422


def test_what_an_envelope_says_of_the_past_and_of_versions_is_not_taken(pack: Pack) -> None:
    data = {
        "title": "x",
        "task_id": 7,
        "completed": True,
        "version": 10**30,
        "series_id": -1,
        "occurrence": 2**80,
        "completed_at": "0001-01-01T00:00:00Z",
        "created_at": "9999-12-31T23:59:59-23:59",
        "updated_at": "no date",
    }
    said = {"event_type": "task.create", "user_id": pack.user, "data": data}
    for offset, timestamp in enumerate(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]):
        assert pack.envelope("create-task", {**said, "timestamp": timestamp}, offset=offset).status_code == 204
    for task in pack.tasks():
        assert (task["completed"], task["version"], task["series_id"]) == (False, 1, None)
        assert task["created_at"].startswith("20")


@pytest.mark.parametrize("title", [" ", "\u200b", "\u0301", "\x01", "\x7f", "\u202e", "\U0010ffff", "\ufdfa" * 500])
def test_a_title_that_shows_nothing_is_kept_as_it_is(pack: Pack, title: str) -> None:
    """What a title looks like is for whoever shows it; one of blanks is found and paged like others."""
    task = pack.create(title=title, description="\ufdfa" * 10_000, tags=["e\u0301", "\u00e9"])
    assert (task["title"], task["tags"]) == (title, ["e\u0301", "\u00e9"])
    assert pack.tasks(text=title[:200], sort="title") == [task]
    assert pack.tasks(tag="\u00e9") == [task]
