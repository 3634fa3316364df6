"""The chart's README and values.yaml say what there is. (That the README is current: test_manifests.py.)"""

import re

import yaml

from helm import readme
from helm.command import CHART, VERSION, run
from tests.chart.conftest import needs_helm
from tests.chart.test_manifests import ROOT


def test_every_value_is_explained() -> None:
    unexplained = [path for path, (comment, _) in readme.described().items() if not comment]
    assert unexplained == []


def test_the_readme_has_every_value_with_its_default() -> None:
    text = readme.current()
    assert "@" not in re.sub(r"`[^`]*`|://[^\s]*@", "", text), "a table is missing"
    for path in readme.described():
        assert f"| `{path}` |" in text


def test_what_an_entry_of_functions_may_have_is_explained_in_values_yaml() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())["definitions"]["function"]["properties"]
    comment = (CHART / "values.yaml").read_text().partition("\nfunctions:")[0].rpartition("\n\n")[2]
    assert all(re.search(rf"^#   (\w+, )*{key}\b", comment, re.MULTILINE) for key in schema)


def test_ci_installs_the_helm_that_is_pinned() -> None:
    assert "make helm" in (ROOT / ".ci" / "run").read_text()
    assert "helm/command.py" in (ROOT / "Makefile").read_text()
    assert re.fullmatch(r"v3\.\d+\.\d+", VERSION)


@needs_helm
def test_helm_has_nothing_to_complain_of() -> None:
    assert "0 chart(s) failed" in run("lint", "--strict", str(CHART))
