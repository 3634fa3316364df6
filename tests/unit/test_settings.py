"""Settings: what is wrong is refused by name, what is secret is never shown."""

import json

import pytest
from pydantic import SecretStr

from taskmaster.settings import BROKER, TOPICS, Settings, WrongSetting, read


def refusal(environ: dict[str, str], *needs: str) -> list[str]:
    """The sentences of a refusal, the heading left out."""
    with pytest.raises(WrongSetting) as refused:
        read(environ, needs=needs)
    heading, *sentences = str(refused.value).splitlines()
    assert heading == "taskmaster cannot start:"
    return [sentence.strip() for sentence in sentences]


def test_an_empty_environment_has_defaults() -> None:
    settings = read({})
    assert (settings.max_attempts, settings.max_body_bytes, settings.log_level) == (10, 262_144, "INFO")


def test_a_setting_is_the_variable_of_its_name() -> None:
    settings = read({"MAX_ATTEMPTS": "3", "DATABASE_TIMEOUT": "1.5", "UNKNOWN": "x", "max_body_bytes": "2048"})
    assert (settings.max_attempts, settings.database_timeout, settings.max_body_bytes) == (3, 1.5, 262_144)


def test_every_setting_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a:9092", ("a:9092",)),
        ("a:9092,b:9092", ("a:9092", "b:9092")),
        (" a:9092 , b:9092 ", ("a:9092", "b:9092")),
        ("a:9092,,", ("a:9092",)),
    ],
)
def test_a_list_is_separated_by_commas(text: str, words: tuple[str, ...]) -> None:
    assert read({"KAFKA_BOOTSTRAP_SERVERS": text}).kafka_bootstrap_servers == words


def test_a_topic_may_have_another_name() -> None:
    settings = read({"KAFKA_TOPICS": '{"task-events": "prod.task-events"}'})
    assert settings.topic("task-events") == "prod.task-events"
    assert settings.topic("task-updates") == "task-updates"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_ATTEMPTS", "0"),
        ("MAX_ATTEMPTS", "ten"),
        ("MAX_ATTEMPTS", "1.5"),
        ("MAX_BODY_BYTES", "1"),
        ("DATABASE_POOL_SIZE", "65"),
        ("DATABASE_TIMEOUT", "0"),
        ("DATABASE_TIMEOUT", "inf"),
        ("DATABASE_TIMEOUT", "nan"),
        ("KAFKA_DELIVERY_TIMEOUT", "61"),
        ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("KAFKA_TOPICS", "[]"),
        ("KAFKA_TOPICS", '{"a": 1}'),
        ("KAFKA_TOPICS", "{"),
        ("LOG_LEVEL", "info"),
    ],
)
def test_a_wrong_value_is_refused_by_its_variable(name: str, value: str) -> None:
    [sentence] = refusal({name: value})
    assert sentence.startswith(f"{name} is wrong: ")
    assert "pydantic" not in sentence


def test_what_is_needed_and_not_there_is_named_with_what_it_is_for() -> None:
    first, second = refusal({"DATABASE_URL": ""}, "database_url", "kafka_bootstrap_servers")
    assert first.startswith("DATABASE_URL is not set: PostgreSQL")
    assert second.startswith("KAFKA_BOOTSTRAP_SERVERS is not set: brokers")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    sentences = refusal({"MAX_ATTEMPTS": "x", "LOG_LEVEL": "x"}, "database_url")
    assert [sentence.split()[0] for sentence in sentences] == ["DATABASE_URL", "MAX_ATTEMPTS", "LOG_LEVEL"]


def test_a_broker_that_asks_for_a_password_needs_one() -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "b:9092", "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}
    names = [sentence.split()[0] for sentence in refusal(environ, "kafka_bootstrap_servers")]
    assert names == ["KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"]
    assert read(environ)  # a function without a broker does not ask


def test_a_wrong_setting_ends_a_process_with_code_1_and_its_sentences() -> None:
    with pytest.raises(SystemExit) as ended:
        read({}, needs=("database_url",))
    assert isinstance(ended.value.code, str)  # which Python prints to standard error, and exits with 1


