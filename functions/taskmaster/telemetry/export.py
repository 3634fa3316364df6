"""Export: a thread that sends what was recorded, by the SDK of OpenTelemetry, over OTLP with HTTP and protobuf.

Pods end when there is nothing to do, so nothing is held back: what was recorded is sent within a second, and at the end
of the process. The SDK reads other variables itself: OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES and so on.
"""

import logging
import os
from collections import deque
from typing import TYPE_CHECKING
from uuid import uuid4

from taskmaster.telemetry.spans import EndedSpan
from taskmaster.woken_thread import WokenThread

if TYPE_CHECKING:
    from taskmaster.telemetry.otlp import Otlp

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.5  # in which one request takes the spans of several invocations
_MOST_WAITING = 20_000  # spans, while nobody takes them; older ones are dropped
_MOST_AT_ONCE = 512


class Exporting:
    """The spans that wait, and the thread that exports them, which is started with the first one."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._waiting: deque[EndedSpan] = deque(maxlen=_MOST_WAITING)
        self._thread = WokenThread(self._run, name="telemetry")
        self._otlp: Otlp | None = None
        self._is_failing = False

    def add(self, span: EndedSpan) -> None:
        """Have an ended span exported. Returns at once."""
        self._waiting.append(span)
        self._thread.wake()

    def close(self, seconds: float) -> None:
        """Export what waits, within so many seconds."""
        self._thread.stop(seconds)

    def _run(self) -> None:
        work, is_stopping = self._thread.work, self._thread.is_stopping
        while self._waiting or not is_stopping.is_set():
            work.wait()
            is_stopping.wait(GATHER_SECONDS)
            work.clear()
            try:
                self._export()
            except ImportError as error:
                log.warning("nothing is exported: %s; install taskmaster-functions[telemetry]", error)
                return
            except Exception:
                log.exception("spans were lost")
        if self._otlp is not None:
            self._otlp.close()

    def _export(self) -> None:
        if self._otlp is None:
            self._otlp = _made(self._service)
        sent = True
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_AT_ONCE))]
            sent = self._otlp.send(batch) and sent
        self._otlp.push_metrics()
        if sent is self._is_failing:
            self._is_failing = not sent
            if not sent:
                log.warning("spans were lost: nobody took them at OTEL_EXPORTER_OTLP_ENDPOINT")


def _made(service: str) -> "Otlp":
    from taskmaster.telemetry.otlp import Otlp

    # A failed export is logged here, once; the SDK logs each try, with a traceback.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    return Otlp(service=os.environ.get("OTEL_SERVICE_NAME") or service, instance=str(uuid4()))
