"""`make screenshots`: pictures of the page for the documents, with tasks that somebody might have."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from knative.local.up import Platform
from tests.browser.conftest import ROOT, VIEWER, launched, visiting

FOLDER = ROOT / "docs" / "images"


def main() -> None:
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
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as state,
        Platform(ROOT, state=Path(state), watch=False, viewer=VIEWER) as platform,
        launched() as browser,
    ):
        sharp: dict[str, Any] = {"device_scale_factor": 1.5}
        narrow = {**sharp, "viewport": {"width": 390, "height": 760}, "color_scheme": "dark"}
        with visiting(platform, browser, user="grace", **narrow) as visitor:
            for task in tasks:
                visitor.call("POST", "/tasks", task)
            visitor.page.reload()
            visitor.row("Buy oat milk").wait_for()
            visitor.page.screenshot(path=str(FOLDER / "page-narrow-dark.png"))
            print("wrote docs/images/page-narrow-dark.png")
        wide = {**sharp, "viewport": {"width": 1280, "height": 860}}
        with visiting(platform, browser, user=VIEWER, **wide) as visitor:
            made = [visitor.call("POST", "/tasks", task) for task in tasks]
            visitor.page.reload()
            visitor.page.get_by_role("button", name="Pack at work").click()
            pack = visitor.page.get_by_role("region", name="The pack at work")
            pack.locator(".functions .awake").first.wait_for()
            visitor.call("POST", f"/tasks/{made[1]['task_id']}/complete")
            pack.get_by_text("schedule-next-recurrence").last.wait_for()
            pack.locator(".functions .awake", has_text="schedule-next-recurrence").wait_for()
            visitor.page.screenshot(path=str(FOLDER / "pack.png"))
            print("wrote docs/images/pack.png")


if __name__ == "__main__":
    main()
