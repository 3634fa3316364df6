"""`shown_to_viewers` makes a function that shows the pack to those whom PACK_VIEWERS names, and to nobody else.

It has the door of any other function for people: token, pace, routes, fields and problem details. Its handlers are
given the pack instead of a unit of work, since what they show is of no user.
"""

from datetime import UTC, datetime
from typing import Any

from taskmaster.database.session import Busy, Unavailable
from taskmaster.domain.task import Command
from taskmaster.events.outgoing import Origin
from taskmaster.handling import answers
from taskmaster.handling.answers import Answer, HttpRefusal, problem
from taskmaster.handling.invocation import Invoker
from taskmaster.handling.operation import Operation
from taskmaster.overview import commands, letters, pods
from taskmaster.overview.letters import LettersUnknown
from taskmaster.overview.pods import PodsUnknown
from taskmaster.overview.shown import DeadLetterReplayed, DeadLettersShown, PackShown
from taskmaster.runtime import Runtime
from taskmaster.web.door import Function, served
from taskmaster.web.http_call import answer_call
from taskmaster.web.request import Request

_NOBODY = "Nobody sees the pack at work here: the operator may name who does, by PACK_VIEWERS."
_NOT_YOU = "You are none of those who see the pack at work here: the operator names them by PACK_VIEWERS."
_DATABASE_AWAY = "The database does not answer, so that it cannot be said what the functions take up."


class PackAtWork(Invoker):
    """What a handler is given: the pack as it is now. It calls the handler itself, for a viewer."""

    def handle_call(self, operation: Operation, command: Command, origin: Origin, **_: Any) -> Answer:
        """Raises HttpRefusal (403) for whom PACK_VIEWERS does not name, and (503) where the broker does not answer."""
        viewers = self.settings.pack_viewers
        if origin.user_id not in viewers:
            raise HttpRefusal(problem(403, "Not for you", _NOT_YOU if viewers else _NOBODY))
        return answers.of(operation.handler(command, self), status=operation.status)

    def now(self) -> PackShown:
        """The functions and what they take up. What cannot be had is left out, with why."""
        shown: dict[str, Any] = {"at": datetime.now(UTC), "functions": [], "commands": []}
        try:
            shown["functions"] = pods.functions_now(self.settings.kubernetes_api_url)
        except PodsUnknown as error:
            shown["functions_missing"] = str(error)
        try:
            shown["commands"] = commands.newest(self.database)
        except (Unavailable, Busy):
            shown["commands_missing"] = _DATABASE_AWAY
        return PackShown(**shown)

    def dead_letters(self) -> DeadLettersShown:
        """The newest dead letters, or why there are none. Raises Unavailable and Busy."""
        try:
            return DeadLettersShown(dead_letters=letters.newest(self.settings, self.database))
        except LettersUnknown as error:
            return DeadLettersShown(dead_letters=[], missing=str(error))

    def put_back(self, partition: int, offset: int) -> DeadLetterReplayed:
        """Raises as `letters.put_back` does, and HttpRefusal (503) where the broker does not answer."""
        try:
            return DeadLetterReplayed(topic=letters.put_back(self.settings, self.database, partition, offset))
        except LettersUnknown as error:
            raise HttpRefusal(problem(503, "Try again later", str(error), headers={"Retry-After": "2"})) from None


def shown_to_viewers(target: str, *operations: Operation) -> Function:
    """One function with these operations. `target` is its name for functions-framework."""
    name = target.replace("_", "-")

    def answer(runtime: Runtime, request: Request, body: bytes) -> Answer:
        pack = PackAtWork(function=name, settings=runtime.settings, database=runtime.database)
        return answer_call(pack, operations, request, body, tokens=runtime.user_tokens, pace=runtime.pace_of_users)

    made = served(target, answer, publishes=True)
    made.operations = operations  # type: ignore[attr-defined]  # for the documents
    return made
