"""Answers to a caller, before they are written as HTTP: a result, or problem details (RFC 9457) that say what to do."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pydantic import ValidationError

from taskmaster.domain.task import Command, FrozenModel, Task
from taskmaster.errors import TaskmasterError
from taskmaster.handling.preconditions import Preconditions, tag_of

if TYPE_CHECKING:
    from taskmaster.domain.changes import ChangeStream

JSON = "application/json"
_LONGEST_REASON = 500


class Answer(NamedTuple):
    """`reason` is the one sentence of a refusal that KafkaSource passes on to the dead letter sink."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = MappingProxyType({})
    content_type: str = JSON
    reason: str = ""
    stream: "ChangeStream | None" = None  # the body, which is written over time
    document: "Document | None" = None  # the body, which is written where the reader has it not yet

    def remembered(self) -> dict[str, Any]:
        """What the inbox stores beside the status, to answer a repeat."""
        return {
            "body": self.body,
            "headers": dict(self.headers),
            "content_type": self.content_type,
            "reason": self.reason,
        }

    @classmethod
    def recalled(cls, status: int, remembered: dict[str, Any] | None) -> Self:
        return cls(status=status, **(remembered or {}))


NO_CONTENT = Answer(status=204)


class Document:
    """A result that is no JSON: its media type, its strong entity tag without quotes, and its text."""

    media: str

    @property
    def tag(self) -> str:
        raise NotImplementedError

    @property
    def text(self) -> str:
        raise NotImplementedError


def of(result: "FrozenModel | ChangeStream | Document | None", *, status: int = 200) -> Answer:
    """The result of an operation: a task with its version as ETag, any other record, a stream, or nothing."""
    if result is None:
        return NO_CONTENT
    if isinstance(result, Document):
        headers = {"Cache-Control": "private, no-cache", "ETag": f'"{result.tag}"'}
        return Answer(status=status, headers=headers, content_type=result.media, document=result)
    if not isinstance(result, FrozenModel):  # a stream: the module of its class is not imported for the others
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # for proxies: pass on what there is
        return Answer(status=status, headers=headers, content_type="text/event-stream", stream=result)
    headers = {}
    if isinstance(result, Task):
        headers["ETag"] = f'"{result.version}"'
        if status == 201:
            headers["Location"] = f"/tasks/{result.task_id}"
    return Answer(status=status, body=result.model_dump_json(), headers=headers)


def conditional(answer: Answer, preconditions: Preconditions) -> Answer:
    """The answer to a conditional GET or HEAD (RFC 9110, 13.2.2), with an ETag."""
    if answer.status != 200 or answer.stream:
        return answer
    tag = answer.headers.get("ETag") or f'"{tag_of(answer.body)}"'
    headers = {**answer.headers, "ETag": tag}
    match preconditions.failed(tag.strip('"')):
        case "If-Match":
            detail = "What is here has another ETag than If-Match names. Read it again."
            return problem(412, "Version conflict", detail)
        case "If-None-Match":
            return Answer(status=304, headers=headers)
    body = answer.document.text if answer.document else answer.body
    return answer._replace(headers=headers, body=body, document=None)


def problem(status: int, title: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """Problem details. `detail` is shown to the caller: no internals, no secrets, no values that were sent."""
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail, **more})
    return Answer(
        status=status,
        body=body,
        headers=headers or {},
        content_type="application/problem+json",
        reason=_one_line(detail),
    )


def invalid(error: ValidationError, command: type[Command]) -> Answer:
    """422, with a JSON pointer (RFC 6901) and a sentence for each field of the command that is wrong."""
    faults = [
        {"pointer": _pointer(fault["loc"]), "detail": _sentence(fault["type"], fault["msg"], command)}
        for fault in error.errors(include_url=False, include_input=False, include_context=False)[:20]
    ]
    detail = "; ".join(f"{fault['pointer'].lstrip('/') or 'the command'}: {fault['detail']}" for fault in faults[:3])
    return problem(422, "Not a valid command", detail, errors=faults)


def not_in_query(name: str, detail: str) -> Answer:
    """422 for a query parameter that a call does not take, or not in this form."""
    return problem(
        422, "Not a valid command", f"{name[:64]}: {detail}", errors=[{"pointer": _pointer((name,)), "detail": detail}]
    )


def _pointer(location: tuple[int | str, ...]) -> str:
    """The field and the index in its list. Further parts are left out: they are names of types of the pack."""
    parts = [str(part)[:64] for part in (*location[:1], *(part for part in location[1:] if isinstance(part, int)))]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def _sentence(kind: str, message: str, command: type[Command]) -> str:
    match kind:
        case "extra_forbidden":
            return f"there is no such field; there are {', '.join(command.model_fields)}"
        case "missing":
            return "is required"
        case "model_type":
            return "must be a JSON object"
    return message.removeprefix("Value error, ")


def _one_line(text: str) -> str:
    """The text as a header can carry it: printable ASCII, of limited length."""
    shown = text.encode("ascii", "replace").decode()
    return "".join(each if each.isprintable() else " " for each in shown[:_LONGEST_REASON])


class HttpRefusal(TaskmasterError):
    """A request that is refused; the answer says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer
