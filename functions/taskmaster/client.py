"""A client of the pack in one file: copy it, it needs requests and nothing else of the pack.

    client = Taskmaster("http://localhost:8080", token)
    task = client.create("water the plants", due_on="2027-01-31")
    client.complete(task["task_id"])
    for page in client.changes():  # all tasks, then what changed since a cursor; client.follow goes on as it happens
        ...

Every change has an idempotency key, under which it is repeated where nothing answered or the answer was lost: it is
done once. A refusal raises Refused, whose text says what to do.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import requests

Task = dict[str, Any]

_AWAY = {502, 503, 504}  # nobody is there at the moment, or whoever is cannot reach the database
_CONNECT_SECONDS, _ANSWER_SECONDS = 5, 60  # a function that starts from zero takes a moment
_SILENT_SECONDS = 40  # the stream has a comment every 15
_LONGEST_WAIT = 10.0


class Failed(Exception):
    """What all of these have in common."""


class Away(Failed):
    """Nothing answered, however often it was tried."""


class Refused(Failed):
    """Problem details (RFC 9457). The text is for people; `errors` has the fields that are wrong."""

    def __init__(self, problem: dict[str, Any], status: int) -> None:
        title = problem.get("title", f"HTTP status {status}")
        super().__init__(f"{title}: {problem['detail']}" if problem.get("detail") else str(title))
        self.status, self.title, self.errors = status, title, problem.get("errors", [])


class StartAnew(Refused):
    """The cursor is too old, or of another database: drop the copy, and begin without one (410)."""


@dataclass(frozen=True)
class Changes:
    """Tasks that changed and tasks that were deleted. Of each task the highest version counts. Keep the cursor too."""

    cursor: str
    tasks: list[Task] = field(default_factory=list)
    deleted: list[dict[str, int]] = field(default_factory=list)


class Taskmaster:
    """The tasks of the user whom the token speaks for. `token` may be a function that gives one that still holds.

    `tries` is how often a call is made until Away is raised. Not to be shared by threads.
    """

    def __init__(self, url: str, token: str | Callable[[], str], *, tries: int = 6, pause: float = 0.5) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._tries, self._pause = tries, pause
        self._session = requests.Session()

    # Tasks ----------------------------------------------------------------------------------------------------------

    def create(self, title: str, *, key: str | None = None, **fields: Any) -> Task:
        """A new task. With a `key` of your own, the same call of another process creates it once, for 24 hours."""
        return self._changed("POST", "/tasks", {"title": title, **fields}, key=key)

    def get(self, task_id: int) -> Task:
        found: Task = self._read(f"/tasks/{task_id}")
        return found

    def list(self, **filters: Any) -> Iterator[Task]:
        """Tasks of all pages, by the filters and the sort of GET /tasks."""
        while True:
            page = self._read("/tasks", filters)
            yield from page["tasks"]
            if page["next_cursor"] is None:
                return
            filters = {**filters, "cursor": page["next_cursor"]}

    def update(self, task_id: int, **fields: Any) -> Task:
        """Fields change, None clears one; `expected_version` refuses where somebody else was there before."""
        return self._changed("PATCH", f"/tasks/{task_id}", fields)

    def complete(self, task_id: int) -> Task:
        return self._changed("POST", f"/tasks/{task_id}/complete")

    def reopen(self, task_id: int) -> Task:
        return self._changed("POST", f"/tasks/{task_id}/reopen")

    def delete(self, task_id: int) -> None:
        self._change("DELETE", f"/tasks/{task_id}")

    # The calendar feed ----------------------------------------------------------------------------------------------

    def make_calendar(self) -> str:
        """A new secret address of the calendar feed; the one before ends. Who knows it reads the open tasks."""
        address: str = self._change("PUT", "/calendar").json()["address"]
        return self._url + address

    def revoke_calendar(self) -> None:
        self._change("DELETE", "/calendar")

    # The change feed ------------------------------------------------------------------------------------------------

    def changes(self, cursor: str | None = None) -> Iterator[Changes]:
        """What changed since a cursor, page by page, up to now; without one all tasks. Raises StartAnew."""
        more = True
        while more:
            page = self._read("/tasks/changes", {} if cursor is None else {"cursor": cursor})
            cursor, more = page["cursor"], page["more"]
            yield Changes(page["cursor"], page["tasks"], page["deleted"])

    def follow(self, cursor: str | None = None) -> Iterator[Changes]:
        """The same as it happens, without an end: behind a cursor, or from now on. Raises StartAnew, and Away.

        A page has one change, or none where all that is committed was told. What ends the stream is made up for.
        """
        failures = 0
        while True:
            try:
                for page in self._stream(cursor):
                    cursor, failures = page.cursor, 0
                    yield page
            except requests.RequestException as error:
                failures += 1
                self._wait(failures, error)

    def _stream(self, cursor: str | None) -> Iterator[Changes]:
        """One stream of server-sent events (HTML Living Standard, 9.2), until the server ends it."""
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": cursor} if cursor else {})}
        timeout = (_CONNECT_SECONDS, _SILENT_SECONDS)
        with self._send("GET", "/tasks/events", headers=headers, timeout=timeout, stream=True) as answer:
            event: dict[str, str] = {}
            # Pieces as they come; without chunks urllib3 would wait for the whole of an unlimited read.
            for line in answer.iter_lines(chunk_size=None if getattr(answer.raw, "chunked", False) else 1):
                name, _, value = line.decode().partition(": ")
                if name:
                    event[name] = value
                    continue
                if "id" in event and "data" in event:
                    data, kind = json.loads(event["data"]), event.get("event")
                    tasks = [data] if kind == "task" else []
                    yield Changes(event["id"], tasks, [data] if kind == "deleted" else [])
                event = {}

    # HTTP -----------------------------------------------------------------------------------------------------------

    def _read(self, path: str, query: dict[str, Any] | None = None) -> Any:
        return self._answered("GET", path, params=query or {}).json()

    def _change(self, method: str, path: str, *, key: str | None = None, **more: Any) -> requests.Response:
        return self._answered(method, path, headers={"Idempotency-Key": key or str(uuid4())}, **more)

    def _changed(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Task:
        """The task as it is after a change."""
        found: Task = self._change(method, path, key=key, **({} if body is None else {"json": body})).json()
        return found

    def _answered(self, method: str, path: str, **more: Any) -> requests.Response:
        """The answer to a call, which is made again while nobody is there. Raises Refused and Away."""
        for failures in range(1, self._tries + 1):
            try:
                return self._send(method, path, timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS), **more)
            except requests.RequestException as error:
                self._wait(failures, error)
        raise AssertionError("the last wait raises")

    def _send(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> requests.Response:
        """One request. Raises Refused, and RequestException where it may be repeated."""
        token = self._token if isinstance(self._token, str) else self._token()
        sent = {"Authorization": f"Bearer {token}", **(headers or {})}
        answer = self._session.request(method, self._url + path, headers=sent, allow_redirects=False, **more)
        if answer.status_code < 300:
            return answer
        try:
            problem = answer.json()
        except requests.JSONDecodeError:
            problem = {}
        problem = problem if isinstance(problem, dict) else {}
        is_held = answer.status_code == 409 and problem.get("title") == "Being handled"  # the call before, by its key
        if answer.status_code in _AWAY or answer.status_code == 429 or is_held:
            raise requests.HTTPError(str(Refused(problem, answer.status_code)), response=answer)
        raise (StartAnew if answer.status_code == 410 else Refused)(problem, answer.status_code)

    def _wait(self, failures: int, error: requests.RequestException) -> None:
        """Wait before the next try, longer each time, or as long as the server says. Raises Away behind the last."""
        if failures >= self._tries:
            raise Away(_first_line(error)) from error
        said = error.response.headers.get("Retry-After", "") if error.response is not None else ""
        asked = float(said) if said.isascii() and said.isdigit() else 0.0
        pause = self._pause * 2 ** (failures - 1) * random.uniform(0.5, 1.0)
        time.sleep(min(_LONGEST_WAIT, max(asked, pause)))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
