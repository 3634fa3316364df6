"""The other user: she creates, lists and completes at a steady pace, has reminders coming due, and notes how it went.

A call is timed from the moment at which it was to begin: one that waits behind a slow one is slow as well.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import requests

from tests.programs.attack.figures import Call, Window
from tests.programs.attack.secure_receiver import SecureReceiver
from tests.programs.attack.trust import server_side
from tests.support.receiver import SECRET

CYCLE_SECONDS = 0.5  # a create, a list and a completion each
AHEAD_SECONDS = 5.0  # from the creation of a task to its reminder
_SERIES = 6  # so that the keys of her events are in every partition
_WORKERS = 24
_TIMEOUT = 20.0
_FRESH_EVERY = 4  # each so many lists come by a new connection


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where she lives: the https address, her token, and the files of the authority."""

    url: str
    token: str
    bundle: Path
    certificate: Path


def live(place: Place, questions: Connection, over: Event) -> None:
    """Go on until it is over, and answer questions: (begin, end), Unix seconds, with a Window. Its own process."""
    with SecureReceiver(server_side(place.certificate)) as receiver:
        bystander = Bystander(place, receiver)
        bystander.begin()
        threading.Thread(target=bystander.go_on, args=(over,), name="bystander", daemon=True).start()
        questions.send("ready")
        while not over.is_set():
            if questions.poll(0.2):
                questions.send(bystander.window(*questions.recv()))


@dataclass
class _Series:
    """A recurring task of hers: the open occurrence that she completed last, and when."""

    tag: str
    completed: int | None = None
    completed_at: datetime | None = None


@dataclass
class _Seen:
    calls: list[Call] = field(default_factory=list)
    under_way: dict[int, float] = field(default_factory=dict)  # when each was to begin
    due: dict[int, float] = field(default_factory=dict)  # by task
    successors: dict[int, tuple[float, float | None]] = field(default_factory=dict)  # by completed task: at, late


class Bystander:
    """Her work, and what she saw of it."""

    def __init__(self, place: Place, receiver: SecureReceiver) -> None:
        self._place = place
        self._receiver = receiver
        self._seen = _Seen()
        self._lock = threading.Lock()
        self._here = threading.local()
        self._numbers = 0
        self._series = [_Series(f"series-{number}") for number in range(_SERIES)]

    def begin(self) -> None:
        """Her preferences and her series. Raises RuntimeError when one is refused."""
        webhook = {"type": "webhook", "url": self._receiver.url, "secret": SECRET}
        self._must("PUT", "/preferences", {"channels": [webhook]}, 200)
        for each in self._series:
            task = {"title": "again", "due_on": "2040-01-01", "recurrence_pattern": "daily", "tags": [each.tag]}
            self._must("POST", "/tasks", {**task, "reminders": []}, 201)

    def go_on(self, over: Event) -> None:
        """A cycle every half second, whatever becomes of the last one."""
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="bystander") as workers:
            cycle, begun = 0, time.time()
            while not over.is_set():
                at = begun + cycle * CYCLE_SECONDS
                time.sleep(max(0.0, at - time.time()))
                workers.submit(self._create, at)
                workers.submit(self._go_round, at + 0.1, self._series[cycle % _SERIES], cycle % _FRESH_EVERY == 0)
                cycle += 1

    def window(self, begin: float, end: float) -> Window:
        """What there is of the calls, reminders and completions between two moments, so far."""
        rung: dict[int, list[float]] = {}
        for message in list(self._receiver.messages):
            rung.setdefault(message.data["task_id"], []).append(message.at.timestamp())
        with self._lock:
            due = {task: at for task, at in self._seen.due.items() if begin <= at < end}
            calls = [call for call in self._seen.calls if begin <= call.at < end]
            unanswered = sum(begin <= at < end for at in self._seen.under_way.values())
            completed = [late for at, late in self._seen.successors.values() if begin <= at < end]
        came = {task: rung[task] for task in due if task in rung}
        return Window(
            calls=calls,
            unanswered=unanswered,
            reminders=[came[task][0] - due[task] for task in came],
            missing_reminders=len(due) - len(came),
            repeated_reminders=sum(len(each) - 1 for each in came.values()),
            successors=[late for late in completed if late is not None],
            missing_successors=completed.count(None),
        )

    def _create(self, at: float) -> None:
        due = at + AHEAD_SECONDS
        moment = datetime.fromtimestamp(due, UTC)
        answer = self._timed("create", at, "POST", "/tasks", {"title": "ring", "due_at": moment.isoformat()})
        # One that was created after its moment is late by the call, which is judged as a call.
        if answer and time.time() < due:
            with self._lock:
                self._seen.due[answer["task_id"]] = due

    def _go_round(self, at: float, series: _Series, fresh: bool) -> None:
        """See whether the successor of what was completed last is there, and complete that one too."""
        time.sleep(max(0.0, at - time.time()))
        found = self._timed("list", at, "GET", f"/tasks?status=open&tag={series.tag}&limit=5", fresh=fresh)
        if not found:
            return
        new = [task for task in found["tasks"] if task["task_id"] != series.completed]
        if not new:
            return
        task = new[0]
        if series.completed is not None and series.completed_at is not None:
            late = (datetime.fromisoformat(task["created_at"]) - series.completed_at).total_seconds()
            with self._lock:
                self._seen.successors[series.completed] = (series.completed_at.timestamp(), late)
        completed = self._timed("complete", time.time(), "POST", f"/tasks/{task['task_id']}/complete")
        if completed:
            series.completed = task["task_id"]
            series.completed_at = datetime.fromisoformat(completed["completed_at"])
            with self._lock:
                self._seen.successors[series.completed] = (series.completed_at.timestamp(), None)

    def _timed(
        self, kind: str, at: float, method: str, path: str, body: Any = None, *, fresh: bool = False
    ) -> dict[str, Any] | None:
        """The answer of a call that succeeded; the call is noted either way."""
        with self._lock:
            self._numbers += 1
            number = self._numbers
            self._seen.under_way[number] = at
        status, content = self._call(method, path, body, fresh=fresh)
        call = Call(kind, at, time.time() - at, status)
        with self._lock:
            del self._seen.under_way[number]
            self._seen.calls.append(call)
        return None if call.failed else content

    def _call(self, method: str, path: str, body: Any, *, fresh: bool) -> tuple[int, dict[str, Any]]:
        if fresh:
            self._here.session = None
        try:
            answer = self._session().request(method, self._place.url + path, json=body, timeout=_TIMEOUT)
            return answer.status_code, answer.json() if answer.ok else {}
        except (requests.RequestException, ValueError):
            return 0, {}

    def _session(self) -> requests.Session:
        if getattr(self._here, "session", None) is None:
            session = self._here.session = requests.Session()
            session.trust_env = False
            session.verify = str(self._place.bundle)
            session.headers["Authorization"] = f"Bearer {self._place.token}"
        found: requests.Session = self._here.session
        return found

    def _must(self, method: str, path: str, body: Any, expected: int) -> None:
        status, _ = self._call(method, path, body, fresh=False)
        if status != expected:
            raise RuntimeError(f"{method} {path} of the bystander was answered with {status}")
