"""The command line: safe to repeat, safe beside itself, and what goes wrong is one sentence without a secret in it."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner

from knative.local.processes import free_port
from taskmaster.cli import __main__ as cli
from taskmaster.cli import keypair
from taskmaster.events import routes
from taskmaster.identity import oidc
from taskmaster.identity.callers import caller
from taskmaster.settings import read
from tests.support import command_line
from tests.support.brokers import Kafka
from tests.support.issuer import private_key
from tests.support.own_database import own_database

PASSWORD = "hunter2"


def taskmaster(environment: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run it in this process, and let the test look at how it ended."""
    ended = command_line.at_once(environment, *arguments)
    return subprocess.CompletedProcess(arguments, ended.exit_code, ended.stdout, ended.stderr)


def as_a_job(environment: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run it in a process of its own, as the cluster does."""
    return command_line.taskmaster(environment, *arguments, check=False)


def expect_one_sentence(ended: "subprocess.CompletedProcess[str]", *said: str) -> None:
    """It failed, and says why in one line that nobody needs to read twice."""
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stdout == ""
    [line] = ended.stderr.splitlines()
    assert line.startswith("taskmaster: ")
    for part in said:
        assert part in line
    assert PASSWORD not in line
    assert "Traceback" not in line


# migrate --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a database that has nothing in it."""
    with own_database(environment) as own:
        yield own


def tables(environment: Mapping[str, str]) -> set[str]:
    with psycopg.connect(environment["MIGRATION_DATABASE_URL"]) as connection:
        return {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_migrating_twice_applies_once(fresh: dict[str, str]) -> None:
    first, second = as_a_job(fresh, "migrate"), taskmaster(fresh, "migrate")
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.startswith("applied 0001.logins, 0002.tasks")
    assert second.stdout == "the schema is up to date\n"
    assert first.stderr == second.stderr == ""
    assert {"task", "series", "inbox", "outbox"} <= tables(fresh)
    with psycopg.connect(fresh["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM task").fetchone() == (0,)


def test_two_migrations_at_once_are_one(fresh: dict[str, str]) -> None:
    with ThreadPoolExecutor(3) as at_once:
        ended = list(at_once.map(lambda _: as_a_job(fresh, "migrate"), range(3)))
    assert [each.returncode for each in ended] == [0, 0, 0], [each.stderr for each in ended]
    assert sum(each.stdout.startswith("applied") for each in ended) == 1


def test_a_migrator_that_was_killed_holds_up_nobody(fresh: dict[str, str]) -> None:
    command_line.prepare(fresh, "migrate")
    with psycopg.connect(fresh["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        # What yoyo leaves behind when it dies, and a migration that it had not come to.
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 4711)")
        connection.execute("DROP TABLE outbox, inbox")
        connection.execute("DELETE FROM _yoyo_migration WHERE migration_id LIKE '0003%'")
    ended = taskmaster(fresh, "migrate")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("applied 0003.inbox_outbox")
    assert {"inbox", "outbox"} <= tables(fresh)


def test_the_logins_take_the_passwords_of_their_urls(fresh: dict[str, str]) -> None:
    """Also one with every character that a URL or a statement could stumble over; the old one comes back."""
    awkward = "p%40ss%20w%27or%22d%25%3A%2F%5C"
    parts = urlsplit(fresh["DATABASE_URL"])
    netloc = f"{parts.username}:{awkward}@{parts.hostname}:{parts.port}"
    changed = {**fresh, "DATABASE_URL": urlunsplit(parts._replace(netloc=netloc))}
    try:
        assert taskmaster(changed, "migrate").returncode == 0
        psycopg.connect(changed["DATABASE_URL"]).close()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(fresh["DATABASE_URL"])
    finally:
        assert taskmaster(fresh, "migrate").returncode == 0
    psycopg.connect(fresh["DATABASE_URL"]).close()


def owner(fresh: Mapping[str, str], **parts: str) -> str:
    """The owner's URL with other parts."""
    url = urlsplit(fresh["MIGRATION_DATABASE_URL"])
    user, password, port = url.username, parts.get("password", url.password), parts.get("port", str(url.port))
    return f"postgresql://{parts.get('user', user)}:{password}@127.0.0.1:{port}/{parts.get('name', url.path[1:])}"


def test_a_database_that_refuses_is_one_sentence(fresh: dict[str, str]) -> None:
    for url, said in [
        (owner(fresh, password=PASSWORD), "password authentication failed"),
        (owner(fresh, name="nowhere"), "does not exist"),
        (owner(fresh, port=str(free_port()), password=PASSWORD), "refused"),
        (f"nonsense {PASSWORD}", ""),
        (f"postgresql://u:{PASSWORD}[@127.0.0.1/x", ""),
        (fresh["DATABASE_URL"], "names taskmaster_user, who may not create tables in fresh_"),
    ]:
        expect_one_sentence(taskmaster({**fresh, "MIGRATION_DATABASE_URL": url}, "migrate"), said)


def test_a_login_that_may_make_tables_but_does_not_own_ours_is_told_who_does(fresh: dict[str, str]) -> None:
    """What the database itself would say is that yoyo's lock does not exist."""
    command_line.prepare(fresh, "migrate")
    with psycopg.connect(fresh["MIGRATION_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("GRANT CREATE ON SCHEMA public TO taskmaster_user")
    ended = taskmaster({**fresh, "MIGRATION_DATABASE_URL": fresh["DATABASE_URL"]}, "migrate")
    expect_one_sentence(ended, "names taskmaster_user, but the tables of fresh_", "belong to postgres: use that login")


@pytest.mark.parametrize("name", ["DATABASE_URL", "SYSTEM_DATABASE_URL"])
def test_a_login_that_is_not_the_functions_own_is_refused(fresh: dict[str, str], name: str) -> None:
    for url in (
        owner(fresh, password=PASSWORD),
        f"postgresql://127.0.0.1/{PASSWORD}",
        f"nonsense {PASSWORD}",
        f"postgresql://u:{PASSWORD}[@h/d",
    ):
        login = "taskmaster_user" if name == "DATABASE_URL" else "taskmaster_system"
        expect_one_sentence(taskmaster({**fresh, name: url}, "migrate"), login)
    assert tables(fresh) == set()


# acls -----------------------------------------------------------------------------------------------------------------


def test_acls_are_those_of_the_roles_that_are_asked_for() -> None:
    everybody, one = (
        command_line.at_once({}, "acls", *words).output.splitlines() for words in ([], ["--role", "functions"])
    )
    assert [line for line in everybody if "User:taskmaster " in line] == one
    assert len(one) < len(everybody)
    named = command_line.at_once({}, "acls", "--role", "source", "--user", "source=reader", "--tool", "rpk").output
    assert named.count("rpk security acl create --allow-principal User:reader ") == len(named.splitlines()) == 2


@pytest.mark.parametrize("words", ["--role nobody", "--user nobody=x", "--user functions", "--tool nothing"])
def test_acls_of_nobody_are_refused_with_the_roles_there_are(words: str) -> None:
    ended = command_line.at_once({}, "acls", *words.split())
    assert ended.exit_code in (1, 2)
    assert "functions" in ended.output or "kafka-acls" in ended.output


# topics ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_topics(kafka: Kafka) -> dict[str, str]:
    """A broker that has none of the topics, for whoever makes them."""
    prefix = uuid4().hex[:8]
    topics = {name: f"{prefix}.{name}" for name in routes.TOPICS}
    kafka.allow(topics)
    return {**kafka.environment("admin"), "KAFKA_TOPICS": json.dumps(topics)}


def test_topics_are_told_then_created_then_as_they_should_be(no_topics: dict[str, str]) -> None:
    names = set(json.loads(no_topics["KAFKA_TOPICS"]).values())
    told = taskmaster(no_topics, "topics", "--dry-run")
    assert told.returncode == 2
    assert {line.partition(":")[0] for line in told.stdout.splitlines()} == names
    assert told.stdout.count(": would be created with 3 partitions, records kept 7 days\n") == len(names)

    created = taskmaster(no_topics, "topics")
    assert created.returncode == 0
    assert {line.partition(":")[0] for line in created.stdout.splitlines()} == names
    assert created.stdout.count(": created with 3 partitions, records kept 7 days\n") == len(names)

    for arguments in (["topics"], ["topics", "--dry-run"]):
        again = taskmaster(no_topics, *arguments)
        assert again.returncode == 0
        first, *further = again.stdout.splitlines()
        assert first == f"all {len(routes.TOPICS)} topics are as they should be"
        assert [line.split(" of them")[0] for line in further] in ([], [f"how long {len(routes.TOPICS)}"])
        assert again.stderr == ""  # a broker that tells nothing of its configuration is no error

    more = taskmaster(no_topics, "topics", "--partitions", "5", "--dry-run")
    assert more.returncode == 0  # told, but nothing would change
    assert "has 3 partitions, not 5" in more.stdout


def test_topics_may_have_other_names(connected: dict[str, str], kafka: Kafka) -> None:
    named = {**connected, **kafka.environment("admin"), "KAFKA_TOPICS": f'{{"task-events": "prod.{uuid4().hex}"}}'}
    told = taskmaster(named, "topics", "--dry-run")
    assert told.returncode == 2
    [line] = [line for line in told.stdout.splitlines() if "the broker does not say" not in line]
    assert line.startswith("prod.")


@pytest.mark.parametrize("servers", ["127.0.0.1:1", "nonsense", "no.such.host.invalid:9092"])
def test_a_broker_that_is_not_there_is_one_sentence(servers: str) -> None:
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": servers, "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_REQUEST_TIMEOUT": "1",
        "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": PASSWORD,
    }  # fmt: skip
    expect_one_sentence(taskmaster(environment, "topics"), servers)


def test_a_broker_that_does_not_speak_tls_is_not_waited_for_for_ever(
    no_topics: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_BROKER_SECONDS", 1)
    ended = CliRunner().invoke(cli.main, ["topics"], env={**no_topics, "KAFKA_SECURITY_PROTOCOL": "SSL"})
    assert ended.exit_code == 1
    assert "no answer within 1 seconds" in ended.output


def test_a_topic_name_that_is_none_is_one_sentence(no_topics: dict[str, str]) -> None:
    ended = as_a_job({**no_topics, "KAFKA_TOPICS": '{"task-events": "no name!"}'}, "topics")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "KAFKA_TOPICS is wrong: 'no name!' is no name of a topic" in ended.stderr  # a setting, refused at start


# token ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["", "a" * 129, "a\nb"])
def test_a_token_for_nobody_is_refused(tmp_path: Path, user: str) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(keypair.new())
    expect_one_sentence(taskmaster({}, "token", user, "--key", str(file)), "128")


# keys -----------------------------------------------------------------------------------------------------------------


def test_a_key_pair_stands_in_for_an_identity_provider(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    made, shown = as_a_job({}, "keys", "new", str(file)), as_a_job({}, "keys", "show", str(file))
    assert (made.returncode, made.stderr, made.stdout) == (0, "", shown.stdout)
    assert file.stat().st_mode & 0o777 == 0o600
    believed = dict(line.split("=", 1) for line in made.stdout.splitlines())
    assert list(believed) == ["OIDC_ISSUER", "OIDC_AUDIENCE", "OIDC_JWKS"]
    assert '"d"' not in made.stdout

    for environment in ({}, believed, {**believed, "OIDC_ISSUER": "another name"}):
        signed = as_a_job(environment, "token", "ada", "--key", str(file))
        assert (signed.returncode, signed.stderr) == (0, "")
        issuer = oidc.verifier_of_users(read({**believed, **environment}))
        assert caller(f"Bearer {signed.stdout.strip()}", tokens=issuer).user_id == "ada"


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text("precious")
    expect_one_sentence(taskmaster({}, "keys", "new", str(file)), "File exists")
    expect_one_sentence(taskmaster({}, "keys", "new", str(tmp_path / "no" / "key.pem")), "No such file")
    assert file.read_text() == "precious"


def test_a_file_that_holds_no_key_of_ours_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    ec_key, rsa_key = private_key("ES384"), private_key("RS256")
    for content in (b"", b"x", b"\xff", pem(ec_key), pem(rsa_key), pem(private_key("ES256"), password=PASSWORD)):
        file.write_bytes(content)
        for arguments in (["keys", "show", str(file)], ["token", "ada", "--key", str(file)]):
            expect_one_sentence(taskmaster({}, *arguments), "the file holds no private key as `taskmaster keys new`")


def pem(private: Any, *, password: str = "") -> bytes:
    from cryptography.hazmat.primitives import serialization

    how = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    content: bytes = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    return content


# Asking for it wrongly ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("migrate", ["MIGRATION_DATABASE_URL", "DATABASE_URL", "SYSTEM_DATABASE_URL"]),
        ("topics", ["KAFKA_BOOTSTRAP_SERVERS"]),
    ],
)
def test_a_setting_that_is_missing_is_named(command: str, names: list[str]) -> None:
    ended = as_a_job({}, *command.split())
    assert ended.returncode == 1
    for name in names:
        assert re.search(rf"^  {name} is not set: ", ended.stderr, re.MULTILINE)
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "nonsense",
        "token",
        "token ada",
        "keys",
        "keys new",
        "token ada --key /no/such/file",
        "topics --partitions 0",
        "token ada --days 0",
    ],
)
def test_what_is_no_command_is_answered_with_how_to_ask(arguments: str) -> None:
    ended = taskmaster({}, *arguments.split())
    assert ended.returncode == 2
    assert ended.stderr.startswith("Usage: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["", "migrate", "topics", "token", "keys", "keys new", "keys show"])
def test_every_command_says_what_it_does(command: str) -> None:
    ended = taskmaster({}, *command.split(), "--help")
    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) > 4