SECRETS = ["DATABASE_URL", "SYSTEM_DATABASE_URL", "MIGRATION_DATABASE_URL", "KAFKA_SASL_PASSWORD"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_never_shown(name: str) -> None:
    settings = read({name: "hunter2"})
    value = getattr(settings, name.lower())
    assert isinstance(value, SecretStr)
    assert value.get_secret_value() == "hunter2"
    for shown in (str(settings), repr(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "hunter2" not in shown


def test_a_refusal_shows_no_value_at_all() -> None:
    environ = {
        "KAFKA_TOPICS": "hunter2",
        "MAX_ATTEMPTS": "hunter2",
        "LOG_LEVEL": "hunter2",
        "DATABASE_TIMEOUT": "hunter2",
    }
    assert "hunter2" not in "".join(refusal(environ))


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a\nb", "\u00e9", "a/b", "x" * 250])
def test_a_topic_is_called_as_kafka_lets_it(name: str) -> None:
    with pytest.raises(WrongSetting, match=r"KAFKA_TOPICS is wrong: .*no name of a topic"):
        read({"KAFKA_TOPICS": json.dumps({"task-events": name})})
    assert read({"KAFKA_TOPICS": '{"task-events": "prod.task_events-1"}'}).topic("task-events") == "prod.task_events-1"


DAPR = {"TRANSPORT": "dapr", "DAPR_URL": "http://bridge:3500"}
KAFKA = {"KAFKA_BOOTSTRAP_SERVERS": "a:9092"}


@pytest.mark.parametrize(
    ("environ", "need"),
    [
        (KAFKA, BROKER),
        (KAFKA, TOPICS),
        (DAPR, BROKER),
        ({"TRANSPORT": "dapr", **KAFKA}, TOPICS),
        ({"TRANSPORT": "dapr", "REDIS_URL": "redis://r"}, TOPICS),
    ],
)
def test_what_is_needed_follows_the_transport(environ: dict[str, str], need: str) -> None:
    assert read(environ, needs=(need,))


@pytest.mark.parametrize(
    ("environ", "need", "missing"),
    [
        ({}, BROKER, "KAFKA_BOOTSTRAP_SERVERS"),
        ({"TRANSPORT": "dapr", **KAFKA}, BROKER, "DAPR_URL"),
        (DAPR, TOPICS, "KAFKA_BOOTSTRAP_SERVERS or REDIS_URL"),
    ],
)
def test_what_a_transport_lacks_is_named(environ: dict[str, str], need: str, missing: str) -> None:
    [sentence] = refusal(environ, need)
    assert sentence.startswith(f"{missing} is not set: ")


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"TRANSPORT": "nats"}, "TRANSPORT is wrong: Input should be 'kafka' or 'dapr'"),
        ({**DAPR, "DAPR_URL": "bridge:3500"}, "DAPR_URL is wrong: it must be http://host:port, such as"),
        ({**DAPR, "DAPR_URL": "http://bridge:3500/v1.0"}, "DAPR_URL is wrong: it must be http://host:port, such as"),
        ({**DAPR, "DAPR_PUBSUB": "a/b"}, "DAPR_PUBSUB is wrong: "),
        ({**DAPR, "REDIS_URL": "redis-host:6379"}, "REDIS_URL is wrong: it must be redis://user:password@host:6379/0"),
        ({"REDIS_URL": "redis://r"}, "REDIS_URL is set, but TRANSPORT is kafka"),
        ({**DAPR, **KAFKA, "REDIS_URL": "redis://r"}, "REDIS_URL and KAFKA_BOOTSTRAP_SERVERS are both set"),
        ({"DAPR_API_TOKEN": "x"}, "DAPR_URL is not set, but DAPR_API_TOKEN is"),
        ({"REMINDER_ALARM": "dapr-jobs"}, "DAPR_URL is not set, but REMINDER_ALARM is dapr-jobs"),
    ],
)
def test_settings_of_dapr_that_contradict_are_refused(environ: dict[str, str], sentence: str) -> None:
    [said] = refusal(environ)
    assert said.startswith(sentence)


def test_who_publishes_by_dapr_needs_no_user_of_the_broker() -> None:
    of_the_tools = {**DAPR, **KAFKA, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}
    assert read(of_the_tools, needs=(BROKER,)).transport == "dapr"
    assert len(refusal(of_the_tools, TOPICS)) == 3


def test_the_address_of_a_redis_is_shown_without_its_password() -> None:
    settings = read({**DAPR, "REDIS_URL": "rediss://user:hidden@cache.example.com/0"})
    assert settings.redis_address == "cache.example.com:6379"
    assert "hidden" not in repr(settings)
