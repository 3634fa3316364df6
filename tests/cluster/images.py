"""Images for the cluster: built here and brought to its nodes without a registry, or named by whoever has pushed them.

BASE_IMAGE   with IMAGE_TOOL, what stands in for Python's own image where no registry is reached: it has no digest
IMAGE_TOOL   a program that is called as `IMAGE_TOOL image TAG FOLDER`: it builds and loads
(none)       docker builds and `kind load` loads, where kubectl's context is a kind cluster
IMAGE        instead of building ours: an image that the cluster can pull; HELLO_IMAGE for the hello world, and for the
             tests on Dapr IMAGE_WITH_REDIS and DAPRD_IMAGE
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from knative.cluster.kubectl import ClusterError

ROOT = Path(__file__).parents[2]
# A daprd that needs no other file, as Dapr builds it.
_DAPRD = 'FROM scratch\nCOPY daprd /daprd\nUSER 65532:65532\nENTRYPOINT ["/daprd"]\n'


def ours() -> str:
    """The image of the functions, as the cluster knows it."""
    return os.environ.get("IMAGE") or _built("dev.local/taskmaster:test", ROOT)


def ours_with_redis() -> str:
    """The same with the extra `redis`, for the CronJob that deletes old records there."""
    given = os.environ.get("IMAGE_WITH_REDIS")
    return given or _built("dev.local/taskmaster-redis:test", ROOT, requirements="requirements-redis.txt")


def daprd() -> str:
    """The image of the daprd that is on the PATH."""
    if given := os.environ.get("DAPRD_IMAGE"):
        return given
    with tempfile.TemporaryDirectory(prefix="taskmaster-daprd-") as made:
        shutil.copy(str(shutil.which("daprd")), made)
        Path(made, "Dockerfile").write_text(_DAPRD)
        return _built("dev.local/daprd:test", Path(made))


def hello() -> str:
    """The image of the hello world."""
    return os.environ.get("HELLO_IMAGE") or _built("dev.local/hello:test", Path(__file__).parent / "hello")


def _built(tag: str, folder: Path, *, requirements: str = "") -> str:
    if tool := os.environ.get("IMAGE_TOOL"):
        with tempfile.TemporaryDirectory(prefix="taskmaster-image-") as made:
            _run(tool, "image", tag, str(changed(folder, Path(made), os.environ.get("BASE_IMAGE", ""), requirements)))
        return tag
    context = subprocess.run(["kubectl", "config", "current-context"], capture_output=True, text=True, check=False)
    name = context.stdout.strip()
    if not name.startswith("kind-") or not shutil.which("kind") or not shutil.which("docker"):
        raise ClusterError(
            f"how does an image get to the cluster {name or '(none)'}? Push it and set IMAGE and HELLO_IMAGE, set "
            "IMAGE_TOOL to a program that loads one, or use a kind cluster with docker and kind on the PATH"
        )
    arguments = [f"--build-arg=REQUIREMENTS={requirements}"] if requirements else []
    _run("docker", "build", "--quiet", "--tag", tag, *arguments, str(folder))
    _run("kind", "load", "docker-image", "--name", name.removeprefix("kind-"), tag)
    return tag


def changed(folder: Path, copy: Path, base: str = "", requirements: str = "") -> Path:
    """A copy of what is built in a folder, with another image in place of Python's own, or other packages, if given."""
    kept = folder / ".dockerignore"
    listed = re.findall(r"^!(\S+)$", kept.read_text(), re.MULTILINE) if kept.exists() else []
    for name in [kept.name, *listed] if listed else [each.name for each in folder.iterdir()]:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(folder / name, copy / name)
    file = (folder / "Dockerfile").read_text()
    if base:
        file = re.sub(r"^FROM python:\S+@\S+", f"FROM {base}", file, flags=re.MULTILINE)
    if requirements:
        file = re.sub(r"^(ARG REQUIREMENTS)=\S+$", rf"\1={requirements}", file, flags=re.MULTILINE)
    (copy / "Dockerfile").write_text(file)
    return copy


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(command[:3])} failed:\n{(done.stdout + done.stderr)[-3000:]}")
