"""knative/ and eventing/ are what the chart renders, and nothing else is there."""

from pathlib import Path

import pytest

from helm import manifests
from tests.chart.conftest import needs_helm

ROOT = Path(__file__).parents[2]


@needs_helm
def test_the_manifests_are_the_charts_default_rendered() -> None:
    rendered, there = manifests.rendered(), manifests.present()
    stale = [path for path in rendered.keys() | there.keys() if rendered.get(path) != there.get(path)]
    assert sorted(stale) == [], "run `make manifests`"


def test_what_the_chart_makes_from_other_files_is_current() -> None:
    stale = [file.name for file, text in manifests.derived().items() if file.read_text(encoding="utf-8") != text]
    assert stale == [], "run `make manifests`"


@needs_helm
def test_each_file_says_at_its_top_what_it_is_for() -> None:
    for path, text in manifests.rendered().items():
        assert text.startswith("# "), path
        assert "helm.sh/chart" not in text


@needs_helm
@pytest.mark.parametrize("path", ["knative/create-task.yaml", "knative/dispatch-due-reminders.yaml"])
def test_the_service_comes_first_in_its_file(path: str) -> None:
    assert "\nkind: Service\n" in manifests.rendered()[path].split("---\n")[0]
