"""One invocation: the attempt counted, the command handled once, state and events committed together.

The inbox remembers what was answered. A row without a status was counted: an attempt has begun. A row with one was
answered: every repeat gets that answer. A command whose attempts pass the limit goes to the dead letters, answered.
"""

from collections.abc import Mapping
from datetime import datetime

from pydantic import ValidationError

from taskmaster import clock
from taskmaster.database.inbox_rows import InboxKey, InboxRow
from taskmaster.database.session import Busy
from taskmaster.database.store import Database
from taskmaster.database.user_transaction import UserTransaction
from taskmaster.domain.history import Door
from taskmaster.domain.task import Command, Refused
from taskmaster.errors import TaskmasterError
from taskmaster.events import cloudevent
from taskmaster.events.cloudevent import Malformed, Received
from taskmaster.events.outgoing import OURS, Origin
from taskmaster.handling import answers
from taskmaster.handling.answers import NO_CONTENT, Answer, HttpRefusal, problem
from taskmaster.handling.arrival import Arrival, DecodedCommand
from taskmaster.handling.attempts import Attempts, mismatch
from taskmaster.handling.idempotency import (
    KEEP_CALLS,
    AlreadyAnswered,
    Mismatch,
    digest_of,
    expect_unanswered,
    first_answer,
    is_same,
    of_call,
)
from taskmaster.handling.operation import Operation, SideEffect
from taskmaster.handling.preconditions import Preconditions
from taskmaster.handling.reminder_work import Look
from taskmaster.handling.unit_of_work import Work
from taskmaster.log import bind_context
from taskmaster.settings import Settings
from taskmaster.telemetry import spans

_NO_VERSION = problem(400, "No version here", "This call is about nothing that has an ETag: leave the If- headers out.")


class _RowLost(TaskmasterError):
    """A crash of the database took the row of a counted attempt."""


