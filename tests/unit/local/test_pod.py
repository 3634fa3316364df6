"""One process of a function, as the container of a pod is: with its first process all others end."""

import os
import signal
import sys
import threading
from pathlib import Path

from knative.local.pod import Pod
from knative.local.processes import base_environment
from tests.support.function_process import eventually

# A child that has the pipe of the logs, as a function's publisher does.
FORKS = "import os, time\nif os.fork():\n    print('up', flush=True)\ntime.sleep(60)"


def test_a_pod_whose_first_process_dies_is_gone_at_once(tmp_path: Path) -> None:
    lines: list[str] = []
    gone = threading.Event()
    pod = Pod(
        "some",
        [sys.executable, "-c", FORKS],
        env=base_environment(),
        cwd=tmp_path,
        on_line=lines.append,
        on_exit=lambda _: gone.set(),
    )
    eventually(lambda: lines, "its start")
    os.kill(pod.pid, signal.SIGKILL)
    assert gone.wait(30), "its child went on"
    pod.stop(grace=1)
