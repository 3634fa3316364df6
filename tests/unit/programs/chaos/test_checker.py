"""The checker of histories: it is content with a sound one, and catches every fault that was put into it."""

import ast
import json
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.programs.chaos.checker import check
from tests.programs.chaos.report import report
from tests.unit.programs.chaos.story import Story

CHAOS = Path(__file__).parents[3] / "programs" / "chaos"

Spoil = Callable[[Story], object]


def told(story: Story, directory: Path) -> list[tuple[str, str]]:
    """Promise and detail of each violation."""
    return [(violation.promise, violation.detail) for violation in check(story.write(directory)).violations]


def test_a_sound_history_holds_and_what_was_looked_at_is_counted(tmp_path: Path) -> None:
    verdict = check(Story().write(tmp_path))
    assert verdict.violations == []
    counted = (
        "commands",
        "successors",
        "reminders that had to ring",
        "poison records",
        "versions of tasks in sequence",
        "stories told",
        "tasks made anew from their events",
    )
    assert [verdict.counts[name] for name in counted] == [8, 1, 1, 1, 14, 3, 2]


def test_repeats_of_records_and_of_webhooks_under_their_ids_are_no_fault(tmp_path: Path) -> None:
    story = Story()
    for topic in ("task-events", "task-updates", "dead-letters"):
        story.topics[topic] += deepcopy(story.topics[topic])
    story.delivery("r1")
    story.stories.clear()  # they were told before that
    assert told(story, tmp_path) == []


# Each spoils a sound history in one way. ------------------------------------------------------------------------------


def lose_an_event(story: Story) -> None:
    del story.topics["task-updates"][story.on("task-updates", "task.updated")]


def lose_the_first_event_of_a_task(story: Story) -> None:
    del story.topics["task-events"][story.on("task-events", "task.created", 1)]


def lose_an_event_of_the_mailbox(story: Story) -> None:
    story.topics["schedule-next-recurrence"].clear()


def swap_two_events(story: Story) -> None:
    events = story.topics["task-events"]
    first, second = story.on("task-events", "task.created", 2), story.on("task-events", "task.completed", 2)
    events[first], events[second] = events[second], events[first]


def swap_two_events_before_they_are_committed(story: Story) -> None:
    """The outbox agrees with the topics, and both are wrong: only the versions tell."""
    story.without(lambda row: '"task_id": 1,' not in row["value"])
    created = story.task(1, title="c1")
    updated = {**created, "version": 2, "description": "c2"}
    story.event("task.updated", updated, command="c2", function="update-task")
    story.event("task.created", created, command="c1", function="create-task")


def publish_what_was_not_committed(story: Story) -> None:
    story.committed.pop(1)


def make_two_tasks_of_one_command(story: Story) -> None:
    double = story.task(9, title="c1")
    story.event("task.created", double, command="c1", function="create-task")
    story.row("task", double)


def make_two_tasks_under_two_correlations(story: Story) -> None:
    double = story.task(9, title="c1")
    story.event("task.created", double, command="somebody", function="create-task")
    story.row("task", double)


def update_twice(story: Story) -> None:
    again = {**story.task(1, title="c1"), "version": 3, "description": "c2"}
    story.event("task.updated", again, command="c2", function="update-task")
    story.rows["task"][0]["version"] = 3


def lose_an_answered_command(story: Story) -> None:
    story.without(lambda row: row["headers"]["ce_correlationid"] != "c1")
    story.without(lambda row: row["headers"]["ce_correlationid"] != "c2")
    story.rows["task"] = [row for row in story.rows["task"] if row["task_id"] != 1]


def lose_a_stored_record(story: Story) -> None:
    story.record("c9", "create", fields={"title": "c9"})
    story.rows["inbox"].pop()


def take_effect_though_refused(story: Story) -> None:
    story.call("c9", "update", 409, {"title": "Conflict"}, task=1)
    changed = {**story.task(1, title="c1"), "version": 3, "description": "c9"}
    story.event("task.updated", changed, command="c9", function="update-task")
    story.rows["task"][0] |= {"version": 3, "description": "c9"}


