"""``make bench``: every figure of docs/benchmarks.md, measured in one run, beside what it is compared with.

    python -m tests.programs.bench [NAME ...] [--with rounds=2 ...] [--no-page]

Each benchmark writes its own part of the page and leaves the others. Exit code 1 says that something answered wrongly,
or that a goal was missed by more than its margin.
"""

import argparse
import inspect
import logging
import os
import sys
import time
from importlib import import_module

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from knative.local.embedded import EmbeddedError
from tests.programs.bench import page, report, terminal
from tests.programs.bench.contenders import Wrong

# What each is about. The module of that name has `measure`; the page has them in this order.
BENCHMARKS = {
    "creates": "create-task by HTTP beside the usual design",
    "starts": "a start from zero beside a hello world's",
    "opening": "how soon the page is painted and shows its tasks, from zero",
    "two_pages": "how soon a change in one page is seen in another, and everything sleeps behind both",
    "reminders": "how late a thousand reminders are, from zero",
    "due": "thousands of reminders due at once, with a million pending",
    "schedulers": "reminders beside the scheduled jobs of Procrastinate",
    "succession": "from a completion to the next occurrence",
    "relay": "a full outbox drained, beside kafka-python alone",
    "users": "a hundred users at once, from zero, and more",
    "rest": "an hour without work, and the memory of a pod",
    "lists": "GET /tasks as the tasks grow, and what its indexes cost",
    "telemetry": "create-task with telemetry and without",
    "rebuild": "tasks made again from a million events",
}


def main() -> int:
    options = _options()
    console = Console()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    failed = []
    for name in options.names:
        load = os.getloadavg()[0]
        try:
            section = _measured(name, options.sizes, console)
        except report.Absent as error:
            console.print(f"[yellow]{name}: left out:[/] {error}", highlight=False)
            continue
        except (Wrong, EmbeddedError) as error:
            console.print(f"[red]{name}: wrong:[/] {error}", highlight=False)
            failed.append(name)
            continue
        terminal.show(console, section)
        if load > (os.cpu_count() or 1) / 2:
            console.print(f"[yellow]The machine was busy before {name} began (load {load:.1f}).[/]", highlight=False)
        for what in section.failed:
            console.print(f"[red]{name}: missed by more than its margin:[/] {what}", highlight=False)
        failed += [name] if section.failed else []
        if options.page:
            page.write(name, section, order=[*BENCHMARKS], load=load)
    return 1 if failed else 0


def _measured(name: str, sizes: dict[str, int], console: Console) -> report.Section:
    """Run one, with a line that says what it does and for how long."""
    measure = import_module(f"tests.programs.bench.{name}").measure
    known = inspect.signature(measure).parameters
    bars = (SpinnerColumn(), TextColumn("{task.fields[name]}: {task.description}"), TimeElapsedColumn())
    with Progress(*bars, console=console, transient=True) as progress:
        bar = progress.add_task("starting", total=None, name=name)
        plain, begun = not console.is_terminal, time.monotonic()

        def step(what: str) -> None:
            progress.update(bar, description=what)
            if plain:
                console.print(f"{name}: {time.monotonic() - begun:4.0f} s: {what}", highlight=False)

        section: report.Section = measure(step, **{key: size for key, size in sizes.items() if key in known})
    return section


def _options() -> argparse.Namespace:
    described = "\n".join(f"  {name:12} {what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.programs.bench",
        description="Measure the pack, and write docs/benchmarks.md.",
        epilog=f"benchmarks:\n{described}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run (all)")
    parser.add_argument("--with", dest="sizes", nargs="*", default=[], metavar="SIZE=N", help="such as rounds=2")
    parser.add_argument("--no-page", dest="page", action="store_false", help="leave docs/benchmarks.md as it is")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    options.names = options.names or [*BENCHMARKS]
    try:
        options.sizes = {key: int(number) for key, _, number in (each.partition("=") for each in options.sizes)}
    except ValueError:
        parser.error("--with takes a name and a whole number, such as rounds=2")
    return options


if __name__ == "__main__":
    sys.exit(main())
