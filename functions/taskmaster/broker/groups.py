"""Where the consumer groups of the KafkaSources are: what each has handled, and what lies behind that."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taskmaster.broker.records import RecordPosition, admin_client, plain_consumer
from taskmaster.events import routes
from taskmaster.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

PREFIX = "taskmaster-"  # kafka.consumerGroupPrefix of the chart
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """One partition of a group: the next record it is to handle, and how many there are from there on."""

    next: RecordPosition
    lag: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The group of one function. `members` is None where the broker does not say how many there are."""

    name: str
    function: str
    members: int | None
    stands: tuple[Stand, ...]

    @property
    def lag(self) -> int:
        return sum(stand.lag for stand in self.stands)


def functions() -> list[str]:
    """Those that a KafkaSource wakes."""
    return [*routes.MAILBOXES, "send-reminder"]


def groups(settings: Settings, *, prefix: str = PREFIX) -> list[Group]:
    """The group of every function, in each partition of its topic. One that has committed nothing begins at the oldest.

    A broker that has just started has no coordinator of groups yet, and is asked again for as long as one request may
    take. Raises kafka's errors: GroupAuthorizationFailedError for a user who may not DESCRIBE groups.
    """
    from kafka.errors import KafkaError

    until = time.monotonic() + settings.kafka_request_timeout
    while True:
        try:
            return _groups(settings, prefix)
        except KafkaError as error:
            if not getattr(error, "retriable", False) or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_SECONDS)


def _groups(settings: Settings, prefix: str) -> list[Group]:
    from kafka import TopicPartition

    names = {function: prefix + function for function in functions()}
    with admin_client(settings) as admin, plain_consumer(settings) as consumer:
        committed = {name: admin.list_group_offsets([name])[name] for name in names.values()}
        there = consumer.topics()
        mailboxes = {function: settings.topic(routes.mailbox_of(function)) for function in names}
        partitions = {
            topic: [TopicPartition(topic, each) for each in sorted(consumer.partitions_for_topic(topic) or ())]
            for topic in dict.fromkeys(mailboxes.values())
            if topic in there
        }
        every = [each for some in partitions.values() for each in some]
        ends = consumer.end_offsets(every) if every else {}
        firsts = consumer.beginning_offsets(every) if every else {}
        found = []
        for function, name in names.items():
            stands = []
            for each in partitions.get(mailboxes[function], []):
                at = committed[name].get(each)
                offset = max(at.offset if at is not None and at.offset >= 0 else 0, firsts[each])
                place = RecordPosition(each.topic, each.partition, offset)
                stands.append(Stand(next=place, lag=max(ends[each] - offset, 0)))
            members = _members(admin, name)
            found.append(Group(name=name, function=function, members=members, stands=tuple(stands)))
    return found


def _members(admin: "KafkaAdminClient", name: str) -> int | None:
    with suppress(ValueError):  # kafka-python cannot read what some brokers answer
        [described] = admin.describe_groups([name]).values()
        members = described.get("members")
        return len(members) if members is not None else None
    return None


def moved(before: Iterable[Group], after: Iterable[Group]) -> Mapping[tuple[str, str, int], bool]:
    """By group, topic and partition: whether it has gone on between two looks, or has nothing to do."""
    earlier = {(group.name, s.next.topic, s.next.partition): s.next.offset for group in before for s in group.stands}
    return {
        (group.name, stand.next.topic, stand.next.partition): not stand.lag
        or stand.next.offset > earlier.get((group.name, stand.next.topic, stand.next.partition), stand.next.offset)
        for group in after
        for stand in group.stands
    }
