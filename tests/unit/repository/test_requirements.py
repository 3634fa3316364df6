"""What the research asked for: each row of docs/requirements.md says what is here, and names what shows it.

That the tests and pages that it names exist is checked with all documents, in test_docs.py.
"""

import re

import pytest

from tests.support.documents import rows

ROWS = rows("requirements.md", "asked", "here", "shown by")


def test_every_decision_and_every_step_of_the_plan_has_a_row() -> None:
    assert len(ROWS) >= 29


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_row_names_a_test_or_a_page(row: list[str]) -> None:
    asked, here, shown = row
    assert asked
    assert here
    for named in shown.split(", "):
        assert re.fullmatch(r"`?tests/[\w/]+\.py(::\w+)?`?|\[[\w ]+\]\((\.\./)?[\w/-]+\.md\)", named, re.IGNORECASE), (
            named
        )
