"""The lock files, and what stands in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
IMAGE = ROOT / "functions" / "requirements.txt"
WITH_TELEMETRY = ROOT / "functions" / "requirements-telemetry.txt"
WITH_APPRISE = ROOT / "functions" / "requirements-apprise.txt"
WITH_REDIS = ROOT / "functions" / "requirements-redis.txt"
_FOLDERS = (ROOT / name for name in ("functions", "knative", "tests"))
ALL = sorted(file for folder in _FOLDERS for file in folder.rglob("requirements*.txt"))


def requirements(lock: Path) -> list[str]:
    """Each requirement with its version, marker and hashes, on one line."""
    joined = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in joined.splitlines() if re.match(r"[A-Za-z0-9]", line)]
