"""Handled once: an acknowledged command took effect exactly once, any other at most once, a refused one not at all."""

from collections import defaultdict

from tests.programs.chaos.facts import Command, Event, History
from tests.programs.chaos.history import Json
from tests.programs.chaos.promises.verdict import Verdict

# What a command's own function emits when it takes effect, and what it answers by REST then.
_EFFECT = {
    "create": ("task.created", "create-task", 201),
    "update": ("task.updated", "update-task", 200),
    "complete": ("task.completed", "complete-task", 200),
    "reopen": ("task.updated", "reopen-task", 200),
    "delete": ("task.deleted", "delete-task", 204),
    "skip": ("task.updated", "schedule-next-recurrence", 200),
    "preferences": ("preferences.updated", "set-preferences", 200),
}
_MAY_CHANGE_NOTHING = ("complete", "reopen", "preferences")  # of what is so already
_REFUSALS = (404, 409, 412, 422)
_CONTENTS = ("title", "description", "completed", "due_on", "recurrence_pattern", "occurrence", "series_id")


def check(history: History, verdict: Verdict) -> None:
    answered = {(row["function"], row["user_id"], row["id"]): row["status"] for row in history.rows["inbox"]}
    for command in history.commands.values():
        verdict.count("commands")
        verdict.count("commands acknowledged", command.acknowledged)
        verdict.count("commands without an answer", not command.acknowledged)
        verdict.count("tries", command.tries)
        _check_answers(command, verdict)
        if command.expect == "dead-letter":
            _check_nothing_came_of(command, history, verdict)
        elif command.by_rest:
            _check_call(command, history, answered, verdict)
        else:
            _check_record(command, history, answered, verdict)
    _check_titles(history, verdict)


def _effects(command: Command, history: History) -> list[Event]:
    event_type, function, _ = _EFFECT[command.operation]
    source = f"/taskmaster/{function}"
    return [event for event in history.caused[command.id] if event.type == event_type and event.source == source]


def _rejections(command: Command, history: History) -> list[Event]:
    return [event for event in history.caused[command.id] if event.type == "task.command.rejected"]


def _check_answers(command: Command, verdict: Verdict) -> None:
    """Every try that was answered got the same answer, and no answer is a fault of the pack's."""
    if command.by_rest:
        told = {(answer.status, repr(sorted(answer.body.items()))) for answer in command.answers}
        if len(told) > 1 and command.key is not None:
            verdict.broken("once", command.id, f"a repeat got another answer: {sorted(told)}")
        verdict.count("answers to repeats", max(len(command.answers) - 1, 0))
        for answer in command.answers:
            if answer.status >= 500:
                verdict.broken("answers", command.id, f"{command.operation} was answered {answer.status}")


def _check_nothing_came_of(command: Command, history: History, verdict: Verdict) -> None:
    for event in history.caused[command.id]:
        verdict.broken("once", command.id, f"poison had an effect: {event.type} {event.id}")


def _check_call(
    command: Command, history: History, answered: dict[tuple[str, str, str], int | None], verdict: Verdict
) -> None:
    effects = _effects(command, history)
    if len(effects) > 1:
        verdict.broken("once", command.id, f"{command.operation} took effect {len(effects)} times")
    if not command.acknowledged:
        verdict.count("commands without an answer that took effect", bool(effects))
        return
    answer = command.answers[0]
    _, function, success = _EFFECT[command.operation]
    if command.expect == "refusal" and answer.status not in command.statuses:
        verdict.broken("refusals", command.id, f"{command.operation} was to be refused, and answered {answer.status}")
    if answer.status == success:
        if not effects and command.operation not in _MAY_CHANGE_NOTHING:
            verdict.broken("once", command.id, f"{command.operation} was answered {success} and had no effect: lost")
        _check_body(command, answer.body, effects, history, verdict)
    elif effects:
        verdict.broken("once", command.id, f"{command.operation} was answered {answer.status} and took effect")
    elif answer.status not in _REFUSALS and answer.status < 500 and command.expect == "effect":
        verdict.broken("answers", command.id, f"{command.operation} was answered {answer.status}")
    if command.key is not None and command.expect == "effect" and answer.status < 500:
        remembered = answered.get((function, command.user, command.key))
        if remembered != answer.status:
            verdict.broken("once", command.id, f"answered {answer.status}, but the inbox remembers {remembered}")


def _check_body(command: Command, body: Json, effects: list[Event], history: History, verdict: Verdict) -> None:
    """What an answer shows was committed: the version it names is a fact, and says the same."""
    if command.operation in ("delete", "preferences"):
        return
    task, version = body["task_id"], body["version"]
    for effect in effects:
        if (effect.task, effect.version) != (task, version):
            detail = f"its answer names task {task}, version {version}; its event task {effect.task}, {effect.version}"
            verdict.broken("once", command.id, detail)
    told = [
        event
        for event in history.facts_of_task.get(task, ())
        if event.version == version and event.type in ("task.created", "task.updated", "task.completed")
    ]
    verdict.count("answers compared with what was told")
    if not told:
        verdict.broken("once", command.id, f"was answered with version {version} of task {task}, of which nobody heard")
    elif any(told[0].data.get(name) != body.get(name) for name in _CONTENTS):
        verdict.broken("once", command.id, f"was answered with another version {version} of task {task} than was told")
    if command.operation in ("complete", "reopen") and body["completed"] != (command.operation == "complete"):
        verdict.broken("once", command.id, f"{command.operation} left task {task} completed={body['completed']}")


def _check_record(
    command: Command, history: History, answered: dict[tuple[str, str, str], int | None], verdict: Verdict
) -> None:
    """By Kafka: its effect once, or the word that it was refused once; nothing at all only of what was so already."""
    effects, rejections = _effects(command, history), _rejections(command, history)
    if len(effects) + len(rejections) > 1:
        detail = f"{command.operation} took effect {len(effects)} times and was refused {len(rejections)} times"
        verdict.broken("once", command.id, detail)
    if command.expect == "refusal" and effects:
        verdict.broken("refusals", command.id, f"{command.operation} of a stranger took effect")
    if not command.acknowledged:
        verdict.count("commands without an answer that took effect", bool(effects))
        return
    _, function, _ = _EFFECT[command.operation]
    remembered = answered.get((function, command.user, command.key or ""))
    if remembered != 204:
        verdict.broken(
            "once", command.id, f"{command.operation} was stored by Kafka; the inbox says {remembered}: lost"
        )
    if not effects and not rejections and not _was_so_already(command, history):
        verdict.broken("once", command.id, f"{command.operation} was stored by Kafka and had no effect: lost")
    for effect in effects:
        if command.task is not None and effect.task != command.task:
            verdict.broken("once", command.id, f"{command.operation} of task {command.task} changed {effect.task}")


def _was_so_already(command: Command, history: History) -> bool:
    """Completing what another command completed, or reopening what is open."""
    if command.operation not in ("complete", "reopen") or command.task is None:
        return False
    done = command.operation == "complete"
    return any(
        event.data.get("completed") == done and event.correlation != command.id
        for event in history.facts_of_task.get(command.task, ())
    )


def _check_titles(history: History, verdict: Verdict) -> None:
    """Each create has a title of its own: two first tasks of one title are a double, whatever else they say."""
    tasks: dict[str, set[int]] = defaultdict(set)
    for task, events in history.facts_of_task.items():
        first = events[0].data
        if first.get("occurrence") in (None, 1):
            tasks[first.get("title", "")].add(task)
    for title, made in tasks.items():
        if len(made) > 1:
            verdict.broken("once", title, f"tasks {sorted(made)} were made of one command")
