"""The manifests of this project are read whole, and a wrong one is refused in words that help."""

from datetime import timedelta
from pathlib import Path

import pytest

from knative.local.fields import iso_duration
from knative.local.manifests import ManifestError, read

ROOT = Path(__file__).parents[3]

SERVICE = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec:
  template:
    metadata:
      annotations: {autoscaling.knative.dev/window: 6s, autoscaling.knative.dev/max-scale: "5"}
    spec:
      containers:
      - command: [python, -m, hello]
"""
SOURCE = """
apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: {name: hello}
spec:
  topics: [hello-topic]
  consumerGroup: g
  delivery: {retry: 3, backoffPolicy: linear, backoffDelay: PT0.5S, timeout: PT1M}
  sink: {ref: {kind: Service, name: hello}, uri: /events}
"""


def in_files(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text)
    return directory


def test_the_projects_manifests_are_read() -> None:
    found = read(ROOT / "knative", ROOT / "eventing")
    assert {"create-task", "query-tasks", "relay-outbox", "park-dead-letter"} <= found.services.keys()
    assert [job.name.rpartition("-")[0] for job in found.jobs] == ["taskmaster-migrate", "taskmaster-topics"]


def test_every_kafka_source_of_the_project_survives_an_outage() -> None:
    found = read(ROOT / "knative", ROOT / "eventing")
    for source in found.kafka_sources:
        service = found.services[source.name]
        assert source.consumer_group == f"taskmaster-{source.name}"
        assert source.initial_offset == "earliest"
        assert source.sink == f"http://{source.name}.default.svc.cluster.local/events"
        assert source.delivery.dead_letter_sink == "http://park-dead-letter.default.svc.cluster.local/events"
        assert source.delivery.retry >= 120
        assert source.delivery.timeout > service.timeout


def test_only_its_own_secrets_reach_park_dead_letter() -> None:
    found = read(ROOT / "knative", ROOT / "eventing")
    assert found.services["park-dead-letter"].container.env_from == ("taskmaster", "taskmaster-kafka")
    assert all("taskmaster-database-owner" not in s.container.env_from for s in found.services.values())


def test_a_service_and_its_source_become_records(tmp_path: Path) -> None:
    found = read(in_files(tmp_path, service=SERVICE, source=SOURCE))
    service, (source,) = found.services["hello"], found.kafka_sources
    assert service.container.command == ("python", "-m", "hello")
    assert (service.window, service.max_scale, service.min_scale) == (timedelta(seconds=6), 5, 0)
    assert (source.ordering, source.initial_offset) == ("ordered", "latest")
    assert source.delivery.backoff_delay == timedelta(seconds=0.5)
    assert source.sink == "http://hello.default.svc.cluster.local/events"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "retry: 3",
            "retry: many",
            r"source.yaml: spec.delivery.retry is 'many': it has to be a whole number",
        ),
        ("PT0.5S", "1 second", r"spec.delivery.backoffDelay is '1 second': .* PT1S"),
        ("linear", "quadratic", r"backoffPolicy is 'quadratic': it has to be one of linear, exponential"),
        ("consumerGroup: g", "", r"spec.consumerGroup is missing: give it a text"),
        (
            "name: hello}, uri",
            "name: nobody}, uri",
            r"KafkaSource hello leads to the Service nobody, which no",
        ),
        ("uri: /events", "uri: events", r"spec.sink.uri is 'events': it has to be a path that starts with /"),
        ("[hello-topic]", "hello-topic", r"spec.topics is 'hello-topic': it has to be a list"),
        (
            "kind: KafkaSource",
            "kind: Pod",
            r"kind is Pod of sources.knative.dev/v1: the local stand-in does not",
        ),
        ("spec:", "spec: {", r"source.yaml, line \d+: is not YAML"),
    ],
)
def test_what_is_wrong_is_said_by_file_and_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SOURCE
    in_files(tmp_path, service=SERVICE, source=SOURCE.replace(old, new))
    with pytest.raises(ManifestError, match=message):
        read(tmp_path)


def test_an_annotation_is_named_whole(tmp_path: Path) -> None:
    in_files(tmp_path, service=SERVICE.replace("window: 6s", "window: soon"))
    with pytest.raises(ManifestError, match=r'annotations\["autoscaling.knative.dev/window"\] is \'soon\''):
        read(tmp_path)


def test_a_directory_without_manifests_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no \*.yaml"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT1S", 1), ("PT0.5S", 0.5), ("PT1M30S", 90), ("P1DT2H", 93_600), ("P2W", 1_209_600)],
)
def test_iso_durations(text: str, seconds: float) -> None:
    assert iso_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "P", "PT", "1S", "PT1", "P1Y", "P1M", "PT-1S", "P1DT"])
def test_what_is_no_iso_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not an ISO 8601 duration"):
        iso_duration(text)
