"""A module that does not come, as where the network changes while the page is loaded."""

from typing import Any

from knative.local.up import Platform

_MODULE = "**/views/top.js"


def test_the_page_loads_itself_anew_once(platform: Platform, chromium: Any) -> None:
    page = chromium.new_page(service_workers="block")
    page.route(_MODULE, lambda route: route.abort("connectionreset"), times=1)
    page.goto(platform.link("eve"))
    page.get_by_label("New task").wait_for(timeout=20_000)
    page.close()


def test_where_that_does_not_help_the_page_says_so(platform: Platform, chromium: Any) -> None:
    page = chromium.new_page(service_workers="block")
    page.route(_MODULE, lambda route: route.abort("connectionreset"))
    page.goto(platform.link("eve"))
    again = page.get_by_role("button", name="Try again")
    again.wait_for(timeout=20_000)
    page.unroute(_MODULE)
    again.click()
    page.get_by_label("New task").wait_for(timeout=20_000)
    page.close()
