"""`make screenshots`: pictures of the page for the documents, with tasks that somebody might have."""

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from knative.local.up import Platform
from tests.browser.conftest import NAMES, ROOT, visiting

FOLDER = ROOT / "docs" / "images"


def main() -> None:
    from playwright.sync_api import sync_playwright

    today = datetime.now(UTC).date()
    tasks = [
        {"title": "Call the plumber about the boiler", "due_on": str(today - timedelta(days=1)), "priority": "urgent"},
        {"title": "Water the plants", "due_on": str(today), "recurrence_pattern": "every 3 days", "tags": ["home"]},
        {"title": "Send the draft to Noor", "due_at": f"{today + timedelta(days=1)}T09:30:00Z", "priority": "high",
         "tags": ["work"], "description": "With the figures of the third quarter."},
        {"title": "Pay the rent", "due_on": str(today + timedelta(days=5)), "recurrence_pattern": "monthly",
         "tags": ["home", "money"]},
        {"title": "Book a table for eight", "due_on": str(today + timedelta(days=9)), "tags": ["friends"]},
        {"title": "Buy oat milk", "tags": ["home"]},
    ]  # fmt: skip
    program = next(filter(None, map(shutil.which, NAMES)))
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as state,
        Platform(ROOT, state=Path(state), watch=False) as platform,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, width, height, colours in (("page", 1000, 760, "light"), ("page-narrow-dark", 390, 760, "dark")):
            size = {"width": width, "height": height}
            with visiting(platform, browser, viewport=size, color_scheme=colours, device_scale_factor=1.5) as visitor:
                for task in tasks:
                    visitor.call("POST", "/tasks", task)
                visitor.page.reload()
                visitor.row("Buy oat milk").wait_for()
                visitor.page.screenshot(path=str(FOLDER / f"{name}.png"))
                print(f"wrote docs/images/{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
