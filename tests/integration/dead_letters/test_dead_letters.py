"""Dead letters put back, on a real database and broker: once, as they were, with their attempts anew."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from taskmaster import settings
from taskmaster.broker.window import reading
from taskmaster.database.store import Database
from taskmaster.dead_letters.replay import DeadLetterTopic, replay
from tests.support.brokers import Kafka
from tests.support.command_line import at_once, taskmaster
from tests.support.function_pack import FUNCTIONS
from tests.support.function_process import eventually
from tests.support.mailboxes import Mailboxes, Running

ATTEMPTS = 3
BUG = '    if "poison" in str(command.model_dump()):\n        raise RuntimeError("a bug")\n'


@pytest.fixture
def mailboxes(connected: dict[str, str], kafka: Kafka) -> Mailboxes:
    return Mailboxes.of(connected, kafka, MAX_ATTEMPTS=str(ATTEMPTS))


@pytest.fixture
def old(tmp_path: Path) -> dict[str, Path]:
    """The functions of yesterday: with a bug, and one that does not know tags yet."""
    files = {}
    for function in ("create-task", "update-task"):
        files[function] = tmp_path / f"{function.replace('-', '_')}.py"
        text = (FUNCTIONS / files[function].name).read_text()
        text = re.sub(r"(?m)^(def \w+\(command.*:\n)", rf"\g<1>{BUG.encode('unicode_escape').decode()}", text, count=1)
        if function == "create-task":
            text = text.replace("    tags: Tags = []\n", "").replace(
                "{**command.model_dump(),", '{**command.model_dump(), "tags": [],'
            )
        files[function].write_text(text)
    return files


def letters(mailboxes: Mailboxes, *arguments: str) -> list[dict[str, Any]]:
    """What `list` says, as a program reads it."""
    listed = at_once(mailboxes.operator, "dead-letters", "list", "--json", *arguments)
    assert listed.exit_code == 0, listed.output
    return [json.loads(line) for line in listed.stdout.splitlines()]


def replayed(mailboxes: Mailboxes, *arguments: str) -> str:
    """Replay; the last line, which says how many."""
    done = at_once(mailboxes.operator, "dead-letters", "replay", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()[-1]


def fed(running: Running, function: str, count: int) -> None:
    eventually(lambda: running.done(function) >= count, f"record {count} of {function}", within=60)


def parked(mailboxes: Mailboxes, count: int) -> None:
    """So many letters are on the topic."""
    with mailboxes.reader("dead-letters") as topic:
        eventually(lambda: len(topic.read()) >= count, f"letter {count}")


def ended(mailboxes: Mailboxes, *arguments: str) -> Result:
    return at_once(mailboxes.operator, "dead-letters", *arguments)


def envelope(mailboxes: Mailboxes, **fields: Any) -> bytes:
    """The original JSON envelope, of a producer that knows nothing of CloudEvents."""
    return json.dumps({"event_type": "task.create", "user_id": mailboxes.user, **fields}).encode()


# A function with a bug, mended ----------------------------------------------------------------------------------------


def test_what_a_mended_function_can_handle_is_replayed_and_has_its_effect_once(
    mailboxes: Mailboxes, old: dict[str, Path]
) -> None:
    """Parked by the function after too many attempts and by KafkaSource at once, as CloudEvents and as envelopes."""
    mailboxes.event("task.create", {"title": "poison as an event"}, event_id="bug")
    mailboxes.event("task.create", {"title": "tags as an event", "tags": ["new"]}, event_id="ahead of its time")
    mailboxes.record("create-task", envelope(mailboxes, event_id="own", data={"title": "poison with an id of its own"}))
    mailboxes.record("create-task", envelope(mailboxes, data={"title": "poison told from others by its place"}))
    mailboxes.event("task.create", {"title": "healthy"})
    with mailboxes.running("create-task", sources=old) as yesterday:
        fed(yesterday, "create-task", 5)
        parked(mailboxes, 4)
    assert mailboxes.titles() == ["healthy"]
    assert {(each["state"], each["function"], each["user"]) for each in letters(mailboxes)} == {
        ("waiting", "create-task", mailboxes.user)
    }
    reasons = {each["reason"] for each in letters(mailboxes)}
    assert f"failed {ATTEMPTS} times" in reasons
    assert any(reason.startswith("tags: there is no such field") for reason in reasons)

    with mailboxes.running("create-task") as today:
        assert replayed(mailboxes, "--type", "task.create", "--since", "1h") == "replayed 4 events, of 4 dead letters"
        fed(today, "create-task", 4)
        assert sorted(mailboxes.titles()) == [
            "healthy", "poison as an event", "poison told from others by its place", "poison with an id of its own",
            "tags as an event",
        ]  # fmt: skip
        assert {each["state"] for each in letters(mailboxes)} == {"handled"}
        assert {(attempts, status) for _, _, attempts, status in mailboxes.inbox()} == {(1, 204)}, "attempts anew"

        assert replayed(mailboxes, "--all") == "replayed 0 events, of 4 dead letters"
        assert replayed(mailboxes, "--all", "--again") == "replayed 4 events, of 4 dead letters"
        fed(today, "create-task", 8)
    assert len(mailboxes.titles()) == 5, "sent again, they got their first answer"


def test_a_correlation_that_no_header_carries_ends_its_record_and_holds_up_no_other(mailboxes: Mailboxes) -> None:
    """It would go out with what follows from the command, and hold up everything behind that for hours."""
    for number, hostile in enumerate(("line1\nline2", "a\x01b", "a\x7fb", "\u2192", " x")):
        fields = {"event_id": f"e{number}", "correlation_id": hostile, "data": {"title": "hostile"}}
        mailboxes.record("create-task", envelope(mailboxes, **fields))
    mailboxes.record("create-task", envelope(mailboxes, event_id="a\nb", data={"title": "hostile"}))
    mailboxes.event("task.create", {"title": "behind them"})
    with mailboxes.running("create-task") as running:
        parked(mailboxes, 6)
        eventually(lambda: mailboxes.titles() == ["behind them"], "the task behind them")
        reasons = sorted(each["reason"] for each in letters(mailboxes))
        assert [reason.split(":")[0] for reason in reasons] == [
            "attribute correlationid begins or ends with a blank, which no header keeps",
            "attribute correlationid holds U+0001, which no attribute of a CloudEvent may",
            "attribute correlationid holds U+000A, which no attribute of a CloudEvent may",
            "attribute correlationid holds U+007F, which no attribute of a CloudEvent may",
            "attribute correlationid holds U+2192",
            "attribute id holds U+000A, which no attribute of a CloudEvent may",
        ]
        assert replayed(mailboxes, "--all") == "replayed 6 events, of 6 dead letters"
        parked(mailboxes, 12)  # as they were, they are refused again
        fed(running, "create-task", 13)
    assert mailboxes.titles() == ["behind them"]


def test_one_that_fails_again_has_its_attempts_anew_and_another_letter(
    mailboxes: Mailboxes, old: dict[str, Path], tmp_path: Path
) -> None:
    mailboxes.event("task.create", {"title": "poison"}, event_id="e")
    with mailboxes.running("create-task", sources=old) as running:
        fed(running, "create-task", 1)
        parked(mailboxes, 1)
        assert replayed(mailboxes, "e") == "replayed 1 event, of 1 dead letters"
        parked(mailboxes, 2)
        retried = running.sources["create-task"].dispatcher.counts["retries"]
        assert retried == 2 * ATTEMPTS, "each time it was tried as often as any event, and then parked"
        assert [each["state"] for each in letters(mailboxes)] == ["replayed", "waiting"]
        assert replayed(mailboxes, "--all") == "replayed 1 event, of 2 dead letters"
        parked(mailboxes, 3)
    with mailboxes.running("create-task"):
        assert replayed(mailboxes, "--all", "--again") == "replayed 1 event, of 3 dead letters"
        eventually(mailboxes.titles)
    assert [each["state"] for each in letters(mailboxes)] == ["handled"] * 3


def test_letters_are_replayed_by_task(mailboxes: Mailboxes, old: dict[str, Path]) -> None:
    with mailboxes.running("create-task", "update-task", sources=old) as running:
        for title in ("one", "two"):
            mailboxes.event("task.create", {"title": title})
        fed(running, "create-task", 2)
        tasks = [
            task for (task,) in mailboxes.sql("SELECT task_id FROM task WHERE user_id = %s ORDER BY 1", mailboxes.user)
        ]
        for task in tasks:
            mailboxes.event("task.update", {"task_id": task, "description": "poison"})
        parked(mailboxes, 2)
    assert [each["task_id"] for each in letters(mailboxes)] == tasks
    with mailboxes.running("update-task") as running:
        assert replayed(mailboxes, "--task", str(tasks[1])) == "replayed 1 event, of 1 dead letters"
        fed(running, "update-task", 1)
    changed = mailboxes.sql("SELECT description FROM task WHERE user_id = %s ORDER BY task_id", mailboxes.user)
    assert changed == [(None,), ("poison",)]
    assert [each["state"] for each in letters(mailboxes)] == ["waiting", "handled"]


# Once -----------------------------------------------------------------------------------------------------------------


@contextmanager
def database(environment: dict[str, str]) -> Iterator[Database]:
    url = environment["SYSTEM_DATABASE_URL"]
    opened = Database(user_url=url, system_url=url, pool_size=8, timeout=5)
    try:
        yield opened
    finally:
        opened.close()


def park(mailboxes: Mailboxes, identifier: str = "e", *, value: bytes = b'{"title": "x"}', **attributes: str) -> None:
    """A letter as park-dead-letter writes it."""
    given = {
        "specversion": "1.0", "id": identifier, "source": "/tests", "type": "task.create", "userid": mailboxes.user,
        "knativeerrordest": "http://create-task.default.svc.cluster.local/events", "knativeerrorcode": "422",
        **attributes,
    }  # fmt: skip
    mailboxes.record("dead-letters", value, [(f"ce_{name}", text.encode()) for name, text in given.items()])


def waiting_in_the_outbox(mailboxes: Mailboxes) -> int:
    [(count,)] = mailboxes.sql("SELECT count(*) FROM outbox WHERE headers->>'ce_userid' = %s", mailboxes.user)
    return int(count)


def test_two_who_replay_a_letter_at_once_put_it_back_once(mailboxes: Mailboxes) -> None:
    park(mailboxes)
    name = mailboxes.topic("dead-letters")
    with reading(settings.read(mailboxes.operator), [name]) as topics:
        [letter] = DeadLetterTopic(topics, name).read()
    with database(mailboxes.environment) as opened, ThreadPoolExecutor(8) as eight:
        found = list(eight.map(lambda _: replay(opened, letter, topic="create-task"), range(8)))
    assert sorted(state.value for state in found) == ["replayed"] * 7 + ["waiting"]
    assert waiting_in_the_outbox(mailboxes) == 1
    mailboxes.sql("DELETE FROM outbox WHERE headers->>'ce_userid' = %s", mailboxes.user)


def test_an_event_that_has_two_letters_goes_back_once(mailboxes: Mailboxes) -> None:
    """KafkaSource repeats what it delivered before a crash, and so do the dead letters."""
    park(mailboxes)
    park(mailboxes)
    assert replayed(mailboxes, "--all") == "replayed 1 event, of 2 dead letters"
    with mailboxes.reader("create-task") as mailbox:
        [back] = mailbox.wait_for(1)
        assert len(mailbox.read()) == 1
    assert "knativeerrordest" not in back.attributes
    assert (back.id, back.key, back.data) == ("e", mailboxes.user, {"title": "x"})
    assert [each["state"] for each in letters(mailboxes)] == ["replayed", "replayed"]


def test_a_letter_whose_id_another_command_has_taken_is_not_replayed(mailboxes: Mailboxes) -> None:
    with mailboxes.running("create-task") as running:
        mailboxes.event("task.create", {"title": "the first"}, event_id="same")
        mailboxes.event("task.create", {"title": "the second"}, event_id="same")
        fed(running, "create-task", 2)
        parked(mailboxes, 1)
    tried = ended(mailboxes, "replay", "--all", "--again")
    assert (tried.exit_code, "another command was handled under its id" in tried.stderr) == (1, True)
    assert tried.stdout == "replayed 0 events, of 1 dead letters\n"
    assert mailboxes.titles() == ["the first"]


def test_a_dry_run_says_what_would_go_and_changes_nothing(mailboxes: Mailboxes) -> None:
    park(mailboxes)
    for _ in range(2):
        rehearsed = ended(mailboxes, "replay", "--all", "--dry-run")
        assert rehearsed.exit_code == 2
        assert rehearsed.stdout.splitlines() == [
            f"0/0 task.create e: would go back to {mailboxes.topic('create-task')}",
            "would replay 1 event, of 1 dead letters",
        ]
    assert [each["state"] for each in letters(mailboxes)] == ["waiting"]


# Looking --------------------------------------------------------------------------------------------------------------


def test_letters_are_found_by_whatever_is_known_of_them(mailboxes: Mailboxes) -> None:
    park(mailboxes, "a", value=b'{"task_id": 7}', type="task.update")
    park(mailboxes, "b", userid="grace")
    park(mailboxes, "c", knativeerrordest="complete-task")
    park(mailboxes, "d", value=b"\x00\xff no JSON")

    def found(*arguments: str) -> str:
        return "".join(each["id"] for each in letters(mailboxes, *arguments))

    assert found() == "abcd"
    assert found("--task", "7") == found("--type", "task.update") == found("a") == found("0/0") == "a"
    assert (found("--user", "grace"), found("--function", "complete-task"), found("b", "0/3")) == ("b", "c", "bd")
    assert (found("--since", "1h"), found("--since", "PT1H", "--until", "2h")) == ("abcd", "")
    assert (found("--until", "2020-01-01"), found("--since", "2020-01-01T00:00:00Z")) == ("", "abcd")
    assert ended(mailboxes, "list", "--user", "nobody").stdout == "no dead letters of these\n"


def test_a_list_is_a_table_and_a_letter_is_a_page(mailboxes: Mailboxes) -> None:
    assert ended(mailboxes, "list").stdout == "no dead letters\n"
    park(
        mailboxes,
        "e",
        value=json.dumps({"title": "x" * 5_000, "description": "\x1b[2J"}).encode(),
        reason="title: \x1b[31mtoo long",
    )
    heading, line = ended(mailboxes, "list").stdout.splitlines()
    assert heading.split() == ["LETTER", "PARKED", "FUNCTION", "TYPE", "USER", "TASK", "STATE", "REASON"]
    assert line.split()[0] == "0/0"
    assert line.endswith("title: \N{REPLACEMENT CHARACTER}[31mtoo long")
    page = ended(mailboxes, "show", "e").stdout
    for said in ("status 422", "task.create, id e", "  userid", "... cut: 4000 of 5", "--full"):
        assert said in page
    whole = ended(mailboxes, "show", "0/0", "--full").stdout
    assert "x" * 5_000 in whole
    assert "\x1b" not in page + whole
    shown = json.loads(ended(mailboxes, "show", "e", "--json").stdout)
    assert (shown["data"]["title"], shown["attributes"]["id"]) == ("x" * 5_000, "e")


def test_all_of_a_long_topic_is_read(mailboxes: Mailboxes) -> None:
    for number in range(3):
        park(mailboxes, f"{number}", value=b"x" * 600_000)
    assert [each["bytes"] for each in letters(mailboxes)] == [600_000] * 3


# What goes wrong ------------------------------------------------------------------------------------------------------


def test_what_goes_wrong_is_one_sentence(mailboxes: Mailboxes) -> None:
    park(mailboxes)
    nowhere = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_REQUEST_TIMEOUT": "1"}
    no_login = {"SYSTEM_DATABASE_URL": mailboxes.environment["SYSTEM_DATABASE_URL"].replace("system%27s", "hunter2")}
    user_login = {"SYSTEM_DATABASE_URL": mailboxes.environment["DATABASE_URL"]}
    no_topic = {"KAFKA_TOPICS": '{"dead-letters": "nowhere"}'}
    for environment, arguments, said in [
        (nowhere, "list", "the broker at 127.0.0.1:1 cannot be read"),
        (no_topic, "list", "there is no topic nowhere"),
        ({}, "show unknown", "there is no dead letter unknown"),
        ({}, "replay e unknown", "there is no dead letter unknown of these; nothing was replayed"),
        (no_login, "replay e", "password authentication failed"),
        (user_login, "replay e", "SYSTEM_DATABASE_URL must name taskmaster_system"),
    ]:
        tried = at_once(mailboxes.operator | environment, "dead-letters", *arguments.split())
        assert (tried.exit_code, tried.stdout) == (1, ""), (said, tried)
        [line] = tried.stderr.splitlines()
        assert line.startswith("taskmaster: ")
        assert said in line
        assert "hunter2" not in line
    assert [each["state"] for each in letters(mailboxes)] == ["waiting"]


@pytest.mark.parametrize(
    "arguments", ["replay", "replay --again", "list --since yesterday", "list --task x", "show", "frobnicate"]
)
def test_what_is_no_question_is_answered_with_how_to_ask(arguments: str) -> None:
    tried = at_once({}, "dead-letters", *arguments.split())
    assert (tried.exit_code, tried.stderr.startswith("Usage: ")) == (2, True)


def test_without_a_database_letters_are_shown_all_the_same(mailboxes: Mailboxes) -> None:
    park(mailboxes)
    alone = {name: value for name, value in mailboxes.operator.items() if not name.endswith("DATABASE_URL")}
    listed = taskmaster(alone, "dead-letters", "list", "--json")
    assert json.loads(listed.stdout)["state"] is None
    assert "not known" in listed.stderr


def test_a_letter_that_has_nowhere_to_go_is_told_and_the_others_go(mailboxes: Mailboxes) -> None:
    park(mailboxes, "good")
    park(mailboxes, "elsewhere", knativeerrordest="http://somebody-elses.default.svc/")
    park(mailboxes, "a fact", knativeerrordest="task-events")
    tried = ended(mailboxes, "replay", "--all")
    assert (tried.exit_code, tried.stdout.splitlines()[-1]) == (1, "replayed 1 event, of 3 dead letters")
    assert "there is no topic somebody-elses" in tried.stderr
    assert "task-events is no function's mailbox" in tried.stderr
