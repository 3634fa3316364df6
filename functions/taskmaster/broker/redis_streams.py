"""Topics that Dapr keeps on Redis, for the tools: transport.TopicReader over streams of {data, metadata}.

An entry's id is the millisecond in which it was added and a number within it, so that the id is both its place and its
time. It imports redis, which the extra `redis` of the package installs, so it is imported late.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

try:
    import redis
except ImportError:
    raise SystemExit("REDIS_URL needs the package redis: pip install 'taskmaster-functions[redis]'") from None

from taskmaster.broker.dapr import PARTITION_KEY, RAW_PAYLOAD
from taskmaster.broker.groups import functions
from taskmaster.broker.topics import RETENTION_MS, wanted
from taskmaster.broker.transport import ReadingForbidden, Unreadable
from taskmaster.events.routes import mailbox_of
from taskmaster.settings import Settings

_POLL = 500  # entries
_COUNTED = 10_000  # entries that nobody has yet, of one stream; Redis does not always know how many there are
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class StreamRecord:
    """An entry, as a consumer of Kafka's would have it. Its offset is the entry's id."""

    topic: str
    offset: str
    value: bytes
    metadata: bytes
    partition: int = 0

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970, by Redis' clock."""
        return int(self.offset.partition("-")[0])

    @property
    def key(self) -> bytes | None:
        return self._metadata[PARTITION_KEY].encode() if PARTITION_KEY in self._metadata else None

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        ours = (PARTITION_KEY, RAW_PAYLOAD)
        return [(name, text.encode()) for name, text in self._metadata.items() if name not in ours]

    @cached_property
    def _metadata(self) -> dict[str, str]:
        """Empty where it is none: other programs may add what they like."""
        try:
            found = json.loads(self.metadata or b"{}")
        except ValueError:
            return {}
        return {name: str(text) for name, text in found.items()} if isinstance(found, dict) else {}


class RedisTopicReader:
    """One connection for several looks at the same streams."""

    def __init__(self, client: "redis.Redis", topics: Iterable[str]) -> None:
        self._client = client
        self._topics = list(dict.fromkeys(topics))

    def has(self, topic: str) -> bool:
        return True

    def size(self) -> int:
        with _explained():
            return sum(int(self._client.xlen(topic)) for topic in self._topics)

    def read(
        self,
        *,
        since: datetime | None = None,
        newest: int | None = None,
        is_over: Callable[[Any], bool] = lambda record: False,
    ) -> Iterator[Any]:
        begin = str(max(int(since.timestamp() * 1000), 0)) if since else "-"
        with _explained():
            ends = {topic: self._last(topic, 1) for topic in self._topics}
            for topic, end in ends.items():
                first = self._last(topic, newest) if newest else begin
                yield from self._read(topic, first, end, is_over) if end else ()

    def _last(self, topic: str, count: int) -> str:
        """The id of the first of the newest so many entries; '' where there is none."""
        newest: Any = self._client.xrevrange(topic, count=count)
        return newest[-1][0].decode() if newest else ""

    def _read(self, topic: str, begin: str, end: str, is_over: Callable[[Any], bool]) -> Iterator[StreamRecord]:
        while True:
            entries: Any = self._client.xrange(topic, min=begin, max=end, count=_POLL)
            for name, fields in entries:
                record = StreamRecord(topic, name.decode(), fields.get(b"data", b""), fields.get(b"metadata", b""))
                if is_over(record):
                    return
                yield record
            if len(entries) < _POLL:
                return
            begin = f"({entries[-1][0].decode()}"  # behind it (Redis 6.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a function's group has to go of its stream: entries that were not answered yet."""

    group: str
    topic: str
    count: int
    place: str  # the id of the oldest that was handed out, or of the one before the next; '' where there is no group


def waiting(settings: Settings, prefix: str) -> dict[str, Waiting]:
    """By function. A group's name is the prefix and the function's. Raises Unreadable."""
    found = {}
    with _connected(settings) as client, _explained():
        for function in functions():
            group, topic = prefix + function, settings.topic(mailbox_of(function))
            groups: Any = client.xinfo_groups(topic) if client.exists(topic) else []
            known = next((each for each in groups if each["name"] == group.encode()), None)
            if known is None:
                found[function] = Waiting(group=group, topic=topic, count=int(client.xlen(topic)), place="")
                continue
            pending: Any = client.xpending(topic, group)
            last = known["last-delivered-id"].decode()
            behind: Any = client.xrange(topic, min=f"({last}", count=_COUNTED)
            place = (pending["min"] or last.encode()).decode()
            found[function] = Waiting(group=group, topic=topic, count=pending["pending"] + len(behind), place=place)
    return found


def kept_too_long(settings: Settings) -> dict[str, float]:
    """The streams with records of more than 8 days, and of how many. Raises Unreadable."""
    with _connected(settings) as client, _explained():
        now_ms = _now_ms(client)
        found = {}
        for topic in wanted(settings):
            oldest: Any = client.xrange(topic, count=1)
            age = now_ms - int(oldest[0][0].partition(b"-")[0]) if oldest else 0
            if age > RETENTION_MS + _DAY_MS:
                found[topic] = age / _DAY_MS
        return found


def trim(settings: Settings) -> dict[str, int]:
    """Delete records that are older than topics keep them, by Redis' clock; how many of each stream.

    Raises Unreadable. Safe to repeat, and beside others.
    """
    with _connected(settings) as client, _explained():
        oldest = str(_now_ms(client) - RETENTION_MS)
        return {topic: int(client.xtrim(topic, minid=oldest, approximate=False)) for topic in wanted(settings)}


def _now_ms(client: "redis.Redis") -> int:
    seconds, microseconds = client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


@contextmanager
def reading(settings: Settings, topics: Iterable[str]) -> Iterator[RedisTopicReader]:
    """A reader of these streams; one that is not there yet has no records. Raises Unreadable."""
    with _connected(settings) as client:
        yield RedisTopicReader(client, topics)


@contextmanager
def _connected(settings: Settings) -> "Iterator[redis.Redis]":
    seconds = settings.kafka_request_timeout
    client = redis.Redis.from_url(
        settings.redis_url.get_secret_value(), socket_timeout=seconds, socket_connect_timeout=seconds
    )
    try:
        with _explained():
            client.ping()
        yield client
    finally:
        client.close()


@contextmanager
def _explained() -> Iterator[None]:
    """Raises Unreadable in the place of redis' errors."""
    try:
        yield
    except redis.exceptions.NoPermissionError as error:
        raise ReadingForbidden(str(error)) from error
    except redis.exceptions.RedisError as error:
        raise Unreadable(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error