class Invoker:
    """What one function of this pack does with commands, whichever way they come."""

    def __init__(self, *, function: str, settings: Settings, database: Database) -> None:
        self.function = function
        self.settings = settings
        self.database = database
        self.attempts = Attempts(function, settings, database)

    # By call ----------------------------------------------------------------------------------------------------

    def handle_call(
        self,
        operation: Operation,
        command: Command,
        origin: Origin,
        *,
        key: InboxKey | None,
        digest: bytes,
        preconditions: Preconditions | None = None,
        door: Door = "call",
    ) -> Answer:
        """A person's call, or an assistant's. With an idempotency key it is handled once, its answer kept for 24 hours.

        `digest` is that of the command. Raises Unavailable, Busy, Mismatch, and HttpRefusal if there is nothing to
        hold the preconditions against.
        """
        try:
            with self.database.as_user(origin.user_id) as transaction:
                if key is not None:
                    transaction.count_attempt_later(
                        key, of_call(digest), KEEP_CALLS, check=lambda row: expect_unanswered(row, digest)
                    )
                work = self._work(transaction, origin, preconditions=preconditions, door=door)
                try:
                    answer = answers.of(operation.handler(command, work), status=operation.status)
                    if preconditions and not work.preconditions_checked:
                        raise HttpRefusal(_NO_VERSION)
                except Refused as refusal:
                    work.discard()
                    answer = problem(refusal.status, refusal.title, refusal.detail)
                work.flush()
                if key is not None:
                    transaction.answer_inbox(key, answer.status, answer.remembered(), trace=origin.trace)
        except AlreadyAnswered as repeat:
            return repeat.answer
        return answer

    # By event ---------------------------------------------------------------------------------------------------

    def handle_event(self, operations: Mapping[str, Operation], headers: Mapping[str, str], body: bytes) -> Answer:
        """An event from the cluster's inside: counted, decoded, handled once. Raises Unavailable and Busy."""
        arrival = Arrival(self.function, Received(headers, body))
        try:
            attrs = arrival.attributes
            if attrs.get("type") and attrs["type"] not in (*operations, cloudevent.WRAPPED):
                return NO_CONTENT  # of another function, on a topic that is shared
            bind_context(event_id=arrival.key.id)
            spans.rename(f"process {attrs.get('type', '')}")  # one of a few
            counted = self.attempts.count(arrival)
        except Malformed as error:
            return _malformed(error)
        if isinstance(counted, Answer):
            return counted
        decoded: DecodedCommand | None = None
        try:
            found = self._decode(arrival, operations, counted)
            if isinstance(found, Answer):
                return found
            decoded = found
            return self._handle_once(arrival, decoded)
        except Exception as error:
            self.attempts.note_failure(arrival, decoded, error)
            raise

    def _decode(self, arrival: Arrival, operations: Mapping[str, Operation], row: InboxRow) -> DecodedCommand | Answer:
        """Decode an event whose attempt was counted. An answer where there is nothing to handle."""
        is_ours = is_same(row, *arrival.digests)  # else the row is another command's, or may be
        operation = None
        try:
            event = arrival.event
            operation = operations.get(event["type"])
            if operation is None:
                answer = NO_CONTENT
            else:
                command = operation.understand(event.get_data(), wrapped="wrapped" in event)
                digest = digest_of(event["type"], command)
                if arrival.event_key == arrival.key and (first := first_answer(row, *arrival.digests, digest)):
                    return first
                return DecodedCommand(operation, command, event, arrival.event_key, digest)
        except Malformed as error:
            answer = _malformed(error)
        except ValidationError as error:
            assert operation is not None
            answer = answers.invalid(error, operation.command)
        except Mismatch as error:
            return mismatch(error)
        return self.attempts.settle(arrival.key, answer) if is_ours else answer

    def _handle_once(self, arrival: Arrival, decoded: DecodedCommand) -> Answer:
        is_inside = decoded.key != arrival.key
        try:
            settled = self.attempts.count_inside(arrival, decoded) if is_inside else None
            answer = settled or self._handle(arrival, decoded)
        except Mismatch as error:
            settled = answer = mismatch(error)
        if settled and is_inside:
            return self.attempts.settle(arrival.key, settled)
        if is_inside:
            self.attempts.forget(arrival.key)
        return answer

    def _handle(self, arrival: Arrival, decoded: DecodedCommand) -> Answer:
        """Handle a command in the transaction that answers it. Raises Mismatch where its id is another's by now.

        The row of the inbox is locked with the first read of the operation, in one round trip, before the task.
        """
        origin = _origin(self.function, decoded)
        bind_context(correlation_id=origin.correlation_id)
        asked_at = cloudevent.time_of(decoded.event.get_attributes())

        def check(row: InboxRow | None) -> None:
            if row is None:
                raise _RowLost
            expect_unanswered(row, *arrival.digests, decoded.digest)

        effect: SideEffect | None = None
        result = None
        look: Look | None = []  # None, once what was seen without a lock has changed
        while True:
            try:
                with self.database.as_user(decoded.key.user_id) as transaction:
                    if not look:
                        transaction.lock_inbox_later(decoded.key, check)
                    work = self._work(transaction, origin, asked_at=asked_at, door=_door(decoded), look=look)
                    following = None
                    if effect is None:
                        following = _begin(decoded, work)
                    else:
                        effect.conclude(result, work)
                    if look and following is None:  # this is another transaction than the one that looked
                        transaction.expect_unanswered(decoded.key)
                    work.flush()
                    if following is None:
                        known_by = arrival.digest + decoded.digest
                        transaction.answer_inbox(decoded.key, NO_CONTENT.status, None, known_by, origin.trace)
            except AlreadyAnswered as repeat:
                return repeat.answer
            except Busy:
                if not look:
                    raise
                look = None
                continue
            except _RowLost:  # no answer without a row
                self.attempts.count_again(arrival, decoded)
                continue
            if following is None:
                return NO_CONTENT
            effect, result = following, following.run(self.settings)

    def _work(
        self,
        transaction: UserTransaction,
        origin: Origin,
        *,
        asked_at: datetime | None = None,
        preconditions: Preconditions | None = None,
        door: Door = "call",
        look: Look | None = None,
    ) -> Work:
        return Work(
            transaction,
            origin=origin,
            now=clock.now(),
            topic=self.settings.topic,
            asked_at=asked_at,
            preconditions=preconditions,
            door=door,
            look=look,
        )


def _begin(decoded: DecodedCommand, work: Work) -> SideEffect | None:
    """Let the operation do its work. What it returns has yet to be done outside of the transaction."""
    try:
        result = decoded.operation.handler(decoded.command, work)
    except Refused as refusal:
        work.reject(decoded.event["type"], decoded.key.id, refusal)
        return None
    return result if isinstance(result, SideEffect) else None


def _origin(function: str, decoded: DecodedCommand) -> Origin:
    """What outgoing events inherit from the event that caused them."""
    attrs = decoded.event.get_attributes()
    return Origin(
        function=function,
        user_id=decoded.key.user_id,
        correlation_id=attrs.get("correlationid") or decoded.key.id,
        trace=spans.continued(cloudevent.trace_of(attrs)),
        causation_id=decoded.key.id,
    )


def _door(decoded: DecodedCommand) -> Door:
    """What asked for a command that came by event: an event of the pack itself continues a series."""
    return "schedule" if decoded.event["source"].startswith(OURS) else "event"


def _malformed(error: Malformed) -> Answer:
    return problem(400, "Malformed event", str(error))
