"""What every installation has: who calls whom, who may do what, what survives, what a change rolls."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.command import CHART
from knative.local.fields import iso_duration
from taskmaster.events import routes
from tests.chart.conftest import needs_helm, notes
from tests.chart.rendering import Manifest, Rendered, faults, render, with_profiles, with_values
from tests.programs.specifications.served import served

pytestmark = needs_helm

ROOT = Path(__file__).parents[2]
PUBLIC = {each.function for each in served() if each.operation.http}
FUNCTIONS = {file.stem.replace("_", "-") for file in (ROOT / "functions").glob("*.py")}
DATABASE_SECRET = "taskmaster-database"
TRY_OUT: dict[str, Any] = {
    "database": {
        "tryOut": {
            "url": "postgresql://u:hunter2@node/t",
            "systemUrl": "postgresql://s:hunter2@node/t",
            "ownerUrl": "postgresql://o:hunter2@node/t",
        }
    },
    "kafka": {
        "securityProtocol": "SASL_SSL",
        "saslMechanism": "SCRAM-SHA-256",
        "tryOut": {"username": "me", "password": "hunter2"},
    },
}


@pytest.fixture
def default() -> Rendered:
    return render()


def template(service: Manifest) -> Manifest:
    found: Manifest = service["spec"]["template"]
    return found


def env_from(pod: Manifest) -> list[str]:
    return [each.get("secretRef", each.get("configMapRef"))["name"] for each in pod["containers"][0]["envFrom"]]


def annotations_of(rendered: Rendered, name: str) -> dict[str, str]:
    found: dict[str, str] = template(rendered.of("Service")[name])["metadata"]["annotations"]
    return found


# From the code to the values: a function in one is a function in the other.


def test_every_function_of_the_code_is_installed_under_its_name(default: Rendered) -> None:
    services = default.of("Service")
    assert services.keys() == FUNCTIONS
    targets = {name: template(each)["spec"]["containers"][0]["env"][0]["value"] for name, each in services.items()}
    assert targets == {name: name.replace("-", "_") for name in FUNCTIONS}


def test_every_mailbox_has_the_one_reader_of_its_name(default: Rendered) -> None:
    readers = {topic: name for name, each in default.of("KafkaSource").items() for topic in each["spec"]["topics"]}
    assert readers == {**{name: name for name in routes.MAILBOXES}, routes.REMINDERS: "send-reminder"}


def test_the_routes_are_those_of_the_code(tmp_path: Path) -> None:
    """A path that the code names for the common address leads to that function, and every rule has such a path."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())["functions"]
    given = {name: set(entry.get("routes", ())) for name, entry in values.items()}
    for name in FUNCTIONS:
        code = (ROOT / "functions" / f"{name.replace('-', '_')}.py").read_text()
        named = set(
            re.findall(
                r'"((?:GET|POST|PUT|PATCH|DELETE) /'
                r"(?:tasks|preferences|occurrences|reminders|calendar|pack|page|docs|openapi|mcp|[.]well-known)"
                r'[^"]*|GET /)"',
                code,
            )
        )
        named = {route for route in named if not is_at_its_own_host(route, given[name])}
        covered = {route for route in named if any(covers(rule, route) for rule in given[name])}
        assert named == covered, name
        assert all(any(covers(rule, route) for route in named) for rule in given[name]), name


def test_who_may_get_may_ask_for_the_head_alone(default: Rendered) -> None:
    """RFC 9110, 9.1: every server answers GET and HEAD; a match of the HTTPRoute is for one method."""
    found = render("--set", "route.enabled=true").of("HTTPRoute").values()
    rules = [rule for route in found for rule in route["spec"]["rules"]]
    for rule in rules:
        by_method: dict[str, list[object]] = {}
        for match in rule["matches"]:
            by_method.setdefault(match["method"], []).append(match["path"])
        assert by_method.get("GET") == by_method.get("HEAD")
    assert sum(len(rule["matches"]) == 2 for rule in rules) == 13


def is_at_its_own_host(route: str, rules: set[str]) -> bool:
    """The root of a function is its own host's, unless the common address has it too: that of the page."""
    return route == "GET /" and route not in rules


