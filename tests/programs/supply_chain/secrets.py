"""`make secrets`: gitleaks over the working tree and the whole history, once it has found a secret that was planted.

Its version and the hashes of all that it is built from are in go.mod and go.sum beside this file.
"""

import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONFIGURATION = HERE / "gitleaks.toml"


def main() -> None:
    """Ends with 1 if there is a secret, or if the planted one is not found."""
    if shutil.which("go") is None:
        sys.exit("`make secrets` builds gitleaks, and needs Go 1.24 or later: https://go.dev/dl/")
    with TemporaryDirectory() as folder:
        scanner = Path(folder) / "gitleaks"
        built = ["go", "-C", str(HERE), "build", "-o", str(scanner), "github.com/zricethezav/gitleaks/v8"]
        subprocess.run(built, check=True)
        garden = Path(folder) / "garden"
        garden.mkdir()
        (garden / "settings.env").write_text(planted())
        if not finds(scanner, "dir", garden, quiet=True):
            sys.exit("a secret that was planted is not found: the scanner does not work")
        found = [kind for kind in ("dir", "git") if finds(scanner, kind, ROOT)]
    sys.exit("there are secrets, as told above" if found else 0)


def planted() -> str:
    """Something that nobody may commit, made up anew each time."""
    return f"GITHUB_TOKEN=ghp_{secrets.token_hex(18)}\n"


def finds(scanner: Path, kind: str, where: Path, *, quiet: bool = False) -> bool:
    """Whether there is a secret in the files of a folder, or in the commits of a repository. Values are not shown."""
    command = [
        str(scanner),
        kind,
        str(where),
        "--config",
        str(CONFIGURATION),
        "--no-banner",
        "--redact",
        "--exit-code",
        "9",
    ]
    ended = subprocess.run([*command, *([] if quiet else ["--verbose"])], check=False, capture_output=quiet)
    if ended.returncode not in (0, 9):
        sys.exit("gitleaks failed")
    return ended.returncode == 9


if __name__ == "__main__":
    main()
