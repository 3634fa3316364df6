"""The topics that the pack needs: which the broker has, and how these differ from what they should be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from taskmaster.broker.records import connected_admin
from taskmaster.events import routes
from taskmaster.settings import Settings

RETENTION_MS = 7 * 24 * 3600 * 1000  # a day less than inbox rows are kept: a replay of all records has no effect
_RETENTION = "retention.ms"
_CLEANUP = "cleanup.policy"
_KEPT_7_DAYS = {_RETENTION: str(RETENTION_MS), _CLEANUP: "delete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDescription:
    """A topic as the broker has it. `retention_ms` is None where the broker does not tell, -1 for ever.

    Compacted alone, it keeps the last record of each key for ever, whatever its retention.
    """

    partitions: int
    retention_ms: int | None = None
    is_compacted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between a topic as it is and as it should be, and its remedy, which `action` carries out.

    `action` is None where only a person may act.
    """

    topic: str
    fault: str = ""
    mend: str = ""
    action: Literal["create", "retention"] | None = None

    def described(self, *, is_done: bool) -> str:
        """The difference in one line, as done or as it would be done."""
        mend = self.mend if is_done or not self.mend else f"would be {self.mend}"
        return ": ".join(part for part in (self.topic, self.fault, mend) if part)


def wanted(settings: Settings) -> list[str]:
    """The topics' names on this broker, each once: several of ours may share one."""
    return list(dict.fromkeys(map(settings.topic, routes.TOPICS)))


def differences(names: Iterable[str], existing: Mapping[str, TopicDescription], *, partitions: int) -> list[Change]:
    """What to do so that every name exists with at least these partitions and keeps records no longer than 7 days."""
    changes = []
    for name in names:
        topic = existing.get(name)
        if topic is None:
            mend = f"created with {partitions} partitions, records kept 7 days"
            changes.append(Change(topic=name, mend=mend, action="create"))
            continue
        if topic.partitions < partitions:
            fault = f"has {topic.partitions} partitions, not {partitions}: left alone, since more would move keys"
            changes.append(Change(topic=name, fault=fault))
        if topic.is_compacted:
            fault = "is compacted, and keeps the last record of each key longer than the inbox remembers it: for ever"
            mend = "set to cleanup.policy=delete and 7 days"
            changes.append(Change(topic=name, fault=fault, mend=mend, action="retention"))
        elif topic.retention_ms is not None and not 0 <= topic.retention_ms <= RETENTION_MS:
            kept = "for ever" if topic.retention_ms < 0 else f"for {topic.retention_ms / 86_400_000:.1f} days"
            fault = f"keeps records {kept}, longer than the inbox remembers them"
            changes.append(Change(topic=name, fault=fault, mend="set to 7 days", action="retention"))
    return changes


def count_of_unknown_retention(existing: Mapping[str, TopicDescription]) -> int:
    """The number of topics of which the broker does not say how long it keeps records."""
    return sum(topic.retention_ms is None for topic in existing.values())


class Admin:
    """The topics of a broker, by Kafka's admin protocol. Raises kafka's errors when the broker refuses."""

    def __init__(self, settings: Settings) -> None:
        self._client = connected_admin(settings)

    def existing(self, names: Iterable[str]) -> dict[str, TopicDescription]:
        """Those of the names that the broker has."""
        asked = set(names)
        partitions = {t["name"]: len(t["partitions"]) for t in self._client.describe_topics() if t["name"] in asked}
        kept = self._kept(list(partitions)) if partitions else {}
        return {name: TopicDescription(partitions=count, **kept.get(name, {})) for name, count in partitions.items()}

    def allowed(self, names: Iterable[str]) -> dict[str, set[str]]:
        """What this user may do to each of the names (KIP-430); empty where the broker does not say."""
        asked = set(names)
        return {
            topic["name"]: {str(each) for each in topic.get("authorized_operations") or ()}
            for topic in self._client.describe_topics()
            if topic["name"] in asked
        }

    def create(self, names: Iterable[str], *, partitions: int, replication: int) -> None:
        options = {
            "num_partitions": partitions,
            "replication_factor": replication,
            "configs": _KEPT_7_DAYS,
        }
        self._client.create_topics(dict.fromkeys(names, options), wait_for_metadata=True)

    def set_retention(self, names: Iterable[str]) -> None:
        """Set retention and cleanup policy. Raises KafkaError with what the broker refused."""
        from kafka.errors import KafkaError

        asked = [self._resource(name, _KEPT_7_DAYS) for name in names]
        became = self._client.alter_configs(asked, raise_on_unknown=False).get("topic", {})
        if refused := {name: result for name, result in became.items() if result != "OK"}:
            raise KafkaError("; ".join(f"{name}: {result}" for name, result in refused.items()))

    def close(self) -> None:
        self._client.close()

    def _kept(self, names: list[str]) -> dict[str, dict[str, Any]]:
        """By topic, how long it keeps its records."""
        from kafka.errors import KafkaError

        try:
            found = self._client.describe_configs(
                [self._resource(name, [_RETENTION, _CLEANUP]) for name in names], config_filter="all"
            )
        except KafkaError:  # not every broker, nor every user's ACL, lets configurations be read
            return {}
        return {
            name: {
                "retention_ms": int(configs[_RETENTION]["value"]),
                "is_compacted": configs.get(_CLEANUP, {}).get("value") == "compact",
            }
            for name, configs in _by_topic(found)
            if _RETENTION in configs
        }

    @staticmethod
    def _resource(name: str, configs: Any) -> Any:
        from kafka.admin import ConfigResource, ConfigResourceType

        return ConfigResource(ConfigResourceType.TOPIC, name, configs)


def _by_topic(described: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:
    return described.get("topic", {}).items() if isinstance(described, Mapping) else ()
