"""Who tells a story of the platform: a person with REST and a Kafka client, who checks each claim that she makes."""

from __future__ import annotations

import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests
from rich.console import Console
from rich.padding import Padding

from knative.demo.receiver import Receiver
from knative.demo.records import KafkaRecords, RedisRecords
from knative.local.up import Platform

ROOT = Path(__file__).resolve().parents[2]
USER = "ada"

Json = dict[str, Any]


class NotTrue(Exception):
    """Something in the story did not happen."""


class Story:
    """The platform, somebody who uses it, and the page on which the story is told."""

    def __init__(self, platform: Platform, console: Console) -> None:
        self.platform = platform
        self.console = console
        self.records = (
            RedisRecords(platform.redis_url, *platform.daprd)
            if platform.redis_url
            else KafkaRecords(platform.bootstrap_servers)
        )
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {platform.token(USER)}"
        self._chapter = 0

    def chapter(self, title: str) -> None:
        self._chapter += 1
        self.console.print(f"\n[bold]{self._chapter}. {title}[/bold]")

    def tell(self, line: str) -> None:
        self.console.print(Padding(line, (0, 0, 0, 3)))

    def call(self, method: str, path: str, body: Json | None = None, **headers: str) -> tuple[Json, float]:
        """A REST call that succeeds, and how many milliseconds it took."""
        begun = time.perf_counter()
        answer = self._session.request(method, self.platform.url + path, json=body, headers=headers, timeout=30)
        took = (time.perf_counter() - begun) * 1000
        if answer.status_code >= 300:
            raise NotTrue(f"{method} {path} was answered {answer.status_code}: {answer.text}")
        return (answer.json() if answer.content else {}), took

    def create_by_record(self, title: Any, *, event_id: str | None = None, key: str | None = None) -> str:
        """Send task.create as a CloudEvent in binary mode, as any Kafka client writes one; its id."""
        identifier = event_id or str(uuid4())
        headers = {
            "ce_specversion": "1.0",
            "ce_id": identifier,
            "ce_source": "/demo",
            "ce_type": "task.create",
            "ce_userid": USER,
            "content-type": "application/json",
        }
        self.records.produce("create-task", {"title": title}, headers=headers, key=key)
        return identifier

    def tasks(self, **query: str) -> list[Json]:
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        return list(self.call("GET", f"/tasks?limit=100&{parameters}")[0]["tasks"])

    def titled(self, title: str) -> list[Json]:
        return [task for task in self.tasks() if task["title"] == title]

    def successor(self, task: Json) -> tuple[Json, float]:
        """The open occurrence of a task's series, once there is one, and after how many ms."""

        def occurrences() -> list[Json]:
            return [found for found in self.tasks(status="open") if found["series_id"] == task["series_id"]]

        [found], took = self.eventually("the next occurrence", occurrences)
        return found, took

    @contextmanager
    def receiver(self) -> Iterator[Receiver]:
        """Where the reminders go from now on: the user's own webhook."""
        with Receiver() as receiver:
            secret = "whsec_" + b64encode(secrets.token_bytes(24)).decode()
            channel = {"type": "webhook", "url": receiver.url, "secret": secret}
            self.call("PUT", "/preferences", {"channels": [channel]})
            yield receiver

    def eventually(self, what: str, look: Callable[[], Any], *, within: float = 15) -> tuple[Any, float]:
        """What `look` finds, once it finds something, and after how many ms. Raises NotTrue after `within` s."""
        begun = time.perf_counter()
        while not (found := look()):
            if time.perf_counter() - begun > within:
                raise NotTrue(f"{what}: not within {within:.0f} s")
            time.sleep(0.02)
        return found, (time.perf_counter() - begun) * 1000

    def must(self, truth: bool, what: str) -> None:
        if not truth:
            raise NotTrue(what)
