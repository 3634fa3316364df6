"""Every attack says what it does, and docs/reliability.md has each."""

import pytest

from tests.programs.attack.attacks.registry import ATTACKS, EVERYTHING, about
from tests.support.documents import rows


def test_the_documentation_has_every_attack_and_none_that_is_not_there() -> None:
    named = {name for name, _ in rows("reliability.md", "attack", "what the attackers do")}
    assert named == {*ATTACKS, EVERYTHING}


@pytest.mark.parametrize("name", [*ATTACKS, EVERYTHING])
def test_every_attack_says_what_it_does(name: str) -> None:
    assert about(name).endswith(".")
