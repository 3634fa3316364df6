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
    ("image: {repository: 'Registry/Image'}", "image.repository is .*: it has to be the image's name, such as .*without https://, tag"),
    ("image: {tag: 'a b'}", 'image.tag is "a b": it has to be a tag'),
    ("image: {pullPolicy: Sometimes}", "at '/image/pullPolicy': value must be one of '', 'Always', 'IfNotPresent'"),
    ("imagePullSecrets: [regcred]", "at '/imagePullSecrets/0': got string, want object"),
    ("defaults: {maxScale: 0}", "at '/defaults/maxScale': minimum: got 0, want 1"),
    ("defaults: {maxScale: many}", "at '/defaults/maxScale': got string, want integer"),
    ("defaults: {window: 3s}", "defaults.window is \"3s\": it has to be from 6s, the least that Knative takes"),
    ("defaults: {timeoutSeconds: 3600}", "at '/defaults/timeoutSeconds': maximum: got 3,?600, want 600"),
    ("defaults: {resources: {limits: {memory: lots}}}", "defaults.resources.limits.memory is .*: it has to be an amount"),
    ("defaults: {resources: {limits: {gpu: 1}}}", "at '/defaults/resources/limits': additional properties 'gpu'"),
    ("queueProxy: {cpuRequest: tiny}", "queueProxy.cpuRequest is \"tiny\": it has to be an amount of processors"),
    ("functions: {create-task: {maxscale: 2}}", "at '/functions/create-task': additional properties 'maxscale'"),
    ("functions: {create-task: {minScale: 6}}", "functions.create-task: minScale 6 is above maxScale 5"),
    ("functions: {Archive_Task: {description: x, topics: [a]}}", "the function's name is \"Archive_Task\": it has to be"),
    ("functions: {shred-task: {topics: [shred-task]}}", "taskmaster has no such function, and one of your own needs a desc"),
    ("functions: {shred-task: {description: shreds}}", "functions.shred-task: nobody calls it: give it topics, routes"),
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
    ("kafka: {topics: {task-event: x}}", "kafka.topics names task-event, which is no topic of taskmaster: it has .*complete-"),
    ("kafka: {topics: {task-events: 'a b'}}", "kafka.topics.task-events is \"a b\": it has to be a topic's name"),
    ("kafka: {delivery: {retry: 0}}", "at '/kafka/delivery/retry': minimum: got 0, want 10"),
    ("kafka: {delivery: {backoffDelay: 1s}}", "backoffDelay is \"1s\": it has to be an ISO 8601 duration above none"),
    ("kafka: {replication: 0}", "at '/kafka/replication'"),
    ("kafka: {tryOut: {username: a}}", "kafka.tryOut wants both username and password"),
    ("kafka: {tryOut: {username: a, password: b}}", "kafka.tryOut.username is given, but kafka.securityProtocol is PLAINTEXT"),
    ("alarm: {enabled: 'off'}", "at '/alarm/enabled': got string, want boolean"),
    ("alarm: {scheduleWhenOff: often}", "alarm.scheduleWhenOff is \"often\": it has to be a cron schedule"),
    ("jobs: {deadlineSeconds: 1}", "at '/jobs/deadlineSeconds': minimum: got 1, want 10"),
    ("route: {hostnames: ['https://tasks.example.com']}", "route.hostnames .*it has to be a host .*without https://"),
    ("networkPolicy: {databaseCidrs: [10.0.0.1]}", "networkPolicy.databaseCidrs is \"10.0.0.1\": it has to be a network"),
    ("networkPolicy: {callers: []}", "at '/networkPolicy/callers': minItems: got 0, want 1"),
    ("image: {repository: 'registry.example.com/taskmaster:1.0'}", "image.repository is .*without https://, tag and digest"),
    ("image: {repository: 'https://registry.example.com/taskmaster'}", "image.repository is .*without https://, tag and digest"),
    ("image: {tag: 1.5}", "image.tag is the number 1.5: put it into quotes"),
    ("imagePullSecrets: [{name: My_Secret}]", "imagePullSecrets is \"My_Secret\": it has to be a Secret's name"),
    ("defaults: {window: 9999s}", "defaults.window is \"9999s\": .* to 59m"),
    ("defaults: {resources: {requests: {cpu: 2}}}", "defaults.resources asks for more cpu than it is allowed, 2 of 1"),
    ("defaults: {resources: {requests: {memory: 1Gi}}}", "asks for more memory than it is allowed, 1Gi of 256Mi"),
    ("functions: {create-task: {resources: {limits: {memory: 64Mi}}}}", "create-task.resources asks for more memory"),
    ("defaults: {resources: {limits: {memory: 256m}}}", "limits.memory is \"256m\": it has to be an amount of bytes"),
    ("defaults: {resources: {limits: {memory: 96}}}", "limits.memory is \"96\": it has to be an amount of bytes"),
    ("defaults: {resources: {limits: {cpu: 25Mi}}}", "limits.cpu is \"25Mi\": it has to be an amount of processors"),
    ("defaults: {resources: {limits: {cpu: '0'}}}", "cpu of 0 is nothing: a pod would never run"),
    ("queueProxy: {cpuLimit: 5m}", "queueProxy asks for more cpu than it is allowed, 10m of 5m"),
    ("functions: {creat-task: {maxScale: 3}}", "functions.creat-task: taskmaster has no such function, and one of your own"),
    ("functions: {1-task: {description: x, topics: [a]}}", "at most 63 lower case letters, digits and dashes, a letter first"),
    ("functions: {create-task: {routes: ['POST /tasks/{a-b}']}}", "METHOD /path, such as POST /tasks/{task_id}/complete"),
    ("functions: {create-task: {routes: ['POST /tasks/{id}/complete']}}", "POST /tasks/{id}/complete is that of complete-task already"),
    ("functions: {create-task: {routes: [POST /events]}}", "the route POST /events leads nowhere"),
    ("functions: {create-task: {secrets: [database, kafka]}}", "routes, but not identity among its secrets: nobody could"),
    ("functions: {create-task: {topics: [dead-letters]}}", "where the dead letters go: what it cannot handle would come back"),
    ("kafka: {topics: {create-task: dead-letters}}", "create-task would be called by the records of dead-letters"),
    ("functions: {create-task: {annotations: {autoscaling.knative.dev/max-scale: '50'}}}", "by the chart: say maxScale inst"),
    ("functions: {create-task: {annotations: {'a b': c}}}", "annotations is \"a b\": it has to be an annotation's name"),
    ("functions: {create-task: {settings: {OIDC_ISSUER: 'https://a'}}}", "create-task.settings.OIDC_ISSUER is given without"),
    ("functions: {dispatch-due-reminders: {timeoutSeconds: 30}}", "timeoutSeconds is 30, but one call of it waits"),
    ("functions: {dispatch-due-reminders: {alarm: false}}", "no function has alarm: true"),
    ("functions: {relay-outbox: {ticks: {'Every Hour': {schedule: '2 * * * *'}}}}", "is \"Every Hour\": it has to be lower case"),
    ("functions: {relay-outbox: {ticks: {relay-outbox: {schedule: '99 * * * *'}}}}", "\"99 \\* \\* \\* \\*\": .* a cron schedule"),
    ("alarm: {scheduleWhenOff: a b c d e}", "alarm.scheduleWhenOff is \"a b c d e\": it has to be a cron schedule"),
    ("settings: {OIDC_ISSUER: 'https://', OIDC_AUDIENCE: x}", "OIDC_ISSUER is https://: it has to be an address such as"),
    ("settings: {OIDC_JWKS_URL: 'https://a/b'}", "settings.OIDC_JWKS_URL is given without OIDC_ISSUER: say whose keys"),
    ("settings: {OIDC_USER_CLAIM: 'a b'}", "at '/settings/OIDC_USER_CLAIM'"),
    (
        "settings: {OIDC_ISSUER: 'https://a', OIDC_AUDIENCE: x, OIDC_JWKS: nonsense}",
        "settings.OIDC_JWKS is no JWK set: it has to be JSON with a list of keys",
    ),
    (
        "settings: {OIDC_ISSUER: 'https://a', OIDC_AUDIENCE: x, OIDC_JWKS: '{\"keys\": [{\"kty\": \"RSA\", \"d\": \"hunter2\"}]}'}",
        "settings.OIDC_JWKS holds a private key",
    ),
    (
        "settings: {EVENT_OIDC_ISSUER: 'https://kubernetes.default.svc', EVENT_OIDC_AUDIENCE: x}",
        "EVENT_OIDC_ISSUER is the cluster's own API, .* as EVENT_OIDC_JWKS",
    ),
    ("database: {tryOut: {url: 'postgresql://a:b@c:6432/d'}}", "tryOut.url is at port 6432, but .* database.port, 5432"),
    ("kafka: {bootstrapServers: ['redpanda:99999']}", "kafka.bootstrapServers is \"redpanda:99999\": it has to be host:port"),
    ("kafka: {sourceSecret: reader}", "kafka.sourceSecret is given, but kafka.securityProtocol is PLAINTEXT"),
    ("kafka: {ca: {key: ../x}}", "kafka.ca.key is \"../x\": it has to be a key of the Secret"),
    ("kafka: {delivery: {backoffPolicy: exponential}}", "waits up to .* hours between two attempts, .* six hours at most"),
    ("kafka: {delivery: {retry: 10}}", "gives a record up after 55 s of waits"),
    ("kafka: {delivery: {backoffDelay: PT0S}}", "backoffDelay is \"PT0S\": it has to be an ISO 8601 duration above none"),
    ("kafka: {delivery: {backoffDelay: PT}}", "backoffDelay is \"PT\": it has to be an ISO 8601 duration above none"),
    ("mail: {ports: []}", "at '/mail/ports': minItems: got 0, want 1"),
    ("route: {gateway: {name: My Gateway}}", "route.gateway.name is \"My Gateway\": it has to be lower case letters"),
    ("networkPolicy: {apiPorts: []}", "at '/networkPolicy/apiPorts': minItems: got 0, want 1"),
    ("networkPolicy: {databaseCidrs: [10.0.0.0/33]}", "databaseCidrs is \"10.0.0.0/33\": it has to be a network"),
    ("networkPolicy: {databaseCidrs: [300.0.0.0/8]}", "databaseCidrs is \"300.0.0.0/8\": it has to be a network"),
    ("networkPolicy: {internetExcept: ['fc00::/7']}", "internetExcept is \"fc00::/7\": it has to be a part of IPv4"),
    ("networkPolicy: {callers: [Knative]}", "networkPolicy.callers is \"Knative\": it has to be a namespace"),
    ("networkPolicy: {extraCallers: [{cidr: 10.0.0.0/8}]}", "additional properties 'cidr' not allowed"),
    ("networkPolicy: {extraEgress: [{}]}", "at '/networkPolicy/extraEgress/0': minProperties: got 0, want 1"),
    ("tolerations: [{operator: Equals}]", "at '/tolerations/0/operator': value must be one of 'Exists', 'Equal'"),
    ("affinity: {nodeaffinity: {}}", "additional properties 'nodeaffinity' not allowed"),
    ("labels: {app.kubernetes.io/instance: x}", "labels.app.kubernetes.io/instance is the chart's own"),
    ("labels: {team: 'a b'}", "labels.team is \"a b\": it has to be at most 63 letters"),
    *((f"{at}: null", "missing propert") for at in (
        "identity", "mail", "checks", "queueProxy", "labels", "route", "imagePullSecrets",
    )),
    *((f"{at}: {{{key}: null}}", f"at '/{at}': missing property '{key}'") for at, key in (
        ("kafka", "ca"), ("kafka", "client"), ("kafka", "topics"), ("kafka", "secret"), ("kafka", "partitions"),
        ("database", "tryOut"), ("identity", "secret"), ("mail", "secret"), ("route", "gateway"), ("route", "ingress"),
        ("route", "hostnames"), ("networkPolicy", "callers"), ("networkPolicy", "kafkaPorts"),
    )),
]  # fmt: skip


@pytest.mark.parametrize(("value", "said"), WRONG, ids=[value for value, _ in WRONG])
def test_a_wrong_value_is_refused(tmp_path: Path, value: str, said: str) -> None:
    given: dict[str, Any] = yaml.safe_load(value)
    with pytest.raises(HelmFailed) as refusal:
        render(*with_values(tmp_path, **given))
    assert re.search(said, str(refusal.value))
    assert "hunter2" not in str(refusal.value)
    assert "nil pointer" not in str(refusal.value)


def test_a_consumer_group_of_nobody_is_refused() -> None:
    """It cannot be changed once installed."""
    with pytest.raises(HelmFailed, match="consumerGroupPrefix is still USER-taskmaster-"):
        render(*with_profiles("cloudkarafka"), *on_a_cluster(*CLUSTER))


def test_an_image_of_nowhere_is_refused_on_a_cluster() -> None:
    with pytest.raises(HelmFailed, match=r"image\.repository is still taskmaster-functions, which is in no registry"):
        render(*on_a_cluster(*CLUSTER), "--set", "image.repository=taskmaster-functions")


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
