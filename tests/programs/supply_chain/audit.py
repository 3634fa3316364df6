"""`make audit`: every lock file against the known vulnerabilities, by a service; or why it could not be asked."""

import subprocess
import sys

from tests.programs.supply_chain import lock

_CANNOT = "nothing was audited: the vulnerability service cannot be reached from here. Run `make audit` where it can."


def main() -> None:
    """Ends with 1 for a vulnerability, with 2 where nothing could be asked."""
    for file in lock.ALL:
        print(f"{file.relative_to(lock.ROOT)}:", flush=True)
        # The hashes make a resolver needless, so none is asked what the lock file says already.
        command = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--require-hashes"]
        ended = subprocess.run(
            [*command, "--progress-spinner", "off", "-r", str(file)], check=False, capture_output=True, text=True
        )
        if ended.returncode and not ended.stdout.strip():
            print(*ended.stderr.strip().splitlines()[-1:], _CANNOT, sep="\n", file=sys.stderr)
            sys.exit(2)
        print(ended.stdout + ended.stderr)
        if ended.returncode:
            sys.exit(1)


if __name__ == "__main__":
    main()
