"""Dapr as the transport: one bridge in the place of the KafkaSources, with and without Dapr's operator."""

import contextlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
import requests
import yaml

from helm.command import HelmFailed
from taskmaster import settings
from taskmaster.broker import transports
from taskmaster.events import routes
from taskmaster.settings import BROKER, TOPICS
from tests.chart.conftest import needs_helm, notes
from tests.chart.rendering import (
    BROKERS,
    CLUSTER,
    PLATFORMS,
    TRANSPORTS,
    Manifest,
    Rendered,
    faults,
    on_a_cluster,
    render,
    with_profiles,
    with_values,
)
from tests.support import dapr, grpc_call
from tests.support.brokers import Kafka

pytestmark = needs_helm

KAFKA_BROKERS = [("dapr-kafka", broker) for broker in BROKERS]
COMBINATIONS = [*((name,) for name in TRANSPORTS), *KAFKA_BROKERS, *itertools.product(PLATFORMS, TRANSPORTS)]
MAILBOXES = {**{name: name for name in routes.MAILBOXES}, "send-reminder": routes.REMINDERS}
BRIDGE = "taskmaster-bridge"


def resources(rendered: Rendered) -> dict[str, Manifest]:
    """What daprd reads, by name, but for its configuration: objects of the cluster, or files of a ConfigMap."""
    found = [each for each in rendered.manifests if each["apiVersion"].startswith("dapr.io/")]
    if config := rendered.of("ConfigMap").get(BRIDGE):
        found += yaml.safe_load_all(config["data"]["components.yaml"])
        found.append(yaml.safe_load(config["data"]["resiliency.yaml"]))  # alone in its file, or daprd passes it over
    return {each["metadata"]["name"]: each for each in found if each["kind"] != "Configuration"}


def configuration(rendered: Rendered) -> Manifest:
    """What callers of daprd may do."""
    if config := rendered.of("ConfigMap").get(BRIDGE):
        found: Manifest = yaml.safe_load(config["data"]["config.yaml"])
        return found
    return rendered.of("Configuration")[BRIDGE]


def allowed(spec: Manifest) -> dict[str, list[str]]:
    """By protocol. daprd lets its callers do everything by one for which no rule is there."""
    rules = spec["api"]["allowed"]
    return {protocol: [each["name"] for each in rules if each["protocol"] == protocol] for protocol in ("http", "grpc")}


def metadata(component: Manifest) -> dict[str, Any]:
    """The settings of a Component; of a secret the reference."""
    return {each["name"]: each.get("value", each.get("secretKeyRef")) for each in component["spec"]["metadata"]}


def containers(rendered: Rendered) -> dict[str, Manifest]:
    pod = rendered.of("Deployment")[BRIDGE]["spec"]["template"]["spec"]
    return {each["name"]: each for each in pod["containers"]}


def probes(rendered: Rendered) -> tuple[Manifest, Manifest]:
    daprd = containers(rendered)["daprd"]
    return daprd["readinessProbe"], daprd["livenessProbe"]


def variables(container: Manifest) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


@pytest.fixture(params=TRANSPORTS)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return render(*with_profiles(request.param))


@pytest.mark.parametrize("profiles", COMBINATIONS, ids="+".join)
@pytest.mark.parametrize("operator", ["true", "false"])
def test_the_api_servers_take_it(profiles: tuple[str, ...], operator: str) -> None:
    more = ("--set", f"dapr.operator={operator}", "--set", "dapr.jobs.enabled=true", "--set", "route.enabled=true")
    made = render(*with_profiles(*profiles), *more)
    assert [fault for manifest in made.manifests for fault in faults(manifest)] == []
    of_dapr = [*resources(made).values(), configuration(made)]
    assert [fault for manifest in of_dapr for fault in faults(manifest)] == []
    assert made.of("KafkaSource") == {}


def test_each_function_has_a_component_with_its_own_group(rendered: Rendered) -> None:
    components = {name: metadata(each) for name, each in resources(rendered).items() if name.startswith("pubsub")}
    groups = {name: each.get("consumerGroup") or each["consumerID"] for name, each in components.items()}
    assert groups == {"pubsub": "bridge", **{f"pubsub-{each}": f"taskmaster-{each}" for each in MAILBOXES}}


