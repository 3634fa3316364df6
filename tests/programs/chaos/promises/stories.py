"""Stories: `taskmaster trace` tells of a command every event with its places, every handling, and every dead letter."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.programs.chaos.facts import Event, History
from tests.programs.chaos.history import Json
from tests.programs.chaos.promises.verdict import Verdict

_WRAPPED = "dev.knative.kafka.event"  # what KafkaSource calls a record that is no CloudEvent
# Who handles what lies on a topic: a mailbox has the name of its function.
_AT = {"reminders": "send-reminder"}
_NO_MAILBOX = ("task-events", "task-updates", "dead-letters")


@dataclass
class _Expected:
    """What the topics have of one story."""

    places: set[str] = field(default_factory=set)
    letters: set[str] = field(default_factory=set)
    causes: dict[str, str] = field(default_factory=dict)  # by event


def check(history: History, verdict: Verdict) -> None:
    expected = _by_correlation(history)
    inbox = {(row["function"], row["user_id"], row["id"]): row for row in history.rows["inbox"]}
    for entry in history.stories:
        verdict.count("stories told")
        wanted = expected.get(entry["id"], _Expected())
        for fault in _faults(entry["story"], wanted, inbox):
            verdict.broken("told", entry["id"], fault)
        verdict.count("places of events in them", len(wanted.places))
    if took := [entry["seconds"] for entry in history.stories if "seconds" in entry]:
        verdict.count("milliseconds of a process that tells one, median", round(median(took) * 1000))
        verdict.count("milliseconds of a process that tells one, longest", round(max(took) * 1000))


def _by_correlation(history: History) -> dict[str, _Expected]:
    found: dict[str, _Expected] = defaultdict(_Expected)
    for topic, events in history.topics.items():
        for event in events:
            correlation = _correlation(event)
            if topic == "dead-letters":
                found[correlation].letters.add(f"{event.place[1]}/{event.place[2]}")
            else:
                found[correlation].places.add(_written(event.place))
                found[correlation].causes[event.id] = event.attributes.get("causationid", "")
    for topic, entries in history.others.items():
        for entry in entries:
            correlation = _of_envelope(entry.get("value") or "")
            found[correlation].places.add(_written((topic, entry["partition"], entry["offset"])))
    return found


def _correlation(event: Event) -> str:
    if event.type == _WRAPPED:
        return _of_envelope(event.value.decode("utf-8", "replace"))
    return event.correlation or event.id


def _of_envelope(value: str) -> str:
    """What an original envelope says that it belongs to; '' for what is none."""
    try:
        said = json.loads(value)
    except ValueError:
        return ""
    return str(said.get("correlation_id") or "") if isinstance(said, dict) else ""


def _faults(story: list[Json], wanted: _Expected, inbox: dict[tuple[str, str, str], Json]) -> Iterator[str]:
    told = list(_walk(story, None))
    events = {node["id"]: node for node, _ in told if node["kind"] == "event"}
    places = {place for node in events.values() for place in node["places"]}
    if places != wanted.places:
        yield f"not told: {sorted(wanted.places - places)}; told, and not there: {sorted(places - wanted.places)}"
    letters = {node["letter"] for node, _ in told if node["kind"] == "dead letter"}
    if letters != wanted.letters:
        yield f"dead letters are {sorted(wanted.letters)}, told {sorted(letters)}"
    for node, above in told:
        if node["kind"] == "event" and (cause := wanted.causes.get(node["id"], "")):
            parent = cause if cause in events else None
            if above != parent:
                yield f"{node['type']} {node['id']} follows from {parent}, told under {above}"
    for node in events.values():
        yield from _faults_of_handlings(node, inbox)


def _faults_of_handlings(event: Json, inbox: dict[tuple[str, str, str], Json]) -> Iterator[str]:
    topics = {place.split("/")[0] for place in event["places"]} - set(_NO_MAILBOX)
    handlings = {node["function"]: node for node in event["children"] if node["kind"] == "handling"}
    if handlings.keys() != (functions := {_AT.get(topic, topic) for topic in topics}):
        yield f"{event['id']} woke {sorted(functions)}, told {sorted(handlings)}"
    for function, told in handlings.items():
        row = inbox.get((function, event["user"], event["id"]))
        known = (row["attempts"], row["status"]) if row else (None, None)
        if (told["attempts"], told.get("status")) != known:
            said = (told["attempts"], told.get("status"))
            yield f"{function} has handled {event['id']} with attempts and status {known}, told {said}"


def _walk(nodes: list[Json], above: str | None) -> Iterator[tuple[Json, str | None]]:
    """Each node, with the event that it stands under."""
    for node in nodes:
        yield node, above
        yield from _walk(node["children"], node["id"] if node["kind"] == "event" else above)


def _written(place: tuple[str, int, Any]) -> str:
    return "/".join(map(str, place))