def covers(rule: str, route: str) -> bool:
    prefix = rule.removesuffix("/*")
    return route == rule or (rule.endswith("/*") and (route == prefix or route.startswith(prefix + "/")))


def test_a_new_function_is_one_entry(tmp_path: Path) -> None:
    """The one that docs/adding-an-operation.md shows."""
    document = (ROOT / "docs" / "adding-an-operation.md").read_text(encoding="utf-8")
    [text] = re.findall(r"^```yaml\n(  archive-task:\n.*?)^```", document, re.MULTILINE | re.DOTALL)
    rendered = render(*with_values(tmp_path, functions=yaml.safe_load(text), route={"enabled": True}))
    service = rendered.of("Service")["archive-task"]
    assert template(service)["spec"]["containers"][0]["env"] == [{"name": "FUNCTION_TARGET", "value": "archive_task"}]
    source = rendered.of("KafkaSource")["archive-task"]["spec"]
    assert (source["topics"], source["consumerGroup"]) == (["archive-task"], "taskmaster-archive-task")
    paths = [rule["matches"][0]["path"]["value"] for rule in rendered.of("HTTPRoute")["taskmaster"]["spec"]["rules"]]
    assert "/tasks/[^/]+/archive" in paths
    assert "archive-task" in str(rendered.of("NetworkPolicy")["taskmaster-to-database"])
    assert [fault for manifest in rendered.manifests for fault in faults(manifest)] == []


# Events.


def test_every_source_survives_an_outage_and_an_uninstall(default: Rendered) -> None:
    services = default.of("Service")
    for name, source in default.of("KafkaSource").items():
        spec = source["spec"]
        assert source["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert (spec["consumerGroup"], spec["initialOffset"]) == (f"taskmaster-{name}", "earliest")
        assert spec["sink"] == {"ref": sink(name), "uri": "/events"}
        assert spec["delivery"]["deadLetterSink"] == {"ref": sink("park-dead-letter"), "uri": "/events"}
        assert spec["delivery"]["retry"] >= 120
        patience = iso_duration(spec["delivery"]["timeout"]).total_seconds()
        assert patience > template(services[name])["spec"]["timeoutSeconds"]


def sink(name: str) -> dict[str, str]:
    return {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": name}


def test_what_only_events_call_is_not_reached_from_outside(default: Rendered) -> None:
    label = "networking.knative.dev/visibility"
    hidden = {name for name, each in default.of("Service").items() if each["metadata"]["labels"].get(label)}
    assert hidden == {"dispatch-due-reminders", "park-dead-letter", "relay-outbox", "send-reminder"}


def test_the_alarm_has_no_schedule_that_an_upgrade_could_set_it_back_to(default: Rendered) -> None:
    assert "schedule" not in default.of("PingSource")["reminder-alarm"]["spec"]
    off = render("--set", "alarm.enabled=false")
    assert off.of("PingSource")["reminder-alarm"]["spec"]["schedule"] == "2-59/10 * * * *"
    assert off.settings()["REMINDER_ALARM"] == "off"
    assert (off.of("Role"), off.of("ServiceAccount")) == ({}, {})


def test_an_hour_without_work_is_one_tick(default: Rendered) -> None:
    ticks = {name: each["spec"].get("schedule") for name, each in default.of("PingSource").items()}
    assert ticks == {"reminder-alarm": None, "relay-outbox": "2 * * * *"}


# Who may do what.


@pytest.mark.parametrize("profiles", [(), ("strimzi",), ("oke", "redpanda-cloud", "neon")])
def test_every_container_is_as_restricted_pod_security_wants_it(profiles: tuple[str, ...]) -> None:
    found = 0
    for where, pod in render(*with_profiles(*profiles)).pods():
        assert "securityContext" not in pod, where  # Knative refuses that of the pod
        for container in pod["containers"]:
            found += 1
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            }, where
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"], where
            assert {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}} in pod["volumes"], where
            assert container["resources"].keys() == {"requests", "limits"}, where
    assert found == len(FUNCTIONS) + 2 + 3


