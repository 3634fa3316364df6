"""docs/benchmarks.md: a part for each benchmark, ratios first, with a picture of what grows."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.programs.bench import plots
from tests.programs.bench.report import Compared, Figure, Section, number

_ROOT = Path(__file__).parents[3]
PAGE = _ROOT / "docs/benchmarks.md"
_INTRODUCTION = """\
# Benchmarks

`make bench` measures what this page says, and writes it; `make bench ONLY=creates` does one part. A ratio is the median
of alternating rounds, with the lowest and the highest behind it. A goal that is missed by more than a tenth fails the
run. Clients, functions, PostgreSQL and broker share the machine that is named.
"""


def write(name: str, section: Section, *, order: Sequence[str], load: float) -> None:
    """Put one part in its place, and leave the others as they are."""
    parts = _parts(PAGE.read_text() if PAGE.exists() else "")
    for curve in section.curves:
        plots.draw(curve, PAGE.parent / f"images/{curve.name}.svg")
    parts[name] = _part(name, section, load)
    known = [parts[each] for each in order if each in parts]
    PAGE.write_text("\n".join([_INTRODUCTION, *known]))


def _parts(page: str) -> dict[str, str]:
    """By name, from its heading to the next one."""
    found = re.finditer(r"^## .*\n<!-- (\w+) -->\n(?:(?!^## )[\s\S])*", page, re.MULTILINE)
    return {part[1]: part[0].rstrip("\n") + "\n" for part in found}


def _part(name: str, section: Section, load: float) -> str:
    blocks = [f"## {section.title}\n<!-- {name} -->", section.how]
    blocks += [_compared(each) for each in section.compared]
    blocks += [_figures(section.figures)] if section.figures else []
    blocks += [f"![{curve.title}](images/{curve.name}.svg)" for curve in section.curves]
    blocks.append(f"*{_machine(load)}*")
    return "\n\n".join(blocks) + "\n"


def _compared(compared: Compared) -> str:
    rows = [
        (
            each.what,
            f"**{each.ratio:.2f}** ({each.spread})",
            _goal(each.bound, each.verdict),
            *map(number, each.medians),
        )
        for each in compared.comparisons
    ]
    return f"{compared.title}:\n\n" + _table(("", "ratio", "goal", compared.base, compared.ours), rows)


def _figures(figures: Sequence[Figure]) -> str:
    rows = [
        (each.what, f"**{number(each.value)}** {each.unit}".rstrip(), _goal(each.bound, each.verdict))
        for each in figures
    ]
    return _table(("", "measured", "goal"), rows)


def _goal(bound: str, verdict: str) -> str:
    return f"{bound} {verdict}" if bound else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:" for _ in head[1:]]], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(load: float) -> str:
    commit = subprocess.run(["git", "describe", "--always"], cwd=_ROOT, capture_output=True, text=True, check=False)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {commit.stdout.strip() or 'no commit'}: {os.cpu_count()} cores"
        f" ({_processor()}), {memory:.0f} GiB, Python {platform.python_version()}; load before it began {load:.1f}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"^model name\s*: (.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else []
    return models[0] if models else platform.machine()
