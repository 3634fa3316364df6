"""The page in Chromium, on the whole platform; left out in one line where no browser is."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from knative.local.up import Platform

ROOT = Path(__file__).parents[2]
VIEWER = "ada"  # who sees the pack at work
NAMES = ("chromium", "chromium-browser", "google-chrome")
# The page keeps each write until it was answered.
SETTLE = """async () => {
  const result = (request) => new Promise((done) => { request.onsuccess = () => done(request.result); });
  const database = await result(indexedDB.open("taskmaster"));
  const range = IDBKeyRange.bound("write ", "write ~");
  const writes = () => database.transaction("values").objectStore("values").count(range);
  const end = Date.now() + 20_000;
  while (await result(writes()) || document.querySelector(".mark.waiting")) {
    if (Date.now() > end) throw new Error("a write waits for 20 s");
    await new Promise((done) => setTimeout(done, 20));
  }
  database.close();
}"""
WITHOUT = "no browser here: `make test-browser` installs Playwright, and Chromium comes from the distribution"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith("tests/browser/"):
            item.add_marker(pytest.mark.browser)


def program() -> str | None:
    """The browser's path, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class NoBrowser(Exception):
    """The text says how to get one."""


@contextmanager
def launched() -> Iterator[Any]:
    """A browser of Playwright's synchronous interface. Raises NoBrowser where there is none."""
    path = program()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        raise NoBrowser(WITHOUT)
    with sync_playwright() as playwright:
        # Its sandbox wants a user namespace, which root in a container has not.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    with ExitStack() as stack:
        try:
            browser = stack.enter_context(launched())
        except NoBrowser as error:
            pytest.skip(str(error))
        yield browser


@pytest.fixture(scope="session")
def platform(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform(ROOT, state=tmp_path_factory.mktemp("state"), watch=False, viewer=VIEWER) as running:
        yield running


class Visitor:
    """One person in a browser of their own, signed in by the link of the terminal."""

    def __init__(self, platform: Platform, context: Any, user: str) -> None:
        self.platform, self.context, self.user = platform, context, user
        self.troubles: list[str] = []
        self.page = self.open()

    def open(self) -> Any:
        """One more page, signed in."""
        page = self.context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on("console", self._note)
        page.goto(self.platform.link(self.user))
        page.get_by_label("New task").wait_for()
        return page

    def _dismiss(self, dialog: Any) -> None:
        self.troubles.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _note(self, said: Any) -> None:
        if "Content Security" in said.text:
            self.troubles.append(said.text)

    def add(self, title: str) -> None:
        self.page.get_by_label("New task").fill(title)
        self.page.get_by_label("New task").press("Enter")
        self.settled()

    def settled(self) -> None:
        """Wait until nothing is on its way to the server, of tasks that the list shows or of others."""
        self.page.evaluate(SETTLE)

    def kept(self) -> None:
        """Wait until the browser keeps the page's own files: they open without a network then."""
        self.page.evaluate("() => navigator.serviceWorker.ready.then(() => null)")

    def become(self, state: str) -> None:
        """Have the page "hidden" or "visible", as another tab or a lock of the screen would."""
        self.page.evaluate(
            """(state) => { Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});
                            document.dispatchEvent(new Event('visibilitychange')); }""",
            state,
        )

    def titles(self) -> list[str]:
        found: list[str] = self.page.locator(".task .title").all_inner_texts()
        return found

    def row(self, title: str) -> Any:
        return self.page.locator(".task", has=self.page.get_by_role("button", name=title, exact=True))

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The same person by another program."""
        import requests

        token = self.platform.token(self.user)
        answer = requests.request(
            method,
            self.platform.url + path,
            json=body,
            headers={"Authorization": f"Bearer {token}", **headers},
            timeout=30,
        )
        assert answer.ok, answer.text
        return answer.json() if answer.content else None


@contextmanager
def visiting(platform: Platform, browser: Any, *, user: str = "", **options: Any) -> Iterator[Visitor]:
    """Somebody new, unless it is said who."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **options})
    visitor = Visitor(platform, context, user or f"user-{uuid4().hex[:8]}")
    try:
        yield visitor
        assert visitor.troubles == []
    finally:
        context.close()


@pytest.fixture
def visitor(platform: Platform, chromium: Any) -> Iterator[Visitor]:
    with visiting(platform, chromium) as found:
        yield found
