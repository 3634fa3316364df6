"""create-task as it is beside an earlier version of it, on the schema and the settings of now.

    git worktree add --detach ../before COMMIT
    python -m tests.programs.bench.before ../before/functions [--clients 16] [--rounds 5] [--requests 2000]

For a change that is to make something faster, or not slower: its commit says what this shows.
"""

import argparse
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from knative.local.embedded import broker, postgres
from tests.programs.bench import contenders, pairs, terminal
from tests.programs.bench.load import Plan
from tests.programs.bench.report import Section

NAMES = ("before", "now")


def main() -> int:
    options = _options()
    plan = Plan(clients=options.clients, warm_up=options.requests // 10, requests=options.requests)
    with ExitStack() as stack:
        server, bootstrap_servers = stack.enter_context(postgres()), stack.enter_context(broker())
        provider = stack.enter_context(contenders.identity_provider())
        now = contenders.taskmaster(server, bootstrap_servers, provider)
        before = replace(now, directory=options.directory.resolve())
        compared = [
            pairs.compared_starts(NAMES, pairs.starts(before, now, options.starts + 1)[1:]),
            pairs.compared(NAMES, options.clients, pairs.rounds(before, now, options.rounds, plan)),
        ]
    terminal.show(Console(), Section(title="create-task, before and now", how="", compared=compared))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.programs.bench.before", description="Compare create-task with an earlier version."
    )
    parser.add_argument("directory", type=Path, help="functions/ of the earlier version")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each (%(default)s)")
    parser.add_argument("--requests", type=int, default=2000, help="requests a round (%(default)s)")
    parser.add_argument("--clients", type=int, default=16, help="clients at once (%(default)s)")
    parser.add_argument("--starts", type=int, default=3, help="pairs of starts from zero (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
