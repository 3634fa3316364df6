"""The functions of the pack, by the names of their Knative Services."""

from taskmaster.broker.groups import functions

FUNCTIONS = (
    *functions(),
    "query-tasks",
    "watch-tasks",
    "show-calendar",
    "show-page",
    "show-pack",
    "call-tools",
    "relay-outbox",
    "park-dead-letter",
)
