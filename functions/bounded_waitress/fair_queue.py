"""The queue of requests that wait for a thread: callers take turns. Behind fifty of one, another waits for one."""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any


class FairQueue:
    """Takes the place of the dispatcher's deque, whose lock is held around every call.

    `lane` names whose task one is. Each lane in turn gives its first task.
    """

    def __init__(self, lane: Callable[[Any], str]) -> None:
        self._lane = lane
        self._lanes: OrderedDict[str, deque[Any]] = OrderedDict()
        self._size = 0

    def append(self, task: Any) -> None:
        self._lanes.setdefault(self._lane(task), deque()).append(task)
        self._size += 1

    def popleft(self) -> Any:
        """The first task of the lane whose turn it is. Raises KeyError where there is none."""
        lane, tasks = self._lanes.popitem(last=False)
        task = tasks.popleft()
        if tasks:
            self._lanes[lane] = tasks  # behind all others
        self._size -= 1
        return task

    def __len__(self) -> int:
        return self._size
