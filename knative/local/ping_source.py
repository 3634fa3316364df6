"""PingSource: an event at every moment of a cron schedule, in business time, under a new id each."""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import timedelta

from knative.local import cron
from knative.local.clock import Clock
from knative.local.delivery import Dispatcher
from knative.local.resources import Delivery, PingSource
from knative_delivery.cloud_event import CloudEvent, rfc3339
from knative_delivery.sink import Sink

_logger = logging.getLogger(__name__)

# Knative's own: five retries within 1.6 s, and then the tick is lost.
_DELIVERY = Delivery(retry=5, backoff_delay=timedelta(milliseconds=25), backoff_policy="exponential")
# A laptop that slept: the wall clock has moved on and the waiting thread does not know.
_LONGEST_WAIT_SECONDS = 30.0


class PingSourceAdapter:
    """Runs one PingSource between `start` and `stop`; `replace` takes effect at once."""

    def __init__(self, source: PingSource, *, sink: Sink, clock: Clock) -> None:
        self.ticks = 0
        self._source = source
        self._schedule = cron.parse(source.schedule, source.timezone)
        self._due = self._schedule.next_after(clock.now())
        self._sink = sink
        self._clock = clock
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._ticking: set[threading.Thread] = set()
        self._thread = threading.Thread(target=self._run, name=f"ping-source-{source.name}", daemon=True)
        clock.on_move(self._moved)

    @property
    def source(self) -> PingSource:
        return self._source

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No further tick; those under way come to their end."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()
        for thread in list(self._ticking):
            thread.join()

    def replace(self, source: PingSource) -> None:
        """Follow another manifest from now on. ValueError for a schedule that is none."""
        schedule = cron.parse(source.schedule, source.timezone)
        with self._changed:
            self._source, self._schedule = source, schedule
            self._due = schedule.next_after(self._clock.now())
            self._changed.notify_all()

    def _moved(self) -> None:
        """Business time was moved: what is due now stays due, and after a journey back the wait is longer."""
        with self._changed:
            now = self._clock.now()
            if self._due is None or now < self._due:
                self._due = self._schedule.next_after(now)
            self._changed.notify_all()

    def _run(self) -> None:
        with self._changed:
            while not self._stopping.is_set():
                now = self._clock.now()
                if self._due is not None and now >= self._due:
                    # However many moments a journey in time leaps over, it is one tick, as after a suspend.
                    self._tick()
                    self._due = self._schedule.next_after(now)
                seconds = (self._due - now).total_seconds() if self._due else _LONGEST_WAIT_SECONDS
                self._changed.wait(min(seconds, _LONGEST_WAIT_SECONDS))

    def _tick(self) -> None:
        """In a thread of its own: a slow function must not hold up the next tick."""
        self.ticks += 1
        thread = threading.Thread(target=self._send, args=(self._source,), name="tick", daemon=True)
        self._ticking = {running for running in self._ticking if running.is_alive()} | {thread}
        thread.start()

    def _send(self, source: PingSource) -> None:
        attributes = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": f"/apis/v1/namespaces/{source.namespace}/pingsources/{source.name}",
            "type": "dev.knative.sources.ping",
            "time": rfc3339(self._clock.now()),
            **source.extensions,
        }
        event = CloudEvent(attributes, source.content_type, source.data)
        dispatcher = Dispatcher(name=source.name, destination=source.sink, delivery=_DELIVERY, sink=self._sink)
        dispatcher.dispatch(event, self._stopping)
