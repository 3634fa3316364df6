"""The checker on what was told of a run at its end: its stories, and the tasks made anew from their events."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from tests.programs.chaos.checker import check
from tests.unit.programs.chaos.story import Story

Json = dict[str, Any]
Spoil = Callable[[Story], object]


def of_c4(story: Story) -> Json:
    """The completion as it is told, under its command and its handling."""
    return cast("Json", story.stories[1]["story"][0]["children"][0])


def tell_of_no_successor(story: Story) -> None:
    of_c4(story)["children"][0]["children"].clear()


def tell_of_another_place(story: Story) -> None:
    story.stories[0]["story"][0]["children"][0]["places"][0] = "task-events/0/99"


def tell_what_followed_from_another(story: Story) -> None:
    completed = of_c4(story)["children"][0]
    of_c4(story)["children"] += completed["children"][0]["children"]
    completed["children"][0]["children"] = []


def tell_of_other_attempts(story: Story) -> None:
    of_c4(story)["attempts"] = 2


def tell_of_no_handling(story: Story) -> None:
    of_c4(story)["children"][0]["children"].clear()
    of_c4(story)["children"][0]["places"].pop()


def tell_of_no_dead_letter(story: Story) -> None:
    story.stories[2]["story"][0]["children"].clear()


def rebuild_another_row(story: Story) -> None:
    story.rebuilt = story.rebuilt.replace("2\tada", "2\tgrace")


def rebuild_a_row_less(story: Story) -> None:
    story.rebuilt = "1\tada\n"


@pytest.mark.parametrize(
    ("spoil", "promise", "detail"),
    [
        (tell_of_no_successor, "told", "not told: ['task-events/0/4'"),
        (tell_of_another_place, "told", "told, and not there: ['task-events/0/99']"),
        (tell_what_followed_from_another, "told", "follows from e4, told under c4"),
        (tell_of_other_attempts, "told", "complete-task has handled c4"),
        (tell_of_no_handling, "told", "not told: ["),
        (tell_of_no_dead_letter, "told", "dead letters are ['0/0'], told []"),
        (rebuild_another_row, "rebuilt", "has b'2\\tada'"),
        (rebuild_a_row_less, "rebuilt", "the events make None of it"),
    ],
)
def test_what_was_told_wrongly_is_caught(tmp_path: Path, spoil: Spoil, promise: str, detail: str) -> None:
    story = Story()
    spoil(story)
    found = check(story.write(tmp_path)).violations
    assert any(promise == each.promise and detail in each.detail for each in found), found
