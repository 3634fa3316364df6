"""YAML that knows where it stands, so that what is wrong is told by file, field and what belongs there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's reads ten times as fast; not every wheel has it


class ManifestError(ValueError):
    """A manifest is missing or wrong; the message names the file and the field and says what to do."""


class Field:
    """One value of a manifest, and its place there. An absent field is a Field too: its value is None."""

    def __init__(self, value: Any, file: Path, path: str = "") -> None:
        self.value = value
        self.file = file
        self.path = path

    def __getitem__(self, name: str) -> Field:
        if self.value is not None and not isinstance(self.value, dict):
            raise self.wrong("a mapping")
        # Annotation names have dots of their own: metadata.annotations["autoscaling.knative.dev/window"].
        path = f'{self.path}["{name}"]' if "." in name else f"{self.path}.{name}".lstrip(".")
        return Field((self.value or {}).get(name), self.file, path)

    def __iter__(self) -> Iterator[Field]:
        if self.value is not None and not isinstance(self.value, list):
            raise self.wrong("a list")
        for index, value in enumerate(self.value or []):
            yield Field(value, self.file, f"{self.path}[{index}]")

    def __bool__(self) -> bool:
        return self.value is not None

    def wrong(self, belongs: str) -> ManifestError:
        if self.value is None:
            return ManifestError(f"{self.file}: {self.path} is missing: give it {belongs}")
        return ManifestError(f"{self.file}: {self.path} is {self.value!r}: it has to be {belongs}")

    def text(self, default: str | None = None, *, among: tuple[str, ...] = ()) -> str:
        value = default if self.value is None else self.value
        if not isinstance(value, str) or not value or (among and value not in among):
            raise self.wrong(f"one of {', '.join(among)}" if among else "a text")
        return value

    def texts(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self)

    def mapping(self) -> dict[str, str]:
        """Names to texts, as in labels and ConfigMaps: Kubernetes refuses numbers and booleans there."""
        if self.value is not None and not isinstance(self.value, dict):
            raise self.wrong("a mapping")
        for name in self.value or {}:
            if not isinstance(self[name].value, str):
                raise self[name].wrong("a text (put it in quotes)")
        return dict(self.value or {})

    def integer(self, default: int | None = None) -> int:
        """A whole number, 0 or more; the quoted form of annotations will do."""
        value = default if self.value is None else self.value
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong("a whole number, 0 or more")
        return value

    def flag(self, default: bool) -> bool:
        if not isinstance(self.value, bool | None):
            raise self.wrong("true or false")
        return default if self.value is None else self.value

    def go_duration(self, default: str) -> timedelta:
        """A duration as Go writes it: 6s, 1m30s, 500ms."""
        value = self.text(default)
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", value)
        if "".join(map("".join, parts)) != value:
            raise self.wrong("a duration such as 6s or 1m30s")
        units = {"h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}
        return sum((timedelta(**{units[unit]: float(number)}) for number, unit in parts), timedelta())

    def iso_duration(self, default: str | None = None) -> timedelta:
        """A duration as ISO 8601 writes it, without years and months: PT1S, PT0.5S, P1DT2H."""
        value = self.text(default)
        try:
            return iso_duration(value)
        except ValueError:
            raise self.wrong("an ISO 8601 duration such as PT1S or PT0.5S") from None


_ISO_DURATION = re.compile(
    r"P(?=.)(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=.)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def iso_duration(text: str) -> timedelta:
    """The timedelta of an ISO 8601 duration; ValueError for anything else, years and months included."""
    match = _ISO_DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an ISO 8601 duration")
    return timedelta(**{unit: float(number) for unit, number in match.groupdict(default="0").items()})


def documents(file: Path) -> list[Field]:
    """The YAML documents of a file, empty ones left out."""
    try:
        loaded = list(yaml.load_all(file.read_text(encoding="utf-8"), Loader=_LOADER))
    except OSError as error:
        raise ManifestError(f"{file}: cannot be read ({error.strerror}): put the manifest there") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise ManifestError(f"{file}{line}: is not YAML: {problem}") from None
    return [Field(document, file) for document in loaded if document is not None]
