"""`make manifests`: knative/*.yaml and eventing/*.yaml, the chart's rendered default, for kubectl and for the stand-in.

With them what is made from other files in the chart itself: its README, and the settings in values.schema.json.

One file a function and one a source, each with its comment on top; what only Helm has a use for is left out.
"""

import re
import sys
from pathlib import Path

import yaml

from helm import dashboard, readme, values_schema
from helm.command import HelmFailed, template

ROOT = Path(__file__).parents[1]
FOLDERS = ("knative", "eventing")
_VALUES = Path(__file__).parent / "kubectl.yaml"
_HELMS_OWN = re.compile(
    r"^ +(?:app\.kubernetes\.io/(?:instance|version|managed-by)|helm\.sh/chart|checksum/\w+): .*\n", re.MULTILINE
)
_FILES = {
    "ConfigMap": "config",
    "Job": "setup",
    "HTTPRoute": "route",
    "ReferenceGrant": "route",
    "NetworkPolicy": "network",
}


def rendered() -> dict[str, str]:
    """The content of every file by its path from the project's root. Raises HelmFailed."""
    files: dict[str, list[str]] = {}
    for document in template("--values", str(_VALUES), "--no-hooks").split("\n---\n"):
        text = _HELMS_OWN.sub("", re.sub(r"\A(?:---\n)?# Source: .*\n", "", document.strip() + "\n"))
        files.setdefault(_path(yaml.safe_load(text)), []).append(text)
    # The Service comes first in its file, whatever order Helm installs in.
    return {
        path: "---\n".join(sorted(texts, key=lambda text: "\nkind: Service\n" not in text))
        for path, texts in sorted(files.items())
    }


def derived() -> dict[Path, str]:
    """The content of the chart's files that are made from others. Needs no Helm."""
    return {each.FILE: each.current() for each in (values_schema, readme, dashboard)}


def present() -> dict[str, str]:
    """The content of every file that is there, by its path from the project's root."""
    found = [file for folder in FOLDERS for file in sorted((ROOT / folder).glob("*.yaml"))]
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in found}


def main() -> None:
    """Write what differs, remove what is no longer made, and say so. Exit code 1 and a sentence without Helm."""
    for file, text in derived().items():
        _write(file, text)
    try:
        wanted = rendered()
    except HelmFailed as error:
        sys.exit(f"the manifests cannot be made: {error}")
    there = present()
    for path in sorted(there.keys() - wanted.keys()):
        (ROOT / path).unlink()
        print(f"removed {path}")
    for path, text in wanted.items():
        _write(ROOT / path, text)


def _write(file: Path, text: str) -> None:
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")
        print(f"wrote {file.relative_to(ROOT)}")


def _path(manifest: dict[str, object]) -> str:
    metadata = manifest["metadata"]
    assert isinstance(metadata, dict)
    if manifest["kind"] in ("KafkaSource", "PingSource"):
        return f"eventing/{metadata['name']}.yaml"
    name = _FILES.get(str(manifest["kind"])) or metadata["labels"]["app.kubernetes.io/name"]
    return f"knative/{name}.yaml"


if __name__ == "__main__":
    main()
