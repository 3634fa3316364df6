"""docs/benchmarks.md: each benchmark has its part, and what is missed by more than its margin fails."""

from pathlib import Path

import pytest

from tests.programs.bench import page
from tests.programs.bench.report import Compared, Comparison, Curve, Figure, Section

ORDER = ["first", "second"]


def section(title: str, *figures: Figure) -> Section:
    return Section(title=title, how=f"How {title} was measured.", figures=figures)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(page, "PAGE", tmp_path / "benchmarks.md")
    return page.PAGE


def test_one_part_is_replaced_and_the_others_stay(written: Path) -> None:
    page.write("second", section("Lists", Figure(what="p99", value=12.34, unit="ms", goal=20)), order=ORDER, load=0)
    page.write("first", section("Creates"), order=ORDER, load=0)
    before = written.read_text()
    page.write("second", section("Lists", Figure(what="p99", value=50, unit="ms", goal=20)), order=ORDER, load=0)
    after = written.read_text()
    assert before.index("## Creates") < before.index("## Lists")
    assert "| p99 | **12.3** ms | ≤ 20 met |" in before
    assert "| p99 | **50.0** ms | ≤ 20 missed |" in after
    assert before.partition("## Lists")[0] == after.partition("## Lists")[0]


def test_what_no_benchmark_is_called_any_more_goes(written: Path) -> None:
    page.write("first", section("Creates"), order=ORDER, load=0)
    page.write("second", section("Lists"), order=["second"], load=0)
    assert "Creates" not in written.read_text()


def test_ratios_stand_before_what_they_are_made_of(written: Path) -> None:
    rates = Comparison(what="rate", base=[100, 100, 100], ours=[240, 250, 300], goal=2.4, less=False)
    compared = Compared(title="Answers", base="usual", ours="ours", comparisons=[rates])
    page.write("first", Section(title="Creates", how="", compared=[compared]), order=ORDER, load=0)
    assert "| rate | **2.50** (2.40-3.00) | ≥ 2.4 met | 100 | 250 |" in written.read_text()


def test_a_curve_becomes_a_picture_that_is_always_the_same(written: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is missing (make bench)")
    curve = Curve(name="growth", title="Growth", x="tasks", y="ms", lines={"p99": [(10_000, 5), (1_000_000, 9)]})
    made = []
    for _ in range(2):
        page.write("first", Section(title="Lists", how="", curves=[curve]), order=ORDER, load=0)
        made.append((written.parent / "images/growth.svg").read_bytes())
    assert made[0] == made[1]
    assert "![Growth](images/growth.svg)" in written.read_text()


@pytest.mark.parametrize(
    ("value", "less", "verdict", "failed"),
    [
        (20.0, True, "met", False),
        (21.9, True, "within its margin", False),
        (22.1, True, "missed", True),
        (18.1, False, "within its margin", False),
        (17.9, False, "missed", True),
    ],
)
def test_a_goal_fails_beyond_its_margin(value: float, less: bool, verdict: str, failed: bool) -> None:
    figure = Figure(what="p99", value=value, unit="ms", goal=20, less=less)
    assert (figure.verdict, section("Lists", figure).failed == ["p99"]) == (verdict, failed)
