"""A dead letter as text: a row of a table, a page, a line of JSON. No value sends control characters to a terminal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from taskmaster.cli.console import printable
from taskmaster.dead_letters.dead_letter import DeadLetter
from taskmaster.dead_letters.replay import State
from taskmaster.rfc3339 import to_the_second

_COLUMNS = ("letter", "parked_at", "function", "type", "user", "task_id", "state", "reason")


def summary(letter: DeadLetter, state: State | None) -> dict[str, Any]:
    """The fields that a list shows; `state` is None where no database could be asked."""
    return {
        "letter": letter.position,
        "parked_at": to_the_second(letter.parked_at),
        "function": letter.function,
        "id": letter.id,
        "type": letter.type,
        "source": letter.event.source if letter.event else letter.attributes.get("source", ""),
        "user": letter.user_id,
        "task_id": letter.task_id,
        "state": state.value if state else None,
        "code": letter.code,
        "reason": letter.reason,
        "bytes": len(letter.value),
    }


def everything(letter: DeadLetter, state: State | None) -> dict[str, Any]:
    """Every field, for a program."""
    answer, is_cut = letter.answer
    data, is_json = _data(letter)
    return {
        **summary(letter, state),
        "attributes": letter.attributes,
        "content_type": letter.content_type,
        "answer": answer,
        "answer_is_cut": is_cut,
        "data": json.loads(letter.value) if is_json else data,
    }


def table(rows: Sequence[Mapping[str, Any]], *, width: int | None) -> Iterator[str]:
    """The lines of a table of summaries, none longer than the width of the terminal, if there is one."""
    cells = [[printable(str("-" if row[name] in (None, "") else row[name])) for name in _COLUMNS] for row in rows]
    cells.insert(0, [name.removesuffix("_id").removesuffix("_at").upper() for name in _COLUMNS])
    widths = [max(len(row[column]) for row in cells) for column in range(len(_COLUMNS))]
    for row in cells:
        text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        yield text if not width or len(text) <= width else text[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


def page(letter: DeadLetter, state: State | None, *, shown: int) -> str:
    """Every field, for a person, with the first `shown` characters of the data."""
    answer, is_cut = letter.answer
    facts: dict[str, Any] = {
        "letter": letter.position,
        "parked": summary(letter, state)["parked_at"],
        "state": state.value if state else "not known",
        "function": letter.function or "not said",
        "failed with": f"status {letter.code}" if letter.code else "no answer, or given up by the function itself",
        "reason": letter.reason,
        **({"answer": answer + (" ... (cut: KafkaSource keeps 1,024 bytes)" if is_cut else "")} if answer else {}),
        "event": f"{letter.type or 'no type'}, id {letter.id or 'none'}",
        "user": letter.user_id or "not said",
        "task": letter.task_id if letter.task_id is not None else "not said",
    }
    lines = [f"{name:<12} {printable(str(value))}" for name, value in facts.items()]
    lines += ["", "attributes, as the function got them:"]
    lines += [f"  {name:<20} {printable(value)}" for name, value in sorted(letter.attributes.items())]
    if letter.content_type:
        lines.append(f"  {'(content type)':<20} {printable(letter.content_type)}")
    data, _ = _data(letter)
    lines += ["", f"data, {len(letter.value)} bytes:"]
    lines += ["  " + printable(line) for line in data[:shown].splitlines()]
    if len(data) > shown:
        lines.append(f"  ... cut: {shown} of {len(data)} characters; --full shows all")
    return "\n".join(lines)


def _data(letter: DeadLetter) -> tuple[str, bool]:
    """The data as text, and whether it is JSON, which is indented then."""
    try:
        return json.dumps(json.loads(letter.value), indent=2, ensure_ascii=False), True
    except (ValueError, RecursionError):
        return letter.value.decode("utf-8", "replace"), False


def name_of(letter: DeadLetter) -> str:
    """A dead letter in a sentence: its position, type and id."""
    return f"{letter.position} {printable(letter.type)} {printable(letter.id)}"