def obey_a_stranger(story: Story) -> None:
    story.record("c9", "delete", task=1, expect="refusal")
    story.event("task.deleted", story.task(1, version=2), command="c9", function="delete-task")
    story.rows["task"] = [row for row in story.rows["task"] if row["task_id"] != 1]


def answer_a_repeat_differently(story: Story) -> None:
    answer = next(entry for entry in story.commands if entry["event"] == "answered")
    story.commands.append({**answer, "status": 200})


def answer_what_was_never_told(story: Story) -> None:
    story.commands[1]["body"] = {**story.commands[1]["body"], "description": "something else"}


def fail_in_an_answer(story: Story) -> None:
    story.call("c9", "update", 500, {"title": "Failed"}, task=1)


def follow_a_completion_twice(story: Story) -> None:
    second = {**story.task(9), "series_id": 2, "occurrence": 2}
    story.event("task.created", second, command="c4", function="schedule-next-recurrence")
    story.row("task", second)


def follow_no_completion(story: Story) -> None:
    story.without(lambda row: row["headers"]["ce_source"] != "/taskmaster/schedule-next-recurrence")
    story.rows["task"] = [row for row in story.rows["task"] if row["task_id"] != 3]


def lose_a_reminder(story: Story) -> None:
    story.deliveries.clear()


def lose_the_second_try_of_a_reminder(story: Story) -> None:
    story.deliveries.pop()


def ring_under_two_ids(story: Story) -> None:
    story.delivery("r2")


def ring_where_it_was_moved_from(story: Story) -> None:
    """Half a minute before the first moment it was moved to a second one, which rang as well."""
    due = datetime.fromisoformat(story.deliveries[0]["data"]["remind_at"])
    later, earlier = (due + timedelta(seconds=20)).isoformat(), (due - timedelta(seconds=30)).isoformat()
    moved = {**story.task(4, title="c5"), "due_at": later, "version": 2, "updated_at": earlier, "description": "c9"}
    story.call("c9", "update", 200, moved, task=4)
    story.event("task.updated", moved, command="c9", function="update-task")
    row = next(row for row in story.rows["task"] if row["task_id"] == 4)
    row |= {"version": 2, "description": "c9"}
    story.deliveries.append({**story.deliveries[1], "webhook_id": "r2", "data": {"task_id": 4, "remind_at": later}})
    story.deliveries[-1]["at"] += 20


def ring_early(story: Story) -> None:
    story.deliveries[0]["at"] -= 5


def ring_for_nobody(story: Story) -> None:
    ring = {"task_id": 1, "remind_at": story.deliveries[0]["data"]["remind_at"]}
    story.deliveries.append({**story.deliveries[0], "webhook_id": "r3", "status": 204, "data": ring})


def ring_unsigned(story: Story) -> None:
    story.delivery("r1", signed=False)


def tell_of_a_reminder_twice(story: Story) -> None:
    sent = json.loads(story.topics["task-updates"][story.on("task-updates", "reminder.sent")]["value"])
    story.event("reminder.sent", sent, function="send-reminder", topics=["task-updates"])


def lose_a_dead_letter(story: Story) -> None:
    story.topics["dead-letters"].clear()


def keep_a_letter_without_its_reason(story: Story) -> None:
    del story.topics["dead-letters"][0]["headers"]["ce_reason"]


def bury_a_sound_command(story: Story) -> None:
    [letter] = story.topics["dead-letters"]
    headers = {**letter["headers"], "ce_id": "c3"}
    story.topics["dead-letters"].append({**letter, "headers": headers, "value": '{"title": "c3"}'})


def leave_a_row_in_the_outbox(story: Story) -> None:
    story.row("outbox", {"id": 99, "key": "1", "created_at": "2026-11-18T12:26:40+00:00"})


def leave_an_attempt_unanswered(story: Story) -> None:
    story.rows["inbox"][3]["status"] = None


def leave_a_reminder_unsent(story: Story) -> None:
    story.rows["reminder"][0]["closed_at"] = None


def leave_processes_running(story: Story) -> None:
    story.faults.append({"what": "orphans", "whom": "stand-in", "pids": [7]})


