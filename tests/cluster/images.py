"""Images for the cluster: built here and brought to its nodes without a registry, or named by whoever has pushed them.

IMAGE_TOOL   a program that is called as `IMAGE_TOOL image TAG FOLDER`: it builds and loads
(none)       docker builds and `kind load` loads, where kubectl's context is a kind cluster
IMAGE        instead of building ours: an image that the cluster can pull; HELLO_IMAGE for the hello world
"""

import os
import shutil
import subprocess
from pathlib import Path

from knative.cluster.kubectl import ClusterError

ROOT = Path(__file__).parents[2]


def ours() -> str:
    """The image of the functions, as the cluster knows it."""
    return os.environ.get("IMAGE") or _built("dev.local/taskmaster:test", ROOT)


def hello() -> str:
    """The image of the hello world."""
    return os.environ.get("HELLO_IMAGE") or _built("dev.local/hello:test", Path(__file__).parent / "hello")


def _built(tag: str, folder: Path) -> str:
    if tool := os.environ.get("IMAGE_TOOL"):
        _run(tool, "image", tag, str(folder))
        return tag
    context = subprocess.run(["kubectl", "config", "current-context"], capture_output=True, text=True, check=False)
    name = context.stdout.strip()
    if not name.startswith("kind-") or not shutil.which("kind") or not shutil.which("docker"):
        raise ClusterError(
            f"how does an image get to the cluster {name or '(none)'}? Push it and set IMAGE and HELLO_IMAGE, set "
            "IMAGE_TOOL to a program that loads one, or use a kind cluster with docker and kind on the PATH"
        )
    _run("docker", "build", "--quiet", "--tag", tag, str(folder))
    _run("kind", "load", "docker-image", "--name", name.removeprefix("kind-"), tag)
    return tag


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command[:3])} failed:\n{(done.stdout + done.stderr)[-3000:]}")
