"""Fuzz every target for a while: `make fuzz SECONDS=600`, which are shared among them.

What breaks one is left in tests/programs/fuzz/found/TARGET. Once it is mended, it joins the seeds beside that folder,
which the tests run.
"""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.programs.fuzz.targets import TARGETS

HERE = Path(__file__).parent


def main() -> None:
    """Exit code 1 where something broke; 0 with a sentence where there is no fuzzer for this Python."""
    if importlib.util.find_spec("atheris") is None:
        print("make fuzz: nothing was fuzzed: atheris has no wheel for this Python on this machine.")
        return
    seconds = max(int(sys.argv[1]) // len(TARGETS), 1)
    broken = [name for name in TARGETS if not fuzz(name, seconds)]
    if broken:
        sys.exit(f"make fuzz: broken: {', '.join(broken)}; the bytes are in tests/programs/fuzz/found")


def fuzz(name: str, seconds: int) -> bool:
    """Whether a target holds for so many seconds."""
    found = HERE / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:  # what reaches new code, on top of the seeds
        ended = subprocess.run(
            [
                sys.executable, "-m", "tests.programs.fuzz.run", name, corpus, str(HERE / "seeds" / name),
                f"-max_total_time={seconds}", "-max_len=2048", "-timeout=10", f"-artifact_prefix={found}/",
            ],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )  # fmt: skip
    if not any(found.iterdir()):
        found.rmdir()
    runs = next((line for line in ended.stderr.splitlines() if line.startswith("Done ")), "")
    print(f"  {name}: {runs or 'broken'}", flush=True)
    if ended.returncode:
        print(ended.stdout[-4_000:], ended.stderr[-4_000:], sep="\n", flush=True)
    return ended.returncode == 0


if __name__ == "__main__":
    main()
