"""The tiny functions of tests/support/fixtures/functions as Services that plain functions-framework runs."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from knative.local.resources import Container, Service

DIRECTORY = Path(__file__).parents[2] / "support" / "fixtures" / "functions"


def service(name: str, *, env: dict[str, str] | None = None, **fields: Any) -> Service:
    """A Service of the fixture function, with a window that lets a test see the pod end."""
    command = ("python", "-m", "functions_framework", "--source", f"{name}.py", "--target", name)
    container = Container(command=command, env=env or {}, env_from=fields.pop("env_from", ()))
    return Service(name=name, container=container, **{"window": timedelta(seconds=60), **fields})
