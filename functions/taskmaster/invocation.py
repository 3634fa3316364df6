"""One invocation: the attempt counted, the command handled once, state and events committed together.

The inbox remembers what was answered. A row without a status was counted: an attempt was begun. A row with one was
answered: every repeat gets that answer. A command whose attempts pass the limit goes to the dead letters, answered.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from taskmaster import answers, clock, events
from taskmaster.answers import NO_CONTENT, Answer, Turned, problem
from taskmaster.events import Malformed, Origin
from taskmaster.inbox import KEEP_CALLS, KEEP_EVENTS, Mismatch, arrival_key, digest, event_key, first_answer, parked
from taskmaster.log import tie
from taskmaster.operation import Errand, Operation
from taskmaster.preconditions import Preconditions
from taskmaster.receipts import InboxKey
from taskmaster.session import Busy, TooSlow, Unavailable
from taskmaster.settings import Settings
from taskmaster.store import Database, SystemTransaction, UserTransaction
from taskmaster.tasks import Command, Refused, Task
from taskmaster.work import Work

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

    def by_call(
        self,
        operation: Operation,
        command: Command,
        origin: Origin,
        *,
        key: InboxKey | None,
        seal: bytes,
        preconditions: Preconditions | None = None,
    ) -> Answer:
        """A person's call. With an idempotency key it is handled once and its answer remembered for 24 hours.

        Raises Unavailable, Busy, Mismatch, and Turned where there is nothing to hold the preconditions against.
        """
        with self.database.as_user(origin.user_id) as transaction:
            if key is not None:
                receipt = transaction.count_attempt(key, seal, KEEP_CALLS)
                if (first := first_answer(receipt, seal)) is not None:
                    return first
            work = self._work(transaction, origin, preconditions=preconditions)
            try:
                answer = answers.of(operation.handler(command, work), status=operation.status)
                if preconditions and not work.compared:
                    raise Turned(_NO_VERSION)
            except Refused as refusal:
                work.discard()
                answer = problem(refusal.status, refusal.title, refusal.detail)
            work.flush()
            if key is not None:
                transaction.answer_inbox(key, answer.status, answer.remembered())
        return answer

    # By event ---------------------------------------------------------------------------------------------------

    def by_event(self, operations: Mapping[str, Operation], headers: Mapping[str, str], body: bytes) -> Answer:
        """An event from the cluster's inside: counted, decoded, handled once. Raises Unavailable and Busy."""
        try:
            attrs = _attributes(headers, body)
            if attrs.get("type") and attrs["type"] not in (*operations, events.WRAPPED):
                return NO_CONTENT  # somebody else's, on a mailbox that is shared
            arrival = arrival_key(self.function, attrs)
            tie(event_id=arrival.id)
            if (settled := self._count(arrival, headers, body)) is not None:
                return settled
        except Malformed as error:
            return _malformed(error)
        try:
            return self._handle_once(arrival, operations, headers, body)
        except TooSlow:
            raise  # that may well be its own fault: it counts
        except (Unavailable, Busy):
            self._uncount(arrival)
            raise

    def _count(self, key: InboxKey, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """Count an attempt in. An answer where there is nothing left to do."""
        seal = digest(body)
        with self.database.as_system() as transaction:
            transaction.without_flush()
            receipt = transaction.count_attempt(key, seal, KEEP_EVENTS)
        try:
            first = first_answer(receipt, seal)
        except Mismatch as error:
            return problem(422, "Another command came under this id", str(error))
        if first is None and receipt.attempts > self.settings.max_attempts:
            return self._park(key, receipt.attempts - 1, headers, body)
        return first

    def _park(self, key: InboxKey, attempts: int, headers: Mapping[str, str], body: bytes) -> Answer:
        why = f"failed {attempts} times"
        letter = events.dead_letter(
            events.attributes(headers.items()),
            headers.get("content-type", ""),
            body,
            knativeerrordest=self.function,
            reason=why,
        )
        letter = replace(letter, topics=tuple(map(self.settings.topic, letter.topics)))
        with self.database.as_system() as transaction:
            receipt = transaction.lock_inbox(key)
            if receipt and receipt.status is not None:  # one of the attempts came through after all
                return Answer.recalled(receipt.status, receipt.answer)
            transaction.insert_outbox(letter)
            settled = self._answered(transaction, key, parked(why))
        log.error("an event failed %d times and goes to the dead letters", attempts)
        return settled

    def _handle_once(
        self, arrival: InboxKey, operations: Mapping[str, Operation], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        try:
            event = events.decode(headers, body)
            operation = operations.get(event["type"])
            if operation is None:
                return self._settle(arrival, NO_CONTENT)
            key = event_key(self.function, event.get_attributes())
        except Malformed as error:
            return self._settle(arrival, _malformed(error))
        try:
            command = operation.command.model_validate(_asked_for(operation, event))
        except ValidationError as error:
            return self._settle(arrival, answers.invalid(error, operation.command))
        if key != arrival and (settled := self._count(key, headers, body)) is not None:
            return self._settle(arrival, settled)
        try:
            answer = self._commit(key, operation, command, event, seal=digest(body))
        except (Unavailable, Busy) as error:
            if key != arrival and not isinstance(error, TooSlow):
                self._uncount(key)
            raise
        if key != arrival:
            with self.database.as_system() as transaction:  # flushed, for the same reason as in _settle
                transaction.forget_inbox(arrival)
        return answer

    def _commit(
        self, key: InboxKey, operation: Operation, command: Command, event: "CloudEvent", *, seal: bytes
    ) -> Answer:
        attrs = event.get_attributes()
        trace = attrs.get("traceparent", "")
        origin = Origin(
            function=self.function,
            user_id=key.user_id,
            correlation_id=attrs.get("correlationid") or key.id,
            traceparent=trace if events.is_traceparent(trace) else None,
        )
        tie(correlation_id=origin.correlation_id)
        asked_at = events.time_of(attrs)
        errand: Errand | None = None
        result = None
        while True:
            with self.database.as_user(key.user_id) as transaction:
                # A row that a crash of the database took, being without flush, is written anew: no answer without one.
                receipt = transaction.lock_inbox(key) or transaction.count_attempt(key, seal, KEEP_EVENTS)
                if receipt.status is not None:
                    return Answer.recalled(receipt.status, receipt.answer)
                work = self._work(transaction, origin, asked_at)
                if errand is None:
                    errand = self._handle(operation, command, work, command_id=key.id, command_type=event["type"])
                else:
                    errand.conclude(result, work)
                    errand = None
                work.flush()
                if errand is None:
                    transaction.answer_inbox(key, 204, None)
                    return NO_CONTENT
            result = errand.run(self.settings)

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
    ) -> Errand | None:
        """Let the operation do its work; what it still has to do outside of the transaction, if anything."""
        try:
            result = operation.handler(command, work)
        except Refused as refusal:
            work.reject(command_type, command_id, refusal)
            return None
        return result if isinstance(result, Errand) else None

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

    def _uncount(self, key: InboxKey) -> None:
        """A known outage is not the event's fault. Where even this cannot be said, the limit leaves room."""
        try:
            with self.database.as_system() as transaction:
                transaction.without_flush()
                transaction.uncount_attempt(key)
        except (Unavailable, Busy):
            pass


def _attributes(headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
    """Of a binary event from its headers, undecoded and unchecked; of a structured one from inside."""
    if "ce-specversion" in headers:
        return events.attributes(headers.items())
    attrs: Mapping[str, str] = events.decode(headers, body).get_attributes()
    return attrs


def _malformed(error: Malformed) -> Answer:
    return problem(400, "Malformed event", str(error))


def _asked_for(operation: Operation, event: "CloudEvent") -> Any:
    """The data of an event. An original envelope carries the whole task: fields of one that are not asked for go."""
    data = event.get_data()
    if data is None:
        return {}
    if "wrapped" in event and isinstance(data, dict):
        taken = operation.command.model_fields
        return {name: value for name, value in data.items() if name in taken or name not in Task.model_fields}
    return data
