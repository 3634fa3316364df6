"""`make licences`: everything in the image has a licence that licences.toml allows, or is named there with a reason.

A package's own word is taken, in this order: its SPDX expression (PEP 639), its classifiers, the field License.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.programs.supply_chain import lock

RULES: Mapping[str, Any] = tomllib.loads((Path(__file__).parent / "licences.toml").read_text(encoding="utf-8"))
_CLASSIFIER = "License :: "


def main() -> None:
    """Prints what is wrong, and ends with 1 if anything is."""
    files = (lock.IMAGE, lock.WITH_TELEMETRY, lock.WITH_APPRISE, lock.WITH_REDIS)
    names = list(dict.fromkeys(name for file in files for name in packages(file)))
    faults = [fault for name in names for fault in faults_of(name, licence_of(metadata_of(name)), RULES)]
    faults += [f"licences.toml excepts {name}, which is not there" for name in RULES["exceptions"] if name not in names]
    if faults:
        sys.exit("\n".join(faults))
    print(f"{len(names)} packages, {len(RULES['exceptions'])} of them by exception: every licence is allowed")


def packages(file: Path) -> Iterator[str]:
    """The packages of a lock file that are for this machine."""
    for line in lock.requirements(file):
        requirement = Requirement(line.partition("--hash")[0])
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement.name


def metadata_of(name: str) -> PackageMetadata | None:
    try:
        return metadata(name)
    except PackageNotFoundError:
        return None


def licence_of(about: PackageMetadata | None) -> str:
    """What a package says, or nothing."""
    if about is None:
        return ""
    if "License-Expression" in about:
        return about["License-Expression"]
    classifiers = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if _CLASSIFIER in each]
    return " AND ".join(classifiers) or (about["License"].strip() if "License" in about else "")


def faults_of(name: str, licence: str, rules: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a package's licence; an expression's alternatives are enough one by one (SPDX annex D)."""
    written = rules["written"]
    excepted = rules["exceptions"].get(name)
    choices = [[written.get(part, part) for part in choice.split(" AND ")] for choice in licence.split(" OR ")]
    if excepted and any(choice == [excepted["licence"]] for choice in choices):
        return
    if not any(all(part in rules["allowed"] for part in choice) for choice in choices):
        yield f"{name}: its licence {licence[:60] or '(none said)'!r} is not among those of licences.toml"


if __name__ == "__main__":
    main()
