"""A wrong value is refused before anything is installed: by the schema, by a sentence of the chart, or by the functions."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.command import HelmFailed
from taskmaster.settings import WrongSetting, read
from tests.chart.conftest import needs_helm
from tests.chart.rendering import CLUSTER, on_a_cluster, render, with_profiles, with_values

pytestmark = needs_helm

# The value as it would stand in a file, and what is said of it; "..." is for whatever stands between.
WRONG = [
    ("imgae: {tag: x}", "additional properties 'imgae' not allowed"),
    ("image: {digest: 'sha256:123'}", "at '/image/digest': 'sha256:123' does not match pattern"),
    ("image: {repository: 'Registry/Image'}", "at '/image/repository': 'Registry/Image' does not match pattern"),
    ("image: {tag: 'a b'}", "at '/image/tag': 'a b' does not match pattern"),
    ("image: {pullPolicy: Sometimes}", "at '/image/pullPolicy': value must be one of '', 'Always', 'IfNotPresent'"),
    ("imagePullSecrets: [regcred]", "at '/imagePullSecrets/0': got string, want object"),
    ("defaults: {maxScale: 0}", "at '/defaults/maxScale': minimum: got 0, want 1"),
    ("defaults: {maxScale: many}", "at '/defaults/maxScale': got string, want integer"),
    ("defaults: {window: 3s}", "at '/defaults/window': '3s' does not match pattern"),
    ("defaults: {timeoutSeconds: 3600}", "at '/defaults/timeoutSeconds': maximum: got 3 ... 600, want 600"),
    ("defaults: {resources: {limits: {memory: lots}}}", "at '/defaults/resources/limits/memory': 'lots' does not match pattern"),
    ("defaults: {resources: {limits: {gpu: 1}}}", "at '/defaults/resources/limits': additional properties 'gpu'"),
    ("queueProxy: {cpuRequest: tiny}", "at '/queueProxy/cpuRequest': 'tiny' does not match pattern"),
    ("functions: {create-task: {maxscale: 2}}", "at '/functions/create-task': additional properties 'maxscale'"),
    ("functions: {create-task: {minScale: 6}}", "functions.create-task: minScale 6 is above maxScale 5"),
    ("functions: {Archive_Task: {description: x, topics: [a]}}", "at '/functions': additional properties 'Archive_Task' not allowed"),
    ("functions: {shred-task: {topics: [shred-task]}}", "at '/functions/shred-task': missing property 'description'"),
    ("functions: {shred-task: {description: shreds}}", "at '/functions/shred-task': 'anyOf' failed ... missing property 'topics' ... missing property 'routes' ... missing property 'ticks'"),
    ("functions: {create-task: {routes: [/tasks]}}", "at '/functions/create-task/routes/0': '/tasks' does not match pattern"),
    ("functions: {create-task: {routes: ['POST /tasks/{id}/*']}}", "at '/functions/create-task/routes/0': 'POST /tasks/{id}/*' does not match pattern"),
    ("functions: {create-task: {routes: [PATCH /tasks/*]}}", "functions.update-task: create-task already has the route PATCH /tasks/*"),
    ("functions: {create-task: {visibility: private}}", "at '/functions/create-task/visibility': value must be one of"),
    ("functions: {create-task: {visibility: cluster-local}}", "at '/functions/create-task/visibility': value must be 'public'"),
    ("functions: {create-task: {ordering: sorted}}", "value must be one of 'ordered', 'unordered'"),
    ("functions: {create-task: {secrets: [owner]}}", "value must be one of 'database', 'kafka', 'identity', 'mail'"),
    ("functions: {create-task: {topics: [a b]}}", "at '/functions/create-task/topics/0': 'a b' does not match pattern"),
    ("functions: {create-task: {alarm: true, timeoutSeconds: 300}}", "create-task and dispatch-due-reminders have alarm: true, but one function alone may set"),
    ("functions: {create-task: {ticks: {relay-outbox: {schedule: '2 * * * *'}}}}", "functions.relay-outbox: create-task already has a PingSource relay-outbox"),
    ("functions: {relay-outbox: {ticks: {relay-outbox: {schedule: hourly}}}}", "at '/functions/relay-outbox/ticks/relay-outbox/schedule': 'hourly' does not match pattern"),
    ("functions: {create-task: {settings: {DATABASE_URL: x}}}", "at '/functions/create-task/settings': additional properties 'DATABASE_URL' not allowed"),
    ("functions: {park-dead-letter: null}", "at '/functions': missing property 'park-dead-letter'"),
    ("settings: {LOG_LEVLE: INFO}", "at '/settings': additional properties 'LOG_LEVLE' not allowed"),
    ("settings: {LOG_LEVEL: LOUD}", "at '/settings/LOG_LEVEL': value must be one of '', 'DEBUG', 'INFO'"),
    ("settings: {DATABASE_POOL_SIZE: 1000}", "at '/settings/DATABASE_POOL_SIZE': maximum: got 1 ... 000, want 64"),
    ("settings: {KAFKA_SASL_PASSWORD: hunter2}", "at '/settings': additional properties 'KAFKA_SASL_PASSWORD' not allowed"),
    ("settings: {SMTP_URL: 'smtp://a:b@c'}", "at '/settings': additional properties 'SMTP_URL' not allowed"),
    ("settings: {KAFKA_TOPICS: '{}'}", "at '/settings': additional properties 'KAFKA_TOPICS' not allowed"),
    ("settings: {DEV_TOKEN_SECRET: x}", "at '/settings': additional properties 'DEV_TOKEN_SECRET' not allowed"),
    ("settings: {CLOCK_OFFSET_FILE: /tmp/x}", "at '/settings': additional properties 'CLOCK_OFFSET_FILE' not allowed"),
    ("database: {secret: ''}", "at '/database/secret': minLength: got 0, want 1"),
    ("database: {port: '5432'}", "at '/database/port': got string, want integer"),
    ("database: {secret: My_Secret}", "at '/database/secret': 'My_Secret' does not match pattern"),
    ("database: {tryOut: {url: 'postgresql://a:b@c/d'}}", "at '/database/tryOut/systemUrl': minLength: got 0, want 1 ... at '/database/tryOut/ownerUrl': minLength: got 0, want 1"),
    ("database: {tryOut: {url: 'mysql://a:hunter2@c/d', systemUrl: 'postgresql://a:b@c/d', ownerUrl: 'postgresql://a:b@c/d'}}", "database.tryOut.url is not the URL of a database: write postgresql://USER:PASSWORD@HOST/DATABASE"),
    ("kafka: {bootstrapServers: []}", "at '/kafka/bootstrapServers': minItems: got 0, want 1"),
    ("kafka: {bootstrapServers: [redpanda]}", "at '/kafka/bootstrapServers/0': 'redpanda' does not match pattern"),
    ("kafka: {bootstrapServers: 'redpanda:9092'}", "at '/kafka/bootstrapServers': got string, want array"),
    ("kafka: {securityProtocol: TLS}", "value must be one of 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'"),
    ("kafka: {securityProtocol: SASL_SSL}", "at '/kafka/saslMechanism': value must be one of 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'"),
    ("kafka: {saslMechanism: PLAIN}", "at '/kafka/securityProtocol': value must be one of 'SASL_PLAINTEXT', 'SASL_SSL'"),
    ("kafka: {securityProtocol: SASL_SSL, saslMechanism: PLAIN, secret: ''}", "at '/kafka/secret': minLength: got 0, want 1"),
    ("kafka: {ca: {secret: my-ca}}", "at '/kafka/securityProtocol': value must be one of 'SSL', 'SASL_SSL'"),
    ("kafka: {client: {secret: me}}", "at '/kafka/securityProtocol': value must be one of 'SSL', 'SASL_SSL'"),
    ("kafka: {topics: {task-event: x}}", "kafka.topics.task-event: there is no topic of this name. The topics are ... complete-task, create-task"),
    ("kafka: {topics: {task-events: 'a b'}}", "at '/kafka/topics/task-events': 'a b' does not match pattern"),
    ("kafka: {delivery: {retry: 0}}", "at '/kafka/delivery/retry': minimum: got 0, want 10"),
    ("kafka: {delivery: {backoffDelay: 1s}}", "at '/kafka/delivery/backoffDelay': '1s' does not match pattern"),
    ("kafka: {replication: 0}", "at '/kafka/replication'"),
    ("kafka: {tryOut: {username: a}}", "at '/kafka/tryOut/password': minLength: got 0, want 1"),
    ("kafka: {tryOut: {username: a, password: b}}", "at '/kafka/securityProtocol': value must be one of 'SASL_PLAINTEXT', 'SASL_SSL'"),
    ("dapr: {broker: nats}", "at '/dapr/broker': value must be one of '', 'kafka', 'redis'"),
    ("dapr: {broker: redis, redis: {host: redis}}", "at '/dapr/redis/host': 'redis' does not match pattern"),
    ("dapr: {image: 'daprio/daprd latest'}", "at '/dapr/image': 'daprio/daprd latest' does not match pattern"),
    ("dapr: {apiTokenSecret: ''}", "at '/dapr/apiTokenSecret': minLength: got 0, want 1"),
    ("dapr: {broker: redis, secretStore: vault}", "dapr.secretStore needs dapr.operator"),
    ("dapr: {jobs: {enabled: true}}", "dapr.jobs.enabled is true, but dapr.broker is empty"),
    ("dapr: {operator: true}", "dapr.operator is true, but dapr.broker is empty"),
    ("dapr: {broker: kafka, appTokenSecret: taskmaster-dapr-api-token}", "dapr.apiTokenSecret and dapr.appTokenSecret are the same"),
    ("{dapr: {broker: redis}, kafka: {securityProtocol: SSL}}", "dapr.broker is redis, but kafka has a user or TLS"),
    ("dapr: {resources: {requests: {memory: 1Gi}}}", "dapr.resources requests 1Gi of memory, above its limit of 256Mi"),
    ("dapr: null", "missing propert"),
    ("settings: {TRANSPORT: dapr}", "at '/settings': additional properties 'TRANSPORT' not allowed"),
    ("settings: {REDIS_URL: 'redis://:hunter2@r'}", "at '/settings': additional properties 'REDIS_URL' not allowed"),
    ("alarm: {enabled: 'off'}", "at '/alarm/enabled': got string, want boolean"),
    ("alarm: {scheduleWhenOff: often}", "at '/alarm/scheduleWhenOff': 'often' does not match pattern"),
    ("jobs: {deadlineSeconds: 1}", "at '/jobs/deadlineSeconds': minimum: got 1, want 10"),
    ("route: {hostnames: ['https://tasks.example.com']}", "at '/route/hostnames/0': 'https://tasks.example.com' does not match pattern"),
    ("networkPolicy: {databaseCidrs: [10.0.0.1]}", "at '/networkPolicy/databaseCidrs/0': '10.0.0.1' does not match pattern"),
    ("networkPolicy: {callers: []}", "at '/networkPolicy/callers': minItems: got 0, want 1"),
    ("image: {repository: 'registry.example.com/taskmaster:1.0'}", "at '/image/repository': 'registry.example.com/taskmaster:1.0' does not match pattern"),
    ("image: {repository: 'https://registry.example.com/taskmaster'}", "at '/image/repository': 'https://registry.example.com/taskmaster' does not match pattern"),
    ("image: {tag: 1.5}", "at '/image/tag': got number, want string"),
    ("imagePullSecrets: [{name: My_Secret}]", "at '/imagePullSecrets/0/name': 'My_Secret' does not match pattern"),
    ("defaults: {window: 9999s}", "at '/defaults/window': '9999s' does not match pattern"),
    ("defaults: {resources: {requests: {cpu: 2}}}", "defaults.resources requests 2 of cpu, above its limit of 1"),
    ("defaults: {resources: {requests: {memory: 1Gi}}}", "defaults.resources requests 1Gi of memory, above its limit of 256Mi"),
    ("functions: {create-task: {resources: {limits: {memory: 64Mi}}}}", "functions.create-task.resources requests 96Mi of memory, above its limit of 64Mi"),
    ("defaults: {resources: {limits: {memory: 256m}}}", "at '/defaults/resources/limits/memory': '256m' does not match pattern"),
    ("defaults: {resources: {limits: {memory: 96}}}", "at '/defaults/resources/limits/memory': got number, want string"),
    ("defaults: {resources: {limits: {cpu: 25Mi}}}", "at '/defaults/resources/limits/cpu': '25Mi' does not match pattern"),
    ("defaults: {resources: {limits: {cpu: '0'}}}", "at '/defaults/resources/limits/cpu': '0' does not match pattern"),
    ("queueProxy: {cpuLimit: 5m}", "queueProxy requests 10m of cpu, above its limit of 5m"),
    ("functions: {creat-task: {maxScale: 3}}", "at '/functions/creat-task': missing property 'description'"),
    ("functions: {1-task: {description: x, topics: [a]}}", "at '/functions': additional properties '1-task' not allowed"),
    ("functions: {create-task: {routes: ['POST /tasks/{a-b}']}}", "at '/functions/create-task/routes/0': 'POST /tasks/{a-b}' does not match pattern"),
    ("functions: {create-task: {routes: ['POST /tasks/{id}/complete']}}", "functions.create-task: complete-task already has the route POST /tasks/{id}/complete"),
    ("functions: {create-task: {routes: [POST /events]}}", "functions.create-task: nobody could call the route POST /events"),
    ("functions: {create-task: {secrets: [database, kafka]}}", "at '/functions/create-task/secrets': no items match contains schema ... value must be 'identity'"),
    ("functions: {create-task: {topics: [dead-letters]}}", "functions.create-task would receive the records of dead-letters ... Give its topic dead-letters another name"),
    ("kafka: {topics: {create-task: dead-letters}}", "functions.create-task would receive the records of dead-letters ... Give its topic create-task another name"),
    ("functions: {create-task: {annotations: {autoscaling.knative.dev/max-scale: '50'}}}", "autoscaling.knative.dev/max-scale: the chart sets this annotation. Set maxScale instead"),
    ("functions: {create-task: {annotations: {'a b': c}}}", "at '/functions/create-task/annotations': additional properties 'a b' not allowed"),
    ("functions: {dispatch-due-reminders: {timeoutSeconds: 30}}", "at '/functions/dispatch-due-reminders/timeoutSeconds': minimum: got 30, want 241"),
    ("functions: {dispatch-due-reminders: {alarm: false}}", "no function has alarm: true"),
    ("functions: {relay-outbox: {ticks: {'Every Hour': {schedule: '2 * * * *'}}}}", "at '/functions/relay-outbox/ticks': additional properties 'Every Hour' not allowed"),
    ("functions: {relay-outbox: {ticks: {relay-outbox: {schedule: '99 * * * *'}}}}", "at '/functions/relay-outbox/ticks/relay-outbox/schedule': '99 * * * *' does not match pattern"),
    ("alarm: {scheduleWhenOff: a b c d e}", "at '/alarm/scheduleWhenOff': 'a b c d e' does not match pattern"),
    ("settings: {OIDC_USER_CLAIM: 'a b'}", "at '/settings/OIDC_USER_CLAIM'"),
    ("settings: {EVENT_OIDC_ISSUER: 'https://kubernetes.default.svc', EVENT_OIDC_AUDIENCE: x}", "at '/settings': missing property 'EVENT_OIDC_JWKS'"),
    ("database: {tryOut: {url: 'postgresql://a:b@c:6432/d', systemUrl: 'postgresql://a:b@c/d', ownerUrl: 'postgresql://a:b@c/d'}}", "tryOut.url has port 6432, but the network policies allow database.port, 5432: use the same port in both"),
    ("kafka: {bootstrapServers: ['redpanda:99999']}", "at '/kafka/bootstrapServers/0': 'redpanda:99999' does not match pattern"),
    ("kafka: {sourceSecret: reader}", "at '/kafka/securityProtocol': value must be one of 'SASL_PLAINTEXT', 'SASL_SSL'"),
    ("kafka: {ca: {key: ../x}}", "at '/kafka/ca/key': '../x' does not match pattern"),
    ("kafka: {delivery: {backoffPolicy: exponential}}", "kafka.delivery waits up to ... hours between two attempts ... Use at most six hours"),
    ("kafka: {delivery: {retry: 10}}", "kafka.delivery retries a record for 55 s in all ... Use at least ten minutes"),
    ("kafka: {delivery: {backoffDelay: PT0S}}", "at '/kafka/delivery/backoffDelay': 'PT0S' does not match pattern"),
    ("kafka: {delivery: {backoffDelay: PT}}", "at '/kafka/delivery/backoffDelay': 'PT' does not match pattern"),
    ("mail: {ports: []}", "at '/mail/ports': minItems: got 0, want 1"),
    ("route: {gateway: {name: My Gateway}}", "at '/route/gateway/name': 'My Gateway' does not match pattern"),
    ("networkPolicy: {apiPorts: []}", "at '/networkPolicy/apiPorts': minItems: got 0, want 1"),
    ("networkPolicy: {databaseCidrs: [10.0.0.0/33]}", "at '/networkPolicy/databaseCidrs/0': '10.0.0.0/33' does not match pattern"),
    ("networkPolicy: {databaseCidrs: [300.0.0.0/8]}", "at '/networkPolicy/databaseCidrs/0': '300.0.0.0/8' does not match pattern"),
    ("networkPolicy: {internetExcept: ['fc00::/7']}", "at '/networkPolicy/internetExcept/0': 'fc00::/7' does not match pattern"),
    ("networkPolicy: {callers: [Knative]}", "at '/networkPolicy/callers/0': 'Knative' does not match pattern"),
    ("networkPolicy: {extraCallers: [{cidr: 10.0.0.0/8}]}", "additional properties 'cidr' not allowed"),
    ("networkPolicy: {extraEgress: [{}]}", "at '/networkPolicy/extraEgress/0': minProperties: got 0, want 1"),
    ("tolerations: [{operator: Equals}]", "at '/tolerations/0/operator': value must be one of 'Exists', 'Equal'"),
    ("affinity: {nodeaffinity: {}}", "additional properties 'nodeaffinity' not allowed"),
    ("labels: {app.kubernetes.io/instance: x}", "labels.app.kubernetes.io/instance: Helm and the network policies find the chart's objects by this label"),
    ("labels: {team: 'a b'}", "at '/labels/team': 'a b' does not match pattern"),
    ("functions: {create-task: {server: gunicorn}}", "at '/functions/create-task/server': value must be one of 'waitress', 'functions-framework'"),
    ("defaults: {server: flask}", "at '/defaults/server': value must be one of 'waitress', 'functions-framework'"),
    ("functions: {park-dead-letter: {server: functions-framework}}", "at '/functions/park-dead-letter/server': value must be 'waitress'"),
    ("functions: {park-dead-letter: {server: null}}", "at '/functions/park-dead-letter': missing property 'server'"),
    ("settings: {OIDC_ISSUER: x, OIDC_JWKS_URL: 'https://kubernetes.default.svc/openid/v1/jwks'}", "at '/settings': missing property 'OIDC_JWKS'"),
    ("labels: {'a b': x}", "at '/labels': additional properties 'a b' not allowed"),
    ("alarm: {scheduleWhenOff: '0 24 * * *'}", "at '/alarm/scheduleWhenOff': '0 24 * * *' does not match pattern"),
    ("alarm: {scheduleWhenOff: '0 0 0 32 * *'}", "at '/alarm/scheduleWhenOff': '0 0 0 32 * *' does not match pattern"),
    ("defaults: {resources: {requests: {cpu: 0}}}", "at '/defaults/resources/requests/cpu': exclusiveMinimum: got 0, want 0"),
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
    assert re.search(".*".join(map(re.escape, said.split(" ... "))), str(refusal.value), re.DOTALL), refusal.value
    assert "hunter2" not in str(refusal.value)
    assert "nil pointer" not in str(refusal.value)


# What the functions refuse by themselves, so that the chart does not: first the Job that migrates, before anything else.
REFUSED_AT_START = [
    ({"OIDC_ISSUER": "http://id.identity:8080", "OIDC_AUDIENCE": "x"}, "OIDC_ISSUER is wrong: it must be an https address"),
    ({"OIDC_ISSUER": "https://", "OIDC_AUDIENCE": "x"}, "OIDC_ISSUER is wrong: it must be an https address"),
    ({"OIDC_ISSUER": "https://a"}, "OIDC_AUDIENCE is not set, but OIDC_ISSUER is"),
    ({"OIDC_AUDIENCE": "x"}, "OIDC_ISSUER is not set, but OIDC_AUDIENCE or its keys are"),
    ({"OIDC_JWKS_URL": "https://a/b"}, "OIDC_ISSUER is not set, but OIDC_AUDIENCE or its keys are"),
    (
        {"OIDC_ISSUER": "http://a", "OIDC_AUDIENCE": "x", "OIDC_JWKS_URL": "http://keys.example.com/x.svc/"},
        "OIDC_JWKS_URL is wrong: it must be an https address",
    ),
    (
        {"OIDC_ISSUER": "a", "OIDC_AUDIENCE": "x", "OIDC_JWKS_URL": "https://a/b", "OIDC_JWKS": '{"keys": [{"kty": "EC"}]}'},
        "OIDC_JWKS_URL and OIDC_JWKS are both set",
    ),
    ({"OIDC_ISSUER": "a", "OIDC_AUDIENCE": "x", "OIDC_JWKS": "nonsense"}, "OIDC_JWKS is wrong: it must be a JWK set"),
    (
        {"OIDC_ISSUER": "a", "OIDC_AUDIENCE": "x", "OIDC_JWKS": '{"keys": [{"kty": "RSA", "d": "hunter2"}]}'},
        "OIDC_JWKS is wrong: it holds a private key",
    ),
    ({"EVENT_OIDC_REQUIRED": True}, "EVENT_OIDC_ISSUER is not set, but EVENT_OIDC_REQUIRED is"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "said"), REFUSED_AT_START, ids=[said for _, said in REFUSED_AT_START])
def test_the_functions_refuse_what_they_are_given_by_the_chart(
    tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    rendered = render(*with_values(tmp_path, settings=given))
    with pytest.raises(WrongSetting) as refusal:
        read(rendered.settings())
    assert said in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
    # The Jobs are hooks, and read the same settings: a release with these is not installed.
    assert rendered.of("ConfigMap")["taskmaster-setup"]["data"] == rendered.settings()


def test_a_function_refuses_settings_of_its_own(tmp_path: Path) -> None:
    rendered = render(*with_values(tmp_path, functions={"create-task": {"settings": {"OIDC_ISSUER": "https://a"}}}))
    [container] = rendered.of("Service")["create-task"]["spec"]["template"]["spec"]["containers"]
    own = {each["name"]: each["value"] for each in container["env"]}
    with pytest.raises(WrongSetting, match="OIDC_AUDIENCE is not set, but OIDC_ISSUER is"):
        read({**rendered.settings(), **own})


def test_a_consumer_group_of_nobody_is_refused() -> None:
    """It cannot be changed once installed."""
    with pytest.raises(HelmFailed, match="consumerGroupPrefix is still USER-taskmaster-"):
        render(*with_profiles("cloudkarafka"), *on_a_cluster(*CLUSTER))


def test_an_image_of_nowhere_is_refused_on_a_cluster() -> None:
    with pytest.raises(HelmFailed, match=r"image\.repository is still taskmaster-functions, which no registry has"):
        render(*on_a_cluster(*CLUSTER), "--set", "image.repository=taskmaster-functions")


def test_several_faults_are_told_at_once(tmp_path: Path) -> None:
    wrong = with_values(tmp_path, defaults={"window": "1s"}, image={"digest": "x"}, kafka={"partitions": 0})
    with pytest.raises(HelmFailed) as of_the_schema:
        render(*wrong)
    assert str(of_the_schema.value).count("\n- at ") == 3
    unfit = with_values(
        tmp_path, defaults={"minScale": 7}, kafka={"topics": {"x": "other"}}, labels={"helm.sh/chart": "x"}
    )
    with pytest.raises(HelmFailed) as of_the_chart:
        render(*unfit)
    assert {"functions.create-task:", "kafka.topics.x:", "labels.helm.sh/chart:"} <= set(
        str(of_the_chart.value).split()
    )


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
            "route.enabled needs the Gateway API, which is not there .*or set it to false",
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
    with pytest.raises(HelmFailed, match=f"is still .*{said}.*, as the profile has it: set your"):
        render(*with_profiles(profile), *on_a_cluster(*CLUSTER))