def test_only_the_bridge_may_use_what_daprd_reads(rendered: Rendered) -> None:
    for each in resources(rendered).values():
        assert each["scopes"] == ["bridge"]


def test_callers_of_daprd_may_publish_and_little_else(rendered: Rendered) -> None:
    spec = configuration(rendered)["spec"]
    assert allowed(spec) == {"http": ["publish"], "grpc": ["publish"]}
    denied = {each["storeName"]: each["defaultAccess"] for each in spec["secrets"]["scopes"]}
    assert denied == {"envs": "deny", "kubernetes": "deny"}
    chosen = ("--set", "dapr.operator=true", "--set", "dapr.jobs.enabled=true", "--set", "dapr.secretStore=kubernetes")
    spec = configuration(render(*with_profiles("dapr-kafka"), *chosen))["spec"]
    assert allowed(spec) == {"http": ["publish", "jobs", "secrets"], "grpc": ["publish"]}
    assert [each["storeName"] for each in spec["secrets"]["scopes"]] == ["envs"]


def test_no_delivery_ends_before_the_inbox_says_so(rendered: Rendered) -> None:
    spec = resources(rendered)["mailboxes"]["spec"]
    assert spec["policies"]["retries"]["again"]["maxRetries"] == -1
    assert spec["targets"]["components"].keys() == {f"pubsub-{function}" for function in MAILBOXES}


def test_a_mailbox_on_redis_is_read_in_order_unless_it_need_not_be() -> None:
    found = resources(render(*with_profiles("dapr-redis")))
    at_once = {name: int(metadata(each)["concurrency"]) for name, each in found.items() if name.startswith("pubsub-")}
    unordered = {"pubsub-dispatch-due-reminders", "pubsub-send-reminder"}
    assert {name for name, count in at_once.items() if count > 1} == unordered
    assert all(int(metadata(found[name])["poolSize"]) > count for name, count in at_once.items())


def test_functions_know_the_bridge_and_no_broker(rendered: Rendered) -> None:
    read = settings.read({**rendered.settings(), "DATABASE_URL": "postgresql://a:b@c/d"}, needs=(BROKER,))
    assert (read.transport, read.dapr_url) == ("dapr", f"http://{BRIDGE}:3500")
    for name in ("create-task", "park-dead-letter"):
        [container] = rendered.of("Service")[name]["spec"]["template"]["spec"]["containers"]
        token = {"secretKeyRef": {"name": "taskmaster-dapr-api-token", "key": "token"}}
        assert variables(container)["DAPR_API_TOKEN"] == token
        assert "kafka" not in str(container["envFrom"])
    [page] = rendered.of("Service")["show-page"]["spec"]["template"]["spec"]["containers"]
    assert "DAPR_API_TOKEN" not in variables(page)


