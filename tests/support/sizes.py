"""How much a test does: enough for every day in `make test`, and all of it in `make test-thorough`."""

import os

THOROUGH = bool(os.environ.get("THOROUGH"))


def size(everyday: int, thorough: int) -> int:
    """Of the two numbers the one that this run is for."""
    return thorough if THOROUGH else everyday
