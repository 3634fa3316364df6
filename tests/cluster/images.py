"""Images for the cluster: built here and brought to its nodes without a registry, or named by whoever has pushed them.

BASE_IMAGE   with IMAGE_TOOL, what stands in for Python's own image where no registry is reached: it has no digest
IMAGE_TOOL   a program that is called as `IMAGE_TOOL image TAG FOLDER`: it builds and loads
(none)       docker builds and `kind load` loads, where kubectl's context is a kind cluster
IMAGE        instead of building ours: an image that the cluster can pull; HELLO_IMAGE for the hello world
"""

import os
import re
import shutil
import subprocess
import tempfile
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
        with tempfile.TemporaryDirectory(prefix="taskmaster-image-") as copy:
            base = os.environ.get("BASE_IMAGE")
            _run(tool, "image", tag, str(on_base(base, folder, Path(copy)) if base else folder))
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


def on_base(base: str, folder: Path, context: Path) -> Path:
    """A copy of what is built in a folder, with another image in place of Python's own."""
    kept = folder / ".dockerignore"
    listed = re.findall(r"^!(\S+)$", kept.read_text(), re.MULTILINE) if kept.exists() else []
    for name in [kept.name, *listed] if listed else [each.name for each in folder.iterdir()]:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, context / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(folder / name, context / name)
    file = (folder / "Dockerfile").read_text()
    changed = re.sub(r"^FROM python:\S+@\S+", f"FROM {base}", file, flags=re.MULTILINE)
    (context / "Dockerfile").write_text(changed)
    return context


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command[:3])} failed:\n{(done.stdout + done.stderr)[-3000:]}")
