"""Start a function fast: functions-framework's own app on waitress, and a good end on SIGTERM.

``python -m taskmaster.serve`` reads FUNCTION_TARGET and PORT as functions-framework does, and plain
``functions-framework --source create_task.py --target create_task`` serves the same function. This way is quicker from
exec to the first answer: no master process, and no garbage collection while modules are read.
"""

import gc

gc.disable()  # nothing that an import makes is garbage

import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from types import FrameType  # noqa: E402

THREADS = 16
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # looking for plugins reads the metadata of every package


def main() -> None:
    """Serve FUNCTION_TARGET on PORT (8080) until SIGTERM, then answer what has begun and publish what was committed."""
    target = os.environ.get("FUNCTION_TARGET", "")
    source = os.environ.get("FUNCTION_SOURCE", f"{target}.py")
    if not target or not os.path.exists(source):
        sys.exit(f"taskmaster cannot start: FUNCTION_TARGET is {target!r}, and there is no file {source} to serve it.")

    import functions_framework
    from waitress.server import create_server

    app = functions_framework.create_app(target, source, "http")  # type: ignore[no-untyped-call]
    server = create_server(
        app,
        host=os.environ.get("HOST", "0.0.0.0"),  # noqa: S104, a pod is reached from outside
        port=int(os.environ.get("PORT", "8080")),
        threads=int(os.environ.get("THREADS", THREADS)),
        channel_timeout=60,
        cleanup_interval=20,
        ident=None,
    )
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    gc.freeze()  # what was imported is never collected, nor looked at
    gc.enable()
    try:
        server.run()
    except SystemExit:
        server.task_dispatcher.shutdown(cancel_pending=False, timeout=20)
        server.close()
    finally:
        from taskmaster import runtime

        runtime.current().close()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