def test_one_function_has_a_token_and_it_may_patch_one_object(default: Rendered) -> None:
    with_token = [where for where, pod in default.pods() if pod.get("automountServiceAccountToken") is not False]
    assert with_token == ["Service/dispatch-due-reminders"]
    assert template(default.of("Service")["dispatch-due-reminders"])["spec"]["serviceAccountName"] in default.of(
        "ServiceAccount"
    )
    [rule] = default.of("Role")["set-reminder-alarm"]["rules"]
    assert rule == {
        "apiGroups": ["sources.knative.dev"], "resources": ["pingsources"],
        "resourceNames": ["reminder-alarm"], "verbs": ["get", "patch"],
    }  # fmt: skip


def test_one_function_may_list_pods_if_somebody_may_see_them() -> None:
    rendered = render("--set", "settings.PACK_VIEWERS=ada")
    with_token = [where for where, pod in rendered.pods() if pod.get("automountServiceAccountToken") is not False]
    assert with_token == ["Service/dispatch-due-reminders", "Service/show-pack"]
    assert template(rendered.of("Service")["show-pack"])["spec"]["serviceAccountName"] == "show-pack"
    assert rendered.of("ServiceAccount").keys() == {"dispatch-due-reminders", "show-pack"}
    assert rendered.of("Role")["list-pods"]["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    binding = rendered.of("RoleBinding")["list-pods"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "show-pack"}]
    assert binding["roleRef"]["name"] == "list-pods"
    policy = rendered.of("NetworkPolicy")["taskmaster-to-pods"]["spec"]
    assert policy["podSelector"]["matchExpressions"][0]["values"] == ["show-pack"]
    assert [port["port"] for port in policy["egress"][0]["ports"]] == [443, 6443]


def test_who_reads_dead_letters_may_be_a_user_of_his_own() -> None:
    """It stands behind that of the functions, whose place it takes; no other function gets it."""
    rendered = render("--set", "kafka.operatorSecret=pack-kafka")
    given = {name: env_from(template(each)["spec"]) for name, each in rendered.of("Service").items()}
    assert [name for name, found in given.items() if "pack-kafka" in found] == ["show-pack"]
    found = given["show-pack"]
    assert found.index("pack-kafka") > found.index("taskmaster-kafka")


def test_nobody_but_the_migration_sees_the_owners_login(default: Rendered) -> None:
    seen = [
        where for where, pod in default.pods() for each in pod["containers"] if "database-owner" in json.dumps(each)
    ]
    assert seen == ["Job/taskmaster-migrate"]
    assert env_from(template(default.of("Service")["park-dead-letter"])["spec"]) == ["taskmaster", "taskmaster-kafka"]


def test_where_functions_may_go(default: Rendered) -> None:
    policies = default.of("NetworkPolicy")
    allowed = {
        name.removeprefix("taskmaster-to-"): (
            set(each["spec"]["podSelector"]["matchExpressions"][0]["values"]),
            [port["port"] for port in each["spec"]["egress"][0]["ports"]],
        )
        for name, each in policies.items()
        if name.startswith("taskmaster-to-")
    }
    assert allowed["database"] == (FUNCTIONS - {"park-dead-letter", "show-page"}, [5432])
    assert allowed["kafka"] == (FUNCTIONS - {"show-page"}, [9092])
    assert allowed["alarm"] == ({"dispatch-due-reminders"}, [443, 6443])
    assert allowed["internet"] == ({"send-reminder"}, [443])
    assert allowed["keys"] == (PUBLIC | {"show-page", "call-tools"}, [443])
    private = policies["taskmaster-to-internet"]["spec"]["egress"][0]["to"][0]["ipBlock"]["except"]
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(private)
    [who] = policies["taskmaster"]["spec"]["ingress"][0]["from"]
    assert "knative-serving" in who["namespaceSelector"]["matchExpressions"][0]["values"]
    assert render("--set", "networkPolicy.enabled=false").of("NetworkPolicy") == {}


def test_the_jobs_may_go_where_they_have_to_before_an_upgrade_changes_where_that_is(tmp_path: Path) -> None:
    """A hook, since under the policies of before, a database that has moved is out of reach of the migration."""
    moved = with_values(tmp_path, database={"port": 6432}, kafka={"bootstrapServers": ["a:9094"]})
    policy = render(*moved).of("NetworkPolicy")["taskmaster-setup"]
    assert policy["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert int(policy["metadata"]["annotations"]["helm.sh/hook-weight"]) < 0
    assert [port["port"] for rule in policy["spec"]["egress"][1:] for port in rule["ports"]] == [6432, 9094]
    component = policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
    for job in render(*moved).of("Job").values():
        assert template(job)["metadata"]["labels"]["app.kubernetes.io/component"] == component


def test_the_ports_follow_from_the_addresses(tmp_path: Path) -> None:
    issuer = {"OIDC_ISSUER": "http://keycloak.identity.svc:8080/realms/todo", "OIDC_AUDIENCE": "taskmaster"}
    kafka = {"bootstrapServers": ["a:9093", "b:19093"]}
    policies = render(*with_values(tmp_path, settings=issuer, kafka=kafka, mail={"secret": "mail"})).of("NetworkPolicy")
    ports = {
        name: [each["port"] for each in policies[f"taskmaster-to-{name}"]["spec"]["egress"][0]["ports"]]
        for name in ("kafka", "keys", "mail")
    }
    assert ports == {"kafka": [9093, 19093], "keys": [443, 8080], "mail": [587, 465]}


def test_keys_that_are_given_are_not_fetched(tmp_path: Path) -> None:
    issuer = {"OIDC_ISSUER": "https://id.example.com", "OIDC_AUDIENCE": "taskmaster"}
    fetched = render(*with_values(tmp_path, settings=issuer)).of("NetworkPolicy")["taskmaster-to-keys"]
    [names] = [each["values"] for each in fetched["spec"]["podSelector"]["matchExpressions"]]
    assert {"relay-outbox", "send-reminder", "park-dead-letter"}.isdisjoint(names)
    keys = {"OIDC_JWKS": '{"keys": [{"kty": "RSA", "n": "x", "e": "AQAB"}]}'}
    given = render(*with_values(tmp_path, settings={**issuer, **keys})).of("NetworkPolicy")
    assert "taskmaster-to-keys" not in given
    # The Secret of identity may name an issuer.
    assert "taskmaster-to-keys" in render().of("NetworkPolicy")
    assert "taskmaster-to-keys" not in render("--set", "identity.secret=").of("NetworkPolicy")
    events = {"EVENT_OIDC_ISSUER": "https://id.example.com", "EVENT_OIDC_AUDIENCE": "taskmaster"}
    everybody = render(*with_values(tmp_path, settings=events))
    [names] = [
        each["values"]
        for each in everybody.of("NetworkPolicy")["taskmaster-to-keys"]["spec"]["podSelector"]["matchExpressions"]
    ]
    assert set(names) == FUNCTIONS
    sinks = [
        each["spec"]["sink"]["audience"]
        for kind in ("KafkaSource", "PingSource")
        for each in everybody.of(kind).values()
    ]
    assert set(sinks) == {"taskmaster"}
    assert [fault for manifest in everybody.manifests for fault in faults(manifest)] == []


def test_events_are_those_of_this_namespaces_sources_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    events = {"EVENT_OIDC_ISSUER": "https://id.example.com", "EVENT_OIDC_AUDIENCE": "taskmaster"}
    mine = render(*with_values(tmp_path, settings=events)).settings()
    assert mine["EVENT_OIDC_SUBJECTS"] == "system:serviceaccount:todo:*"
    others = {**events, "EVENT_OIDC_SUBJECTS": "system:serviceaccount:sources:*"}
    assert render(*with_values(tmp_path, settings=others)).settings()["EVENT_OIDC_SUBJECTS"].endswith(":sources:*")
    assert "EVENT_OIDC_SUBJECTS" not in render().settings()


# What runs before, and with which Secrets.


def test_the_jobs_run_first_and_need_nothing_of_the_chart(default: Rendered) -> None:
    hooks = {
        f"{each['kind']} {each['metadata']['name']}": int(each["metadata"]["annotations"]["helm.sh/hook-weight"])
        for each in default.manifests
        if "pre-install" in each["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    }
    assert hooks == {
        "NetworkPolicy taskmaster-setup": -10,
        "ConfigMap taskmaster-setup": -10,
        "Job taskmaster-migrate": 0,
        "Job taskmaster-topics": 1,
    }
    assert default.of("ConfigMap")["taskmaster-setup"]["data"] == default.settings()
    jobs = default.of("Job")
    assert env_from(template(jobs["taskmaster-migrate"])["spec"]) == [
        "taskmaster-setup",
        "taskmaster-database-owner",
        DATABASE_SECRET,
    ]
    assert env_from(template(jobs["taskmaster-topics"])["spec"]) == [
        "taskmaster-setup",
        "taskmaster-kafka",
        "taskmaster-kafka-admin",  # which may be missing
    ]
    assert default.of("Secret") == {}
    # A pod that failed stays with its log: an OnFailure Job's is gone once the Job is given up.
    assert {template(job)["spec"]["restartPolicy"] for job in jobs.values()} == {"Never"}


def test_without_hooks_a_job_that_differs_has_another_name() -> None:
    """A Job cannot be changed: `kubectl apply` and Argo CD would fail at one that has the name of the last."""
    hookless = ("--set", "jobs.hooks=false")
    same, new = render(*hookless, "--set", "settings.LOG_LEVEL=DEBUG"), render(*hookless, "--set", "image.tag=v2")
    assert render(*hookless).of("Job").keys() == same.of("Job").keys()
    assert render(*hookless).of("Job").keys().isdisjoint(new.of("Job"))


def test_a_try_out_makes_its_secrets_and_one_for_the_jobs_before_them(tmp_path: Path) -> None:
    rendered = render(*with_values(tmp_path, **TRY_OUT))
    secrets = rendered.of("Secret")
    assert secrets.keys() == {DATABASE_SECRET, "taskmaster-kafka", "taskmaster-setup"}
    assert secrets["taskmaster-kafka"]["stringData"]["KAFKA_SASL_MECHANISM"] == "SCRAM-SHA-256"
    assert "MIGRATION_DATABASE_URL" not in secrets[DATABASE_SECRET]["stringData"]
    # Who goes on to Secrets of his own, of the same name, does not lose them by it.
    kept = {name for name, each in secrets.items() if "resource-policy" in str(each["metadata"].get("annotations"))}
    assert kept == {DATABASE_SECRET, "taskmaster-kafka"}
    setup = secrets["taskmaster-setup"]
    assert setup["metadata"]["annotations"]["helm.sh/hook-weight"] == "-10"
    assert "hook-succeeded" in setup["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    for job in rendered.of("Job").values():
        assert env_from(template(job)["spec"]) == ["taskmaster-setup", "taskmaster-setup"]  # ConfigMap and Secret
    outside = [each for each in rendered.manifests if each["kind"] != "Secret" and "hunter2" in json.dumps(each)]
    assert outside == []
    assert "hunter2" not in notes(*with_values(tmp_path, **TRY_OUT))


# What a change does.


def test_a_change_of_settings_or_secrets_rolls_the_revisions_that_read_them(tmp_path: Path) -> None:
    before = render(*with_values(tmp_path, **TRY_OUT))
    louder = render(*with_values(tmp_path, **TRY_OUT, settings={"LOG_LEVEL": "DEBUG"}))
    database = {"tryOut": {**TRY_OUT["database"]["tryOut"], "url": "postgresql://u:other@node/t"}}
    other = render(*with_values(tmp_path, **{**TRY_OUT, "database": database}))
    for name in FUNCTIONS:
        assert annotations_of(before, name) != annotations_of(louder, name)
        changed = annotations_of(before, name) != annotations_of(other, name)
        assert changed == (name not in {"park-dead-letter", "show-page"})


def test_nothing_that_a_new_chart_version_brings_rolls_a_revision(default: Rendered) -> None:
    for service in default.of("Service").values():
        assert "helm.sh/chart" not in json.dumps(template(service))


def test_a_digest_wins_over_a_tag() -> None:
    digest = "sha256:" + "a" * 64
    rendered = render("--set", f"image.repository=example/taskmaster,image.tag=v2,image.digest={digest}")
    images = {container["image"] for _, pod in rendered.pods() for container in pod["containers"]}
    assert images == {f"example/taskmaster@{digest}"}


def test_a_function_may_have_bounds_and_settings_of_its_own(tmp_path: Path) -> None:
    entry: dict[str, Any] = {
        "minScale": 1, "maxScale": 20, "window": "30s", "concurrency": 4, "timeoutSeconds": 120,
        "settings": {"DATABASE_POOL_SIZE": 2}, "annotations": {"autoscaling.knative.dev/target": "3"},
        "resources": {"limits": {"memory": "512Mi"}},
    }  # fmt: skip
    rendered = render(*with_values(tmp_path, functions={"create-task": entry}))
    annotations = annotations_of(rendered, "create-task")
    assert annotations["autoscaling.knative.dev/window"] == "30s"
    assert annotations["autoscaling.knative.dev/min-scale"] == "1"
    assert annotations["autoscaling.knative.dev/max-scale"] == "20"
    assert annotations["autoscaling.knative.dev/target"] == "3"
    spec = template(rendered.of("Service")["create-task"])["spec"]
    assert (spec["containerConcurrency"], spec["timeoutSeconds"]) == (4, 120)
    assert {"name": "DATABASE_POOL_SIZE", "value": "2"} in spec["containers"][0]["env"]
    assert spec["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "512Mi"}
    assert rendered.of("KafkaSource")["create-task"]["spec"]["delivery"]["timeout"] == "PT130S"


def test_the_ingress_is_told_the_functions_own_host() -> None:
    route = ["route.enabled=true", "route.domain=apps.example.org", "route.ingress.namespace=istio-system"]
    rendered = render("--set", ",".join(route), namespace="todo")
    rules = rendered.of("HTTPRoute")["taskmaster"]["spec"]["rules"]
    hosts = {rule["filters"][0]["urlRewrite"]["hostname"] for rule in rules}
    assert "create-task.todo.apps.example.org" in hosts
    grant = rendered.of("ReferenceGrant")["taskmaster"]
    assert grant["metadata"]["namespace"] == "istio-system"
    assert grant["spec"]["from"][0]["namespace"] == "todo"


# What is said.


def test_the_notes_say_what_to_do_next(tmp_path: Path) -> None:
    text = notes()
    for command in (
        "kubectl -n todo get ksvc",
        "helm -n todo test taskmaster --logs",
        "scale kafkasources --all --replicas=0",
    ):
        assert command in text
    assert "Nobody can sign in yet" in text
    issuer = {"OIDC_ISSUER": "https://id.example.com", "OIDC_AUDIENCE": "taskmaster"}
    text = notes(*with_values(tmp_path, settings=issuer, route={"enabled": True}))
    assert "https://id.example.com, for taskmaster" in text
    assert "https://tasks.example.com/tasks" in text


def test_more_rules_than_one_route_may_have_are_two_routes(tmp_path: Path) -> None:
    """The Gateway API allows 16 in each."""
    entry = {"description": "x", "routes": [f"GET /reports/{number}" for number in range(20)]}
    rendered = render(*with_values(tmp_path, functions={"report": entry}, route={"enabled": True}))
    routes = rendered.of("HTTPRoute")
    without = render(*with_values(tmp_path, route={"enabled": True})).of("HTTPRoute").values()
    rules = sum(len(route["spec"]["rules"]) for route in without) + 20
    assert [len(route["spec"]["rules"]) for route in routes.values()] == [16, 16, rules - 32]
    assert len({str(route["spec"]["parentRefs"]) for route in routes.values()}) == 1
    assert [fault for route in routes.values() for fault in faults(route)] == []


def test_labels_are_on_the_pods_too(tmp_path: Path) -> None:
    rendered = render(*with_values(tmp_path, labels={"example.com/team": "todo"}))
    labelled = [*rendered.of("Service").values(), *rendered.of("Job").values()]
    assert {template(each)["metadata"]["labels"]["example.com/team"] for each in labelled} == {"todo"}


@pytest.mark.parametrize("field", ["schedulee", "ordring"])
def test_the_schemas_notice_a_field_that_does_not_exist(default: Rendered, field: str) -> None:
    for kind in ("Service", "KafkaSource", "PingSource", "Job", "NetworkPolicy"):
        manifest = next(iter(default.of(kind).values()))
        assert faults(manifest) == []
        assert faults({**manifest, "spec": {**manifest["spec"], field: "x"}}) != [], kind
