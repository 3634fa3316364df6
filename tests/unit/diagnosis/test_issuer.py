"""An issuer whose keys cannot be had, or verify nothing, is found."""

import json
from pathlib import Path

import pytest

from knative.local import taskmaster_setup
from knative.local.processes import free_port
from knative.local.web import WebServer
from tests.support import tokens
from tests.support.findings import doctor


def test_no_issuer_is_found() -> None:
    assert doctor({}, "issuer").of("nobody-signs-in")["severity"] == "critical"


def test_keys_that_are_given_are_no_finding() -> None:
    assert doctor(tokens.settings(), "issuer") == []


@pytest.mark.parametrize("keys", [[], [{"kty": "oct", "k": ""}], [{"kty": "EC", "use": "enc"}]])
def test_keys_that_verify_nothing_are_found(keys: list[dict[str, str]]) -> None:
    given = {**tokens.settings(), "OIDC_JWKS": "", "OIDC_JWKS_URL": ""}
    port = free_port()

    def answer(environ: object, start: object) -> list[bytes]:
        start("200 OK", [("Content-Type", "application/json")])  # type: ignore[operator]
        return [json.dumps({"keys": keys}).encode()]

    from threading import Thread
    from wsgiref.simple_server import make_server

    with make_server("127.0.0.1", port, answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        found = doctor({**given, "OIDC_JWKS_URL": f"http://127.0.0.1:{port}/keys"}, "issuer")
        server.shutdown()
    assert "has no key that verifies" in found.of("no-usable-key")["what"]


def test_an_issuer_that_is_away_is_found(tmp_path: Path) -> None:
    port = free_port()
    provider = taskmaster_setup.identity_provider(tmp_path / "key.pem", issuer=f"http://localhost:{port}")
    settings = taskmaster_setup.identity_settings(provider)
    web = WebServer(provider, port=port)
    try:
        assert doctor(settings, "issuer") == []
    finally:
        web.stop()
    finding = doctor(settings, "issuer").of("keys-unavailable")
    assert f"http://localhost:{port}/.well-known/openid-configuration" in finding["mend"]
