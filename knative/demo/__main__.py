"""`make demo`: the story of the pack, on real requests and records, each claim checked.

Exit code 1, with a sentence and the last that functions and stand-in logged, if one of them is not true.
"""

from __future__ import annotations

import io
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table

from knative.demo.story import ROOT, USER, NotTrue, Story
from knative.local.dapr.side import BROKERS
from knative.local.embedded import EmbeddedError
from knative.local.logs import LogStream, StreamHandler
from knative.local.up import Platform


def everything_at_zero(story: Story) -> None:
    story.chapter("Nothing runs")
    functions = list(story.platform.report())
    # The alarm, not set yet, rings at the first full minute: where that is now, it is over in a moment.
    story.must(story.platform.wait_for_zero(30), "a function runs before anybody called it")
    story.tell(f"{len(functions)} functions, 0 pods: {', '.join(functions)}")
    story.tell(f"What does run stands for the cluster: PostgreSQL, {RUNS[story.platform.broker]}, Knative.")


def created_over_rest(story: Story) -> None:
    story.chapter("A task over REST wakes one function")
    task, cold = story.call("POST", "/tasks", {"title": "buy oat milk", "priority": "high"})
    story.tell(f"POST /tasks from zero   {cold:6.0f} ms   task {task['task_id']}, its process started for this request")
    _, warm = min((story.call("POST", "/tasks", {"title": f"errand {n}"}) for n in range(5)), key=lambda made: made[1])
    story.tell(f"POST /tasks warm        {warm:6.1f} ms")
    fact, _ = story.eventually("task.created on task-events", lambda: story.records.about(task, "task.created"))
    story.tell(f"task.created is on task-events, key {fact.key}: committed with the task, published behind the answer.")


def created_by_record(story: Story) -> None:
    who = "A program that publishes by Dapr" if story.platform.redis_url else "A plain Kafka producer"
    story.chapter(f"{who} creates one too")
    story.create_by_record("water the plants")
    [task], took = story.eventually("the task of the record", lambda: story.titled("water the plants"))
    carrier = "daprd -> bridge" if story.platform.daprd[0] else "KafkaSource"
    story.tell(f"record on topic create-task -> {carrier} -> create-task: task {task['task_id']} after {took:.0f} ms")


def created_by_envelope(story: Story) -> None:
    story.chapter("So does a program that knows nothing of CloudEvents")
    envelope = {
        "event_id": str(uuid4()), "event_type": "task.create", "event_version": "1.0", "user_id": USER,
        "timestamp": datetime.now(UTC).isoformat(), "correlation_id": "demo",
        "data": {"title": "Buy groceries", "tags": ["shopping"]}, "metadata": {"source": "taskmaster-backend"},
    }  # fmt: skip
    story.records.produce("create-task", envelope)
    [task], took = story.eventually("the task of the envelope", lambda: story.titled("Buy groceries"))
    story.tell(f"the original JSON envelope, wrapped and unwrapped: task {task['task_id']} after {took:.0f} ms")


def recurring(story: Story) -> None:
    story.chapter("A recurring task brings its own successor")
    year = datetime.now(UTC).year + 1
    task, _ = story.call(
        "POST", "/tasks", {"title": "pay the rent", "due_on": f"{year}-01-31", "recurrence_pattern": "monthly"}
    )
    story.call("POST", f"/tasks/{task['task_id']}/complete")
    story.tell(f"task {task['task_id']}, monthly, due {task['due_on']}: completed over REST")
    successor, took = story.successor(task)
    story.must(successor["due_on"] in (f"{year}-02-28", f"{year}-02-29"), f"the next is due {successor['due_on']}")
    story.tell(
        f"task.completed woke schedule-next-recurrence: task {successor['task_id']}, due {successor['due_on']}, "
        f"after {took:.0f} ms"
    )


def reminded(story: Story) -> None:
    story.chapter("A reminder comes when it is meant to")
    with story.receiver() as receiver:
        moment = story.platform.clock.now() + timedelta(seconds=6)
        task, _ = story.call("POST", "/tasks", {"title": "take the bread out", "due_at": moment.isoformat()})
        found, _ = story.eventually("the reminder", lambda: receiver.about(task))
        late = (found[0].at - moment).total_seconds() * 1000
        story.must(late >= 0, "the reminder came too early")
        story.tell(f"task {task['task_id']}, due in 6 s: its signed webhook arrived {late:.0f} ms after the moment,")
        story.tell("from functions at zero: dispatch-due-reminders waited, and woke send-reminder 5 s ahead.")


def journey(story: Story) -> None:
    story.chapter("A journey in time, over February and the change of the clocks")
    year, zone = datetime.now(UTC).year + 1, ZoneInfo("Europe/Zurich")
    with story.receiver() as receiver:
        due = datetime(year, 1, 31, 9, tzinfo=zone)
        task, _ = story.call(
            "POST",
            "/tasks",
            {"title": "back up", "due_at": due.isoformat(), "time_zone": zone.key, "recurrence_pattern": "monthly"},
        )
        for month, day in ((1, (31,)), (2, (28, 29)), (3, (31,))):
            due = datetime.fromisoformat(task["due_at"]).astimezone(zone)
            story.must((due.month, due.hour) == (month, 9) and due.day in day, f"the occurrence is due {due}")
            story.platform.travel(due - timedelta(seconds=3) - story.platform.clock.now())
            story.eventually("its reminder", lambda about=task: receiver.about(about), within=30)  # type: ignore[misc]
            [message] = receiver.about(task)
            at = datetime.fromisoformat(message.data["remind_at"]).astimezone(zone)
            story.must(at == due and not message.data["late"], f"it was meant for {at}")
            story.tell(
                f"{due:%d %B, %H:%M} in Zurich ({due:%H:%M} is {due.astimezone(UTC):%H:%M} UTC): rung, completed"
            )
            story.call("POST", f"/tasks/{task['task_id']}/complete")
            task, _ = story.successor(task)


