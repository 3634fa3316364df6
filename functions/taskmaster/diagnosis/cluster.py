"""The cluster, from what kubectl prints: Services, KafkaSources or the bridge, the alarm against the next reminder."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from taskmaster.broker.groups import Group, functions
from taskmaster.diagnosis.finding import Finding, Severity
from taskmaster.diagnosis.work import RELAY, Alarm
from taskmaster.overview.functions import FUNCTIONS
from taskmaster.reminding.dispatcher import SOON, START_UP
from taskmaster.reminding.wakeup import cron
from taskmaster.settings import DAPR_JOBS

AREA = "cluster"
KINDS = "ksvc,kafkasources,pingsources"
BRIDGED_KINDS = "ksvc,deployments,pingsources"  # a cluster with Dapr may not know what a KafkaSource is
_BRIDGE = "taskmaster-bridge"
_EVERY_MINUTE = "* * * * *"
_SHOWN = 300  # characters of a message
_CAUSES = (  # what a condition says of a Service, and what to do
    (("Unable to fetch image", "failed to resolve image", "ErrImagePull", "ImagePullBackOff"),
     "the cluster cannot reach or read the registry: imagePullSecrets, image.repository, image.tag"),
    (("exec format error",), "the image is for another processor: make image ARGS='--platform linux/arm64'"),
    (("Unschedulable", "Insufficient"), "too little CPU or memory: knative/platform/install.sh check"),
    (("cannot start", "Container failed", "exited"), "the function's log names the setting that is missing or wrong"),
)  # fmt: skip

Object = Mapping[str, Any]


def examine(
    objects: Sequence[Object],
    *,
    namespace: str,
    now: datetime,
    alarm: Alarm | None = None,
    alarm_name: str = "reminder-alarm",
    is_bridged: bool = False,
    groups: Sequence[Group] = (),
) -> Iterator[Finding]:
    """What is wrong with the objects of a namespace, which are those of KINDS or BRIDGED_KINDS. Without I/O.

    `now` is business time; `alarm` is None where the database could not be asked, `groups` is empty where the broker
    could not. `is_bridged`: Dapr's bridge takes the place of the KafkaSources.
    """
    by_kind: dict[str, dict[str, Object]] = {}
    for each in objects:
        by_kind.setdefault(each["kind"], {})[each["metadata"]["name"]] = each
    yield from _services(by_kind.get("Service", {}), namespace)
    if is_bridged:
        yield from _bridge(by_kind.get("Deployment", {}), namespace)
    else:
        yield from _sources(by_kind.get("KafkaSource", {}), namespace, {group.function: group for group in groups})
    yield from _pings(by_kind.get("PingSource", {}), namespace, now, alarm, alarm_name)


def _services(services: Mapping[str, Object], namespace: str) -> Iterator[Finding]:
    if missing := [name for name in FUNCTIONS if name not in services]:
        why = "calls and events for it go nowhere"
        yield _missing("service-missing", f"Service {', '.join(missing)}", namespace, why, folder="knative/")
    for name, service in services.items():
        if said := _not_ready(service):
            mend = next((do for causes, do in _CAUSES if any(cause in said for cause in causes)), "")
            yield Finding(
                code="service-not-ready",
                severity=Severity.CRITICAL if name in FUNCTIONS else Severity.WARNING,
                area=AREA,
                what=f"Service {name} is not ready: {said}",
                why="it answers nothing, or its former revision answers",
                mend=f"{mend + '; ' if mend else ''}kubectl -n {namespace} describe ksvc {name}",
            )


def _sources(sources: Mapping[str, Object], namespace: str, groups: Mapping[str, Group]) -> Iterator[Finding]:
    if missing := [name for name in functions() if name not in sources]:
        why = "records on its topic wake nobody"
        yield _missing("source-missing", f"KafkaSource {', '.join(missing)}", namespace, why, folder="eventing/")
    for name, source in sources.items():
        if source.get("spec", {}).get("consumers", 1) == 0:
            yield Finding(
                code="source-stopped",
                severity=Severity.CRITICAL,
                area=AREA,
                what=f"KafkaSource {name} is scaled to zero",
                why="records on its topic wait",
                mend=f"kubectl -n {namespace} scale kafkasource {name} --replicas=1",
            )
        elif said := _not_ready(source):
            without = not source.get("status", {}).get("conditions")
            yield Finding(
                code="source-not-ready",
                severity=Severity.CRITICAL,
                area=AREA,
                what=f"KafkaSource {name} is not ready: {said}",
                why="records on its topic wait",
                mend="knative/platform/install.sh check (no controller looks after KafkaSources)"
                if without
                else f"kubectl -n {namespace} describe kafkasource {name}; taskmaster acls --role source",
            )
        elif (group := groups.get(name)) and group.members == 0 and group.lag:
            yield Finding(
                code="source-ready-but-idle",
                severity=Severity.CRITICAL,
                area=AREA,
                what=f"KafkaSource {name} says that it is ready, and nobody reads for it: {group.lag} records to go",
                why="records on its topic wait, and nothing says so",
                mend="kubectl -n knative-eventing rollout restart statefulset kafka-source-dispatcher",
            )


def _bridge(deployments: Mapping[str, Object], namespace: str) -> Iterator[Finding]:
    why = "no event is published, and none reaches a function"
    if _BRIDGE not in deployments:
        yield Finding(
            code="bridge-missing",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"there is no Deployment {_BRIDGE} in {namespace}",
            why=why,
            mend=f"helm -n {namespace} upgrade --install, with dapr.broker in its values",
        )
    elif said := _not_ready(deployments[_BRIDGE], condition="Available"):
        yield Finding(
            code="bridge-not-ready",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"Deployment {_BRIDGE} is not available: {said}",
            why=why,
            mend=f"kubectl -n {namespace} describe deployment {_BRIDGE};"
            f" kubectl -n {namespace} logs deployment/{_BRIDGE} --all-containers",
        )


def _pings(
    pings: Mapping[str, Object], namespace: str, now: datetime, alarm: Alarm | None, alarm_name: str
) -> Iterator[Finding]:
    for name, why in ((RELAY, "nobody looks after what dead functions left"), (alarm_name, "reminders come late")):
        if name in ("off", DAPR_JOBS):
            continue
        if name not in pings:
            severity = Severity.WARNING if name == RELAY else Severity.CRITICAL
            yield _missing("ping-missing", f"PingSource {name}", namespace, why, folder="eventing/", severity=severity)
        elif said := _not_ready(pings[name]):
            yield Finding(
                code="ping-not-ready",
                severity=Severity.CRITICAL,
                area=AREA,
                what=f"PingSource {name} is not ready: {said}",
                why=why,
                mend=f"kubectl -n {namespace} describe pingsource {name}",
            )
    if alarm_name in pings and alarm is not None:
        yield from _alarm(pings[alarm_name], namespace, now, alarm, alarm_name)


def _alarm(ping: Object, namespace: str, now: datetime, alarm: Alarm, name: str) -> Iterator[Finding]:
    found = str(ping.get("spec", {}).get("schedule") or _EVERY_MINUTE)
    may = f"kubectl -n {namespace} auth can-i patch pingsource/{name} --as system:serviceaccount:{namespace}:"
    if found == _EVERY_MINUTE:
        yield Finding(
            code="alarm-not-set",
            severity=Severity.WARNING,
            area=AREA,
            what=f"PingSource {name} rings every minute: dispatch-due-reminders has not set it",
            why="its pod and the database never sleep; the function may not patch it, or does not reach the API",
            mend=f"{may}dispatch-due-reminders (helm upgrade brings the Role back); networkPolicy.apiPorts",
        )
        return
    due = alarm.due_next
    if due is None or due <= now + SOON + timedelta(seconds=5):
        return  # nothing to wake anybody for, or somebody is on duty until then
    if found != cron(due - START_UP):
        is_said = alarm.next_at is not None and now < alarm.next_at <= due
        yield Finding(
            code="alarm-wrong",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"PingSource {name} is set to {found!r}, not to {cron(due - START_UP)!r}, ten seconds before the next"
            " reminder",
            why="the reminder comes up to an hour late, by relay-outbox: "
            + ("the function could not patch it" if is_said else "the function has not looked since it was armed"),
            mend=f"{may}dispatch-due-reminders; then wake it: kubectl -n {namespace} patch pingsource {name}"
            f' --type merge -p \'{{"spec": {{"schedule": "{_EVERY_MINUTE}"}}}}\'',
        )


def _missing(
    code: str, what: str, namespace: str, why: str, *, folder: str, severity: Severity = Severity.WARNING
) -> Finding:
    """The manifests of `folder` have what is missing."""
    return Finding(
        code=code,
        severity=severity,
        area=AREA,
        what=f"there is no {what} in {namespace}",
        why=why,
        mend=f"helm -n {namespace} upgrade --install, or kubectl -n {namespace} apply -f {folder}",
    )


def _not_ready(thing: Object, *, condition: str = "Ready") -> str:
    """Why an object does not meet a condition, in its own words; '' where it does."""
    conditions = thing.get("status", {}).get("conditions") or []
    if not conditions:
        return "it has no status: its controller is not there, or has not looked yet"
    ready: Object = next((each for each in conditions if each.get("type") == condition), {})
    if ready.get("status") == "True":
        return ""
    faults = [each for each in [ready, *conditions] if each.get("status") != "True" and each.get("message")]
    said = str(faults[0]["message"] if faults else ready.get("reason") or "no reason given")
    return " ".join(said.split())[:_SHOWN]
