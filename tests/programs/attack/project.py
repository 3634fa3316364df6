"""This project's manifests with further settings in every function's own environment, for the stand-in to read."""

from collections.abc import Mapping
from pathlib import Path

import yaml


def with_environment(root: Path, environment: Mapping[str, str], into: Path) -> Path:
    """A project in the folder `into`: the functions of `root`, and its manifests with this in every container's env.

    It wins over ConfigMaps and Secrets, as in Kubernetes.
    """
    (into / "functions").parent.mkdir(parents=True, exist_ok=True)
    (into / "functions").symlink_to(root / "functions")
    further = [{"name": name, "value": value} for name, value in environment.items()]
    for file in (*root.glob("knative/*.yaml"), *root.glob("eventing/*.yaml")):
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        for document in documents:
            if document["kind"] == "Service" and "template" in document["spec"]:
                for container in document["spec"]["template"]["spec"]["containers"]:
                    container["env"] = [*container.get("env", []), *further]
        copy = into / file.relative_to(root)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return into
