"""The Grafana dashboard of the chart, files/dashboard.json, made from its panels by `make manifests`."""

import json
from typing import Any

from helm.command import CHART

FILE = CHART / "files" / "dashboard.json"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

# Title, unit, expression, legend; two panels a row.
_PANELS = (
    ("Events that wait to be published", "short", "taskmaster_outbox_events", "events"),
    ("Age of the oldest of them", "s", "taskmaster_outbox_oldest_age_seconds", "age"),
    (
        "Lag of the consumer groups",
        "short",
        "sum by (group) (taskmaster_consumer_group_lag_records)",
        "{{group}}",
    ),
    ("Consumers of the groups", "short", "taskmaster_consumer_group_members", "{{group}}"),
    ("Dead letters of 24 hours", "short", "taskmaster_dead_letters", "{{function}}: {{reason}}"),
    ("Events that failed more than once", "short", "taskmaster_inbox_retried_events", "{{function}}"),
    ("Reminders overdue", "short", "taskmaster_reminders_overdue", "overdue"),
    ("Lateness of the oldest", "s", "taskmaster_reminders_lateness_seconds", "late"),
    ("Reminders fired, and neither sent nor failed", "short", "taskmaster_reminders_undelivered", "undelivered"),
    ("Since the hourly call", "s", "time() - taskmaster_last_tick_timestamp_seconds", "{{function}}"),
    ("Sources that could be asked", "short", "taskmaster_source_up", "{{source}}"),
    ("Most attempts at one event", "short", "taskmaster_inbox_attempts_max", "{{function}}"),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "title": "taskmaster",
        "uid": "taskmaster",
        "tags": ["taskmaster"],
        "schemaVersion": 39,
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "5m",
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(number, *each) for number, each in enumerate(_PANELS)],
    }


def current() -> str:
    """The file as it should be."""
    return json.dumps(dashboard(), indent=2) + "\n"


def _panel(number: int, title: str, unit: str, expression: str, legend: str) -> dict[str, Any]:
    return {
        "id": number + 1,
        "title": title,
        "type": "timeseries",
        "datasource": _SOURCE,
        "gridPos": {"h": 8, "w": 12, "x": 12 * (number % 2), "y": 8 * (number // 2)},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "expr": expression, "legendFormat": legend, "datasource": _SOURCE}],
    }
