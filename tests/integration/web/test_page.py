"""The page's files: addresses that never change, a strict policy, entity tags, and nothing beyond the folder."""

import gzip
import json
import re
from html import unescape
from pathlib import Path

import pytest
import yaml

from knative.local import gateway, manifests
from taskmaster.settings import read
from taskmaster.web.page import Page, content_security_policy
from taskmaster.web.request import Request
from tests.support.function_pack import FUNCTIONS
from tests.support.function_process import FunctionProcess

FOLDER = FUNCTIONS / "page"
SETTINGS = {
    "OIDC_ISSUER": "https://login.example.com/realms/team",
    "OIDC_AUDIENCE": "taskmaster",
    "OIDC_CLIENT_ID": "taskmaster-page",
}


def page(folder: Path = FOLDER, **more: str) -> Page:
    return Page(folder, read({**SETTINGS, **more}))


def ask(
    path: str = "/", method: str = "GET", of: Page | None = None, **headers: str
) -> tuple[bytes, int, dict[str, str]]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return (of or page()).answer(Request(method=method, path=path, query="", headers=given, body=b""))


def base(of: Page | None = None) -> str:
    found = re.search(r'name="taskmaster-base" content="(/page/[0-9a-f]{16}/)"', ask(of=of)[0].decode())
    assert found
    return found[1]


