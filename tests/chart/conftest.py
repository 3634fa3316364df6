"""What the chart's tests share: whether Helm is there, and the notes that an installation ends with."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml

from helm import command

os.environ.setdefault("GOGC", "400")  # Helm lives a tenth of a second here, a fifth of which went to collecting garbage

# In a workflow (CI=true) they fail instead: nobody would see there that they are left out.
needs_helm = pytest.mark.skipif(not command.is_there() and os.environ.get("CI") != "true", reason=command.GET_IT)


def notes(*arguments: str) -> str:
    """NOTES.txt as these arguments make it. Helm shows notes to a cluster alone: here they are those of a ConfigMap."""
    with tempfile.TemporaryDirectory() as directory:
        chart = Path(directory) / "taskmaster"
        shutil.copytree(command.CHART, chart)
        text = (chart / "templates" / "NOTES.txt").read_text()
        (chart / "templates" / "notes.yaml").write_text(
            f'{{{{- define "notes" }}}}{text}{{{{ end }}}}\nnotes: {{{{ include "notes" . | toJson }}}}\n'
        )
        shown = command.run(
            "template",
            "taskmaster",
            str(chart),
            "--namespace",
            "todo",
            "--show-only",
            "templates/notes.yaml",
            *arguments,
        )
    found: str = yaml.safe_load(shown)["notes"]
    return found
