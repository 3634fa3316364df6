"""watch-tasks: changes as they are committed, as server-sent events. Read only."""

from taskmaster.domain.changes import ChangeStream, WatchTasks, change_position
from taskmaster.handling.unit_of_work import Work
from taskmaster.web.door import function, handles


@handles(http=["GET /tasks/events"])
def stream_changes(command: WatchTasks, work: Work) -> ChangeStream:
    """Changes as they are committed, as server-sent events: those behind a cursor of the change feed, or from now on.

    Each event is a `task` or a `deleted` with the data that GET /tasks/changes has for it, and its id is a cursor.
    `ready` says that everything committed was sent. A comment comes every 15 seconds. The server ends the stream after
    50 seconds; the header Last-Event-ID goes on without a gap, and counts for more than the cursor of the query.
    """
    position = None if command.cursor is None else change_position(command.cursor)
    found = work.changes(position, limit=0 if position is None else 1)
    return ChangeStream.begun(work.user_id, position, found)


watch_tasks = function("watch_tasks", stream_changes)
