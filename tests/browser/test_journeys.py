"""What people do on the page, each step of it seen by another program as well."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from knative.local.up import Platform
from tests.browser.conftest import Visitor, visiting
from tests.support.function_process import eventually


def tasks(visitor: Visitor, **query: str) -> list[dict[str, Any]]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    found: list[dict[str, Any]] = visitor.call("GET", f"/tasks?{asked}")["tasks"]
    return found


def test_a_task_is_added_completed_and_open_again(visitor: Visitor) -> None:
    visitor.add("Buy oat milk")
    assert visitor.titles() == ["Buy oat milk"]
    box = visitor.page.get_by_role("checkbox", name="Done: Buy oat milk")
    box.click()
    visitor.settled()
    assert box.get_attribute("aria-checked") == "true"
    assert [task["completed"] for task in tasks(visitor)] == [True]
    visitor.page.get_by_role("button", name="Undo").click()
    visitor.settled()
    assert [task["completed"] for task in tasks(visitor)] == [False]


def test_a_task_is_edited_in_place_and_the_next_dates_are_shown(visitor: Visitor) -> None:
    visitor.add("Pay rent")
    visitor.page.get_by_role("button", name="Pay rent", exact=True).click()
    editor = visitor.page.get_by_role("form", name="Edit Pay rent")
    editor.get_by_label("Title").fill("Pay the rent")
    editor.get_by_label("Date").fill("2031-01-31")
    editor.get_by_label("Time", exact=True).fill("09:30")
    editor.get_by_label("Time zone").fill("Europe/Zurich")
    editor.get_by_label("Priority").select_option("high")
    editor.get_by_label("Tags").fill("home, money")
    editor.get_by_label("Repeats").fill("monthly")
    editor.get_by_role("listitem").nth(4).wait_for()
    dates = editor.get_by_role("list", name="The next dates").get_by_role("listitem").all_inner_texts()
    assert [re.sub(r"\w+, (\d+ \w+) 2031.*", r"\1", each) for each in dates] == [
        "31 Jan", "28 Feb", "31 Mar", "30 Apr", "31 May",
    ]  # fmt: skip
    editor.get_by_role("button", name="Save").click()
    visitor.settled()
    [task] = tasks(visitor)
    assert (task["title"], task["priority"], task["tags"]) == ("Pay the rent", "high", ["home", "money"])
    assert (task["due_at"], task["time_zone"]) == ("2031-01-31T08:30:00Z", "Europe/Zurich")
    assert task["recurrence_pattern"] == "monthly"


def rings() -> list[str]:
    """Moments for a minute and a half, so that some lie ahead however long a page takes."""
    now = datetime.now(UTC)
    return [(now + timedelta(seconds=seconds)).isoformat() for seconds in range(2, 90, 4)]


def test_the_editor_tells_what_became_of_each_reminder(visitor: Visitor) -> None:
    """A user without a channel has the event alone."""
    task = {"title": "Ring", "due_at": "2090-01-31T09:00:00Z", "reminders": ["P1D", *rings()]}
    visitor.call("POST", "/tasks", task)
    visitor.row("Ring").wait_for()
    told = visitor.page.get_by_role("list", name="Reminders").get_by_role("listitem")

    def statuses() -> list[str]:
        visitor.page.get_by_role("button", name="Ring", exact=True).click()
        told.first.wait_for()
        found = [text.rpartition(": ")[2] for text in told.all_inner_texts()]
        visitor.page.keyboard.press("Escape")
        return found

    eventually(lambda: {"ahead", "ended"} <= set(statuses()), "one that rang", within=90)
    assert statuses()[0] == "ahead"


def test_a_pattern_that_is_none_is_explained_as_it_is_typed(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Details").click()
    visitor.page.get_by_label("Repeats").fill("every blue moon")
    wrong = visitor.page.locator(".dates .wrong")
    wrong.wait_for()
    assert "recurrence_pattern" in wrong.inner_text()


def test_what_is_wrong_in_a_form_is_said_at_its_field_and_not_sent(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("button", name="Details").click()
    page.get_by_label("New task").fill("At half past nine")
    page.get_by_label("Time", exact=True).fill("09:30")
    page.get_by_role("button", name="Add", exact=True).click()
    date = page.get_by_label("Date", exact=True)
    assert date.evaluate("(field) => field.validationMessage") == "A time needs its date."
    assert date.evaluate("(field) => field === document.activeElement")
    assert visitor.titles() == []
    date.fill("2031-01-31")
    zone = page.get_by_label("Time zone")
    zone.fill("Europe/Atlantis")
    page.get_by_role("button", name="Add", exact=True).click()
    assert zone.evaluate("(field) => field.validationMessage") == "There is no such time zone."
    zone.fill("Europe/Zurich")
    page.get_by_role("button", name="Add", exact=True).click()
    visitor.row("At half past nine").wait_for()
    visitor.settled()
    assert [task["due_at"] for task in tasks(visitor)] == ["2031-01-31T08:30:00Z"]


def test_one_task_is_edited_at_a_time_and_shown_again_as_it_is_then(visitor: Visitor) -> None:
    for title in ("First", "Second"):
        visitor.add(title)
        visitor.page.get_by_role("button", name=title, exact=True).click()
    assert visitor.page.locator(".editor").count() == 1
    visitor.row("First").wait_for()
    [second] = [task for task in tasks(visitor) if task["title"] == "Second"]
    visitor.call("PATCH", f"/tasks/{second['task_id']}", {"title": "Renamed meanwhile"})
    visitor.page.locator(".task .title", has_text="Renamed meanwhile").wait_for(state="attached")
    assert visitor.page.get_by_role("form", name="Edit Second").is_visible()
    assert not visitor.page.get_by_role("button", name="Renamed meanwhile", exact=True).is_visible()
    visitor.page.keyboard.press("Escape")
    visitor.row("Renamed meanwhile").wait_for()
    assert visitor.page.evaluate("() => document.activeElement.textContent") == "Renamed meanwhile"


def test_a_deletion_can_be_taken_back_and_is_made_otherwise(visitor: Visitor) -> None:
    visitor.add("Keep me")
    visitor.add("Delete me")
    for title in ("Keep me", "Delete me"):
        visitor.row(title).hover()
        visitor.page.get_by_role("button", name=f"Delete {title}").click()
    assert visitor.titles() == []
    visitor.page.locator(".toast", has_text="Keep me").get_by_role("button", name="Undo").click()
    assert visitor.titles() == ["Keep me"]
    visitor.page.wait_for_timeout(7_500)
    assert [task["title"] for task in tasks(visitor)] == ["Keep me"]


def test_filters_search_and_order(visitor: Visitor) -> None:
    for title, priority, tag in (("Alpha", "low", "home"), ("Beta", "urgent", "work"), ("Gamma", "high", "home")):
        visitor.call("POST", "/tasks", {"title": title, "priority": priority, "tags": [tag]})
    visitor.page.reload()
    visitor.row("Gamma").wait_for()
    visitor.page.get_by_label("Order").select_option("-priority")
    visitor.page.wait_for_function("() => document.querySelector('.task .title').textContent === 'Beta'")
    assert visitor.titles() == ["Beta", "Gamma", "Alpha"]
    visitor.page.get_by_role("button", name="Only tag home").first.click()
    visitor.row("Beta").wait_for(state="detached")
    visitor.page.get_by_label("Search").fill("GAM")
    visitor.row("Alpha").wait_for(state="detached")
    assert visitor.titles() == ["Gamma"]
    visitor.page.get_by_label("Search").fill("nothing like it")
    visitor.page.get_by_role("button", name="Clear the filters").click()
    visitor.row("Beta").wait_for()


def show_more_of_35(visitor: Visitor) -> None:
    for number in range(35):
        visitor.call("POST", "/tasks", {"title": f"Task {number}"})
    visitor.page.reload()
    visitor.page.get_by_role("button", name="Show more").click()
    visitor.page.wait_for_function("() => document.querySelectorAll('.task').length === 35")


def test_a_long_list_comes_in_pages(visitor: Visitor) -> None:
    show_more_of_35(visitor)
    assert visitor.page.get_by_role("button", name="Show more").is_hidden()


def test_a_list_that_is_read_anew_keeps_its_pages(visitor: Visitor) -> None:
    show_more_of_35(visitor)
    with visitor.page.expect_response(lambda answer: "cursor=" in answer.url):
        visitor.page.evaluate("() => window.dispatchEvent(new Event('online'))")
    visitor.settled()
    assert visitor.page.locator(".task").count() == 35


def test_a_conflict_shows_both_versions_and_one_is_chosen(visitor: Visitor) -> None:
    visitor.add("Draft")
    [task] = tasks(visitor)
    visitor.page.get_by_role("button", name="Draft", exact=True).click()
    editor = visitor.page.get_by_role("form", name="Edit Draft")
    visitor.call("PATCH", f"/tasks/{task['task_id']}", {"title": "Theirs", "priority": "high"})
    editor.get_by_label("Title").fill("Mine")
    editor.get_by_role("button", name="Save").click()
    dialog = visitor.page.get_by_role("dialog")
    dialog.wait_for()
    said = dialog.inner_text()
    assert "Mine" in said
    assert "Theirs" in said
    dialog.get_by_role("button", name="Keep mine").click()
    visitor.row("Mine").wait_for()
    visitor.settled()
    [task] = tasks(visitor)
    assert (task["title"], task["priority"]) == ("Mine", "high")


def test_offline_and_back(visitor: Visitor) -> None:
    visitor.add("Known before")
    visitor.kept()
    visitor.context.set_offline(True)
    visitor.page.locator(".chip.stale").wait_for()
    visitor.page.get_by_label("New task").fill("Made offline")
    visitor.page.get_by_label("New task").press("Enter")
    visitor.page.get_by_role("checkbox", name="Done: Known before").click()
    assert "waiting to be sent" in visitor.row("Made offline").inner_text()
    # Anew in a second page: Chromium no longer feigns to be offline for a page that is being left, which sends then.
    visitor.page = visitor.context.new_page()
    visitor.page.goto(visitor.platform.url)
    visitor.row("Made offline").wait_for()
    assert "as of" in visitor.page.locator(".chip.stale").inner_text()
    assert len(tasks(visitor)) == 1
    visitor.context.set_offline(False)
    visitor.page.reload()
    wanted = {"Known before": True, "Made offline": False}
    eventually(
        lambda: {task["title"]: task["completed"] for task in tasks(visitor)} == wanted, "all that was done offline"
    )


def test_a_page_that_is_loaded_again_is_signed_in_and_keeps_no_token(visitor: Visitor) -> None:
    visitor.page.reload()
    visitor.page.get_by_label("New task").wait_for()
    assert visitor.page.url == f"{visitor.platform.url}/"
    kept = visitor.page.evaluate(
        """async () => {
          const names = await indexedDB.databases();
          const result = (request) => new Promise((done) => { request.onsuccess = () => done(request.result); });
          const open = await result(indexedDB.open(names[0].name));
          const all = await result(open.transaction("values").objectStore("values").getAll());
          return JSON.stringify([all, {...localStorage}, {...sessionStorage}]);
        }"""
    )
    assert "eyJ" not in kept  # how every JSON Web Token begins


def test_signing_out_forgets_everything_here(visitor: Visitor) -> None:
    visitor.add("Private")
    visitor.page.get_by_role("button", name="Sign out").click()
    visitor.page.get_by_role("button", name="Sign in").wait_for()
    assert "Private" not in visitor.page.content()
    visitor.page.reload()
    visitor.page.get_by_role("button", name="Sign in").wait_for()


def test_nothing_is_asked_while_the_page_is_hidden(visitor: Visitor) -> None:
    asked: list[str] = []
    visitor.become("hidden")
    visitor.page.wait_for_timeout(500)
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.wait_for_timeout(17_000)  # more than the time between two looks
    assert asked == []


def test_changes_from_elsewhere_are_shown_as_they_happen(visitor: Visitor) -> None:
    visitor.add("Mine")
    task = visitor.call("POST", "/tasks", {"title": "From elsewhere"})
    soon = 5_000  # sooner than a look at the list, which comes every 15 s where there is no stream
    visitor.row("From elsewhere").wait_for(timeout=soon)
    visitor.call("PATCH", f"/tasks/{task['task_id']}", {"title": "Renamed"})
    visitor.row("Renamed").wait_for(timeout=soon)
    visitor.call("DELETE", f"/tasks/{task['task_id']}")
    visitor.row("Renamed").wait_for(state="detached", timeout=soon)
    assert visitor.titles() == ["Mine"]


def test_what_happens_while_the_list_is_read_is_shown(visitor: Visitor) -> None:
    """The list that arrives last was read first, and knows less than what was told meanwhile."""
    goes = visitor.call("POST", "/tasks", {"title": "Goes"})
    visitor.row("Goes").wait_for()

    def read_early(route: Any) -> None:
        answer = route.fetch()
        visitor.call("POST", "/tasks", {"title": "Comes"})
        visitor.call("DELETE", f"/tasks/{goes['task_id']}")
        time.sleep(2)  # the stream tells both meanwhile
        route.fulfill(response=answer)

    visitor.page.route(re.compile(r"/tasks\?"), read_early, times=1)
    visitor.page.get_by_label("Order").select_option("-priority")
    visitor.row("Comes").wait_for(timeout=5_000)
    visitor.row("Goes").wait_for(state="detached", timeout=5_000)
    visitor.page.wait_for_timeout(1_000)
    assert visitor.titles() == ["Comes"]


def test_what_happens_while_the_page_opens_is_shown(visitor: Visitor) -> None:
    """Between the first list and the stream of changes nothing is missed, whichever begins first."""
    for number in range(5):
        visitor.page.goto("about:blank")
        visitor.page.goto(visitor.platform.link(visitor.user))
        visitor.page.get_by_label("New task").wait_for()
        titles = [f"{number}.{each}" for each in range(5)]
        for title in titles:
            visitor.call("POST", "/tasks", {"title": title})
        for title in titles:
            visitor.row(title).wait_for(timeout=5_000)


def test_what_happened_while_a_page_was_hidden_is_shown_when_it_is_seen(visitor: Visitor) -> None:
    visitor.add("Mine")
    task = visitor.call("POST", "/tasks", {"title": "Before"})
    visitor.row("Before").wait_for(timeout=5_000)
    visitor.become("hidden")
    visitor.call("DELETE", f"/tasks/{task['task_id']}")
    visitor.call("POST", "/tasks", {"title": "Meanwhile"})
    visitor.page.wait_for_timeout(2_000)
    assert sorted(visitor.titles()) == ["Before", "Mine"]
    visitor.become("visible")
    visitor.row("Meanwhile").wait_for(timeout=5_000)
    visitor.row("Before").wait_for(state="detached", timeout=5_000)


def test_a_reminder_that_rings_is_a_notification_of_the_browser(platform: Platform, chromium: Any) -> None:
    """Of several, however long the page takes until it knows of them."""
    with visiting(platform, chromium, permissions=["notifications"]) as visitor:
        visitor.call("POST", "/tasks", {"title": "Ring", "due_at": "2090-01-31T09:00:00Z", "reminders": rings()})
        visitor.row("Ring").wait_for()
        shown = "async () => (await (await navigator.serviceWorker.ready).getNotifications()).map((each) => each.title)"
        eventually(lambda: set(visitor.page.evaluate(shown)) == {"Ring"}, "the notification", within=90)


def test_nobody_is_notified_who_did_not_allow_it(visitor: Visitor) -> None:
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.call("POST", "/tasks", {"title": "Ring", "due_at": "2090-01-31T09:00:00Z", "reminders": rings()})
    visitor.row("Ring").wait_for()
    visitor.page.wait_for_timeout(2_000)  # more than a page waits until it asks
    assert not any("/reminders" in url for url in asked)