def never_come_to_rest(story: Story) -> None:
    story.run["settled"] = False


def change_a_row_silently(story: Story) -> None:
    story.rows["task"][0]["title"] = "something else"


def delete_a_row_silently(story: Story) -> None:
    story.rows["task"].pop(0)


def keep_a_deleted_task(story: Story) -> None:
    story.row("task", story.task(5, title="c6"))


@pytest.mark.parametrize(
    ("spoil", "promise", "detail"),
    [
        (lose_an_event, "published", "not on task-updates: lost"),
        (lose_the_first_event_of_a_task, "order", "lost"),
        (lose_an_event_of_the_mailbox, "published", "not on schedule-next-recurrence: lost"),
        (swap_two_events, "order", "committed after it"),
        (swap_two_events_before_they_are_committed, "order", "version 2 follows 0"),
        (publish_what_was_not_committed, "published", "never committed"),
        (make_two_tasks_of_one_command, "once", "took effect 2 times"),
        (make_two_tasks_under_two_correlations, "once", "were made of one command"),
        (update_twice, "once", "took effect 2 times"),
        (lose_an_answered_command, "once", "had no effect: lost"),
        (lose_a_stored_record, "once", "lost"),
        (take_effect_though_refused, "once", "answered 409 and took effect"),
        (obey_a_stranger, "refusals", "took effect"),
        (answer_a_repeat_differently, "once", "another answer"),
        (answer_what_was_never_told, "once", "than was told"),
        (fail_in_an_answer, "answers", "500"),
        (follow_a_completion_twice, "successors", "a second successor"),
        (follow_a_completion_twice, "successors", "are open at once"),
        (follow_no_completion, "successors", "has no successor"),
        (lose_a_reminder, "reminders", "not delivered: lost"),
        (lose_the_second_try_of_a_reminder, "reminders", "not delivered: lost"),
        (ring_under_two_ids, "reminders", "2 webhook-ids"),
        (ring_where_it_was_moved_from, "reminders", "from which it was moved"),
        (ring_early, "reminders", "before its moment"),
        (ring_for_nobody, "reminders", "nobody asked for"),
        (ring_unsigned, "reminders", "signature"),
        (tell_of_a_reminder_twice, "reminders", "told 2 times"),
        (lose_a_dead_letter, "dead letters", "lost"),
        (keep_a_letter_without_its_reason, "dead letters", "should say 'no text'"),
        (bury_a_sound_command, "dead letters", "for no reason"),
        (leave_a_row_in_the_outbox, "left behind", "of key 1"),
        (leave_an_attempt_unanswered, "left behind", "no answer"),
        (leave_a_reminder_unsent, "left behind", "not closed"),
        (leave_processes_running, "left behind", "outlived"),
        (never_come_to_rest, "left behind", "did not come to rest"),
        (change_a_row_silently, "tables", "title"),
        (delete_a_row_silently, "tables", "lost"),
        (keep_a_deleted_task, "tables", "is there"),
    ],
)
def test_a_fault_that_was_put_into_it_is_caught(tmp_path: Path, spoil: Spoil, promise: str, detail: str) -> None:
    story = Story()
    spoil(story)
    found = told(story, tmp_path)
    assert any(promise == kind and detail in text for kind, text in found), found


def test_the_report_says_what_is_broken_how_to_repeat_it_and_where_the_history_lies(tmp_path: Path) -> None:
    story = Story()
    lose_an_event(story)
    directory = story.write(tmp_path)
    text = report(check(directory), directory=directory, again="make chaos SEED=7")
    for part in ("BROKEN", "lost", "again: make chaos SEED=7", str(directory)):
        assert part in text


def test_a_run_that_was_not_written_to_its_end_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check(tmp_path)


@pytest.mark.parametrize("module", sorted(CHAOS.rglob("*.py")), ids=lambda module: str(module.relative_to(CHAOS)))
def test_chaos_imports_nothing_of_what_it_checks(module: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert not [name for name in imported if name.partition(".")[0] == "taskmaster"]
    if module.parent.name == "promises":
        assert not [name for name in imported if name.startswith("knative")]
