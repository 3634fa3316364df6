"""The server of a pod: the callable that functions-framework would serve, on waitress, without importing Flask.

``python -m taskmaster.serve`` reads FUNCTION_TARGET, FUNCTION_SOURCE and PORT as functions-framework does, and plain
``functions-framework --source create_task.py --target create_task`` serves the same function. Three quarters of a
functions-framework start are Flask's imports, which a function of this pack does not use; docs/architecture.md has the
figures. On SIGTERM the server answers the requests that have begun and publishes the committed events.
"""

import gc

gc.disable()  # imports make no garbage, and collecting takes time

import importlib.util  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable, Iterable, Mapping  # noqa: E402
from http import HTTPStatus  # noqa: E402
from types import FrameType, FunctionType, SimpleNamespace  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from bounded_waitress import Application, Limits
    from taskmaster.one_processor import OneProcessor

THREADS = 4  # more of them wait for the interpreter, not for the database
DRAIN_SECONDS = 20
# How long a thread waits before it asks for the interpreter that another one has. A request makes a dozen calls of the
# system, and each gives the interpreter away: with 5 ms, as Python is shipped, sixteen clients of a function had four
# times the 99th percentile, and took 1.7 times the processor. Threads that only compute take 5 % longer.
SWITCH_SECONDS = 10e-6
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # looking for plugins reads the metadata of every package


def main() -> None:
    """Serve FUNCTION_TARGET on PORT (8080) until SIGTERM."""
    port, threads = _number("PORT", 8080, most=65_535), _number("THREADS", THREADS, most=1_000)
    function = _load(os.environ.get("FUNCTION_TARGET", ""))
    limits = _limits(function)
    runtime = function.runtime

    from taskmaster import log

    log.configure_process(runtime.settings.log_level)  # before there is anybody who might have something to say
    runtime.fork_publisher()  # before there is any thread
    runtime.connect_ahead()
    sys.setswitchinterval(SWITCH_SECONDS)

    from bounded_waitress import create
    from taskmaster.one_processor import OneProcessor
    from taskmaster.telemetry.spans import note_listening

    host = os.environ.get("HOST", "0.0.0.0")  # noqa: S104, a pod is reached from outside
    try:
        server = create(
            _application(function, OneProcessor.of_this_process()),
            limits,
            host=host,
            port=port,
            threads=threads,
            caller=_caller,
            clear_untrusted_proxy_headers=False,  # no function believes them
        )
    except (OSError, ValueError) as error:
        sys.exit(f"taskmaster cannot start: HOST {host}, PORT {port}: {error}")
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    note_listening()
    gc.freeze()  # the collector never looks at imported modules
    gc.enable()
    try:
        server.run()
    finally:
        runtime.stop()
        server.task_dispatcher.shutdown(cancel_pending=False, timeout=DRAIN_SECONDS)
        server.close()
        runtime.close()


def _number(name: str, default: int, *, most: int) -> int:
    """A number of the environment. Ends the process with one sentence where it is not one."""
    text = os.environ.get(name) or str(default)
    if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most:
        return int(text)
    sys.exit(f"taskmaster cannot start:\n  {name} is wrong: it must be a number from 1 to {most}")


def _limits(function: Any) -> "Limits":
    """The limits of a request to this function: the server accepts no more than the function reads."""
    from bounded_waitress import Limits

    if function.largest_body:  # a dead letter: the event that was too large, with the reason in further headers
        return Limits(body=function.largest_body, header_bytes=131_072, header_fields=400)
    return Limits(body=function.runtime.settings.max_body_bytes)


def _caller(headers: Mapping[str, str]) -> str:
    """Whose request it is, before anything is verified: a bearer token's, or the user's that an event names."""
    return headers.get("AUTHORIZATION") or headers.get("CE_USERID", "")


def _load(target: str) -> Any:
    """The function of that name in the file that FUNCTION_SOURCE names, or in TARGET.py."""
    source = os.path.realpath(os.environ.get("FUNCTION_SOURCE", f"{target}.py"))
    if not target or not os.path.exists(source):
        sys.exit(f"taskmaster cannot start: FUNCTION_TARGET is {target!r}, and there is no file {source}.")
    sys.path.append(os.path.dirname(source))
    spec = importlib.util.spec_from_file_location(target, source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[target] = module
    spec.loader.exec_module(module)
    function = getattr(module, target, None)
    if not isinstance(function, FunctionType):
        sys.exit(f"taskmaster cannot start: {source} has no function {target}.")
    if not hasattr(function, "runtime"):
        sys.exit(f"taskmaster cannot start: {target} in {source} is not made by a decorator of taskmaster.web.door.")
    return function


def _application(function: Callable[[Any], Any], processor: "OneProcessor") -> "Application":
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body, status, headers = function(SimpleNamespace(environ=environ))
        processor.look()
        if not isinstance(body, str | bytes):  # a stream: the server keeps it open
            start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
            return body  # type: ignore[no-any-return]
        content = body if isinstance(body, bytes) else body.encode()
        length = [] if status in (204, 304) else [("Content-Length", str(len(content)))]
        start_response(f"{status} {HTTPStatus(status).phrase}", [*headers.items(), *length])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]

    return application


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
