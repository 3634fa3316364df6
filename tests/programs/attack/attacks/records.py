"""Records on mailboxes: poison, values that no HTTP hop can carry, and one key that never rests."""

import base64
from uuid import uuid4

from tests.programs.attack.enemy import Enemy
from tests.programs.chaos.poison import poison

# What an envelope may have in an id and a header may not (RFC 9110, 5.5), and what is beyond Latin-1.
_UNSENDABLE = ("line1\nline2", "a\rb", "nul\x00", "\x01", "\x1f", "del\x7f", "\x85", "\u2028", "日本", "🪴", "\ud800")


def poison_records(enemy: Enemy) -> None:
    """Records that no function can handle, of every kind, 30 a second on the mailboxes of people's commands."""

    enemy.begin()

    def send() -> None:
        record = poison(f"poison-{uuid4()}", user=enemy.target.user, chance=enemy.chance).record
        assert record is not None
        enemy.record(record.topic, record.value, key=str(uuid4()), headers=record.headers)

    enemy.paced(send, a_second=30)


def unsendable_values(enemy: Enemy) -> None:
    """Commands whose ids no header can carry, and recurring tasks whose completion would hand them on."""
    series = [
        enemy.call("POST", "/tasks", {"title": "mine", "due_on": "2040-01-01", "recurrence_pattern": "daily"})
        for _ in range(enemy.scaled(12))
    ]
    tasks = [task["task_id"] for task in series if task]
    enemy.begin()

    def send() -> None:
        bad, task = enemy.chance.choice(_UNSENDABLE), enemy.chance.choice(tasks)
        name = enemy.chance.choice(["event_id", "correlation_id", "both"])
        members = {each: f"{bad}{uuid4()}" for each in ("event_id", "correlation_id") if name in (each, "both")}
        kind = enemy.chance.randrange(4)
        if kind == 0:
            enemy.envelope("complete-task", "task.complete", {"task_id": task}, **members)
        elif kind == 1:
            enemy.envelope("update-task", "task.update", {"task_id": task, "title": bad}, **members)
        elif kind == 2:
            enemy.envelope("create-task", "task.create", {"title": "x", "due_on": "2040-01-01"}, **members)
        else:
            encoded = base64.b64encode(bad.encode("utf-8", "surrogatepass")).decode()
            enemy.envelope("reopen-task", "task.reopen", {"task_id": task}, **members, data_base64=encoded)

    enemy.paced(send, a_second=10)


def hot_key(enemy: Enemy) -> None:
    """One task, changed by 60 records a second and by two clients: its events have one key."""
    task = enemy.call("POST", "/tasks", {"title": "hot"})["task_id"]
    enemy.begin()

    def event() -> None:
        enemy.event("update-task", "task.update", {"task_id": task, "title": str(uuid4())})

    def call() -> None:
        enemy.call("PATCH", f"/tasks/{task}", {"title": str(uuid4())})

    enemy.at_once(
        lambda: enemy.paced(event, a_second=60),
        lambda: enemy.keep(call, clients=2, pause=0.02),
    )
