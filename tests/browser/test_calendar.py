"""The secret address of the calendar feed on the page: made, copied and revoked, by the keyboard, for everybody."""

from typing import Any

import pytest
import requests

from knative.local.up import Platform
from tests.browser.conftest import Visitor, visiting
from tests.browser.test_access import WIDTHS, violations


def opened(visitor: Visitor) -> Any:
    visitor.page.get_by_role("button", name="Calendar", exact=True).press("Enter")
    dialog = visitor.page.get_by_role("dialog", name="Your tasks in a calendar")
    dialog.wait_for()
    return dialog


def made(dialog: Any) -> str:
    """A new address, as the dialog shows it."""
    field = dialog.get_by_label("Address of the calendar")
    before = field.input_value()
    dialog.get_by_role("button", name="Make an address").press("Enter")
    field.page.wait_for_function(
        "([field, before]) => field.value && field.value !== before", arg=[field.element_handle(), before]
    )
    address: str = field.input_value()
    return address


def test_an_address_is_made_copied_and_revoked_by_the_keyboard(platform: Platform, chromium: Any) -> None:
    with visiting(platform, chromium, permissions=["clipboard-read", "clipboard-write"]) as visitor:
        visitor.add("In the calendar")
        dialog = opened(visitor)
        assert not dialog.get_by_label("Address of the calendar").is_visible()
        first = made(dialog)
        assert first.startswith(f"{platform.url}/calendar/")
        feed = requests.get(first, timeout=30)
        assert (feed.status_code, "SUMMARY:In the calendar" in feed.text) == (200, True)
        dialog.get_by_role("button", name="Copy").press("Enter")
        dialog.get_by_text("Copied.").wait_for()
        assert visitor.page.evaluate("() => navigator.clipboard.readText()") == first
        second = made(dialog)
        assert requests.get(first, timeout=30).status_code == 404
        assert requests.get(second, timeout=30).status_code == 200
        dialog.get_by_role("button", name="Revoke it").press("Enter")
        dialog.get_by_text("No address shows your tasks any longer.").wait_for()
        assert requests.get(second, timeout=30).status_code == 404


def test_the_address_is_not_in_the_page_once_the_dialog_is_closed(visitor: Visitor) -> None:
    dialog = opened(visitor)
    made(dialog)
    visitor.page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert visitor.page.evaluate("() => document.activeElement.textContent") == "Calendar"
    assert opened(visitor).get_by_label("Address of the calendar").input_value() == ""


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_in_the_dialog_and_nothing_is_cut_off(
    platform: Platform, chromium: Any, colours: str
) -> None:
    with visiting(platform, chromium, color_scheme=colours, bypass_csp=True) as visitor:
        made(opened(visitor))
        for width in WIDTHS:
            visitor.page.set_viewport_size({"width": width, "height": 900})
            assert violations(visitor.page) == []
            assert visitor.page.evaluate("() => document.documentElement.scrollWidth") <= width
