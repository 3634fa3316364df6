"""What `taskmaster trace` tells of commands once all has come to rest, for the history: stories.jsonl.

For most of them the topics are read once. Some are told by a process of their own, as an operator has them told.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.programs.chaos.history import Log

_ROOT = Path(__file__).parents[3]
_FUNCTIONS = _ROOT / "functions"
_BY_PROCESS = 20


def tell_stories(
    directory: Path, *, environment: Mapping[str, str], of: Sequence[str], most: int, chance: random.Random
) -> None:
    """Write stories.jsonl: of so many ids at most, and of some of them by the command line too."""
    chosen = chance.sample(of, min(len(of), most))
    stories = Log(directory / "stories.jsonl")
    told = subprocess.run(
        [sys.executable, "-m", "tests.support.many_stories"],
        cwd=_ROOT,
        env={**environment, "PYTHONPATH": str(_FUNCTIONS)},
        input="".join(f"{identifier}\n" for identifier in chosen),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for line in told.stdout.splitlines():
        stories.write(**json.loads(line))
    for identifier in chosen[:_BY_PROCESS]:
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-m", "taskmaster.cli", "trace", identifier, "--json"],
            cwd=_FUNCTIONS,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,  # one that nothing is kept of ends with 1
        )
        took = time.monotonic() - began
        stories.write(**json.loads(ended.stdout), seconds=took)
    stories.close()
