"""What `taskmaster doctor` finds, as a test looks at it."""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.command_line import at_once

SEVERITIES = {"note": 0, "warning": 1, "critical": 2}


class Findings(list[dict[str, Any]]):
    """The findings of one run, and how it ended."""

    exit_code = 0

    def of(self, code: str) -> dict[str, Any]:
        """The one finding of this code."""
        [found] = [each for each in self if each["code"] == code]
        return found

    @property
    def codes(self) -> set[str]:
        return {each["code"] for each in self}


def doctor(environment: Mapping[str, str], *areas: str, words: tuple[str, ...] = ()) -> Findings:
    """Run it on these areas. Its exit code is that of its worst finding, and each finding says all there is to say."""
    only = [word for area in areas for word in ("--only", area)]
    ended = at_once(environment, "doctor", "--json", *only, *words)
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    found = Findings(json.loads(line) for line in ended.stdout.splitlines())
    found.exit_code = ended.exit_code
    assert ended.exit_code == max((SEVERITIES[each["severity"]] for each in found), default=0), ended.output
    for each in found:
        assert each["what"], each
        assert each["why"], each
        assert each["mend"], each
    return found
