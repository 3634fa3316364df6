"""Records that no function can handle, one of each kind that there is, and what their dead letter must say."""

import json
import random
from dataclasses import replace

from tests.programs.chaos.senders import Command, Record, record_of, without


def poison(name: str, *, user: str, chance: random.Random) -> Command:
    """A command that will be found on dead-letters. Its name is somewhere in the record, whatever else is wrong."""
    kind = chance.choice(list(_KINDS))
    reason = _KINDS[kind]
    whole = Command(
        command=name,
        operation="poison",
        by="cloudevent",
        user=user,
        key=name,
        fields={"title": name},
        expect="dead-letter",
        reason=reason,
    )
    return replace(whole, record=_record(kind, whole), fields={"title": name, "kind": kind})


_KINDS = {
    "a title that is no text": "title: Input should be a valid string",
    "an unknown field": "colour",
    "no JSON": "is not JSON",
    "nobody's": "userid",
    "an envelope without a type": "no event_type",
    "text without headers": "is not JSON",
    "a task that has no number": "task_id",
}


def _record(kind: str, whole: Command) -> Record:
    sound = record_of(replace(whole, operation="create"))
    match kind:
        case "a title that is no text":
            return replace(sound, value=json.dumps({"title": 7, "description": whole.command}).encode())
        case "an unknown field":
            return replace(sound, value=json.dumps({"title": whole.command, "colour": "red"}).encode())
        case "no JSON":
            return replace(sound, value=b'{"title": "' + whole.command.encode())
        case "nobody's":
            return without(sound, "ce_userid")
        case "an envelope without a type":
            value = json.dumps({"user_id": whole.user, "data": {"title": whole.command}}).encode()
            return replace(sound, headers={}, value=value)
        case "text without headers":
            return replace(sound, headers={}, value=f"the plants want water, says {whole.command}".encode())
        case _:
            task = record_of(replace(whole, operation="complete", fields={}))
            return replace(task, value=json.dumps({"task_id": whole.command}).encode())
