"""Helm, run: `template` is offline, and whatever else is asked for is done where kubectl points at."""

import shutil
import subprocess
from pathlib import Path

CHART = Path(__file__).parent / "taskmaster"
PROFILES = CHART / "profiles"
VERSION = "v3.22.0"
GET_IT = "helm is not on the PATH: make helm brings it, where Go is; or see https://helm.sh/docs/intro/install"


class HelmFailed(Exception):
    """Helm is missing, or refused; the message is what it said."""


def is_there() -> bool:
    return shutil.which("helm") is not None


def template(*arguments: str, namespace: str = "default", release: str = "taskmaster") -> str:
    """The chart rendered, as one text of YAML documents. Raises HelmFailed with Helm's own words."""
    return run("template", release, str(CHART), "--namespace", namespace, *arguments)


def run(*arguments: str) -> str:
    """Run helm and return what it prints. Raises HelmFailed."""
    if not is_there():
        raise HelmFailed(GET_IT)
    done = subprocess.run(["helm", *arguments], capture_output=True, text=True, check=False)  # noqa: S607
    if done.returncode:
        raise HelmFailed(done.stderr.strip() or done.stdout.strip())
    return done.stdout
