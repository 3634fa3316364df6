"""What the functions serve, read from their own modules, and who is called for what, read from the manifests."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from knative.local import manifests
from taskmaster.domain.task import Fact
from taskmaster.handling.operation import Operation, Route

ROOT = Path(__file__).parents[3]
FUNCTIONS = ROOT / "functions"


@dataclass(frozen=True, kw_only=True)
class Served:
    """One operation, the function that serves it, and its own words for it."""

    function: str
    operation: Operation

    @property
    def id(self) -> str:
        """Its name in camel case: createTask."""
        first, *rest = self.operation.name.split("-")
        return first + "".join(map(str.capitalize, rest))

    @property
    def summary(self) -> str:
        """The first sentence of its words."""
        said = self.operation.about.partition("\n\n")[0].replace("\n", " ").rstrip(".")
        return said[0].upper() + said[1:]

    @property
    def description(self) -> str:
        """The rest of them."""
        return self.operation.about.partition("\n\n")[2].replace("\n", " ").strip()

    @property
    def routes(self) -> list[Route]:
        """Those at the one REST address, where the function's own host is not known."""
        return [route for route in self.operation.http if not re.match(r"/($|\{)", route.path)]

    @property
    def answers(self) -> list[type[Any] | None]:
        """What it answers with: a record, None for no content, or either; or a stream."""
        return self.operation.answers

    @property
    def commands(self) -> list[str]:
        """The types of event that ask for it; one that only tells what happened asks for nothing."""
        return [] if issubclass(self.operation.command, Fact) else list(self.operation.types)


@cache
def served() -> tuple[Served, ...]:
    """Every operation of every function."""
    found = []
    for path in sorted(FUNCTIONS.glob("*.py")):
        module = importlib.import_module(path.stem)
        operations: tuple[Operation, ...] = getattr(getattr(module, path.stem), "operations", ())
        for operation in operations:
            found.append(Served(function=path.stem.replace("_", "-"), operation=operation))
    return tuple(found)


@cache
def readers() -> Mapping[str, Mapping[str, str]]:
    """By topic the functions that its records wake, each with its consumer group."""
    found: dict[str, dict[str, str]] = {}
    for source in manifests.read(ROOT / "knative", ROOT / "eventing").kafka_sources:
        for topic in source.topics:
            found.setdefault(topic, {})[source.name] = source.consumer_group
    return found
