"""The one-file client: it repeats a call under its key, says what was refused, and follows changes without a gap."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from waitress.channel import ClientDisconnected

from knative.local.web import WebServer
from taskmaster import client as module
from taskmaster.client import Away, Refused, StartAnew, Taskmaster
from tests.support import tokens
from tests.support.address import address
from tests.support.function_pack import Pack

Application = Any


class Address:
    """The one address, which may be told to lose answers, or to be away."""

    def __init__(self, pack: Pack) -> None:
        self._served = address(pack)
        self.lost = self.away = 0
        self.asked: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.asked.append(f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']}")
        if self.away:
            self.away -= 1
            start_response("503 Service Unavailable", [("Retry-After", "0"), ("Content-Type", "text/plain")])
            return [b"no pod yet"]
        answer = self._served(environ, start_response)
        if self.lost:  # it was done, and nobody hears of it
            self.lost -= 1
            list(answer)
            raise ClientDisconnected
        return answer


@pytest.fixture
def front(pack: Pack) -> Address:
    return Address(pack)


@pytest.fixture
def client(pack: Pack, front: Address) -> Iterator[Taskmaster]:
    web = WebServer(front)
    yield Taskmaster(f"http://127.0.0.1:{web.port}", tokens.token(pack.user), pause=0.01)
    pack.runtime.stop()  # streams end before the server does
    web.stop()


def test_a_task_is_created_changed_completed_and_deleted(client: Taskmaster) -> None:
    task = client.create("water the plants", tags=["home"], due_on="2027-01-31")
    assert client.update(task["task_id"], tags=None, expected_version=1)["tags"] == []
    assert client.complete(task["task_id"])["completed"]
    assert not client.reopen(task["task_id"])["completed"]
    assert client.get(task["task_id"])["version"] == 4
    client.delete(task["task_id"])
    assert list(client.list()) == []


def test_a_list_has_the_tasks_of_all_pages(client: Taskmaster) -> None:
    for number in range(5):
        client.create(str(number), tags=["a"] if number % 2 else [])
    assert [task["title"] for task in client.list(sort="title", limit=2)] == ["0", "1", "2", "3", "4"]
    assert [task["title"] for task in client.list(sort="-title", tag="a")] == ["3", "1"]


def test_a_call_whose_answer_was_lost_is_repeated_and_done_once(client: Taskmaster, front: Address, pack: Pack) -> None:
    front.lost = 2
    task = client.create("rent")
    assert len(front.asked) == 3
    assert [each["task_id"] for each in pack.tasks()] == [task["task_id"]]
    front.lost = 1
    client.delete(task["task_id"])
    assert pack.tasks() == []


def test_a_key_of_ones_own_holds_across_processes(client: Taskmaster, pack: Pack) -> None:
    first, again = (client.create("rent", key="rent-2027-01") for _ in range(2))
    assert first == again
    assert len(pack.tasks()) == 1


def test_who_is_away_is_asked_again_and_then_given_up(client: Taskmaster, front: Address) -> None:
    front.away = 5
    assert client.create("x")["title"] == "x"
    front.away = 6
    with pytest.raises(Away, match="HTTP status 503"):
        client.create("y")
    with pytest.raises(Away):
        Taskmaster("http://127.0.0.1:1", "t", tries=2, pause=0.01).get(1)


def test_a_refusal_says_why_and_is_not_repeated(client: Taskmaster, front: Address) -> None:
    with pytest.raises(Refused, match="No such task: There is no task 999999999 among yours") as refused:
        client.complete(999_999_999)
    assert refused.value.status == 404
    with pytest.raises(Refused) as refused:
        client.create("x", due_at="tomorrow")
    assert refused.value.errors[0]["pointer"] == "/due_at"
    assert len(front.asked) == 2


def test_a_token_may_be_a_function_that_gives_one(pack: Pack, client: Taskmaster, front: Address) -> None:
    given: list[str] = []

    def token() -> str:
        given.append(tokens.token(pack.user))
        return given[-1]

    renewed = Taskmaster(client._url, token)
    renewed.create("x")
    renewed.create("y")
    assert len(given) == 2


def test_changes_are_told_from_the_beginning_and_from_a_cursor(client: Taskmaster) -> None:
    kept, gone = client.create("kept"), client.create("gone")
    *_, last = client.changes()
    client.delete(gone["task_id"])
    client.complete(kept["task_id"])
    pages = list(client.changes(last.cursor))
    assert [task["completed"] for page in pages for task in page.tasks] == [True]
    assert [each["task_id"] for page in pages for each in page.deleted] == [gone["task_id"]]
    with pytest.raises(Refused):
        list(client.changes("made up"))


def test_a_cursor_of_another_database_means_to_start_anew(client: Taskmaster) -> None:
    from tests.programs.specifications.examples import CURSOR

    with pytest.raises(StartAnew, match="leave it out"):
        list(client.changes(CURSOR))
    with pytest.raises(StartAnew):
        next(client.follow(CURSOR))


def test_following_goes_on_over_the_end_of_a_stream(client: Taskmaster, front: Address) -> None:
    """A stream ends after a second here, and the next one begins behind its last event."""
    *_, last = client.changes()
    titles = []
    for number, page in enumerate(client.follow(last.cursor)):
        titles += [task["title"] for task in page.tasks]
        if len(titles) == 2 and front.asked.count("GET /tasks/events") >= 2:
            break
        if number < 2:
            client_of_another = Taskmaster(client._url, client._token)
            client_of_another.create(f"task {number}")
    assert titles == ["task 0", "task 1"]


def test_the_client_is_one_file_that_needs_requests_alone() -> None:
    text = Path(module.__file__).read_text()
    imported = {
        line.split()[1].partition(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))
    }
    assert "requests" in imported
    assert "taskmaster" not in imported
