"""Somebody who calls the functions of the release from outside, each by its own host."""

import json
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from knative.cluster.ingress import Ingress, host_of
from knative.cluster.kubectl import Kubectl

Json = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What a function answered, and how many milliseconds that took."""

    status: int
    headers: dict[str, str]
    body: Any
    milliseconds: float


class Person:
    def __init__(self, kubectl: Kubectl, way_in: Ingress, token: str) -> None:
        self._way_in = way_in
        self._token = token
        self.host = cache(lambda function: host_of(kubectl, function))

    def call(
        self, function: str, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> Said:
        """One call, by the person or, with token "", by nobody."""
        bearer = self._token if token is None else token
        given = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        if bearer:
            given["Authorization"] = f"Bearer {bearer}"
        content = None if body is None else json.dumps(body).encode()
        begun = time.perf_counter()
        answer = self._way_in.call(method, self.host(function), path, body=content, headers=given)
        took = (time.perf_counter() - begun) * 1000
        kind = answer.headers.get("content-type", "")
        said = json.loads(answer.body) if "json" in kind and answer.body else answer.body
        return Said(answer.status, dict(answer.headers), said, took)

    def create(self, title: str, **fields: Any) -> Json:
        said = self.call("create-task", "POST", "/tasks", {"title": title, **fields})
        assert said.status == 201, said
        task: Json = said.body
        return task

    def tasks(self, **query: str) -> list[Json]:
        """All of them, page by page."""
        found: list[Json] = []
        cursor = ""
        while True:
            wanted = {"limit": "100", **query, **({"cursor": cursor} if cursor else {})}
            said = self.call("query-tasks", "GET", "/tasks?" + "&".join(f"{k}={v}" for k, v in wanted.items()))
            assert said.status == 200, said
            found += said.body["tasks"]
            cursor = said.body["next_cursor"] or ""
            if not cursor:
                return found

    def titled(self, title: str) -> list[Json]:
        return [task for task in self.tasks() if task["title"] == title]
