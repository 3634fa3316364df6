"""A user at full speed with what everybody may call: reminders by the thousand, preferences, one task, one key."""

from datetime import UTC, datetime, timedelta
from functools import partial

from tests.programs.attack.enemy import Enemy, reminding, webhook
from tests.programs.attack.hostile.receivers import Receivers


def reminder_flood(enemy: Enemy) -> None:
    """3,000 reminders of one second, from 60 requests by HTTPS or 60 events by Kafka in turn, every 20 seconds."""
    by_kafka = False
    while not enemy.over.is_set():
        if by_kafka:
            due = datetime.now(UTC) + timedelta(seconds=5)
            for _ in range(enemy.scaled(60)):
                enemy.event("create-task", "task.create", reminding(due, 50))
        else:
            enemy.remind(60, 50)
        enemy.begin()
        by_kafka = not by_kafka
        enemy.wait(20)


def day_hour(enemy: Enemy) -> None:
    """60 tasks due on a day, 50 reminders each, all of which two loops of PUT /preferences move about now."""
    today = datetime.now(UTC).date().isoformat()
    reminders = [f"PT{seconds}S" for seconds in range(50)]
    for _ in range(enemy.scaled(60)):
        enemy.call("POST", "/tasks", {"title": "today", "due_on": today, "time_zone": "UTC", "reminders": reminders})
    enemy.begin()

    def move() -> None:
        hour = datetime.now(UTC) + timedelta(minutes=enemy.chance.choice((1, 2)))
        enemy.prefer(day_hour=f"{hour:%H:%M}")

    enemy.keep(move, clients=2)


def locked_tasks(enemy: Enemy) -> None:
    """Four tasks whose 50 reminders each are due, and eight clients that change these tasks all the time."""
    tasks = enemy.remind(4, 50)
    enemy.begin()

    def change() -> None:
        begin = datetime.now(UTC) + timedelta(seconds=0.2)
        enemy.call("PATCH", f"/tasks/{enemy.chance.choice(tasks)}", {"reminders": reminding(begin, 50)["reminders"]})

    enemy.keep(change, clients=enemy.scaled(8), pause=0.02)


def idempotency_keys(enemy: Enemy) -> None:
    """A new long key with each call, and one key that eight calls bring at once."""

    enemy.begin()

    def new() -> None:
        key = f"{enemy.chance.getrandbits(512):0200x}"
        enemy.call("POST", "/tasks", {"title": "keyed"}, Idempotency_Key=key)

    def same() -> None:
        enemy.call("POST", "/tasks", {"title": "again"}, Idempotency_Key="one")

    enemy.at_once(partial(enemy.keep, new, clients=2, pause=0.01), partial(enemy.keep, same, clients=2, pause=0.01))


def full_speed(enemy: Enemy) -> None:
    """All of it by one user over HTTPS and Kafka: three clients without a pause, 40 records a second, a tarpit."""
    with Receivers(enemy.target.certificate, "silent", "dripping-headers") as receivers:
        enemy.prefer(*(webhook(url) for url in receivers.urls.values()))

        def whole_life() -> None:
            moment = datetime.now(UTC) + timedelta(seconds=5)
            task = enemy.call("POST", "/tasks", reminding(moment, 10))
            if not task:
                return
            where = f"/tasks/{task['task_id']}"
            enemy.call("GET", "/tasks?limit=50")
            enemy.call("PATCH", where, {"title": "another", "due_at": None, "due_on": "2040-01-01", "reminders": []})
            enemy.call("PATCH", where, {"recurrence_pattern": "daily"})
            enemy.call("POST", f"{where}/complete")

        def event() -> None:
            moment = datetime.now(UTC) + timedelta(seconds=5)
            kind = enemy.chance.random()
            if kind < 0.5:
                enemy.event("create-task", "task.create", reminding(moment, 5), key=str(enemy.chance.random()))
            elif kind < 0.8:
                enemy.event("update-task", "task.update", {"task_id": 1, "title": "not mine"})
            else:
                enemy.event("set-preferences", "preferences.set", {"day_hour": "08:00", "channels": channels})

        def round_of_reminders() -> None:
            enemy.remind(60, 50)
            enemy.wait(30)

        enemy.begin()
        channels = [webhook(url) for url in receivers.urls.values()]
        enemy.at_once(
            partial(enemy.keep, whole_life, clients=enemy.scaled(3)),
            partial(enemy.paced, event, a_second=40),
            partial(enemy.keep, round_of_reminders),
            partial(enemy.keep, partial(enemy.call, "GET", "/tasks?text=ring&limit=100"), pause=0.05),
        )
        enemy.held(receivers.taken)
