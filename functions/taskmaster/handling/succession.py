"""Succession: what follows the open occurrence of a series once it is completed or skipped."""

from datetime import datetime

from taskmaster.domain.series import Followed, Series
from taskmaster.domain.task import Task
from taskmaster.handling.unit_of_work import Work


def follow(task: Task, series: Series, work: Work, *, completed_at: datetime) -> Task | None:
    """Make the successor of a completed head. Where no date is left, end the series and emit task.recurring.ended."""
    following = series.next(task.due, done_at=completed_at)
    if following is None:
        work.save_series(series.ended(at=work.now))
        work.emit("task.recurring.ended", about=task)
        return None
    successor = series.occurrence(following, task_id=work.new_task_id(), at=work.now)
    work.save_series(series.advanced(to=following))
    work.emit("task.recurring.next", about=successor, data=Followed.of(successor, task, following.skipped))
    return work.add_task(successor)


def skip(task: Task, series: Series, work: Work) -> Task | None:
    """Move the open occurrence to the next date of its rule. Where none is left, delete it and end the series.

    The moved task is as a successor would be: what was changed for the skipped occurrence alone is not taken over.
    """
    # Counted from the completion, a skipped one counts as done on its date, or now if that is later.
    following = series.next(task.due, done_at=max(work.now, series.done_on(task.due)) if task.due else work.now)
    if following is None:
        work.save_series(series.ended(at=work.now))
        work.emit("task.recurring.ended", about=task)
        work.delete_task(task)
        return None
    work.save_series(series.moved(to=following))
    moved = task.changed(at=work.now, **{**series.template, **series.date(following)})
    work.emit("task.recurring.next", about=moved, data=Followed.of(moved, task, following.skipped + 1))
    return work.save_task(moved)
