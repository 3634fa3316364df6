"""The composition root: what one process of a function holds, made once from its settings and passed on from here.

Nothing of it exists while a module is imported, because a server may fork after that.
"""

import atexit
import os
from collections.abc import Callable
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from taskmaster import log
from taskmaster.broker import transports
from taskmaster.broker.outbox import publish
from taskmaster.broker.publisher import ForkedPublisher, Publisher, ThreadPublisher
from taskmaster.broker.transport import Broker, BrokerUnavailable
from taskmaster.database.session import Busy, Unavailable
from taskmaster.database.store import Database
from taskmaster.identity import oidc
from taskmaster.identity.pace import Pace
from taskmaster.settings import DAPR_JOBS, Settings, read
from taskmaster.telemetry import spans

if TYPE_CHECKING:
    from taskmaster.reminding.dispatcher import Dispatcher
    from taskmaster.reminding.due import DueReminders
    from taskmaster.reminding.wakeup import Wakeup
    from taskmaster.streaming.streams import ChangeStreams

DRAIN_SECONDS = 20.0

_Part = TypeVar("_Part")


class _once(Generic[_Part]):  # noqa: N801, used as a decorator
    """A part of the runtime that is made when it is first used. All threads get the same one."""

    def __init__(self, make: Callable[[Any], _Part]) -> None:
        self._make = make
        self._name = make.__name__

    def __get__(self, runtime: Any, _: type) -> _Part:
        parts: dict[str, Any] = vars(runtime)  # where Python finds the part from the second time on
        with runtime.making:
            if self._name not in parts:
                parts[self._name] = self._make(runtime)
            part: _Part = parts[self._name]
            return part


class Runtime:
    """The connections and services of one process. None connects before it is used.

    `database`, `broker` and `publisher` take the place of those that the settings describe.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database | None = None,
        broker: Broker | None = None,
        publisher: Publisher | None = None,
    ) -> None:
        self.settings = settings
        self.database = database or Database(
            user_url=settings.database_url.get_secret_value(),
            system_url=settings.system_database_url.get_secret_value(),
            pool_size=settings.database_pool_size,
            timeout=settings.database_timeout,
        )
        self.broker = broker or transports.broker(settings)
        self.publisher = publisher or self.publishing_thread()
        self.making = RLock()  # a part may need another one
        self._is_first_request = True

    @_once
    def user_tokens(self) -> oidc.Verifier | None:
        """Verifies the tokens of people; None where nobody can sign in."""
        return oidc.verifier_of_users(self.settings)

    @_once
    def pace_of_users(self) -> Pace:
        """How often one user may call."""
        return Pace(self.settings.user_calls_per_second)

    @_once
    def assistant_tokens(self) -> oidc.Verifier | None:
        """Verifies the tokens of people's assistants; None where nobody can sign in."""
        return oidc.verifier_of_assistants(self.settings)

    @_once
    def event_tokens(self) -> oidc.Verifier | None:
        """Verifies the tokens that Knative's sources send; None where they send none."""
        return oidc.verifier_of_events(self.settings)

    @_once
    def due_reminders(self) -> "DueReminders":
        """Turns due reminders into events."""
        from taskmaster.reminding.due import DueReminders

        return DueReminders(self.settings, self.database, self.publisher)

    @_once
    def dispatcher(self) -> "Dispatcher":
        """The dispatch loop of this process."""
        from taskmaster.reminding.dispatcher import Dispatcher

        return Dispatcher(
            self.due_reminders, _wakeup(self.settings), clock_may_move=bool(self.settings.clock_offset_file)
        )

    @_once
    def change_streams(self) -> "ChangeStreams":
        """The streams of changes of this process."""
        from taskmaster.streaming.streams import ChangeStreams

        return ChangeStreams(self.database, seconds=self.settings.stream_seconds)

    def publishing_thread(self) -> Publisher:
        """The publish loop in a thread of this process."""
        return ThreadPublisher(
            lambda: publish(self.database, self.broker), later=(BrokerUnavailable, Unavailable, Busy)
        )

    def publish_after_request(self, *, may_have_written: bool) -> None:
        """Wake the publisher after a request that may have left events, and after the first one.

        Events of an earlier process may be left in the outbox; the first request of the next process publishes them.
        """
        is_first, self._is_first_request = self._is_first_request, False
        if is_first or may_have_written:
            self.publisher.wake()

    def stop(self) -> None:
        """End the requests that wait for a moment, since the process is told to stop."""
        if "dispatcher" in vars(self):
            self.dispatcher.stop()
        if "change_streams" in vars(self):
            self.change_streams.stop()

    def close(self) -> None:
        """Publish what is waiting, then close every connection."""
        self.publisher.drain(DRAIN_SECONDS)
        self.broker.close()
        self.database.close()
        spans.close()


class LazyRuntime:
    """The one object of a function module that holds the runtime of the process, made at its first request.

    functions-framework imports a module, may fork its workers then, and calls the function that it found, with a
    request and nothing else. So the runtime can be made neither at import nor by a caller: the function makes it, and
    passes it on as an argument. Several threads may call at once.
    """

    def __init__(self, settings: Settings | None = None, *, acts_for_users: bool = False) -> None:
        """`settings` are those of the process where it serves this function; else they are read when needed.

        `acts_for_users`: what it does, it does in transactions of users.
        """
        self._settings = settings
        self._acts_for_users = acts_for_users
        self._making = Lock()
        self._runtime: Runtime | None = None
        self._publisher: Publisher | None = None

    @property
    def settings(self) -> Settings:
        """The settings of this process, read once. Raises WrongSetting."""
        if self._settings is None:
            self._settings = read(os.environ)
        return self._settings

    def get(self) -> Runtime:
        """The runtime of this process."""
        with self._making:
            if self._runtime is None:
                log.configure(self.settings.log_level)
                spans.configure(self.settings.otel_exporter_otlp_endpoint, service=_service())
                self._runtime = Runtime(self.settings, publisher=self._publisher)
                atexit.register(self.close)
            return self._runtime

    def use(self, runtime: Runtime) -> None:
        """Serve with a runtime that somebody else made and closes."""
        self._runtime = runtime

    def fork_publisher(self) -> None:
        """Publish in a process of its own, and export spans in another, where they are recorded.

        To be called while this process has neither threads nor connections, and when its log is configured.
        """
        spans.fork_exporter(self.settings.otel_exporter_otlp_endpoint, service=_service())
        self._publisher = ForkedPublisher(lambda: self.get().publisher, instead=lambda: self.get().publishing_thread())

    def connect_ahead(self) -> None:
        """Open the connection of which the first request will have need, while the server starts to listen.

        To be called behind fork_publisher: it starts threads.
        """
        if self._acts_for_users:
            self.get().database.connect_ahead()

    def stop(self) -> None:
        """End the requests that wait, if there is a runtime."""
        if self._runtime is not None:
            self._runtime.stop()

    def close(self) -> None:
        """Close the runtime, if there is one."""
        with self._making:
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()


def _wakeup(settings: Settings) -> "Wakeup":
    """The alarm that REMINDER_ALARM names."""
    if settings.reminder_alarm == DAPR_JOBS:
        from taskmaster.reminding.dapr_job import DaprJob

        return DaprJob(settings)
    from taskmaster.reminding.wakeup import PingSourceWakeup

    return PingSourceWakeup(settings)


def _service() -> str:
    """The name of this process in traces."""
    return os.environ.get("FUNCTION_TARGET", "taskmaster").replace("_", "-")
