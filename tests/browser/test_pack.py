"""The pack at work beside the tasks: functions wake and sleep as they are watched, and a dead letter is put back."""

import json
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaProducer

from knative.local.up import Platform
from tests.browser.conftest import VIEWER, Visitor, visiting
from tests.browser.test_access import WIDTHS, violations
from tests.support.function_process import eventually


def poison(platform: Platform) -> str:
    """A command that no function can handle; the reason why names the field of this name."""
    name = f"f{uuid4().hex[:8]}"
    attributes = {"specversion": "1.0", "type": "task.create", "source": "/tests", "id": name, "userid": VIEWER}
    producer = KafkaProducer(bootstrap_servers=platform.bootstrap_servers)
    headers = [(f"ce_{key}", value.encode()) for key, value in attributes.items()]
    producer.send("create-task", key=b"k", value=json.dumps({"title": "x", name: 1}).encode(), headers=headers).get(10)
    producer.close()
    return name


def opened(visitor: Visitor) -> Any:
    visitor.page.get_by_role("button", name="Pack at work").click()
    pack = visitor.page.get_by_role("region", name="The pack at work")
    pack.get_by_role("list", name="Functions").get_by_role("listitem").first.wait_for()
    return pack


def function(pack: Any, name: str, state: str) -> Any:
    return pack.locator(f".functions .{state}", has_text=name)


def test_functions_are_seen_to_wake_and_to_sleep_again(platform: Platform, chromium: Any) -> None:
    with visiting(platform, chromium, user=VIEWER) as visitor:
        pack = opened(visitor)
        assert pack.get_by_role("listitem").count() >= 18
        function(pack, "create-task", "asleep").wait_for()
        visitor.add("Wake up")
        awake = function(pack, "create-task", "awake")
        awake.wait_for()
        assert "ms" in awake.inner_text()
        pack.get_by_text("call → create-task").first.wait_for()
        function(pack, "create-task", "asleep").wait_for(timeout=60_000)
        function(pack, "show-pack", "awake").wait_for()
        assert "Wake up" not in pack.inner_text()


def test_a_dead_letter_is_put_back_from_the_page(platform: Platform, chromium: Any) -> None:
    with visiting(platform, chromium, user=VIEWER) as visitor:
        pack = opened(visitor)
        poison(platform)
        row = pack.get_by_role("list", name="Dead letters").get_by_role("listitem").filter(has_text="task.create")
        row.first.wait_for(timeout=60_000)
        assert "there is no such field" in row.first.inner_text()
        row.first.get_by_role("button", name="Put back").press("Enter")
        visitor.page.locator(".toast", has_text="It goes back to create-task").wait_for()
        row.filter(has_text="replayed").first.wait_for()
        assert visitor.page.evaluate("() => document.activeElement !== document.body")


def test_nothing_is_asked_while_the_pack_is_closed_or_hidden(platform: Platform, chromium: Any) -> None:
    with visiting(platform, chromium, user=VIEWER) as visitor:
        asked: list[str] = []
        visitor.page.on("request", lambda request: asked.append(request.url))
        opened(visitor)
        assert any(url.endswith("/pack") for url in asked)
        visitor.page.get_by_role("button", name="Pack at work").click()
        visitor.page.get_by_role("region", name="The pack at work").wait_for(state="hidden")
        eventually(lambda: not platform.pods("show-pack"), "show-pack's sleep", within=60)


def test_who_is_not_named_is_told_so_and_shown_nothing(visitor: Visitor) -> None:
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.get_by_role("button", name="Pack at work").click()
    pack = visitor.page.get_by_role("region", name="The pack at work")
    pack.get_by_text("You are none of those who see the pack at work").wait_for()
    assert pack.get_by_role("listitem").count() == 0
    eventually(lambda: not visitor.platform.pods("show-pack"), "show-pack's sleep", within=60)
    assert len([url for url in asked if "/pack" in url]) == 1


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_in_the_pack_and_nothing_is_cut_off(platform: Platform, chromium: Any, colours: str) -> None:
    with visiting(platform, chromium, user=VIEWER, color_scheme=colours, bypass_csp=True) as visitor:
        pack = opened(visitor)
        assert visitor.page.evaluate("() => document.activeElement.textContent") == "The pack at work"
        visitor.add("Seen")
        function(pack, "create-task", "awake").wait_for()
        for width in WIDTHS:
            visitor.page.set_viewport_size({"width": width, "height": 900})
            assert violations(visitor.page) == []
            assert visitor.page.evaluate("() => document.documentElement.scrollWidth") <= width
