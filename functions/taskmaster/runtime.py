"""What one process of a function holds: its settings, the database's connections, the broker and the publisher.

Made at the first request. Nothing of it exists while a module is imported: the server may fork after that.
"""

import atexit
from collections.abc import Callable
from threading import Lock

from taskmaster import log, settings
from taskmaster.broker.outbox import publish
from taskmaster.broker.producer import Broker, BrokerUnavailable
from taskmaster.broker.publisher import ForkedPublisher, Publisher, ThreadPublisher
from taskmaster.database.session import Busy, Unavailable
from taskmaster.database.store import Database

DRAIN_SECONDS = 20.0


class Runtime:
    """One process's connections. None is opened before it is used."""

    def __init__(self, configured: settings.Settings, publisher: Publisher | None = None) -> None:
        self.settings = configured
        self.database = Database(
            user_url=configured.database_url.get_secret_value(),
            system_url=configured.system_database_url.get_secret_value(),
            pool_size=configured.database_pool_size,
            timeout=configured.database_timeout,
        )
        self.broker = Broker(configured)
        self.publisher = publisher or self.publishing_thread()
        self._fresh = True

    def publishing_thread(self) -> Publisher:
        """The publish loop in a thread of this process."""
        return ThreadPublisher(
            lambda: publish(self.database, self.broker), later=(BrokerUnavailable, Unavailable, Busy)
        )

    def has_something_to_publish(self, may_have_written: bool) -> bool:
        """Whether to wake the publisher: after a write, and once after the start for what others left behind."""
        fresh, self._fresh = self._fresh, False
        return fresh or may_have_written

    def close(self) -> None:
        """Publish what is waiting, then let go of everything. For a process that was told to stop."""
        self.publisher.drain(DRAIN_SECONDS)
        self.broker.close()
        self.database.close()


_making = Lock()
_made: Runtime | None = None
_forked: Publisher | None = None


def current() -> Runtime:
    """This process's runtime."""
    global _made
    with _making:
        if _made is None:
            configured = settings.current()
            log.configure(configured.log_level)
            _made = Runtime(configured, _forked)
            atexit.register(close)
        return _made


_leaving: set[Callable[[], None]] = set()


def on_leaving(callback: Callable[[], None]) -> None:
    """Have something called when the process was told to stop, while its requests still run."""
    _leaving.add(callback)


def leave() -> None:
    """Tell those who wait in a request that the process is to end."""
    for callback in list(_leaving):
        callback()


def close() -> None:
    """Let go of this process's runtime, if there is one."""
    global _made
    with _making:
        made, _made = _made, None
    if made is not None:
        made.close()


def fork_publisher() -> None:
    """Publish in a process of its own. To be called while this process has neither threads nor connections."""
    global _forked
    _forked = ForkedPublisher(lambda: current().publisher, instead=lambda: current().publishing_thread())
