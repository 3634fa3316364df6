"""What kubectl prints of a cluster, made from the real manifests, and what doctor finds in it."""

import copy
import json
import stat
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskmaster.broker.groups import Group, Stand
from taskmaster.broker.records import RecordPosition
from taskmaster.diagnosis import cluster
from taskmaster.diagnosis.work import Alarm
from taskmaster.overview.functions import FUNCTIONS
from tests.support.findings import doctor

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
REST = "0 0 0 1 1 *"
Object = dict[str, Any]


def ready(**more: Any) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": "True"}], **more}


def healthy() -> list[Object]:
    """The objects of the manifests as a cluster has them once all of them are ready."""
    objects = [{**copy.deepcopy(each), "status": ready()} for each in _of_knative()]
    named(objects, "reminder-alarm")["spec"]["schedule"] = REST
    return objects


@cache
def _of_knative() -> list[Object]:
    documents = [
        each
        for folder in ("knative", "eventing")
        for path in sorted((ROOT / folder).glob("*.yaml"))
        for each in yaml.safe_load_all(path.read_text())
    ]
    kinds = {"serving.knative.dev": ("Service",), "sources.knative.dev": ("KafkaSource", "PingSource")}
    return [each for each in documents if each and each["kind"] in kinds.get(each["apiVersion"].partition("/")[0], ())]


def named(objects: list[Object], name: str, kind: str = "") -> Object:
    [found] = [each for each in objects if each["metadata"]["name"] == name and kind in ("", each["kind"])]
    return found


def examine(objects: list[Object], **given: Any) -> dict[str, Any]:
    return {each.code: each for each in cluster.examine(objects, **{"namespace": "todo", "now": NOW, **given})}


def test_a_cluster_as_the_manifests_have_it_is_no_finding() -> None:
    assert {each["metadata"]["name"] for each in healthy() if each["kind"] == "Service"} == set(FUNCTIONS)
    assert examine(healthy(), alarm=Alarm(next_at=None, due_next=None)) == {}


@pytest.mark.parametrize("kind", ["Service", "KafkaSource", "PingSource"])
def test_what_is_missing_is_named(kind: str) -> None:
    codes = {"Service": "service-missing", "KafkaSource": "source-missing", "PingSource": "ping-missing"}
    finding = examine([each for each in healthy() if each["kind"] != kind])[codes[kind]]
    assert "todo" in finding.mend


@pytest.mark.parametrize(
    ("message", "mend"),
    [
        ('Revision failed with message: Unable to fetch image "x"', "imagePullSecrets"),
        ("Container failed with: exec format error", "linux/arm64"),
        ("Revision create-task-00001 Unschedulable: 0/1 nodes", "install.sh check"),
        ("Container failed with: taskmaster cannot start:\n  DATABASE_URL is not set", "the function's log"),
        ("something else", "kubectl -n todo describe ksvc create-task"),
    ],
)
def test_a_service_that_is_not_ready_is_told_with_its_reason(message: str, mend: str) -> None:
    objects = healthy()
    broken = {"type": "Ready", "status": "False", "message": message}
    named(objects, "create-task", "Service")["status"] = {"conditions": [broken]}
    finding = examine(objects)["service-not-ready"]
    assert " ".join(message.split()) in finding.what
    assert mend in finding.mend


def bridged(**status: Any) -> list[Object]:
    """The objects of a release with Dapr: a bridge with this status in the place of the KafkaSources."""
    bridge = {"kind": "Deployment", "metadata": {"name": "taskmaster-bridge"}, "status": status}
    return [bridge, *(each for each in healthy() if each["kind"] != "KafkaSource")]


def available(status: str, message: str = "") -> dict[str, Any]:
    progress = {"type": "Progressing", "status": "True"}
    return {"conditions": [progress, {"type": "Available", "status": status, "message": message}]}


def test_with_dapr_no_source_is_missed_and_with_its_jobs_no_alarm() -> None:
    objects = bridged(**available("True"))
    assert examine(objects, is_bridged=True) == {}
    without_alarm = [each for each in objects if each["metadata"]["name"] != "reminder-alarm"]
    assert examine(without_alarm, is_bridged=True, alarm_name="dapr-jobs") == {}
    assert examine(without_alarm, is_bridged=True).keys() == {"ping-missing"}


def test_a_bridge_that_is_not_there_or_does_not_run_is_found() -> None:
    found = examine(bridged(**available("False", "Deployment does not have minimum availability.")), is_bridged=True)
    assert found.keys() == {"bridge-not-ready"}
    assert "minimum availability" in found["bridge-not-ready"].what
    assert "logs deployment/taskmaster-bridge" in found["bridge-not-ready"].mend
    assert examine(bridged(), is_bridged=True).keys() == {"bridge-not-ready"}
    assert examine(bridged()[1:], is_bridged=True).keys() == {"bridge-missing"}


