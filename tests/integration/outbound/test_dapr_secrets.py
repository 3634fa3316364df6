"""Secrets out of the stores of a real daprd, that of the environment and that of a file."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskmaster.settings import WrongSetting, read
from tests.support import dapr
from tests.support.command_line import at_once

SECRET = "postgresql://taskmaster_user:hidden@db/taskmaster"  # not one of anybody's


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dapr.Daprd]:
    file: Path = tmp_path_factory.mktemp("secrets") / "secrets.json"
    file.write_text(json.dumps({"taskmaster": {"system": SECRET, "owner": "x"}, "alone": SECRET}))
    stores = (
        dapr.component("envs", "secretstores.local.env"),
        dapr.component("files", "secretstores.local.file", secretsFile=str(file), multiValued="true"),
    )
    with dapr.daprd(*stores, token="a token", environment={"USER_URL": SECRET}) as started:
        yield started


@pytest.fixture
def environ(running: dapr.Daprd) -> dict[str, str]:
    return {"DAPR_URL": running.url, "DAPR_API_TOKEN": running.token}


def test_secrets_are_read_from_both_kinds_of_store(environ: dict[str, str]) -> None:
    settings = read(
        {
            **environ,
            "DATABASE_URL": "dapr://envs/USER_URL",
            "SYSTEM_DATABASE_URL": "dapr://files/taskmaster#system",
        }
    )
    assert settings.database_url.get_secret_value() == SECRET
    assert settings.system_database_url.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("dapr://envs/NO_SUCH_VARIABLE", "it has no NO_SUCH_VARIABLE"),
        ("dapr://files/nobody", "nobody"),
        ("dapr://files/taskmaster", "it has no taskmaster, only "),
        ("dapr://nowhere/x", "nowhere"),
    ],
)
def test_what_is_not_there_is_told_by_its_name(environ: dict[str, str], address: str, said: str) -> None:
    with pytest.raises(WrongSetting) as refused:
        read({**environ, "DATABASE_URL": address})
    assert f"DATABASE_URL is {address}, but " in str(refused.value)
    assert said in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_a_wrong_token_is_told(environ: dict[str, str]) -> None:
    with pytest.raises(WrongSetting, match="refuses DAPR_API_TOKEN"):
        read({**environ, "DAPR_API_TOKEN": "wrong", "DATABASE_URL": "dapr://envs/USER_URL"})


def test_the_command_line_reads_them_too_and_shows_none(environ: dict[str, str]) -> None:
    of_nobody = {**environ, "MIGRATION_DATABASE_URL": "dapr://envs/USER_URL"}
    ended = at_once({**of_nobody, "DATABASE_URL": "dapr://envs/USER_URL", "SYSTEM_DATABASE_URL": "x"}, "migrate")
    assert ended.exit_code == 1
    assert "hidden" not in ended.output
