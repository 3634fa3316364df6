"""The chart's release, as helm sees it."""

import json
from pathlib import Path
from typing import Any

from helm.command import CHART, PROFILES, HelmFailed, run

NAME = "taskmaster"


class Helm:
    """helm in one namespace, with these profiles of the chart and the values of this test."""

    def __init__(self, namespace: str, values_file: Path, *, profiles: tuple[str, ...] = ()) -> None:
        self._namespace = namespace
        self._values_file = values_file
        files = [*(PROFILES / f"{profile}.yaml" for profile in profiles), values_file]
        self._values = [f"--values={file}" for file in files]

    def install(self, values: dict[str, Any]) -> None:
        self._values_file.write_text(json.dumps(values))
        self._run("install", NAME, str(CHART), *self._values, "--timeout=10m")

    def upgrade(self, *settings: str) -> None:
        """Change these values (--set) and leave the others."""
        self._run("upgrade", NAME, str(CHART), *self._values, "--timeout=10m", *_set(settings))

    def rollback(self, revision: int) -> None:
        self._run("rollback", NAME, str(revision), "--timeout=10m")

    def uninstall(self) -> None:
        self._run("uninstall", NAME, "--timeout=10m", "--wait")

    def refuses(self, *settings: str) -> str:
        """What helm says to an upgrade to these values. AssertionError if it takes them."""
        try:
            self.upgrade(*settings)
        except HelmFailed as error:
            return str(error)
        raise AssertionError(f"helm took {settings}")

    def revision(self) -> int:
        return int(self.status()["version"])

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._run("status", NAME, "--output=json"))
        return found

    def _run(self, *arguments: str) -> str:
        return run(f"--namespace={self._namespace}", *arguments)


def _set(settings: tuple[str, ...]) -> list[str]:
    return [f"--set={setting}" for setting in settings]
