"""Examples of the documents: one task in its states, and what is asked of it. Tests run them all."""

from typing import Any

Json = dict[str, Any]

TASK: Json = {
    "task_id": 7,
    "title": "pay the rent",
    "description": None,
    "completed": False,
    "priority": "high",
    "tags": ["home"],
    "due_at": None,
    "due_on": "2027-01-31",
    "time_zone": "Europe/Zurich",
    "reminders": ["P1D"],
    "snoozed_until": None,
    "recurrence_pattern": "monthly",
    "recurrence_from": "due",
    "recurrence_paused": False,
    "series_id": 7,
    "occurrence": 1,
    "version": 1,
    "created_at": "2026-11-24T09:00:00Z",
    "updated_at": "2026-11-24T09:00:00Z",
    "completed_at": None,
}
UPDATED: Json = {**TASK, "priority": "urgent", "tags": ["home", "money"], "version": 2}
COMPLETED: Json = {**TASK, "completed": True, "completed_at": "2026-11-24T09:00:00Z", "version": 2}
CHANGED: Json = {
    "priority": {"old": "high", "new": "urgent"},
    "tags": {"old": ["home"], "new": ["home", "money"]},
}
DONE: Json = {
    "completed": {"old": False, "new": True},
    "completed_at": {"old": None, "new": "2026-11-24T09:00:00Z"},
}
SKIPPED: Json = {**TASK, "due_on": "2027-02-28", "version": 2}
SNOOZED: Json = {**TASK, "snoozed_until": "2026-11-24T09:10:00Z", "version": 2}
SUCCESSOR: Json = {**TASK, "task_id": 8, "due_on": "2027-02-28", "occurrence": 2}

CREATE: Json = {
    name: TASK[name] for name in ("title", "priority", "tags", "due_on", "time_zone", "reminders", "recurrence_pattern")
}
UPDATE: Json = {"priority": "urgent", "tags": ["home", "money"]}
SNOOZE: Json = {"duration": "PT10M"}
PREFERENCES: Json = {
    "time_zone": "Europe/Zurich",
    "day_hour": "08:00",
    "reminders": ["PT15M"],
    "quiet_hours": {"start": "22:00", "end": "07:00"},
    "channels": [{"type": "mail", "address": "ada@example.com"}],
}

REMINDER: Json = {
    "reminder_id": "019ab1f6-0000-7000-8000-000000000007",
    "remind_at": "2027-01-30T08:00:00Z",
    "late": False,
}
DELIVERED: Json = {"mail-0f0f43a2b1c8": {"outcome": "delivered", "detail": ""}}
FAILED: Json = {"webhook-5a1c94e2d7b3": {"outcome": "failed", "detail": "answered 404"}}

# By the type of the event that asks for it: its data.
COMMANDS: dict[str, Json] = {
    "task.create": CREATE,
    "task.update": {"task_id": 7, "expected_version": 1, **UPDATE},
    "task.complete": {"task_id": 7},
    "task.reopen": {"task_id": 7},
    "task.delete": {"task_id": 7, "scope": "this"},
    "task.skip": {"task_id": 7},
    "reminder.snooze": {"task_id": 7, **SNOOZE},
    "reminder.dismiss": {"task_id": 7},
    "preferences.set": PREFERENCES,
}

# What is done to a task that is completed already, by type of event and by operation; the others take an open one.
TO_A_COMPLETED_TASK = frozenset({"task.reopen", "reopenTask"})

# By the type of the event that tells it: its data.
FACTS: dict[str, Json] = {
    "task.created": TASK,
    "task.updated": {**UPDATED, "changed": CHANGED},
    "task.completed": {**COMPLETED, "changed": DONE},
    "task.deleted": TASK,
    "task.recurring.next": {**SUCCESSOR, "follows": 7, "skipped": 0},
    "task.recurring.ended": COMPLETED,
    "task.command.rejected": {
        "command": "task.complete",
        "command_id": "019ab1f5-0000-7000-8000-000000000001",
        "status": 404,
        "title": "No such task",
        "detail": "There is no task 7 among yours.",
    },
    "preferences.updated": {**PREFERENCES, "channels": ["mail"]},
    "reminders.move": {"ticket": "019ab1f5-0000-7000-8000-000000000003"},
    "reminder.armed": {"moment": "2027-01-30T08:00:00Z"},
    "reminder.soon": {"moment": "2027-01-30T07:59:55Z"},
    "reminder.due": {**TASK, **REMINDER},
    "reminder.sent": {
        "task_id": 7, **REMINDER, "channels": DELIVERED, "reason": None, "called_at": "2027-01-30T08:00:00.2Z",
    },
    "reminder.failed": {
        "task_id": 7, **REMINDER, "channels": FAILED, "reason": None, "called_at": "2027-01-30T08:00:00.2Z",
    },
}  # fmt: skip

