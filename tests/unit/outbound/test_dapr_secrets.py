"""Secrets that a setting names in a store of Dapr: read once, before anything is checked, and never shown."""

import json

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from taskmaster.settings import WrongSetting, read

SECRET = "postgresql://taskmaster_user:hidden@db/taskmaster"  # not one of anybody's


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(WrongSetting) as refused:
        read(environ)
    heading, sentence = str(refused.value).splitlines()
    assert heading == "taskmaster cannot start:"
    return sentence.strip()


def test_a_secret_is_read_from_its_store_once(httpserver: HTTPServer) -> None:
    asked: list[tuple[str, str | None]] = []

    def answer(request: Request) -> Response:
        asked.append((request.path, request.headers.get("dapr-api-token")))
        return Response(json.dumps({"DATABASE_URL": SECRET, "REST": "x"}))

    httpserver.expect_request("/v1.0/secrets/kubernetes/taskmaster-database").respond_with_handler(answer)
    settings = read(
        {
            "DAPR_URL": httpserver.url_for("/"),
            "DAPR_API_TOKEN": "token",
            "DATABASE_URL": "dapr://kubernetes/taskmaster-database#DATABASE_URL",
            "SYSTEM_DATABASE_URL": "dapr://kubernetes/taskmaster-database#REST",
        }
    )
    assert settings.database_url.get_secret_value() == SECRET
    assert settings.system_database_url.get_secret_value() == "x"
    assert asked == [("/v1.0/secrets/kubernetes/taskmaster-database", "token")]


def test_a_key_with_one_value_needs_no_field(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1.0/secrets/local/db").respond_with_json({"db": SECRET})
    settings = read({"DAPR_URL": httpserver.url_for("/"), "DATABASE_URL": "dapr://local/db"})
    assert settings.database_url.get_secret_value() == SECRET


def test_what_is_read_is_checked_as_if_it_were_given(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1.0/secrets/local/smtp").respond_with_json({"smtp": "http://hidden"})
    said = refusal({"DAPR_URL": httpserver.url_for("/"), "SMTP_URL": "dapr://local/smtp"})
    assert said.startswith("SMTP_URL is wrong: it must be smtp://")
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (204, "", "store local has no such key"),
        (401, "", "refuses DAPR_API_TOKEN"),
        (403, '{"errorCode":"ERR_PERMISSION_DENIED","message":"access denied by policy"}', "access denied by policy"),
        (404, '{"errorCode":"ERR_SECRET_STORE_NOT_FOUND","message":"no such store"}', "404 no such store"),
        (200, "[1]", "answered what is no secret"),
        (200, '{"one": "hidden", "two": "hidden"}', "it has no db, only one, two"),
    ],
)
def test_what_a_store_refuses_is_told_in_a_sentence(httpserver: HTTPServer, status: int, body: str, said: str) -> None:
    httpserver.expect_request("/v1.0/secrets/local/db").respond_with_data(body, status=status)
    sentence = refusal({"DAPR_URL": httpserver.url_for("/"), "DATABASE_URL": "dapr://local/db"})
    assert sentence.startswith("DATABASE_URL is dapr://local/db, but ")
    assert said in sentence
    assert "hidden" not in sentence


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"DATABASE_URL": "dapr://local/db"}, "DAPR_URL is not set"),
        ({"DAPR_URL": "http://127.0.0.1:1", "DATABASE_URL": "dapr://local/db"}, "no daprd answers at"),
        ({"DAPR_URL": "http://127.0.0.1:1", "DATABASE_URL": "dapr://local"}, "it must be dapr://STORE/KEY"),
        ({"DAPR_URL": "http://127.0.0.1:1", "DATABASE_URL": "dapr:///db"}, "it must be dapr://STORE/KEY"),
        ({"DAPR_URL": "http://127.0.0.1:1", "DAPR_API_TOKEN": "dapr://local/x"}, "that is what opens the stores"),
    ],
)
def test_a_secret_that_cannot_be_asked_for_is_told_in_a_sentence(environ: dict[str, str], said: str) -> None:
    assert said in refusal(environ)
