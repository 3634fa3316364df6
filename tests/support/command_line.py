"""The command line, run as a Job of the cluster runs it."""

import logging
import os
import subprocess
import sys
from collections.abc import Mapping

from click.testing import CliRunner, Result

from tests.support.function_pack import FUNCTIONS


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


def prepare(environment: Mapping[str, str], *arguments: str) -> None:
    """Run it in this process, for what a test needs before it begins. Raises AssertionError with what it said."""
    ended = at_once(environment, *arguments)
    assert ended.exit_code == 0, ended.output


def migrate(environment: Mapping[str, str]) -> None:
    """Migrate a database that tests share: they move business time, which the migration forbids unless told so."""
    prepare({**environment, "CLOCK_OFFSET_FILE": os.devnull}, "migrate")


def at_once(environment: Mapping[str, str], *arguments: str) -> Result:
    """The same in this process, without the second that its start takes. What is not in the environment is not set."""
    from taskmaster.cli.__main__ import main

    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        unset = {name: None for name in os.environ if name.endswith("_URL") or name.startswith("KAFKA_")}
        return CliRunner().invoke(main, arguments, env={**unset, **environment})
    finally:
        root.handlers[:], root.level = before
