"""The command line, run as a Job of the cluster runs it."""

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.pack import FUNCTIONS


def taskmaster(
    environment: Mapping[str, str], *arguments: str, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Run the command line as a Job would. With `check` a failure raises CalledProcessError."""
    return subprocess.run(
        [sys.executable, "-m", "taskmaster.cli", *arguments],
        cwd=FUNCTIONS,
        env={"PATH": os.environ["PATH"], **environment},
        check=check,
        capture_output=True,
        text=True,
    )
