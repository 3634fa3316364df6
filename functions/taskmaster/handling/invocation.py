"""One invocation: the attempt counted, the command handled once, state and events committed together.

The inbox remembers what was answered. A row without a status was counted: an attempt was begun. A row with one was
answered: every repeat gets that answer. A command whose attempts pass the limit goes to the dead letters, answered.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from taskmaster import clock
from taskmaster.database.inbox_rows import InboxKey, InboxRow
from taskmaster.database.session import Busy, TooSlow, Unavailable
from taskmaster.database.store import Database, SystemTransaction, UserTransaction
from taskmaster.domain.task import Command, Refused
from taskmaster.events import cloudevent
from taskmaster.events.cloudevent import Malformed, Origin, Received
from taskmaster.handling import answers
from taskmaster.handling.answers import NO_CONTENT, Answer, HttpRefusal, problem
from taskmaster.handling.idempotency import (
    KEEP_CALLS,
    KEEP_EVENTS,
    Arrival,
    Mismatch,
    digest_of,
    first_answer,
    is_same,
    is_understood,
    of_call,
    parked,
)
from taskmaster.handling.operation import Operation, SideEffect
from taskmaster.handling.preconditions import Preconditions
from taskmaster.handling.unit_of_work import Work
from taskmaster.log import bind_context
from taskmaster.settings import Settings

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent

log = logging.getLogger(__name__)

_NO_VERSION = problem(400, "No version here", "This call is about nothing that has an ETag: leave the If- headers out.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoker:
    """What one function of this pack does with commands, whichever way they come."""

    function: str
    settings: Settings
    database: Database

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
    ) -> Answer:
        """A person's call. With an idempotency key it is handled once and its answer remembered for 24 hours.

        `digest` is that of the command. Raises Unavailable, Busy, Mismatch, and HttpRefusal if there is nothing to
        hold the preconditions against.
        """
        with self.database.as_user(origin.user_id) as transaction:
            if key is not None:
                receipt = transaction.count_attempt(key, of_call(digest), KEEP_CALLS)
                if (first := first_answer(receipt, digest)) is not None:
                    return first
            work = self._work(transaction, origin, preconditions=preconditions)
            try:
                answer = answers.of(operation.handler(command, work), status=operation.status)
                if preconditions and not work.preconditions_checked:
                    raise HttpRefusal(_NO_VERSION)
            except Refused as refusal:
                work.discard()
                answer = problem(refusal.status, refusal.title, refusal.detail)
            work.flush()
            if key is not None:
                transaction.answer_inbox(key, answer.status, answer.remembered())
        return answer

    # By event ---------------------------------------------------------------------------------------------------

    def handle_event(self, operations: Mapping[str, Operation], headers: Mapping[str, str], body: bytes) -> Answer:
        """An event from the cluster's inside: counted, decoded, handled once. Raises Unavailable and Busy."""
        arrival = Arrival(self.function, Received(headers, body))
        try:
            attrs = arrival.attributes
            if attrs.get("type") and attrs["type"] not in (*operations, cloudevent.WRAPPED):
                return NO_CONTENT  # somebody else's, on a mailbox that is shared
            bind_context(event_id=arrival.key.id)
            counted = self._count(arrival)
        except Malformed as error:
            return _malformed(error)
        if isinstance(counted, Answer):
            return counted
        understood: _Understood | None = None
        try:
            found = self._understand(arrival, operations, counted)
            if isinstance(found, Answer):
                return found
            understood = found
            return self._handle_once(arrival, understood)
        except Exception as error:
            self._note_failure(arrival, understood, error)
            raise

    def _count(self, arrival: Arrival) -> Answer | InboxRow:
        """Count an attempt in. An answer where there is nothing left to do; else the row, whose command may be another:
        that is told once this one is understood."""
        with self.database.as_system() as transaction:
            transaction.without_flush()
            receipt = transaction.count_attempt(arrival.key, arrival.digest, KEEP_EVENTS)
        if is_same(receipt, *arrival.digests) or not is_understood(receipt):
            try:
                if (first := first_answer(receipt, *arrival.digests)) is not None:
                    return first
            except Mismatch as error:
                return _mismatch(error)
        if receipt.status is None and receipt.attempts > self.settings.max_attempts:
            return self._park(arrival, arrival.key, receipt.attempts - 1)
        return receipt

    def _park(self, arrival: Arrival, key: InboxKey, attempts: int) -> Answer:
        """Give an event up: into the outbox, for the dead letters, and answered, in one transaction."""
        why = f"failed {attempts} times"
        letter = arrival.received.as_letter(knativeerrordest=self.function, reason=why)
        letter = replace(letter, topics=tuple(map(self.settings.topic, letter.topics)))
        with self.database.as_system() as transaction:
            receipt = transaction.lock_inbox(key)
            if receipt and receipt.status is not None:  # one of the attempts came through after all
                return Answer.recalled(receipt.status, receipt.answer)
            transaction.insert_outbox(letter)
            settled = self._answered(transaction, key, parked(why))
        log.error("an event failed %d times and goes to the dead letters", attempts)
        return settled

    def _understand(
        self, arrival: Arrival, operations: Mapping[str, Operation], receipt: InboxRow
    ) -> "_Understood | Answer":
        """Decode an event that was counted in. An answer where there is nothing to handle."""
        is_ours = is_same(receipt, *arrival.digests)  # else the row is another command's, or may be
        operation = None
        try:
            event = arrival.event
            operation = operations.get(event["type"])
            if operation is None:
                answer = NO_CONTENT
            else:
                command = operation.understand(event.get_data(), wrapped="wrapped" in event)
                known = digest_of(event["type"], command)
                if arrival.event_key == arrival.key and (first := first_answer(receipt, *arrival.digests, known)):
                    return first
                return _Understood(operation, command, event, arrival.event_key, known)
        except Malformed as error:
            answer = _malformed(error)
        except ValidationError as error:
            assert operation is not None
            answer = answers.invalid(error, operation.command)
        except Mismatch as error:
            return _mismatch(error)
        return self._settle(arrival.key, answer) if is_ours else answer

    def _handle_once(self, arrival: Arrival, understood: "_Understood") -> Answer:
        is_inside = understood.key != arrival.key
        try:
            settled = self._count_inside(arrival, understood) if is_inside else None
            answer = settled or self._commit(arrival, understood)
        except Mismatch as error:
            settled = answer = _mismatch(error)
        if settled and is_inside:
            return self._settle(arrival.key, settled)
        if is_inside:
            with self.database.as_system() as transaction:  # flushed, for the same reason as in _settle
                transaction.forget_inbox(arrival.key)
        return answer

    def _count_inside(self, arrival: Arrival, understood: "_Understood") -> Answer | None:
        """Count the event inside a wrapped record in. An answer where there is nothing left to do. Raises Mismatch."""
        with self.database.as_system() as transaction:
            transaction.without_flush()
            receipt = transaction.count_attempt(understood.key, arrival.digest + understood.digest, KEEP_EVENTS)
        if (first := first_answer(receipt, *arrival.digests, understood.digest)) is not None:
            return first
        if receipt.attempts > self.settings.max_attempts:
            return self._park(arrival, understood.key, receipt.attempts - 1)
        return None

    def _commit(self, arrival: Arrival, understood: "_Understood") -> Answer:
        """Handle a command in the transaction that answers it. Raises Mismatch where its id is another's by now."""
        key, event, seal = understood.key, understood.event, arrival.digest + understood.digest
        attrs = event.get_attributes()
        trace = attrs.get("traceparent", "")
        origin = Origin(
            function=self.function,
            user_id=key.user_id,
            correlation_id=attrs.get("correlationid") or key.id,
            traceparent=trace if cloudevent.is_traceparent(trace) else None,
        )
        bind_context(correlation_id=origin.correlation_id)
        asked_at = cloudevent.time_of(attrs)
        effect: SideEffect | None = None
        result = None
        while True:
            with self.database.as_user(key.user_id) as transaction:
                # A row that a crash of the database took, being without flush, is written anew: no answer without one.
                receipt = transaction.lock_inbox(key) or transaction.count_attempt(key, seal, KEEP_EVENTS)
                if (first := first_answer(receipt, *arrival.digests, understood.digest)) is not None:
                    return first
                work = self._work(transaction, origin, asked_at)
                if effect is None:
                    command_type = event["type"]
                    effect = self._handle(
                        understood.operation, understood.command, work, command_id=key.id, command_type=command_type
                    )
                else:
                    effect.conclude(result, work)
                    effect = None
                work.flush()
                if effect is None:
                    transaction.answer_inbox(key, 204, None, seal)
                    return NO_CONTENT
            result = effect.run(self.settings)

    def _work(
        self,
        transaction: UserTransaction,
        origin: Origin,
        asked_at: datetime | None = None,
        preconditions: Preconditions | None = None,
    ) -> Work:
        return Work(
            transaction,
            origin=origin,
            now=clock.now(),
            topic=self.settings.topic,
            asked_at=asked_at,
            preconditions=preconditions,
        )

    @staticmethod
    def _handle(
        operation: Operation, command: Command, work: Work, *, command_id: str, command_type: str
    ) -> SideEffect | None:
        """Let the operation do its work; what it still has to do outside of the transaction, if anything."""
        try:
            result = operation.handler(command, work)
        except Refused as refusal:
            work.reject(command_type, command_id, refusal)
            return None
        return result if isinstance(result, SideEffect) else None

    def _settle(self, key: InboxKey, answer: Answer) -> Answer:
        """Remember an answer that needed no transaction of the user's.

        Flushed: the event does not come again, and a crash that took the answer would leave its attempt open for good.
        """
        with self.database.as_system() as transaction:
            return self._answered(transaction, key, answer)

    @staticmethod
    def _answered(transaction: SystemTransaction, key: InboxKey, answer: Answer) -> Answer:
        transaction.answer_inbox(key, answer.status, {"reason": answer.reason} if answer.reason else None)
        return answer

    def _note_failure(self, arrival: Arrival, understood: "_Understood | None", error: Exception) -> None:
        """Let a row that stays open know its command, so that it is known again however it is written.

        And a known outage is not the event's fault. Where even this cannot be said, the limit leaves room.
        """
        is_outage = isinstance(error, (Unavailable, Busy)) and not isinstance(error, TooSlow)
        with suppress(Unavailable, Busy), self.database.as_system() as transaction:
            transaction.without_flush()
            if understood and understood.key == arrival.key:
                transaction.note_command(arrival.key, arrival.digest + understood.digest)
            if is_outage:
                transaction.uncount_attempt(arrival.key)
                if understood and understood.key != arrival.key:
                    transaction.uncount_attempt(understood.key)


class _Understood(NamedTuple):
    """An event that was decoded, and the command in it."""

    operation: Operation
    command: Command
    event: "CloudEvent"
    key: InboxKey  # of the event itself: of a wrapped record, of the one inside
    digest: bytes  # of the command


def _malformed(error: Malformed) -> Answer:
    return problem(400, "Malformed event", str(error))


def _mismatch(error: Mismatch) -> Answer:
    return problem(422, "Another command came under this id", str(error))
