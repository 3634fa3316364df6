"""The story: from zero, by what people and programs do, through a crash, and to zero again."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

from knative.demo.receiver import Receiver
from knative.demo.story import NotTrue
from tests.browser.conftest import VIEWER, visiting
from tests.browser.timing import between
from tests.platform.user import User
from tests.programs.film.director import Director
from tests.support.brokers import Kafka
from tests.support.receiver import SECRET

PARCELS = 60
DESK: dict[str, Any] = {"viewport": {"width": 1200, "height": 780}, "color_scheme": "light"}
PHONE: dict[str, Any] = {"viewport": {"width": 340, "height": 780}, "color_scheme": "dark"}


def tell(director: Director, browser: Any, stack: ExitStack) -> None:
    """All of it. Raises NotTrue at the first sentence that does not hold."""
    kafka = Kafka({"KAFKA_BOOTSTRAP_SERVERS": director.platform.bootstrap_servers})
    user = stack.enter_context(User.of(director.platform, kafka, VIEWER))
    receiver = stack.enter_context(Receiver())
    prepare(director, user, receiver)
    asleep(director)
    opened(director, browser, stack)
    added(director)
    on_the_phone(director, browser, stack)
    recurring(director, user)
    reminded(director, user, receiver)
    killed(director, user)
    asleep_again(director)


def prepare(director: Director, user: User, receiver: Receiver) -> None:
    """Tasks that somebody might have, and where the reminders go; then everything sleeps."""
    today = director.platform.clock.now().date()
    for task in (
        {"title": "Water the plants", "due_on": str(today), "recurrence_pattern": "every 3 days", "tags": ["home"]},
        {"title": "Send the draft to Noor", "due_on": str(today + timedelta(days=1)), "priority": "high"},
        {"title": "Pay the rent", "due_on": str(today + timedelta(days=5)), "recurrence_pattern": "monthly"},
    ):  # fmt: skip
        user.call("POST", "/tasks", task)
    user.call("PUT", "/preferences", {"channels": [{"type": "webhook", "url": receiver.url, "secret": SECRET}]})
    if not director.platform.wait_for_zero(60):
        raise NotTrue("a function is awake a minute after the last call")
    director.action()


def asleep(director: Director) -> None:
    functions = len(director.platform.report())
    director.card(
        f"A to-do app whose back end is {functions} functions.\nNobody uses it just now, so none of them runs: 0 pods.",
        holds=director.count_pods() == 0,
    )


def opened(director: Director, browser: Any, stack: ExitStack) -> None:
    begun = time.monotonic()
    director.desk = director.arrive(
        "desk", stack.enter_context(visiting(director.platform, browser, user=VIEWER, **DESK))
    )
    director.desk.row("Pay the rent").wait_for()
    took = time.monotonic() - begun
    page = director.desk.page
    page.get_by_label("Order").select_option("-created_at")
    director.tell(f"The page is a function too. From zero to this list: {took:.1f} s.", holds=took < 10)
    director.click(director.desk, page.get_by_role("button", name="Pack at work"))
    pack(director).get_by_text("functions have a pod").wait_for()
    state = functions(director)
    sleeping = sum(each == "asleep" for each in state.values())
    director.tell(
        f"Beside it the pack at work: {sleeping} functions sleep, and those awake serve this page.",
        holds=state["create-task"] == "asleep" and sleeping >= 12,
        but=str(state),
    )


def added(director: Director) -> None:
    page = director.desk.page
    director.write(director.desk, page.get_by_label("New task"), "Take the bread out of the oven")
    page.keyboard.press("Enter")
    director.until("the task, answered", lambda: not page.locator(".mark.waiting").count())
    woken = pack(director).locator(".functions .awake", has_text="create-task")
    woken.get_by_text("ms").wait_for()
    took = woken.locator(".mark").first.inner_text()
    director.tell(
        f"A task is added. create-task was asleep: its pod started in {took}.",
        holds=took.endswith(" ms") and bool(titled(director, "Take the bread out of the oven")),
        but=took,
    )


def on_the_phone(director: Director, browser: Any, stack: ExitStack) -> None:
    director.phone = director.arrive(
        "phone", stack.enter_context(visiting(director.platform, browser, user=VIEWER, **PHONE))
    )
    phone, title = director.phone, "Buy oat milk"
    phone.row("Take the bread out of the oven").wait_for()
    with director.faster(4):
        director.until("the sleep of create-task", lambda: functions(director)["create-task"] == "asleep", within=60)

    def add() -> None:
        director.write(phone, phone.page.get_by_label("New task"), title)
        phone.page.keyboard.press("Enter")
        director.until("the task on the desk", director.desk.row(title).is_visible)

    seconds = between(phone.page, director.desk.page, title, add)
    director.tell(
        f"The same person's phone. Added there, on the laptop {seconds * 1000:.0f} ms later: create-task slept again.",
        holds=0 < seconds < 2,
        but=f"{seconds:.1f} s",
    )


def recurring(director: Director, user: User) -> None:
    title = "Water the plants"
    [before] = titled(director, title)
    director.click(director.desk, director.desk.page.get_by_role("checkbox", name=f"Done: {title}"))

    def successor() -> dict[str, Any] | None:
        found = [each for each in titled(director, title) if each["task_id"] != before["task_id"]]
        return found[0] if found else None

    after = director.until("the next occurrence", successor)
    director.until("the next occurrence on the page", lambda: director.desk.row(title).count() == 2)
    director.until("its function, awake", lambda: functions(director)["schedule-next-recurrence"] != "asleep")
    day = datetime.fromisoformat(after["due_on"])
    director.tell(
        f"Done: the event woke schedule-next-recurrence, and the next one is there, for {day:%A}.",
        holds=(day - datetime.fromisoformat(before["due_on"])).days == 3,
        but=str(after["due_on"]),
    )


def reminded(director: Director, user: User, receiver: Receiver) -> None:
    [task] = titled(director, "Take the bread out of the oven")
    moment = director.platform.clock.now() + timedelta(seconds=9)
    changed = director.meanwhile(
        lambda: user.call("PATCH", f"/tasks/{task['task_id']}", {"due_at": moment.isoformat(), "due_on": None}).json()
    )
    director.tell(
        "Another program has it due in nine seconds, with a reminder to a webhook.",
        holds=datetime.fromisoformat(changed["due_at"]) == moment,
    )
    [message] = director.until("the webhook", lambda: receiver.about(task))
    late = (message.at - moment).total_seconds()
    director.tell(
        f"It rang {late * 1000:.0f} ms after the moment; send-reminder was woken for it.",
        holds=0 <= late < 1,
        but=f"{late} s",
    )
    page = director.desk.page
    director.click(director.desk, page.get_by_role("button", name=task["title"], exact=True))
    told = page.get_by_role("list", name="Reminders").get_by_role("listitem").first
    told.get_by_text("webhook").wait_for()
    told.scroll_into_view_if_needed()
    outcome = told.inner_text().rpartition(": ")[2]
    director.tell(f"And the page says what became of it: {outcome}.", holds=outcome.startswith("sent"))
    page.keyboard.press("Escape")
    page.evaluate("() => scrollTo({top: 0, behavior: 'smooth'})")


def killed(director: Director, user: User) -> None:
    for number in range(1, PARCELS + 1):
        user.produce("create-task", "task.create", {"title": f"Parcel {number}"}, key=str(number))
    user.flush()
    pid, in_flight = director.meanwhile(lambda: kill_at_work(director, "create-task"))
    director.until("its end", lambda: all(pod.pid != pid for pod in director.platform.pods("create-task")))
    director.tell(
        f"{PARCELS} commands come by Kafka, and SIGKILL hits create-task while it works on {in_flight} of them.",
        holds=in_flight > 0,
    )
    wanted = {f"Parcel {number}" for number in range(1, PARCELS + 1)}

    def parcels() -> Counter[str]:
        return Counter(title for task in user.tasks() if (title := task["title"]).startswith("Parcel "))

    director.until("all parcels", lambda: parcels().keys() == wanted, within=60)
    director.until("the last on the page", director.desk.row(f"Parcel {PARCELS}").is_visible)
    director.tell(
        f"Another pod took over: all {PARCELS} are there, and none of them twice.", holds=parcels() == Counter(wanted)
    )


def kill_at_work(director: Director, function: str) -> tuple[int, int]:
    """Kill a pod that has done something and is at work; its process id, and how many events it was working on."""
    done = director.platform.report()[function].invocations
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for pod in director.platform.pods(function):
            in_flight = pod.in_flight
            if pod.ready and in_flight and director.platform.report()[function].invocations >= done + PARCELS // 6:
                os.kill(pod.pid, signal.SIGKILL)
                return pod.pid, in_flight
        time.sleep(0.001)
    raise NotTrue(f"{function} was not seen at work")


def asleep_again(director: Director) -> None:
    serving = {"show-pack", "watch-tasks", "query-tasks", "show-page"}
    director.leave("phone", director.phone)

    def others_sleep() -> bool:
        return all(state == "asleep" for name, state in functions(director).items() if name not in serving)

    with director.faster(4):
        director.until("the sleep of all others", others_sleep, within=60)
    said = pack(director).locator(".hint").first.inner_text()
    seconds = said.partition(" saw ")[2].partition(" ")[0]
    director.tell(
        f"Nothing is left to do, and they sleep. The page saw {seconds} pod-seconds in all.", holds=others_sleep()
    )
    director.leave("desk", director.desk)
    with director.faster(4):
        director.until("zero pods", lambda: director.count_pods() == 0, within=60)
    report = director.platform.report().values()
    starts, awake = sum(each.cold_starts for each in report), sum(each.seconds_awake for each in report)
    director.card(
        f"Nobody looks: 0 pods.\n{starts} starts and {awake:.0f} pod-seconds, since the pack was installed.\n"
        "Try it: make up",
        holds=director.count_pods() == 0,
    )


def pack(director: Director) -> Any:
    return director.desk.page.get_by_role("region", name="The pack at work")


def functions(director: Director) -> dict[str, str]:
    """What the page says of each function: asleep, waking, awake or draining."""
    rows = (
        pack(director)
        .locator(".functions li")
        .evaluate_all(
            "(rows) => rows.map((row) => [row.querySelector('.name').innerText, row.querySelector('.is').innerText])"
        )
    )
    return dict(rows)


def titled(director: Director, title: str) -> list[dict[str, Any]]:
    found: Callable[[], Any] = lambda: director.desk.call("GET", "/tasks?status=open&limit=100")["tasks"]  # noqa: E731
    return [task for task in director.meanwhile(found) if task["title"] == title]
