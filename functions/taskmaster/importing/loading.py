"""Tasks of a file made by the client, each once: by its idempotency key for a day, and by its content behind that."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from taskmaster.client import Refused, Taskmaster
from taskmaster.importing.found import Found, signature

_ANOTHER = "Another command came under this id"


class Outcome(NamedTuple):
    """What became of a task of a file."""

    found: Found
    what: Literal["to be made", "made", "there already", "refused", "left out"]
    task_id: int | None = None
    why: str = ""


def load(client: Taskmaster | None, tasks: Iterable[Found], *, dry_run: bool) -> Iterator[Outcome]:
    """Make the tasks that are not there, in their order. Without a client nothing is asked. Raises Away."""
    there: Counter[tuple[Any, ...]] = Counter()
    ids: dict[tuple[Any, ...], int] = {}
    for task in client.list(status="all", limit=100) if client else ():
        there[signature(task)] += 1
        ids[signature(task)] = task["task_id"]
    for found in tasks:
        known = signature(found.fields)
        if found.left_out:
            yield Outcome(found, "left out", why=found.left_out)
        elif there[known]:
            there[known] -= 1
            yield Outcome(found, "there already", ids[known])
        elif dry_run or client is None:
            yield Outcome(found, "to be made")
        else:
            yield _made(client, found)


def _made(client: Taskmaster, found: Found) -> Outcome:
    fields = {name: value for name, value in found.fields.items() if name != "title"}
    try:
        task = client.create(found.title, key=found.key, **fields)
        if found.completed:
            client.complete(task["task_id"])
    except Refused as refusal:
        if refusal.title == _ANOTHER:
            return Outcome(found, "refused", why="it was imported before, and has changed in the file since")
        if refusal.status in (401, 403):
            raise
        return Outcome(found, "refused", why=str(refusal))
    return Outcome(found, "made", task["task_id"])
