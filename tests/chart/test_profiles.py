"""Every profile, and every platform with every broker: the API servers take it, the functions can read it."""

import itertools
import re

import pytest
import yaml

from helm.command import PROFILES
from taskmaster import settings
from taskmaster.events import routes
from tests.chart.conftest import needs_helm, notes
from tests.chart.rendering import BROKERS, DATABASES, PLATFORMS, TRANSPORTS, Rendered, faults, render, with_profiles

pytestmark = needs_helm

COMBINATIONS = [
    (), *((name,) for name in (*PLATFORMS, *BROKERS, *DATABASES)), *itertools.product(PLATFORMS, BROKERS, DATABASES),
]  # fmt: skip
NEEDS = ("database_url", "system_database_url", "kafka_bootstrap_servers")
# What an operator puts into the Secrets, by the keys that the chart asks for.
SECRETS = {
    "DATABASE_URL": "postgresql://a:b@host/taskmaster",
    "SYSTEM_DATABASE_URL": "postgresql://c:d@host/taskmaster",
    "MIGRATION_DATABASE_URL": "postgresql://e:f@host/taskmaster",
    "KAFKA_SASL_USERNAME": "taskmaster",
    "KAFKA_SASL_PASSWORD": "secret",
}


@pytest.fixture(params=COMBINATIONS, ids="+".join)
def profiles(request: pytest.FixtureRequest) -> tuple[str, ...]:
    chosen: tuple[str, ...] = request.param
    return chosen


@pytest.fixture
def rendered(profiles: tuple[str, ...]) -> Rendered:
    return render(*with_profiles(*profiles), "--set", "route.enabled=true")


def test_the_api_servers_take_it(rendered: Rendered) -> None:
    assert [fault for manifest in rendered.manifests for fault in faults(manifest)] == []


def test_the_functions_can_read_what_they_are_given(profiles: tuple[str, ...], rendered: Rendered) -> None:
    values = [yaml.safe_load((PROFILES / f"{name}.yaml").read_text()) for name in profiles]
    mechanisms = [given["kafka"].get("saslMechanism") for given in values if "kafka" in given]
    sasl = {"KAFKA_SASL_MECHANISM": mechanisms[0]} if mechanisms and mechanisms[0] else {}
    environment = {**rendered.settings(), **SECRETS, **sasl}
    read = settings.read(environment, needs=NEEDS)
    sources = rendered.of("KafkaSource").values()
    assert {tuple(source["spec"]["bootstrapServers"]) for source in sources} == {read.kafka_bootstrap_servers}
    # A KafkaSource reads the topic that the functions write to.
    ours = {topic for source in sources for topic in source["spec"]["topics"]}
    assert ours == {read.topic(name) for name in (*routes.MAILBOXES, routes.REMINDERS)}


def test_a_profile_for_every_file_and_a_file_for_every_profile() -> None:
    assert {file.stem for file in PROFILES.glob("*")} == {*PLATFORMS, *BROKERS, *DATABASES, *TRANSPORTS}


def test_a_plan_of_five_topics_has_five() -> None:
    rendered = render(*with_profiles("cloudkarafka"))
    read = settings.read(rendered.settings(), needs=())
    assert len({read.topic(name) for name in routes.TOPICS}) == 5
    assert "topics" not in rendered.of("Job"), "the plan's user may not make topics"


@pytest.mark.parametrize("profile", [*BROKERS, *DATABASES, *TRANSPORTS])
def test_the_notes_and_the_profile_name_the_same_secrets(profile: str) -> None:
    comment = (PROFILES / f"{profile}.yaml").read_text()
    default = {"taskmaster-database", "taskmaster-database-owner"}
    asked = dict(re.findall(r"^  - (\S+): (.+)$", notes(*with_profiles(profile)), re.MULTILINE))
    for name, keys in asked.items():
        if name not in default or profile == "neon":
            assert name in comment
            assert all(key in comment for key in keys.split(", "))
    assert default <= asked.keys()
    if profile == "plain":
        assert asked.keys() == default


def test_neither_platform_brings_secrets_of_its_own() -> None:
    for platform in PLATFORMS:
        assert "# Secrets: none of its own." in (PROFILES / f"{platform}.yaml").read_text()