def test_the_document_names_files_that_are_there_and_are_kept_for_ever() -> None:
    body, status, headers = ask()
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "text/html; charset=utf-8", "no-cache")
    named = re.findall(r'(?:href|src)="(/page/[^"]+)"', body.decode())
    assert {"main.js", "style.css", "icon.svg", "app.webmanifest"} <= {Path(each).name for each in named}
    for path in named:
        content, status, headers = ask(path)
        assert (status, headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable"), path
        assert content == (FOLDER / path.removeprefix(base())).read_bytes()


def test_every_module_that_a_module_imports_is_there_and_loaded_ahead() -> None:
    document = ask()[0].decode()
    modules = set(FOLDER.rglob("*.js"))
    assert modules
    for file in modules:
        for name in re.findall(r'^(?:import|export)\b[^;]*?from "([^"]+)"', file.read_text(), re.MULTILINE):
            assert name.startswith("."), f"{file}: {name} is not of the page"
            imported = (file.parent / name).resolve()
            assert imported in modules, f"{file}: {name}"
            assert f'rel="modulepreload" href="{base()}{imported.relative_to(FOLDER)}"' in document


def test_a_change_of_any_file_changes_the_address_of_all(tmp_path: Path) -> None:
    for name in ("index.html", "main.js", "style.css"):
        (tmp_path / name).write_text('<meta name="taskmaster-base" content="{{base}}">' if "html" in name else "a")
    before = base(page(tmp_path))
    (tmp_path / "style.css").write_text("b")
    after = page(tmp_path)
    assert base(after) != before
    # A document of the version before still finds its files, which nobody keeps under that address.
    content, status, headers = ask(before + "style.css", of=after)
    assert (content, status, headers["Cache-Control"]) == (b"b", 200, "no-store")


def test_nothing_but_the_page_may_run_load_or_be_asked() -> None:
    for path in ("/", base() + "main.js", "/page/none"):
        headers = ask(path)[2]
        policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["connect-src"] == "'self' https://login.example.com"
        assert (policy["base-uri"], policy["frame-ancestors"], policy["form-action"]) == ("'none'",) * 3
        assert policy["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_the_document_has_no_script_style_or_handler_of_its_own() -> None:
    text = ask()[0].decode()
    assert re.findall(r"<style|style=|\son\w+=|javascript:", text) == []
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []


@pytest.mark.parametrize("issuer", ["", "https://a.example.com; script-src *", "data:text/html,x", "https://"])
def test_an_issuer_that_is_no_origin_adds_nothing_to_the_policy(issuer: str) -> None:
    settings = read(SETTINGS).model_copy(update={"oidc_issuer": issuer})
    assert "connect-src 'self';" in content_security_policy(settings)


def test_the_document_knows_how_to_sign_in_and_no_setting_becomes_markup() -> None:
    text = ask(of=page(OIDC_SCOPES='openid "><script>alert(1)</script>'))[0].decode()
    [found] = re.findall(r'name="taskmaster-settings" content="([^"]*)"', text)
    assert json.loads(unescape(found)) == {
        "issuer": SETTINGS["OIDC_ISSUER"],
        "clientId": "taskmaster-page",
        "scopes": 'openid "><script>alert(1)</script>',
        "userClaim": "sub",
        "hasPack": False,
    }
    assert "<script>alert" not in text


def test_the_document_says_whether_somebody_sees_the_pack_and_not_who() -> None:
    text = ask(of=page(PACK_VIEWERS="grace"))[0].decode()
    assert '"hasPack": true' in unescape(text)
    assert "grace" not in text


def test_a_file_is_compressed_where_the_client_takes_that() -> None:
    plain, compressed = ask(), ask(accept_encoding="br, GZIP;q=0.5")
    assert gzip.decompress(compressed[0]) == plain[0]
    assert compressed[2]["Content-Encoding"] == "gzip"
    assert plain[2]["Vary"] == compressed[2]["Vary"] == "Accept-Encoding"
    assert plain[2]["ETag"] != compressed[2]["ETag"]
    assert "Content-Encoding" not in ask(accept_encoding="gzip;q=0, identity")[2]


def test_a_document_that_has_not_changed_is_304() -> None:
    tag = ask()[2]["ETag"]
    for named in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        body, status, headers = ask(if_none_match=named)
        assert (body, status, headers["ETag"]) == (b"", 304, tag)
        assert "Content-Security-Policy" in headers
    assert ask(if_none_match='"other"')[1] == 200


@pytest.mark.parametrize(
    "path",
    ["/page", "/page/", "/page/x/../show_page.py", "/page/x//etc/passwd", "/page/x/index.html", "/page/x/%2e%2e/x"],
)
def test_what_is_no_file_of_the_page_is_404(path: str) -> None:
    assert ask(path)[1] == 404


def test_the_page_is_read_and_nothing_else() -> None:
    body, status, headers = ask(method="POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert json.loads(body)["status"] == 405


def test_the_first_load_is_under_100_kb_compressed() -> None:
    paths = ["/", *re.findall(r'(?:href|src)="(/page/[^"]+)"', ask()[0].decode())]
    assert sum(len(ask(path, accept_encoding="gzip")[0]) for path in set(paths)) < 100_000


def test_the_reference_of_the_api_is_there_for_people_and_for_programs() -> None:
    text, status, headers = ask("/openapi.yaml")
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "application/yaml", "no-cache")
    assert text == (FUNCTIONS.parent / "docs" / "openapi.yaml").read_bytes()
    document = yaml.safe_load(text)
    body, status, headers = ask("/docs")
    shown = body.decode()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert f'<section id="{operation["operationId"]}">' in shown
            assert f"<code>{path}</code>" in shown
    for name in document["components"]["schemas"]:
        assert f'<section id="{name}">' in shown
    assert set(re.findall(r'href="#(\w+)"', shown)) <= set(re.findall(r'id="(\w+)"', shown))


def test_the_reference_runs_nothing_and_loads_its_style_alone() -> None:
    shown = ask("/docs")[0].decode()
    assert "<script" not in shown
    assert "style=" not in shown
    loaded = re.findall(r'<link [^>]*href="([^"]+)"', shown)
    assert [ask(path)[1] for path in loaded] == [200, 200]
    assert len(ask("/docs", accept_encoding="gzip")[0]) < 15_000


def test_the_common_address_leads_to_it() -> None:
    routes = manifests.read(FUNCTIONS.parent / "knative", FUNCTIONS.parent / "eventing").routes
    for method in ("GET", "HEAD"):
        for path in ("/", "/page/0/main.js", "/docs", "/openapi.yaml"):
            assert gateway.route(routes, method, path) == "show-page"
    assert gateway.route(routes, "POST", "/") is None


def test_a_process_serves_it_without_a_database_or_a_broker() -> None:
    """With a head for HEAD, and no publisher beside it."""
    import requests

    with FunctionProcess("show-page", SETTINGS) as served:
        got, head = requests.get(served.url, timeout=5), requests.head(served.url, timeout=5)
        assert (got.status_code, got.text.startswith("<!doctype html>")) == (200, True)
        assert (head.status_code, head.content) == (200, b"")
        assert requests.get(served.url, headers={"If-None-Match": got.headers["ETag"]}, timeout=5).status_code == 304
        assert requests.get(f"{served.url}/nothing", timeout=5).status_code == 404
        assert served.children == []
        assert served.terminate() == 0
        lines = [json.loads(line) for line in served.lines]
    assert [(each["outcome"], each["http.response.status_code"], each["faas.coldstart"]) for each in lines] == [
        ("done", 200, True),
        ("done", 200, False),
        ("done", 304, False),
        ("refused", 404, False),
    ]


def test_a_wrong_setting_ends_it_at_start_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from taskmaster.web.page import page as made

    monkeypatch.setenv("FUNCTION_TARGET", "show_page")
    monkeypatch.setenv("MAX_ATTEMPTS", "many")
    with pytest.raises(SystemExit, match="MAX_ATTEMPTS is wrong"):
        made("show_page", FOLDER, http=[])


def test_the_scripts_name_templates_parts_and_icons_that_are_there() -> None:
    document = (FOLDER / "index.html").read_text(encoding="utf-8")
    templates = dict(re.findall(r'<template id="(\w+)-template">(.*?)</template>', document, re.DOTALL))
    scripts = "".join(path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.js"))
    used = {name: parts for parts, name in re.findall(r'const \{([^}]+)\} = fromTemplate\("(\w+)"\)', scripts)}
    assert used.keys() == templates.keys()
    for name, parts in used.items():
        named = {part.split(":")[0].strip() for part in parts.split(",")} - {"element"}
        assert named == set(re.findall(r'data-part="(\w+)"', templates[name])), name
    icons = {*re.findall(r'icon\("(\w+)"\)', scripts), *re.findall(r'href="#icon-(\w+)"', document)}
    assert icons == set(re.findall(r'<symbol id="icon-(\w+)"', document))


def test_the_pages_scripts_are_few_enough_to_read() -> None:
    scripts = list((FUNCTIONS / "page").rglob("*.js"))
    assert len(scripts) > 15
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in scripts) < 1590
