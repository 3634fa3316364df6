"""The text of server-sent events (HTML Living Standard, 9.2): what a stream of changes sends."""

from taskmaster.domain.changes import Change, ChangePosition, DeletedTask

RETRY = b"retry: 1000\n\n"  # milliseconds until a client connects again
COMMENT = b":\n\n"


def change_event(change: Change, position: ChangePosition) -> bytes:
    """A task that changed or was deleted, and the cursor behind it."""
    kind = "deleted" if isinstance(change.what, DeletedTask) else "task"
    return _event(kind, change.what.model_dump_json(), position)


def ready_event(position: ChangePosition) -> bytes:
    """Everything that is committed was sent; and the cursor to go on from."""
    return _event("ready", "{}", position)


def _event(kind: str, data: str, position: ChangePosition) -> bytes:
    return f"id: {position.cursor()}\nevent: {kind}\ndata: {data}\n\n".encode()  # JSON is one line here