def test_sources_without_a_controller_or_scaled_to_zero_are_found() -> None:
    objects = healthy()
    del named(objects, "create-task", "KafkaSource")["status"]
    named(objects, "update-task", "KafkaSource")["spec"]["consumers"] = 0
    found = examine(objects)
    assert found["source-not-ready"].mend.startswith("knative/platform/install.sh check")
    assert found["source-stopped"].mend == "kubectl -n todo scale kafkasource update-task --replicas=1"


def test_a_source_that_is_ready_and_consumes_nothing_is_found() -> None:
    stand = Stand(next=RecordPosition("create-task", 0, 0), lag=3)
    idle = Group(name="taskmaster-create-task", function="create-task", members=0, stands=(stand,))
    finding = examine(healthy(), groups=[idle])["source-ready-but-idle"]
    assert "3 records to go" in finding.what
    assert "rollout restart" in finding.mend


def test_a_source_of_calls_that_is_not_ready_is_told_with_its_reason() -> None:
    objects = healthy()
    broken = {"type": "Ready", "status": "False", "message": "the sink relay-outbox cannot be resolved"}
    named(objects, "relay-outbox", "PingSource")["status"] = {"conditions": [broken]}
    finding = examine(objects)["ping-not-ready"]
    assert finding.what == "PingSource relay-outbox is not ready: the sink relay-outbox cannot be resolved"
    assert finding.mend == "kubectl -n todo describe pingsource relay-outbox"


# The alarm ------------------------------------------------------------------------------------------------------------


def alarm_of(schedule: str | None, *, due: datetime | None, next_at: datetime | None = None) -> dict[str, Any]:
    objects = healthy()
    spec = named(objects, "reminder-alarm")["spec"]
    spec.pop("schedule")
    if schedule:
        spec["schedule"] = schedule
    return examine(objects, alarm=Alarm(next_at=next_at, due_next=due))


def test_an_alarm_ten_seconds_before_the_next_reminder_is_right() -> None:
    due = NOW + timedelta(hours=3)
    assert alarm_of("50 59 11 24 11 *", due=due, next_at=due) == {}


@pytest.mark.parametrize("schedule", [REST, "50 59 12 24 11 *"])
def test_an_alarm_for_another_moment_is_found(schedule: str) -> None:
    due = NOW + timedelta(hours=3)
    finding = alarm_of(schedule, due=due, next_at=due)["alarm-wrong"]
    assert "the function could not patch it" in finding.why
    assert "'50 59 11 24 11 *'" in finding.what
    assert "auth can-i patch pingsource/reminder-alarm" in finding.mend
    assert "has not looked" in alarm_of(schedule, due=due)["alarm-wrong"].why


@pytest.mark.parametrize("schedule", [None, "* * * * *"])
def test_an_alarm_that_was_never_set_is_found(schedule: str | None) -> None:
    assert "every minute" in alarm_of(schedule, due=None)["alarm-not-set"].what


def test_no_alarm_is_wanted_for_what_somebody_waits_for_already() -> None:
    assert alarm_of(REST, due=NOW + timedelta(seconds=40)) == {}


# By the command line --------------------------------------------------------------------------------------------------


def test_kubectl_is_asked_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = copy.deepcopy(healthy())
    named(broken, "update-task", "KafkaSource")["spec"]["consumers"] = 0
    (tmp_path / "objects").write_text(json.dumps({"items": broken}))
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" > {tmp_path}/asked\ncat {tmp_path}/objects\n')
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = doctor({}, "cluster", words=("-n", "todo"))
    assert found.codes == {"source-stopped"}
    assert (tmp_path / "asked").read_text() == "-n todo get ksvc,kafkasources,pingsources -o json\n"
    given = doctor({}, "cluster", words=("-n", "todo", "--objects", str(tmp_path / "objects")))
    assert given == found
    assert doctor({"TRANSPORT": "dapr"}, "cluster").codes == {"bridge-missing"}
    assert (tmp_path / "asked").read_text() == "get ksvc,deployments,pingsources -o json\n"

    kubectl.write_text("#!/bin/sh\necho 'error: no cluster' >&2\nexit 1\n")
    assert "kubectl: error: no cluster" in doctor({}, "cluster").of("not-looked-at")["what"]
    kubectl.write_text("#!/bin/sh\necho nonsense\n")
    assert "no list of objects" in doctor({}, "cluster").of("not-looked-at")["what"]
