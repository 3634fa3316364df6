"""A section on a terminal: its tables with verdicts in colour."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from tests.programs.bench.report import Compared, Comparison, Figure, Section, number


def show(console: Console, section: Section) -> None:
    console.rule(f"[bold]{section.title}", align="left")
    for each in section.compared:
        console.print(_compared(each), highlight=False)
    if section.figures:
        console.print(_figures(section), highlight=False)
    for curve in section.curves:
        table = _table(curve.title, curve.x, *curve.lines)
        for x in sorted({x for points in curve.lines.values() for x, _ in points}):
            table.add_row(f"{x:,.0f}", *(number(dict(points)[x]) for points in curve.lines.values()))
        console.print(table, highlight=False)


def _compared(compared: Compared) -> Table:
    table = _table(compared.title, "", compared.base, compared.ours, "ratio", "", "goal")
    for each in compared.comparisons:
        base, ours = (number(figure) for figure in each.medians)
        table.add_row(each.what, base, ours, f"[bold]{each.ratio:.2f}[/]", each.spread, _verdict(each))
    return table


def _figures(section: Section) -> Table:
    table = _table("", "", "measured", "", "goal")
    for each in section.figures:
        table.add_row(each.what, f"[bold]{number(each.value)}[/]", each.unit, _verdict(each))
    return table


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _verdict(each: Figure | Comparison) -> str:
    colour = "green" if each.met else "red" if each.failed else "yellow"
    return f"{each.bound} [{colour}]{each.verdict}[/]" if each.bound else ""
