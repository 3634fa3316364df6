"""The stand-in knows Knative; what it has to know of taskmaster stands in one file."""

import re
from pathlib import Path

from knative.local import taskmaster_setup
from knative.local.secrets import Passwords
from taskmaster.events import routes
from taskmaster.settings import Settings, read

ROOT = Path(__file__).parents[3]
ONE_FILE = ROOT / "knative" / "local" / "taskmaster_setup.py"
OTHERS = [file for file in sorted((ROOT / "knative" / "local").rglob("*.py")) if file != ONE_FILE]
FUNCTIONS = [file.stem for file in (ROOT / "functions").glob("*.py")]


def names_of_taskmaster() -> set[str]:
    """The pack, its functions, topics and settings."""
    functions = {*FUNCTIONS, *(name.replace("_", "-") for name in FUNCTIONS)}
    return {"taskmaster", "/tasks", *functions, *routes.TOPICS, *(name.upper() for name in Settings.model_fields)}


def found_in(text: str) -> set[str]:
    text = text.replace("taskmaster_setup", "")  # the file's own name
    words = {name for name in names_of_taskmaster() if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)}
    return words | ({"taskmaster"} if "taskmaster" in text else set())


def test_no_other_file_of_the_stand_in_names_anything_of_taskmaster() -> None:
    assert len(OTHERS) > 20
    assert {
        str(file.relative_to(ROOT)): found_in(file.read_text()) for file in OTHERS if found_in(file.read_text())
    } == {}


def test_a_name_would_be_found() -> None:
    """A search that finds nothing would pass everything."""
    assert {"taskmaster", "MIGRATION_DATABASE_URL", "CLOCK_OFFSET_FILE"} <= found_in(ONE_FILE.read_text())
    assert found_in("call create-task with KAFKA_TOPICS, taskmaster_user") == {
        "create-task",
        "KAFKA_TOPICS",
        "taskmaster",
    }


def test_the_functions_can_read_what_is_made_up_for_them(tmp_path: Path) -> None:
    passwords = Passwords(tmp_path / "passwords.json")
    provider = taskmaster_setup.identity_provider(tmp_path / "key.pem", issuer="http://localhost:8080")
    made_up = {
        **taskmaster_setup.database_secrets("postgresql://owner:secret@localhost:5432/taskmaster", passwords),
        **taskmaster_setup.kafka_secrets({"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"}),
        **taskmaster_setup.identity_secret(provider),
    }
    settings = taskmaster_setup.settings(clock_file=tmp_path / "clock", kubernetes_api="http://127.0.0.1:8081")
    found = read(
        {**taskmaster_setup.commands_environment(made_up), **settings},
        needs=("database_url", "system_database_url", "kafka_bootstrap_servers", "oidc_issuer", "oidc_audience"),
    )
    assert found.clock_offset_file == str(tmp_path / "clock")
    assert {name for name in settings if name.lower() not in Settings.model_fields} == set()
    owner, user, system = taskmaster_setup.database_urls(made_up).values()
    assert len({owner, user, system}) == 3
    assert taskmaster_setup.bootstrap_servers(made_up) == "localhost:9092"


def test_kafka_sources_may_have_a_user_of_their_own() -> None:
    made_up = taskmaster_setup.kafka_secrets(
        {
            "KAFKA_BOOTSTRAP_SERVERS": "localhost:9092",
            "KAFKA_SASL_USERNAME": "functions",
            "KAFKA_SOURCE_SASL_USERNAME": "sources",
            "KAFKA_ADMIN_SASL_USERNAME": "admin",
        }
    )
    assert taskmaster_setup.kafka_client(None, made_up) == {
        "bootstrap_servers": ["localhost:9092"],
        "sasl_plain_username": "sources",
    }
    assert made_up["taskmaster-kafka"]["KAFKA_SASL_USERNAME"] == "functions"
    assert made_up["taskmaster-kafka-admin"] == {"KAFKA_SASL_USERNAME": "admin"}
