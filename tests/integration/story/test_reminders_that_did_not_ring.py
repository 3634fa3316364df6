"""A reminder did not ring, for one of four reasons: doctor and trace, and nothing else, say which."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from taskmaster import clock
from taskmaster.broker.outbox import publish
from taskmaster.events import routes
from tests.support.brokers import Kafka
from tests.support.command_line import at_once
from tests.support.findings import doctor
from tests.support.function_pack import Json, Pack
from tests.support.function_process import eventually
from tests.support.group_member import member
from tests.support.receiver import SECRET

DISPATCH = "dispatch-due-reminders"
ALARM = "/apis/sources.knative.dev/v1/namespaces/default/pingsources/reminder-alarm"


def walk(nodes: list[Json]) -> Iterator[Json]:
    for node in nodes:
        yield node
        yield from walk(node["children"])


def told(environment: dict[str, str], task: Json) -> list[Json]:
    """The story of a task, each part of it."""
    ended = at_once(environment, "trace", str(task["task_id"]), "--json")
    assert ended.exit_code == 0, ended.output
    return list(walk(json.loads(ended.stdout)["story"]))


@pytest.fixture
def looked_at(connected: dict[str, str], kafka: Kafka) -> dict[str, str]:
    """What an operator's command line is configured with."""
    return {**connected, **kafka.environment()}


def test_a_webhook_that_answers_500_is_named_by_trace(
    pack: Pack, looked_at: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_ALLOW", "127.0.0.0/8")
    pack.restart()
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request("/hook", method="POST").respond_with_data("", status=500)
        pack.prefer(channels=[{"type": "webhook", "url": server.url_for("/hook"), "secret": SECRET}])
        task = fired(pack)
        pack.deliver("reminders", function="send-reminder")
    [channel] = [each for each in told(looked_at, task) if each["kind"] == "channel"]
    assert (channel["outcome"], channel["detail"]) == ("later", "HTTP 500")


def test_a_group_behind_a_record_that_no_hop_can_carry_is_named_by_doctor(
    pack: Pack, connected: dict[str, str], looked_at: dict[str, str], kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = {name: f"{uuid4().hex[:8]}.{name}" for name in routes.TOPICS}
    own = {"KAFKA_TOPICS": kafka.rename(topics, partitions=1)}
    for name, value in {**connected, **own}.items():
        monkeypatch.setenv(name, value)
    pack.restart()
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"e1"), ("ce_source", b"/s"), ("ce_correlationid", b"a\nb")]
    with kafka.producer() as producer:
        producer.send(topics["reminders"], b"{}", headers=headers, partition=0).get(10)
    task = fired(pack)
    publish(pack.runtime.database, pack.runtime.broker)
    [handling] = [each for each in told({**looked_at, **own}, task) if each.get("function") == "send-reminder"]
    assert handling["what"].startswith("send-reminder: not handled yet")

    prefix = f"taskmaster-{uuid4().hex[:8]}-"
    name = f"{prefix}send-reminder"
    source = eventually(lambda: member(kafka, topics["reminders"], name), "an assignment", within=60)
    source.commit({TopicPartition(topics["reminders"], 0): OffsetAndMetadata(0, "", -1)})
    try:
        found = doctor({**looked_at, **own}, "groups", words=("--group-prefix", prefix, "--watch", "0.2"))
    finally:
        source.close()
    finding = found.of("record-unsendable")
    assert f"{name} waits behind {topics['reminders']}/0/0" in finding["what"]
    assert "ce_correlationid holds U+000A: no KafkaSource can ever send it" in finding["what"]
    assert f"taskmaster records skip {name} {topics['reminders']}/0/0" in finding["mend"]


def test_an_alarm_that_may_not_be_set_is_named_by_doctor(
    pack: Pack, looked_at: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The Role of dispatch-due-reminders is gone."""
    refused = threading.Event()

    def refuse(_: Request) -> Response:
        refused.set()
        return Response(status=403)

    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request(ALARM, method="PATCH").respond_with_handler(refuse)
        monkeypatch.setenv("KUBERNETES_API_URL", server.url_for(""))
        pack.restart()
        task = pack.create(due_at=(clock.now() + timedelta(hours=3)).isoformat())
        tick = threading.Thread(target=pack.tick, args=(DISPATCH,))
        tick.start()
        assert refused.wait(30)
        pack.runtime.dispatcher.stop()
        tick.join(30)
    alarm = {
        "apiVersion": "sources.knative.dev/v1", "kind": "PingSource", "metadata": {"name": "reminder-alarm"},
        "spec": {"schedule": "0 0 0 1 1 *"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }  # fmt: skip
    (tmp_path / "objects").write_text(json.dumps({"items": [alarm]}))
    found = doctor(looked_at, "cluster", words=("-n", "todo", "--objects", str(tmp_path / "objects")))
    finding = found.of("alarm-wrong")
    assert finding["severity"] == "critical"
    assert "the function could not patch it" in finding["why"]
    assert finding["mend"].startswith(
        "kubectl -n todo auth can-i patch pingsource/reminder-alarm --as system:serviceaccount:todo:" + DISPATCH
    )
    [reminder] = [each for each in told(looked_at, task) if each["kind"] == "reminder"]
    assert reminder["state"] == "armed"


def test_a_topic_that_is_missing_is_named_by_doctor(
    pack: Pack, looked_at: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = f"absent-{uuid4().hex[:8]}"
    own = {"KAFKA_TOPICS": json.dumps({"reminders": absent})}
    monkeypatch.setenv("KAFKA_TOPICS", own["KAFKA_TOPICS"])
    pack.restart()
    task = fired(pack)
    finding = doctor({**looked_at, **own}, "broker").of("topic-missing")
    assert f"no topic {absent}" in finding["what"]
    assert finding["mend"].startswith("taskmaster topics")
    [due] = [each for each in told({**looked_at, **own}, task) if each.get("type") == "reminder.due"]
    assert due["what"].endswith("waits in the outbox")
    pack.sql("DELETE FROM outbox WHERE %(topic)s = ANY (topics)", topic=absent)  # nobody else is to find it there


def fired(pack: Pack) -> Json:
    """A task whose reminder was fired a moment ago."""
    task = pack.create(due_at=(clock.now() + timedelta(hours=1)).isoformat())
    pack.travel(hours=2)
    assert pack.runtime.due_reminders.dispatch(now=clock.now())
    return task
