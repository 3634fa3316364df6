"""Let atheris look for bytes that break a target: `python -m tests.programs.fuzz.run TARGET [OPTIONS OF libFuzzer]`."""

import sys

import atheris

with atheris.instrument_imports(include=["taskmaster", "knative_delivery.cloud_event"]):
    from tests.programs.fuzz.targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