def test_the_bridge_is_one_pod_at_a_time_with_its_own_account(rendered: Rendered) -> None:
    spec = rendered.of("Deployment")[BRIDGE]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert spec["template"]["spec"]["serviceAccountName"] in rendered.of("ServiceAccount")
    [port] = rendered.of("Service")[BRIDGE]["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (3500, 3500)
    assert rendered.of("Service")[BRIDGE]["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()


def test_the_bridge_has_the_tokens_both_ways(rendered: Rendered) -> None:
    both = containers(rendered)
    app = {"secretKeyRef": {"name": "taskmaster-dapr-app-token", "key": "token"}}
    assert both["bridge"]["command"] == ["python", "-m", "taskmaster.bridge"]
    assert variables(both["bridge"])["APP_API_TOKEN"] == variables(both["daprd"])["APP_API_TOKEN"] == app
    assert variables(both["daprd"])["DAPR_API_TOKEN"]["secretKeyRef"]["name"] == "taskmaster-dapr-api-token"
    assert "DAPR_API_TOKEN" not in variables(both["bridge"])


def test_a_daprd_that_hangs_gets_no_calls_and_is_started_anew(rendered: Rendered) -> None:
    readiness, liveness = probes(rendered)
    assert readiness["httpGet"] == liveness["httpGet"] == {"path": "/v1.0/healthz", "port": 3500}
    patience = [probe["periodSeconds"] * probe.get("failureThreshold", 3) for probe in (readiness, liveness)]
    assert patience[0] < patience[1], "first no more calls, then the restart"
    assert liveness["terminationGracePeriodSeconds"] < 10, "it does not hear that it shall end"


def test_with_the_operator_annotations_take_the_place_of_the_container() -> None:
    made = render(*with_profiles("dapr-redis"), "--set", "dapr.operator=true", "--set", "dapr.jobs.enabled=true")
    assert containers(made).keys() == {"bridge"}
    annotations = made.of("Deployment")[BRIDGE]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["dapr.io/enabled"] == "true"
    assert (annotations["dapr.io/app-id"], annotations["dapr.io/app-port"]) == ("bridge", "8080")
    assert annotations["dapr.io/api-token-secret"] == "taskmaster-dapr-api-token"
    assert annotations["dapr.io/app-token-secret"] == "taskmaster-dapr-app-token"
    assert annotations["dapr.io/sidecar-memory-limit"] == "256Mi"
    assert metadata(made.of("Component")["pubsub"])["redisPassword"] == {
        "name": "taskmaster-redis", "key": "REDIS_PASSWORD",
    }  # fmt: skip
    assert "auth" not in made.of("Component")["pubsub"]
    assert "envs" not in made.of("Component")


@pytest.mark.parametrize(
    ("profiles", "secrets"),
    [
        (("dapr-redis",), {"REDIS_PASSWORD": "taskmaster-redis"}),
        (("dapr-kafka", "plain"), {}),
        (
            ("dapr-kafka", "redpanda-cloud"),
            {"KAFKA_SASL_USERNAME": "taskmaster-kafka", "KAFKA_SASL_PASSWORD": "taskmaster-kafka"},
        ),
        (
            ("dapr-kafka", "strimzi"),
            {"ca.crt": "my-cluster-cluster-ca-cert", "user.crt": "taskmaster", "user.key": "taskmaster"},
        ),
    ],
)
def test_a_secret_of_a_component_is_in_daprds_environment(profiles: tuple[str, ...], secrets: dict[str, str]) -> None:
    """By the very variable that the Component names."""
    made = render(*with_profiles(*profiles))
    given = variables(containers(made)["daprd"])
    for name, each in resources(made).items():
        if not name.startswith("pubsub"):
            continue
        assert each["auth"] == {"secretStore": "envs"}
        asked = [value for value in metadata(each).values() if isinstance(value, dict)]
        refs = [given[value["key"]]["secretKeyRef"] for value in asked]
        assert {ref["key"]: ref["name"] for ref in refs} == secrets
        assert all(value["name"] == value["key"] for value in asked)


def test_the_sources_user_reads_and_the_functions_user_writes(tmp_path: Path) -> None:
    kafka = {"securityProtocol": "SASL_SSL", "saslMechanism": "SCRAM-SHA-512", "sourceSecret": "reader"}
    found = resources(render(*with_profiles("dapr-kafka"), *with_values(tmp_path, kafka=kafka)))
    assert metadata(found["pubsub"])["saslPassword"]["key"] == "SECRET_TASKMASTER_KAFKA_KAFKA_SASL_PASSWORD"
    assert metadata(found["pubsub-create-task"])["saslPassword"]["key"] == "SECRET_READER_KAFKA_SASL_PASSWORD"
    assert metadata(found["pubsub"])["saslMechanism"] == "SHA-512"
    assert "disableTls" not in metadata(found["pubsub"])


def test_a_job_of_daprs_is_the_alarm_if_it_shall_be(rendered: Rendered) -> None:
    assert "reminder-alarm" in rendered.of("PingSource")
    profile = "dapr-redis" if "redis" in str(resources(rendered)["pubsub"]) else "dapr-kafka"
    made = render(*with_profiles(profile), "--set", "dapr.jobs.enabled=true")
    assert made.settings()["REMINDER_ALARM"] == "dapr-jobs"
    assert "reminder-alarm" not in made.of("PingSource")
    assert made.of("Role") == {}
    assert "relay-outbox" in made.of("PingSource"), "what finds a missed reminder"
    service = made.of("Service")["dispatch-due-reminders"]["spec"]["template"]["spec"]
    assert service["automountServiceAccountToken"] is False
    assert any(each.startswith("--scheduler-host-address=") for each in containers(made)["daprd"]["command"])


def test_old_records_on_redis_are_deleted_by_a_cronjob() -> None:
    made = render(*with_profiles("dapr-redis"))
    pod = made.of("CronJob")["taskmaster-topics"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    given = {**made.settings(), "REDIS_URL": "redis://:x@redis-master.redis:6379/0"}
    assert settings.read(given, needs=(TOPICS,)).redis_address == "redis-master.redis:6379"
    assert variables(container)["REDIS_URL"] == {"secretKeyRef": {"name": "taskmaster-redis", "key": "REDIS_URL"}}
    assert "taskmaster-topics" not in made.of("Job"), "a stream makes itself"
    open_one = render(*with_profiles("dapr-redis"), "--set", "dapr.redis.secret=", "--set", "dapr.redis.tls=true")
    spec = open_one.of("CronJob")["taskmaster-topics"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert variables(spec["containers"][0])["REDIS_URL"] == "rediss://redis-master.redis:6379/0"
    assert metadata(resources(open_one)["pubsub"])["enableTLS"] == "true"


def test_topics_on_kafka_are_made_and_read_as_without_dapr() -> None:
    made = render(*with_profiles("dapr-kafka", "redpanda-cloud"))
    assert "taskmaster-topics" in made.of("Job")
    sasl = {"KAFKA_SASL_USERNAME": "a", "KAFKA_SASL_PASSWORD": "b", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}
    assert settings.read({**made.settings(), **sasl}, needs=(TOPICS,)).kafka_bootstrap_servers


def test_functions_may_go_to_the_bridge_and_the_bridge_to_the_broker(rendered: Rendered) -> None:
    policies = rendered.of("NetworkPolicy")
    assert "taskmaster-to-kafka" not in policies
    [rule] = policies["taskmaster-to-bridge"]["spec"]["egress"]
    assert rule["ports"] == [{"port": 3500}]
    labels = rendered.of("Deployment")[BRIDGE]["spec"]["template"]["metadata"]["labels"]
    assert rule["to"][0]["podSelector"]["matchLabels"].items() <= labels.items()
    bridge = policies[BRIDGE]["spec"]
    [ingress] = bridge["ingress"]
    assert ingress["ports"] == [{"port": 3500}]
    [broker_port] = bridge["egress"][1]["ports"]
    assert broker_port["port"] in (9092, 6379)
    namespaces = bridge["egress"][2]["to"][0]["namespaceSelector"]["matchExpressions"][0]["values"]
    assert {"knative-serving", "kourier-system"} <= set(namespaces)


def test_the_token_of_an_event_is_the_bridges_account(tmp_path: Path) -> None:
    issuer = {
        "EVENT_OIDC_ISSUER": "https://kubernetes.default.svc",
        "EVENT_OIDC_AUDIENCE": "taskmaster",
        "EVENT_OIDC_JWKS": '{"keys": [{}]}',
    }
    made = render(*with_profiles("dapr-kafka"), *with_values(tmp_path, settings=issuer))
    volumes = {each["name"]: each for each in made.of("Deployment")[BRIDGE]["spec"]["template"]["spec"]["volumes"]}
    [token] = volumes["event-token"]["projected"]["sources"]
    assert token["serviceAccountToken"] == {"path": "token", "audience": "taskmaster"}
    assert variables(containers(made)["bridge"])["EVENT_TOKEN_FILE"] == "/var/run/secrets/events/token"


def test_a_cluster_without_kafkasource_is_enough_and_one_without_the_operator_is_told() -> None:
    without_source = [each for each in CLUSTER if not each.endswith("KafkaSource")]
    chosen = with_profiles("dapr-redis")
    assert render(*chosen, *on_a_cluster(*without_source)).of("Deployment")
    with pytest.raises(HelmFailed, match=r"dapr\.operator needs Dapr's operator"):
        render(*chosen, *on_a_cluster(*without_source), "--set", "dapr.operator=true")
    assert render(*chosen, *on_a_cluster(*without_source, "dapr.io/v1alpha1"), "--set", "dapr.operator=true")


def test_the_notes_name_the_bridge_and_no_kafkasource() -> None:
    said = notes(*with_profiles("dapr-redis"))
    assert "kafkasource" not in said.lower()
    assert re.search(r"taskmaster-redis: REDIS_PASSWORD, REDIS_URL", said)


# On a real daprd -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def started_as_the_chart_says(made: Rendered, **secrets: str) -> Iterator[dapr.Daprd]:
    """A daprd with the chart's files and options, but for where it listens and where the files are."""
    command = containers(made)["daprd"]["command"]
    given = dict(option.removeprefix("--").split("=", 1) for option in command[1:])
    ours = {"dapr-http-port", "dapr-listen-addresses", "resources-path", "app-port", "scheduler-host-address"}
    options = {name: value for name, value in given.items() if name not in ours}
    options["config"] = options["config"].rpartition("/")[2]
    files = made.of("ConfigMap")[BRIDGE]["data"]
    variable = {name: secrets[ref["secretKeyRef"]["key"]] for name, ref in variables(containers(made)["daprd"]).items()}
    token = variable.pop("DAPR_API_TOKEN")
    assert variable.pop("APP_API_TOKEN") == token
    with dapr.daprd(files=files, token=token, more=options, environment=variable) as running:
        loaded = set(re.findall(r"Component loaded: (\S+) \(pubsub", running.log()))
        assert loaded == {"pubsub", *(f"pubsub-{name}" for name in MAILBOXES)}
        assert "Loading Resiliency configuration: mailboxes" in running.log()
        for probe in probes(made):
            asked = requests.get(running.url + probe["httpGet"]["path"], timeout=10)
            assert asked.status_code == 204, "the kubelet has no token"
        yield running


def test_a_real_daprd_takes_what_the_chart_makes_for_redis() -> None:
    with dapr.redis_server() as address:
        host = address.removeprefix("redis://").removesuffix("/0")
        made = render(*with_profiles("dapr-redis"), "--set", f"dapr.redis.host={host}")
        with redis.Redis.from_url(address) as client:
            client.config_set("requirepass", "a password")
        with started_as_the_chart_says(made, token="t", REDIS_PASSWORD="a password") as running:
            published_by({**made.settings(), "DAPR_URL": running.url, "DAPR_API_TOKEN": "t"})
            secret = "SECRET_TASKMASTER_REDIS_REDIS_PASSWORD"
            for path in (f"secrets/envs/{secret}", "metadata", "state/x/y", "invoke/bridge/method/healthz"):
                asked = requests.get(f"{running.url}/v1.0/{path}", headers={"dapr-api-token": "t"}, timeout=10)
                assert asked.status_code in (403, 404, 405), path
                assert "a password" not in asked.text
            ended = requests.post(f"{running.url}/v1.0/shutdown", headers={"dapr-api-token": "t"}, timeout=10)
            assert ended.status_code in (403, 404, 405)
            published = called(running, "PublishEvent", b"\x0a\x06pubsub\x12\x06topics")
            assert published == b"", "what may be done by HTTP may be done by gRPC"
            assert called(running, "GetMetadata") is None
            assert called(running, "Shutdown") is None


def test_a_real_daprd_takes_what_the_chart_makes_for_kafka(kafka: Kafka) -> None:
    topic = f"topic-{uuid4().hex[:8]}"
    kafka.make([topic])
    brokers = kafka.environment()["KAFKA_BOOTSTRAP_SERVERS"]
    made = render(*with_profiles("dapr-kafka", "plain"), "--set", f"kafka.bootstrapServers={{{brokers}}}")
    with started_as_the_chart_says(made, token="t") as running:
        published_by({**made.settings(), "DAPR_URL": running.url, "DAPR_API_TOKEN": "t"}, topic)


def called(running: dapr.Daprd, method: str, message: bytes = b"") -> bytes | None:
    """By gRPC, with the token."""
    token = {"dapr-api-token": running.token}
    return grpc_call.answer("127.0.0.1", running.grpc_port, f"dapr.proto.runtime.v1.Dapr/{method}", message, token)


def published_by(environ: dict[str, str], topic: str = "task-events") -> None:
    with contextlib.closing(transports.broker(settings.read(environ, needs=(BROKER,)))) as broker:
        broker.connect()
        assert broker.send([(1, (topic, "7", {"ce_id": "1"}, b"{}"))]) == ({1}, {})
