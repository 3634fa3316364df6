"""Which commands there are, and that each is found where it is said to be."""

import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest

from taskmaster.cli.__main__ import main

ROOT = Path(__file__).parents[3]
CONTEXT = click.Context(main)


@pytest.mark.parametrize("name", main.list_commands(CONTEXT))
def test_each_command_is_where_the_command_line_looks_for_it(name: str) -> None:
    command = main.get_command(CONTEXT, name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_what_the_package_installs_as_taskmaster_is_the_command_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["scripts"]["taskmaster"].partition(":")
    assert getattr(import_module(module), name) is main


def test_no_command_has_another_name() -> None:
    assert main.get_command(CONTEXT, "nonsense") is None
