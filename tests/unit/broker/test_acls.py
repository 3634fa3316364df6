"""The page on users and ACLs is what the code gives, and the commands say the same to both kinds of broker."""

import pytest

from taskmaster.broker import acls
from taskmaster.events import routes
from taskmaster.settings import read
from tests.support.documents import rows


def test_the_page_names_every_role_with_its_user() -> None:
    assert {role: user.strip("`") for role, user, _ in rows("kafka.md", "role", "user", "who uses it")} == acls.USERS


def test_the_page_has_every_rule_and_no_other() -> None:
    written = [
        (role, resource, tuple(name.strip("` ") for name in names.split(",")), tuple(operations.split(", ")))
        for role, resource, names, operations in rows("kafka.md", "role", "resource", "names", "operations")
    ]
    assert written == [(grant.role, grant.resource, grant.names, grant.operations) for grant in acls.GRANTS]


@pytest.mark.parametrize(
    ("tool", "wanted"),
    [
        (
            "kafka-acls",
            "kafka-acls.sh --add --allow-principal User:reader --operation Read --topic events --topic task-updates",
        ),
        ("rpk", "rpk security acl create --allow-principal User:reader --operation read --topic events,task-updates"),
    ],
)
def test_commands_name_users_and_topics_as_they_are_called_there(tool: acls.Tool, wanted: str) -> None:
    settings = read({"KAFKA_TOPICS": '{"task-events": "events"}'})
    assert wanted in acls.commands(settings, {"listener": "reader"}, tool=tool)


def test_topics_that_share_a_name_are_named_once() -> None:
    settings = read({"KAFKA_TOPICS": '{"create-task": "commands", "update-task": "commands"}'})
    [grant] = [each for each in acls.grants(settings) if each.role == "producer"]
    assert grant.names.count("commands") == 1


def test_only_services_may_write_commands_and_only_the_functions_facts() -> None:
    writers = {
        topic: {grant.role for grant in acls.GRANTS if "WRITE" in grant.operations and topic in grant.names}
        for topic in routes.TOPICS
    }
    assert all(writers[topic] == {"functions"} for topic in (routes.TASK_EVENTS, routes.TASK_UPDATES))
    assert writers[routes.DISPATCH_DUE_REMINDERS] == {"functions", "operator"}
    assert all("listener" not in roles for roles in writers.values())
