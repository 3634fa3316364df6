"""For everybody: axe's rules, the keyboard alone, three widths, light and dark; and markup that never runs."""

from pathlib import Path
from typing import Any

import pytest

from knative.local.up import Platform
from tests.browser.conftest import Visitor, visiting

WIDTHS = (360, 768, 1280)
MARKUP = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "<iframe srcdoc='<script>parent.alert(1)</script>'>",
    "</title></textarea><body onload=alert(1)>",
    "\u202egnp.exe<b>",
    "&lt;b&gt; &amp; &#x3C;i&#x3E;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\u2028line\nbreaks\r\n\tand tabs",
    "z\u0351\u036b\u0343\u036a\u0302" * 40,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0645\u0631\u062d\u0628\u0627",
]


def violations(page: Any) -> list[str]:
    """What axe-core finds, each rule with where. The engine comes with its wheel, and is no part of the page."""
    from axe_playwright_python import sync_playwright as axe

    engine = (Path(axe.__file__).parent / "axe.min.js").read_text()
    page.evaluate(engine)
    found = page.evaluate("() => axe.run()")["violations"]
    return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_in_the_reference_of_the_api(platform: Platform, chromium: Any, colours: str) -> None:
    context = chromium.new_context(color_scheme=colours, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{platform.url}/docs")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert violations(page) == []
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    context.close()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_and_nothing_is_cut_off(platform: Platform, chromium: Any, width: int, colours: str) -> None:
    size = {"width": width, "height": 900}
    with visiting(platform, chromium, viewport=size, color_scheme=colours, bypass_csp=True) as visitor:
        page = visitor.page
        assert violations(page) == []
        visitor.call(
            "POST", "/tasks", {"title": "Late", "due_on": "2020-01-31", "priority": "urgent", "tags": ["a" * 50]}
        )
        visitor.call("POST", "/tasks", {"title": "w" * 200, "description": "d" * 300, "priority": "high"})
        visitor.add("Done soon")
        page.reload()
        visitor.row("Late").wait_for()
        page.get_by_role("checkbox", name="Done: Done soon").click()
        page.get_by_role("button", name="Late", exact=True).click()
        page.get_by_role("form", name="Edit Late").wait_for()
        page.wait_for_timeout(400)  # a toast has risen
        assert violations(page) == []
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        page.locator(".who button").click()
        page.get_by_role("button", name="Sign in").wait_for()
        assert violations(page) == []


def test_everything_is_done_by_the_keyboard_alone(visitor: Visitor) -> None:
    page, keys = visitor.page, visitor.page.keyboard
    page.evaluate("() => document.activeElement.blur()")

    def reach(name: str) -> None:
        for _ in range(40):
            keys.press("Tab")
            focused = page.evaluate(
                "() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
            )
            if focused == name:
                assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
                return
        raise AssertionError(f"Tab does not reach {name}")

    reach("New task")
    keys.type("By keyboard")
    keys.press("Enter")
    visitor.settled()
    reach("By keyboard")
    keys.press("Enter")  # its editor, with the title in focus
    keys.press("Control+a")
    keys.type("Still by keyboard")
    keys.press("Enter")
    visitor.settled()
    assert visitor.titles() == ["Still by keyboard"]
    assert page.evaluate("() => document.activeElement.textContent") == "Still by keyboard"
    keys.press("Shift+Tab")
    keys.press("Space")
    visitor.settled()
    assert [each["completed"] for each in visitor.call("GET", "/tasks")["tasks"]] == [True]


def test_hostile_text_stays_text(visitor: Visitor) -> None:
    for title in MARKUP:
        visitor.call("POST", "/tasks", {"title": title, "description": title, "tags": [title[:50]]})
    visitor.page.reload()
    visitor.page.locator(".task").nth(len(MARKUP) - 1).wait_for()
    assert visitor.page.locator(".task").count() == len(MARKUP)
    for number in range(len(MARKUP)):  # the editor and the message of each, too
        visitor.page.locator(".task .title").nth(number).click()
        visitor.page.keyboard.press("Escape")
        visitor.page.locator(".task .check").nth(number).click()
    assert visitor.page.evaluate("() => document.querySelectorAll('script:not([src]), iframe, img').length") == 0
    assert visitor.troubles == []
