"""A wrong value is refused before anything is installed, in words that say where it stands and what belongs there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.command import HelmFailed
from tests.chart.conftest import needs_helm
from tests.chart.rendering import CLUSTER, on_a_cluster, render, with_profiles, with_values

pytestmark = needs_helm

# The value as it would stand in a file, and what is said of it.
WRONG = [
    ("imgae: {tag: x}", "additional properties 'imgae' not allowed"),
    ("image: {digest: 'sha256:123'}", 'image.digest is "sha256:123": it has to be sha256: and 64 hexadecimal digits'),
    ("image: {repository: 'Registry/Image'}", "image.repository is .*: it has to be the image's name, without tag"),
    ("image: {tag: 'a b'}", 'image.tag is "a b": it has to be a tag'),
    ("image: {pullPolicy: Sometimes}", "at '/image/pullPolicy': value must be one of '', 'Always', 'IfNotPresent'"),
    ("imagePullSecrets: [regcred]", "at '/imagePullSecrets/0': got string, want object"),
    ("defaults: {maxScale: 0}", "at '/defaults/maxScale': minimum: got 0, want 1"),
    ("defaults: {maxScale: many}", "at '/defaults/maxScale': got string, want integer"),
    ("defaults: {window: 3s}", "defaults.window is \"3s\": it has to be from 6s, the least that Knative takes"),
    ("defaults: {timeoutSeconds: 3600}", "at '/defaults/timeoutSeconds': maximum: got 3,?600, want 600"),
    ("defaults: {resources: {limits: {memory: lots}}}", "defaults.resources.limits.memory is .*: it has to be an amount"),
    ("defaults: {resources: {limits: {gpu: 1}}}", "at '/defaults/resources/limits': additional properties 'gpu'"),
    ("queueProxy: {cpuRequest: tiny}", "queueProxy.cpuRequest is \"tiny\": it has to be an amount such as 100m"),
    ("functions: {create-task: {maxscale: 2}}", "at '/functions/create-task': additional properties 'maxscale'"),
    ("functions: {create-task: {minScale: 6}}", "functions.create-task: minScale 6 is above maxScale 5"),
    ("functions: {Archive_Task: {description: x, topics: [a]}}", "the function's name is \"Archive_Task\": it has to be"),
    ("functions: {archive-task: {topics: [archive-task]}}", "at '/functions/archive-task': missing property 'description'"),
    ("functions: {archive-task: {description: puts away}}", "functions.archive-task: nobody calls it: give it topics, routes"),
    ("functions: {create-task: {routes: [/tasks]}}", "functions.create-task.routes is \"/tasks\": .* METHOD /path"),
    ("functions: {create-task: {routes: ['POST /tasks/{id}/*']}}", "either with {name} or with a last /\\*"),
    ("functions: {create-task: {routes: [PATCH /tasks/*]}}", "the route PATCH /tasks/\\* is that of create-task already"),
    ("functions: {create-task: {visibility: private}}", "at '/functions/create-task/visibility': value must be one of"),
    ("functions: {create-task: {visibility: cluster-local}}", "it has routes, but its visibility is cluster-local"),
    ("functions: {create-task: {ordering: sorted}}", "value must be one of 'ordered', 'unordered'"),
    ("functions: {create-task: {secrets: [owner]}}", "value must be one of 'database', 'kafka', 'identity', 'mail'"),
    ("functions: {create-task: {topics: [a b]}}", "functions.create-task.topics is \"a b\": it has to be a topic's name"),
    ("functions: {create-task: {alarm: true}}", "the alarm is that of one function, not of create-task and dispatch"),
    ("functions: {create-task: {ticks: {relay-outbox: {schedule: '2 * * * *'}}}}", "relay-outbox is that of create-task"),
    ("functions: {relay-outbox: {ticks: {relay-outbox: {schedule: hourly}}}}", "schedule is \"hourly\": .* a cron schedule"),
    ("functions: {create-task: {settings: {DATABASE_URL: x}}}", "functions.create-task.settings.DATABASE_URL: it belongs"),
    ("functions: {park-dead-letter: null}", "functions has no park-dead-letter, .* such events are lost"),
    ("settings: {LOG_LEVLE: INFO}", "at '/settings': additional properties 'LOG_LEVLE' not allowed"),
    ("settings: {LOG_LEVEL: LOUD}", "at '/settings/LOG_LEVEL': value must be one of '', 'DEBUG', 'INFO'"),
    ("settings: {DATABASE_POOL_SIZE: 1000}", "at '/settings/DATABASE_POOL_SIZE': maximum: got 1,?000, want 64"),
    ("settings: {KAFKA_SASL_PASSWORD: hunter2}", "KAFKA_SASL_PASSWORD: it belongs into the Secret taskmaster-kafka"),
    ("settings: {SMTP_URL: 'smtp://a:b@c'}", "settings.SMTP_URL: it belongs into the Secret that mail.secret names"),
    ("settings: {KAFKA_TOPICS: '{}'}", "settings.KAFKA_TOPICS: it is made from kafka.topics"),
    ("settings: {DEV_TOKEN_SECRET: x}", "DEV_TOKEN_SECRET: it is for a laptop: on a cluster OIDC_ISSUER"),
    (
        "settings: {OIDC_ISSUER: 'http://id.identity:8080', OIDC_AUDIENCE: x}",
        "settings.OIDC_ISSUER is http://id.identity:8080, and keys come by https, or by http from a Service",
    ),
    (
        "settings: {OIDC_ISSUER: 'http://a', OIDC_AUDIENCE: x, OIDC_JWKS_URL: 'http://keys.example.com/x.svc/'}",
        "settings.OIDC_JWKS_URL is http://keys.example.com/x.svc/, and keys come by https",
    ),
    (
        "settings: {OIDC_ISSUER: 'https://a', OIDC_AUDIENCE: x, OIDC_JWKS_URL: 'https://a/b', OIDC_JWKS: '{}'}",
        "settings.OIDC_JWKS_URL and settings.OIDC_JWKS are both given",
    ),
    ("settings: {EVENT_OIDC_REQUIRED: true}", "EVENT_OIDC_REQUIRED is true without EVENT_OIDC_ISSUER"),
    ("settings: {CLOCK_OFFSET_FILE: /tmp/x}", "settings.CLOCK_OFFSET_FILE: it is for a laptop"),
    ("database: {secret: ''}", "at '/database/secret': minLength: got 0, want 1"),
    ("database: {port: '5432'}", "at '/database/port': got string, want integer"),
    ("database: {secret: My_Secret}", "database.secret is \"My_Secret\": it has to be a Secret's name"),
    ("database: {tryOut: {url: 'postgresql://a:b@c/d'}}", "database.tryOut wants url, systemUrl and ownerUrl"),
    ("database: {tryOut: {url: 'mysql://a:hunter2@c/d'}}", "database.tryOut.url is no URL of a database"),
    ("kafka: {bootstrapServers: []}", "at '/kafka/bootstrapServers': minItems: got 0, want 1"),
    ("kafka: {bootstrapServers: [redpanda]}", "kafka.bootstrapServers is \"redpanda\": it has to be host:port"),
    ("kafka: {bootstrapServers: 'redpanda:9092'}", "at '/kafka/bootstrapServers': got string, want array"),
    ("kafka: {securityProtocol: TLS}", "value must be one of 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'"),
    ("kafka: {securityProtocol: SASL_SSL}", "is SASL_SSL, but kafka.saslMechanism is empty: say PLAIN, SCRAM-SHA-256"),
    ("kafka: {saslMechanism: PLAIN}", "kafka.saslMechanism is PLAIN, but kafka.securityProtocol is PLAINTEXT"),
    ("kafka: {securityProtocol: SASL_SSL, saslMechanism: PLAIN, secret: ''}", "kafka.secret is empty, but the broker wants"),
    ("kafka: {ca: {secret: my-ca}}", "kafka.ca.secret is given, but kafka.securityProtocol is PLAINTEXT"),
    ("kafka: {client: {secret: me}}", "kafka.client.secret is given, but kafka.securityProtocol is PLAINTEXT"),
    ("kafka: {topics: {task-event: x}}", "kafka.topics names task-event, which is no topic of taskmaster: it has complete-"),
    ("kafka: {topics: {task-events: 'a b'}}", "kafka.topics.task-events is \"a b\": it has to be a topic's name"),
    ("kafka: {delivery: {retry: 0}}", "at '/kafka/delivery/retry': minimum: got 0, want 10"),
    ("kafka: {delivery: {backoffDelay: 1s}}", "backoffDelay is \"1s\": it has to be an ISO 8601 duration such as PT1S"),
    ("kafka: {replication: 0}", "at '/kafka/replication'"),
    ("kafka: {tryOut: {username: a}}", "kafka.tryOut wants both username and password"),
    ("kafka: {tryOut: {username: a, password: b}}", "kafka.tryOut.username is given, but kafka.securityProtocol is PLAINTEXT"),
    ("alarm: {enabled: 'off'}", "at '/alarm/enabled': got string, want boolean"),
    ("alarm: {scheduleWhenOff: often}", "alarm.scheduleWhenOff is \"often\": it has to be a cron schedule"),
    ("jobs: {deadlineSeconds: 1}", "at '/jobs/deadlineSeconds': minimum: got 1, want 10"),
    ("route: {hostnames: ['https://tasks.example.com']}", "route.hostnames .*it has to be a host .*without https://"),
    ("networkPolicy: {databaseCidrs: [10.0.0.1]}", "networkPolicy.databaseCidrs is \"10.0.0.1\": it has to be a network"),
    ("networkPolicy: {callers: []}", "at '/networkPolicy/callers': minItems: got 0, want 1"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "said"), WRONG, ids=[value for value, _ in WRONG])
def test_a_wrong_value_is_refused(tmp_path: Path, value: str, said: str) -> None:
    given: dict[str, Any] = yaml.safe_load(value)
    with pytest.raises(HelmFailed) as refusal:
        render(*with_values(tmp_path, **given))
    assert re.search(said, str(refusal.value))
    assert "hunter2" not in str(refusal.value)
    assert "nil pointer" not in str(refusal.value)


def test_several_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(HelmFailed) as refusal:
        render(
            *with_values(tmp_path, defaults={"window": "1s"}, image={"digest": "x"}, kafka={"saslMechanism": "PLAIN"})
        )
    assert str(refusal.value).count("\n  - ") == 3


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("serving.knative.dev/v1", "Knative Serving is not there .*install it with a networking layer such as Kourier"),
        ("sources.knative.dev/v1", "Knative Eventing is not there .*install it"),
        (
            "sources.knative.dev/v1/KafkaSource",
            "KafkaSource is not there .*install eventing-kafka-controller and .*its CRD",
        ),
        ("sources.knative.dev/v1/PingSource", "PingSource is not there .*install Knative Eventing"),
        (
            "gateway.networking.k8s.io/v1",
            "route.enabled wants the Gateway API, which is not there .*or leave the route off",
        ),
    ],
)
def test_a_missing_part_of_the_cluster_is_named_with_how_to_get_it(missing: str, said: str) -> None:
    there = on_a_cluster(*(version for version in CLUSTER if version != missing))
    with pytest.raises(HelmFailed, match=said):
        render(*there, "--set", "route.enabled=true")
    render(*there, "--set", "route.enabled=true,checks=false")


def test_a_whole_cluster_is_content_and_no_cluster_is_not_asked() -> None:
    render(*on_a_cluster(*CLUSTER), "--set", "route.enabled=true")
    render("--set", "route.enabled=true")


def test_before_1_16_a_cluster_has_kafka_sources_of_an_older_version() -> None:
    older = [version.replace("v1/KafkaSource", "v1beta1/KafkaSource") for version in CLUSTER]
    versions = {each["apiVersion"] for each in render(*on_a_cluster(*older)).of("KafkaSource").values()}
    assert versions == {"sources.knative.dev/v1beta1"}


@pytest.mark.parametrize(
    ("profile", "said"), [("redpanda-cloud", "NAME.any.REGION"), ("cloudkarafka", "USER-commands")]
)
def test_a_profile_with_its_placeholders_is_not_installed(profile: str, said: str) -> None:
    with pytest.raises(HelmFailed, match=f"is still .*{said}.*, as the profile has it: say your"):
        render(*with_profiles(profile), *on_a_cluster(*CLUSTER))
