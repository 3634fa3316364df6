"""A hundred users at once on the whole stand-in, with every function at zero; then more and more of them.

Each creates a task, lists and creates another that recurs, on a connection of its own. What is refused comes again when
Retry-After says, and every 201 must be a task in the database.
"""

import json

import psycopg

from knative.local.up import Platform
from tests.programs.bench.contenders import Wrong
from tests.programs.bench.crowd import Answer, gather
from tests.programs.bench.report import Curve, Figure, Section, Step, percentile
from tests.programs.bench.surroundings import fall_asleep, stand_in

_TASK = {"title": "water the plants", "due_at": "2090-01-31T09:00:00Z", "reminders": []}
_RECURRING = {**_TASK, "recurrence_pattern": "daily"}


def measure(step: Step, *, users: int = 100, most: int = 1600) -> Section:
    """`users` from zero, and up to `most` at once with the functions awake."""
    step("waiting until every function is at zero")
    with stand_in() as platform:
        fall_asleep(platform)
        crowd = _Crowd(platform)
        step(f"{users} users at once, from zero")
        from_zero = crowd.come(users)
        levels, refused = {}, {}
        count = users // 4
        while count <= most:
            step(f"{count} users at once, awake")
            answers = crowd.come(count)
            levels[count] = [each.milliseconds for each in answers]
            refused[count] = sum(each.refused > 0 for each in answers)
            count *= 2
        crowd.check()
    first = [each.milliseconds for each in from_zero if each.place == 0]
    every = [each.milliseconds for each in from_zero]
    begins = next((count for count, number in refused.items() if number), None)
    return Section(
        title="Many users at once",
        how="Each user has a connection, creates a task, lists, and creates one that recurs. What exceeds a limit is"
        " answered 429 or 503 with Retry-After, and asked again then; every 201 is a task in the database.",
        figures=[
            *(
                Figure(what=f"{users} users, from zero: {which} call, p99", value=p99, unit="ms", goal=1000)
                for which, p99 in (("first", percentile(first, 0.99)), ("any", percentile(every, 0.99)))
            ),
            *(
                Figure(what=f"{count} users, awake: any call, p99", value=percentile(taken, 0.99), unit="ms")
                for count, taken in levels.items()
            ),
            Figure(
                what="users at once of whom some are asked to come back" if begins else "most users, none refused",
                value=begins or max(refused),
                unit="",
            ),
        ],
        curves=[
            Curve(
                name="bench-users",
                title="Users at once, each answer",
                x="users at once",
                y="ms",
                lines={
                    "p99": [(count, percentile(taken, 0.99)) for count, taken in levels.items()],
                    "median": [(count, percentile(taken, 0.5)) for count, taken in levels.items()],
                },
            )
        ],
    )


class _Crowd:
    """Users of the platform, and how many tasks were answered with 201."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._port = int(platform.url.rpartition(":")[2])
        self._created = 0

    def come(self, count: int) -> list[Answer]:
        """So many users at once. Raises Wrong for any answer that is not as it must be."""
        names = [f"user-{number}" for number in range(count)]
        answers = gather(self._port, {name: self._story(self._platform.token(name)) for name in names})
        wrong = {each.status for each in answers} - {200, 201}
        if wrong:
            raise Wrong(f"{count} users at once: answered {sorted(wrong)}")
        self._created += sum(each.status == 201 for each in answers)
        return answers

    def check(self) -> None:
        """Every 201 is a task, and nothing else is one."""
        with psycopg.connect(self._platform.database_urls["owner"]) as connection:
            [(rows,)] = connection.execute("SELECT count(*) FROM task").fetchall()
        if rows != self._created:
            raise Wrong(f"{self._created} tasks were answered with 201, {rows} are in the database")

    @staticmethod
    def _story(token: str) -> list[str]:
        def request(method: str, target: str, body: object = None) -> str:
            content = "" if body is None else json.dumps(body)
            fields = ["Host: localhost", f"Authorization: Bearer {token}"]
            if content:
                fields += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
            return "\r\n".join([f"{method} {target} HTTP/1.1", *fields, "", content])

        return [
            request("POST", "/tasks", _TASK),
            request("GET", "/tasks?limit=20"),
            request("POST", "/tasks", _RECURRING),
        ]
