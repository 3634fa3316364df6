"""What a cold create-task imports until its first answer is on its way. Each module here is milliseconds of somebody's
waiting: one that is new must be worth it, and says so by being written down."""

import json
import subprocess
import sys
from pathlib import Path

from knative.local import taskmaster_setup
from knative.local.processes import base_environment, free_port
from knative.local.web import WebServer
from tests.support.function_pack import FUNCTIONS

# Packages from elsewhere that a cold function may import.
ALLOWED = {
    "annotated_types",
    "cryptography",
    "cython_runtime",  # made by the driver's own extension, not a file
    "psycopg",
    "psycopg_binary",
    "psycopg_pool",
    "pydantic",
    "pydantic_core",
    "typing_extensions",
    "typing_inspection",
    "uuid_utils",  # until Python 3.14 has uuid7 itself
    "waitress",
}
# What is only for later or for others: publishing, another server, the command line, events, and costly modules of the
# standard library. (asyncio, ssl and email come with psycopg, which asks for its own version at import.)
NEVER = {
    "click",
    "cloudevents",
    "dateutil",
    "flask",
    "functions_framework",
    "gunicorn",
    "jwt",
    "kafka",
    "multiprocessing",
    "opentelemetry",
    "redis",
    "requests",
    "taskmaster.cli",
    "taskmaster.database.changes",
    "taskmaster.database.lists",
    "taskmaster.database.migrations",
    "taskmaster.broker.dapr",
    "taskmaster.broker.redis_streams",
    "taskmaster.broker.topics",
    "taskmaster.domain.changes",
    "taskmaster.domain.recurrence",
    "taskmaster.outbound.dapr_secrets",
    "taskmaster.outbound.daprd",
    "taskmaster.reminding.dapr_job",
    "taskmaster.telemetry.export",
    "taskmaster.telemetry.forked",
    "taskmaster.telemetry.otlp",
    "unittest",
    "urllib.request",
    "werkzeug",
    "xml",
    "yoyo",
}

# The first request through our own server's application, without a socket in between.
ONE_CREATE = """
import io, json, sys
before = set(sys.modules)
from taskmaster import serve
from taskmaster.one_processor import OneProcessor
import bounded_waitress
answered = []
body = b'{"title": "cold"}'
environ = {
    "REQUEST_METHOD": "POST", "PATH_INFO": "/tasks", "QUERY_STRING": "", "CONTENT_TYPE": "application/json",
    "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), "HTTP_HOST": "localhost",
    "HTTP_AUTHORIZATION": "Bearer " + sys.argv[1],
}
function = serve._load("create_task")
application = serve._application(function, OneProcessor.of_this_process())
class Nobody:
    def wake(self): answered.append(sorted(set(sys.modules) - before))
    def drain(self, timeout): pass
function.runtime._publisher = Nobody()
answer = b"".join(application(environ, lambda status, headers: answered.append(status)))
print(json.dumps(answered))
"""


def cold_modules(environment: dict[str, str], token: str) -> set[str]:
    """The modules that were imported when a create was committed and its answer was ready."""
    served = {"FUNCTION_TARGET": "create_task", "FUNCTION_SOURCE": str(FUNCTIONS / "create_task.py")}
    ended = subprocess.run(
        [sys.executable, "-c", ONE_CREATE, token],
        env={**base_environment(), **environment, **served, "PYTHONPATH": str(FUNCTIONS)},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    modules, status = json.loads(ended.stdout.splitlines()[-1])
    assert status == "201 Created"
    return set(modules)


def test_who_publishes_by_dapr_imports_nothing_of_kafka() -> None:
    asked = """
import sys
from taskmaster.broker import transports
from taskmaster.settings import read
transports.broker(read({"TRANSPORT": "dapr", "DAPR_URL": "http://127.0.0.1:1"})).close()
print(*sys.modules)
"""
    environment = {**base_environment(), "PYTHONPATH": str(FUNCTIONS)}
    ended = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True)
    modules = set(ended.stdout.split())
    assert "taskmaster.broker.dapr" in modules
    assert modules & {"kafka", "redis", "requests", "taskmaster.broker.producer", "taskmaster.broker.window"} == set()


def test_a_cold_create_imports_what_it_needs_and_nothing_else(environment: dict[str, str], tmp_path: Path) -> None:
    """With a token of an issuer whose keys are found by discovery, as on a laptop and on a cluster."""
    port = free_port()
    provider = taskmaster_setup.identity_provider(tmp_path / "key.pem", issuer=f"http://localhost:{port}")
    web = WebServer(provider, port=port)
    try:
        found = {**environment, "OIDC_JWKS": "", **taskmaster_setup.identity_settings(provider)}
        modules = cold_modules(found, provider.token("cold", seconds=60))
    finally:
        web.stop()
    assert modules & NEVER == set()
    packages = {name.partition(".")[0] for name in modules} - {"taskmaster", "create_task", "bounded_waitress"}
    elsewhere = {name for name in packages if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert elsewhere <= ALLOWED
