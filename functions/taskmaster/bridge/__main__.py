"""``python -m taskmaster.bridge``: serve daprd until SIGTERM, and answer then what had begun."""

import logging
import os
import signal
import threading
from types import FrameType

from knative_delivery.sink import HttpSink
from taskmaster import log
from taskmaster.bridge.bridge import Bridge
from taskmaster.bridge.server import Server, take_long_heads
from taskmaster.bridge.settings import read as read_own
from taskmaster.bridge.subscriptions import mailboxes
from taskmaster.settings import read

DRAIN_SECONDS = 20.0  # daprd delivers again what is not answered by then

logger = logging.getLogger(__name__)


def main() -> None:
    """Serve. Exit code 1 with a sentence for each setting that is wrong."""
    settings, own = read(os.environ), read_own(os.environ)
    log.configure_process(settings.log_level)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # that a connection was not kept is no news
    take_long_heads()
    server = Server(own, Bridge(own, HttpSink()), mailboxes(settings))
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    serving = threading.Thread(target=server.serve_forever, name="bridge", daemon=True)
    serving.start()
    stopping.wait()
    if not server.stop(DRAIN_SECONDS):
        logger.warning("not every event was answered within %.0f s: Dapr delivers those again", DRAIN_SECONDS)


if __name__ == "__main__":
    main()
