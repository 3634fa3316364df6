"""What an operation is: the command it takes, the routes and event types that carry it, and its handler."""

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin

from taskmaster.domain.task import Command, Task
from taskmaster.events.cloudevent import Malformed


class Operation(NamedTuple):
    """One thing that can be asked of the pack."""

    name: str
    handler: Callable[[Any, Any], Any]  # (command, work) -> the record to answer with, or None
    command: type[Command]
    types: tuple[str, ...]  # the event types that carry its command
    http: tuple["Route", ...]
    status: int  # of a person's call that succeeds
    destructive: bool = False  # whether something may be lost by it: a task, or the value that a field had
    idempotent: bool = True  # whether doing it again changes nothing more
    by_address: bool = False  # whether the secret in its path says who calls, instead of a token; it only reads

    @property
    def about(self) -> str:
        """Its own words: those of its handler, or of the handler's module behind the name."""
        own = inspect.getdoc(self.handler) or (sys.modules[self.handler.__module__].__doc__ or "").partition(": ")[2]
        return own.strip()

    @property
    def answers(self) -> list[type[Any] | None]:
        """What it answers with: a record, None for no content, or either; or a stream."""
        said = inspect.signature(self.handler, eval_str=True).return_annotation
        kinds = get_args(said) if isinstance(said, UnionType) else (said,)
        return [None if kind in (None, type(None)) else kind for kind in kinds]

    @property
    def only_reads(self) -> bool:
        return all(route.method == "GET" for route in self.http)

    def takes_several(self, name: str) -> bool:
        """Whether a field of the command may be given several times in a query."""
        field = self.command.model_fields.get(name)
        return field is None or get_origin(field.annotation) is list  # an unknown field is refused later

    def understand(self, data: Any, *, wrapped: bool = False) -> Any:
        """The command in the data of an event. Raises ValidationError, and Malformed for a command without data.

        An original envelope (`wrapped`) carries the whole task: its fields that the command does not have are ignored.
        """
        if data is None:
            command = self.command.model_validate({})
            if isinstance(command, Command):  # every field may be left out, but a tombstone is no command
                raise Malformed("data is missing: an empty command is {}")
            return command
        if wrapped and isinstance(data, dict):
            taken = self.command.model_fields
            data = {name: value for name, value in data.items() if name in taken or name not in Task.model_fields}
        return self.command.model_validate(data)


class SideEffect(NamedTuple):
    """What a handler of an event returns when its effect lies outside of the database, such as a webhook.

    `run` is called after the handler's transaction has committed; then `conclude(result of run, work)` in another
    transaction. After a crash in between both are repeated: the effect happens at least once.
    """

    run: Callable[[Any], Any]  # given the settings
    conclude: Callable[[Any, Any], None]


class Route(NamedTuple):
    """A method and a path such as /tasks/{task_id}; its parameters are fields of the command."""

    method: str
    path: str
    pattern: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "Route":
        method, path = text.split()
        expression = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
        return cls(method, path, re.compile(expression))

    @property
    def takes_events(self) -> bool:
        """Whether a person may POST a CloudEvent there: its path names no task, since the event does."""
        return self.method == "POST" and "{" not in self.path

    def match(self, path: str) -> Mapping[str, str] | None:
        found = self.pattern.fullmatch(path)
        return found.groupdict() if found else None


def described(
    handler: Callable[[Any, Any], Any], *, types: tuple[str, ...], http: tuple[str, ...], **more: Any
) -> Operation:
    """The operation of a handler. The annotation of the handler's first parameter is the command."""
    first = next(iter(inspect.signature(handler, eval_str=True).parameters.values()))
    return Operation(
        name=handler.__name__.replace("_", "-"),
        handler=handler,
        command=first.annotation,
        types=types,
        http=tuple(map(Route.parse, http)),
        **more,
    )