def poison(story: Story) -> None:
    story.chapter("A poison record stops nobody")
    bad = story.create_by_record(7, key="poison")
    story.create_by_record("after the poison", key="poison")
    letter, _ = story.eventually("the dead letter", lambda: story.records.with_id("dead-letters", bad))
    story.tell(f'title 7 is no text: on dead-letters, with its reason "{letter.headers.get("ce_reason")}"')
    [task], _ = story.eventually("the record behind the poison", lambda: story.titled("after the poison"))
    story.tell(f"the record behind it, in the same partition: task {task['task_id']}")


def twice(story: Story) -> None:
    story.chapter("The same command twice has one effect")
    first_id = story.create_by_record("only once", key="twice")
    story.create_by_record("only once", event_id=first_id, key="twice")
    story.create_by_record("behind", key="twice")
    story.eventually("the record behind the repeat", lambda: story.titled("behind"))
    story.must(len(story.titled("only once")) == 1, "the repeated record made two tasks")
    story.tell("one record sent twice: one task")
    key = str(uuid4())
    first, second = (story.call("POST", "/tasks", {"title": "rest"}, **{"Idempotency-Key": key})[0] for _ in range(2))
    story.must(first == second, "the repeated call was answered differently")
    story.must(len(story.titled("rest")) == 1, "the repeated call made two tasks")
    story.tell(f"one Idempotency-Key sent twice: task {first['task_id']} both times")


def back_to_zero(story: Story) -> None:
    story.chapter("And everything sleeps again")
    begun = time.perf_counter()
    with story.console.status("   waiting for the idle window"):
        story.must(story.platform.wait_for_zero(60), "a function is still awake after a minute")
    story.tell(f"0 pods {time.perf_counter() - begun:.0f} s after the last event.")


RUNS = {
    "kafka": "a Kafka broker",
    "dapr-kafka": "a Kafka broker, daprd with its bridge",
    "dapr-redis": "Redis, daprd with its bridge",
}
LINES = 60  # of the log, where something is not true
STORY = (
    everything_at_zero,
    created_over_rest,
    created_by_record,
    created_by_envelope,
    recurring,
    poison,
    twice,
    reminded,
    journey,
    back_to_zero,
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--broker", default=BROKERS[0], show_default=True, type=click.Choice(BROKERS))
def main(broker: str) -> None:
    """Tell the story. Exit code 1 with a sentence if anything in it is not true."""
    console = Console(highlight=False)
    begun = time.perf_counter()
    logged = io.StringIO()
    logs = LogStream(logged)
    logging.basicConfig(level=logging.INFO, handlers=[StreamHandler(logs)])
    console.print("[bold]taskmaster functions[/bold]: a to-do back end that sleeps at zero and loses nothing")
    try:
        with _platform(console, broker, logs) as platform:
            story = Story(platform, console)
            for chapter in STORY:
                chapter(story)
            console.print()
            console.print(_table(platform))
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from None
    except NotTrue as error:
        console.print(f"\n[bold red]Not true:[/bold red] {error}")
        click.echo("\n".join(logged.getvalue().splitlines()[-LINES:]), err=True)
        sys.exit(1)
    console.print(f"\nAll of it is true, in {time.perf_counter() - begun:.0f} s. Go on with [bold]make up[/bold].")


@contextmanager
def _platform(console: Console, broker: str, logs: LogStream) -> Iterator[Platform]:
    """A platform of its own, that leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="taskmaster-demo-") as state:
        Path(state).chmod(0o711)  # as root, PostgreSQL runs as another user and must get there
        platform = Platform(ROOT, state=Path(state), logs=logs, environ={}, broker=broker, watch=False)
        with console.status(f"starting PostgreSQL, {RUNS[broker]} and the stand-in for Knative"):
            begun = time.perf_counter()
            platform.start()
            try:
                ready = platform.wait_until_consuming(30)
            except BaseException:
                platform.stop()
                raise
        console.print(f"Everything is up on {platform.url} after {time.perf_counter() - begun:.1f} s.")
        try:
            if not ready:
                raise NotTrue("the KafkaSources have no partitions")
            yield platform
        finally:
            with console.status("draining"):
                platform.stop()


def _table(platform: Platform) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("function", no_wrap=True)
    for heading in ("calls", "starts", "cold ms", "warm ms", "awake s", "at zero s"):
        table.add_column(heading, justify="right")
    for name, row in platform.report().items():
        cold, warm = (f"{ms:.0f}" if ms else "-" for ms in (row.median_cold_ms, row.median_warm_ms))
        table.add_row(
            name,
            str(row.invocations),
            str(row.cold_starts),
            cold,
            warm,
            f"{row.seconds_awake}",
            f"{row.seconds_at_zero}",
        )
    return table


if __name__ == "__main__":
    main(prog_name="python -m knative.demo")
