"""Poison: every record that nobody can handle is on dead-letters with its reason, and nothing else is."""

from tests.programs.chaos.facts import Command, Event, History
from tests.programs.chaos.promises.verdict import Verdict


def check(history: History, verdict: Verdict) -> None:
    letters = history.topics.get("dead-letters", [])
    for entry in history.others.get("dead-letters", ()):
        verdict.broken("dead letters", f"offset {entry['offset']}", "is no CloudEvent")
    expected = set()
    for command in history.commands.values():
        if command.expect != "dead-letter" or not command.acknowledged:
            continue
        verdict.count("poison records")
        found = [letter for letter in letters if _is_of(letter, command)]
        expected |= {letter.place for letter in found}
        if not found:
            verdict.broken("dead letters", command.id, f"{command.fields['kind']}: not on dead-letters: lost")
        elif not any(command.reason in reason(letter) for letter in found):
            told = reason(found[0])
            verdict.broken("dead letters", command.id, f"should say {command.reason!r}, says {told!r}")
    verdict.count("dead letters", len(letters))
    unasked = [letter for letter in letters if letter.place not in expected]
    for letter in unasked:
        if not _was_to_be(letter, history):
            verdict.broken("dead letters", letter.id, f"{letter.type} is there for no reason: {reason(letter)}")


def reason(letter: Event) -> str:
    """The sentence of the function, as KafkaSource or the function itself put it there."""
    return letter.attributes.get("reason", "")


def _is_of(letter: Event, command: Command) -> bool:
    return (
        letter.id == command.key
        or command.id in letter.value.decode("utf-8", "replace").split('"')
        or (letter.value.decode("utf-8", "replace").endswith(command.id))
    )


def _was_to_be(letter: Event, history: History) -> bool:
    """Of a poison record whose producer never heard that it was stored."""
    return any(command.expect == "dead-letter" and _is_of(letter, command) for command in history.commands.values())
