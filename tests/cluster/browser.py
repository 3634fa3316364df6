"""A page of Chromium that tells, where a step fails, what it shows and which of its requests went wrong."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.browser.conftest import NoBrowser, launched

_MILLISECONDS = 60_000


@contextmanager
def browsing(tell: Callable[[str], None]) -> Iterator[Any]:
    """A page of Playwright's synchronous interface; the test is skipped where no browser is."""
    try:
        with launched() as browser:
            page = browser.new_page()
            page.set_default_timeout(_MILLISECONDS)
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("requestfailed", lambda request: wrong.append(f"{request.failure}: {request.url}"))
            page.on("response", lambda got: wrong.append(f"{got.status}: {got.url}") if got.status >= 400 else None)
            try:
                yield page
            except Exception:
                tell("\n".join(["\nThe page says:", page.locator("body").inner_text(), *wrong]))
                raise
    except NoBrowser as error:
        pytest.skip(str(error))
