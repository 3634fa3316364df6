"""What one process of a function holds: its settings, the database's pools and the publisher.

Made at the first request. Nothing of it exists while a module is imported: the server may fork after that.
"""

import atexit
from functools import cache, cached_property

from taskmaster import log, settings
from taskmaster.broker import Broker
from taskmaster.outbox import Publisher
from taskmaster.store import Database

DRAIN_SECONDS = 20.0


class Runtime:
    """One process's connections. Each is made when it is first needed."""

    def __init__(self, configured: settings.Settings) -> None:
        self.settings = configured

    @cached_property
    def database(self) -> Database:
        return Database(
            user_url=self.settings.database_url.get_secret_value(),
            system_url=self.settings.system_database_url.get_secret_value(),
            pool_size=self.settings.database_pool_size,
            timeout=self.settings.database_timeout,
        )

    @cached_property
    def broker(self) -> Broker:
        return Broker(self.settings)

    @cached_property
    def publisher(self) -> Publisher:
        return Publisher(self.database, self.broker)

    def close(self) -> None:
        """Publish what is waiting, then let go of everything. For a process that was told to stop."""
        if "publisher" in self.__dict__:
            self.publisher.drain(DRAIN_SECONDS)
        if "database" in self.__dict__:
            self.database.close()


@cache
def current() -> Runtime:
    """This process's runtime."""
    configured = settings.current()
    log.configure(configured.log_level)
    runtime = Runtime(configured)
    atexit.register(runtime.close)
    return runtime
