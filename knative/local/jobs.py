"""Jobs: run to completion before anything is served, as the migration has to."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from knative.local.processes import spawn, stop
from knative.local.resources import Job
from knative.local.serving import command_of, environment_of


class JobFailedError(RuntimeError):
    """A Job ended with another exit code than 0; the message has its last line."""


def run(
    jobs: Iterable[Job],
    *,
    cwd: Path,
    sources: Mapping[str, Mapping[str, str]],
    env: Mapping[str, str],
    on_line: Callable[[str, str], None],
) -> None:
    """Run the jobs one after the other, each to its end."""
    for job in jobs:
        process = spawn(
            command_of(job.container),
            env=environment_of(job.container, sources, env),
            cwd=cwd,
            output=subprocess.PIPE,
        )
        last: deque[str] = deque(["it said nothing"], maxlen=1)
        try:
            assert process.stdout is not None
            with process.stdout as lines:
                for raw in lines:
                    line = raw.decode("utf-8", "replace").rstrip()
                    on_line(job.name, line)
                    last.append(line)
            code = process.wait()
        finally:
            stop(process, grace=5)
        if code:
            raise JobFailedError(f"the job {job.name} failed (exit code {code}): {last[0]}")