CURSOR = "WyI5Zjg2ZDA4MTg4NGM3ZDY1OWEyZmVhYTBjNTVhZDAxNSIsIjc1MTo3NTE6IixudWxsXQ"
STREAM = f"retry: 1000\n\nid: {CURSOR}\nevent: ready\ndata: {{}}\n\n"
ENVELOPE: Json = {
    "event_id": "019ab1f5-0000-7000-8000-000000000002",
    "event_type": "task.create",
    "event_version": "1.0",
    "timestamp": "2026-11-24T09:00:00Z",
    "user_id": "ada",
    "correlation_id": "request-456",
    "data": {"title": "Buy groceries", "description": None, "completed": False, "tags": ["shopping"]},
    "metadata": {"source": "web", "trace_id": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
}

# By operation: the query string of a call, its body, and its answer.
QUERIES: dict[str, Json] = {
    "listTasks": {"status": "open", "priority": ["high", "urgent"], "tag": ["home"], "due_from": "2027-01-01",
                  "due_to": "2027-12-31T23:59:59Z", "text": "rent", "sort": "due", "limit": 20},
    "listChanges": {"limit": 100},
    "listHistory": {"limit": 20},
    "listReminders": {"task_id": [7]},
    "listOccurrences": {"count": 2},
    "previewOccurrences": {"recurrence_pattern": "FREQ=MONTHLY;BYDAY=-1FR", "due_on": "2027-01-29",
                           "time_zone": "Europe/Zurich", "count": 3},
    "deleteTask": {"scope": "following"},
}  # fmt: skip
REQUESTS: dict[str, Json] = {
    "createTask": CREATE,
    "updateTask": UPDATE,
    "snoozeTask": SNOOZE,
    "changePreferences": PREFERENCES,
    "makeCalendar": {},
    "replayDeadLetter": {},
}
SECRET = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
# By operation: its answer where that is no JSON.
DOCUMENTS: dict[str, str] = {
    "showFeed": "\r\n".join(
        [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//taskmaster functions//calendar//EN",
            "NAME:Tasks",
            "X-WR-CALNAME:Tasks",
            "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
            "BEGIN:VTODO",
            "CATEGORIES:home",
            "CREATED:20261124T090000Z",
            "DTSTAMP:20261124T090000Z",
            "DTSTART;VALUE=DATE:20270131",
            "DUE;VALUE=DATE:20270131",
            "LAST-MODIFIED:20261124T090000Z",
            "PRIORITY:3",
            "RRULE:FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
            "SEQUENCE:0",
            "STATUS:NEEDS-ACTION",
            "SUMMARY:pay the rent",
            "UID:5b2f0d6c-61a4-5b0e-9f0c-d8a3c7e1b024",
            "END:VTODO",
            "BEGIN:VEVENT",
            "SUMMARY:pay the rent",
            "DTSTART;VALUE=DATE:20270131",
            "DTSTAMP:20261124T090000Z",
            "UID:0e4c9a57-2d83-5f16-8b7a-46f1e09d3c52",
            "SEQUENCE:0",
            "RRULE:FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1",
            "CATEGORIES:home",
            "CREATED:20261124T090000Z",
            "LAST-MODIFIED:20261124T090000Z",
            "PRIORITY:3",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
    )
}
PACK: Json = {
    "at": "2026-11-24T09:00:02.5Z",
    "functions": [
        {
            "function": "create-task",
            "state": "awake",
            "pods": [
                {
                    "name": "create-task-00001-deployment-7c9d",
                    "state": "awake",
                    "created_at": "2026-11-24T09:00:00Z",
                    "start_ms": 1000,
                }
            ],
        },
        {"function": "delete-task", "state": "asleep", "pods": []},
    ],
    "functions_missing": None,
    "commands": [
        {
            "at": "2026-11-24T09:00:01.25Z",
            "sender": "call",
            "function": "create-task",
            "type": "task.create",
            "attempts": 1,
            "outcome": "handled",
        }
    ],
    "commands_missing": None,
}
LETTER: Json = {
    "position": "0/17",
    "parked_at": "2026-11-24T09:00:00Z",
    "function": "create-task",
    "type": "task.create",
    "reason": "title: Input should be a valid string",
    "state": "waiting",
    "obstacle": "",
}
RESPONSES: dict[str, Json] = {
    "createTask": TASK,
    "updateTask": UPDATED,
    "completeTask": COMPLETED,
    "reopenTask": {**TASK, "version": 3},
    "skipOccurrence": SKIPPED,
    "snoozeTask": SNOOZED,
    "dismissTask": {**TASK, "version": 2},
    "getTask": TASK,
    "listTasks": {"tasks": [TASK], "next_cursor": None},
    "listChanges": {"tasks": [TASK], "deleted": [], "cursor": CURSOR, "more": False},
    "listHistory": {
        "entries": [
            {"version": 1, "at": "2026-11-24T09:00:00Z", "action": "task.created", "door": "call", "changed": {}}
        ],
        "next_cursor": None,
    },
    "listReminders": {
        "reminders": [
            {
                "task_id": 7,
                "reminder_id": "019ab1f6-0000-7000-8000-000000000007",
                "remind_at": "2027-01-30T08:00:00Z",
                "status": "ahead",
                "due_at": "2027-01-30T08:00:00Z",
                "reason": None,
                "channels": {},
            }
        ]
    },
    "listOccurrences": {
        "occurrences": [{"due_at": None, "due_on": "2027-02-28"}, {"due_at": None, "due_on": "2027-03-31"}]
    },
    "previewOccurrences": {
        "occurrences": [
            {"due_at": None, "due_on": "2027-01-29"},
            {"due_at": None, "due_on": "2027-02-26"},
            {"due_at": None, "due_on": "2027-03-26"},
        ]
    },
    "showPreferences": PREFERENCES,
    "changePreferences": PREFERENCES,
    "makeCalendar": {"address": f"/calendar/{SECRET}.ics", "made_at": "2026-11-24T09:00:00Z"},
    "showPackAtWork": PACK,
    "showDeadLetters": {"dead_letters": [LETTER], "missing": None},
    "replayDeadLetter": {"topic": "create-task"},
}
