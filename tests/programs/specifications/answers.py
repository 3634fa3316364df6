"""What every operation of the OpenAPI document shares: headers, and the refusals as problem details (RFC 9457)."""

from typing import Any, NamedTuple

from taskmaster.assistants.json_schema import Schema

PROBLEM: Schema = {
    "description": "Problem details (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "about:blank: the title says it"},
        "title": {"type": "string", "description": "what is wrong, in short"},
        "status": {"type": "integer", "description": "the status of the answer"},
        "detail": {"type": "string", "description": "why, and what to do"},
        "errors": {
            "type": "array",
            "description": "the fields that are wrong, up to 20 of them",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer to the field (RFC 6901)"},
                    "detail": {"type": "string", "description": "what it must be"},
                },
            },
        },
    },
}

# RFC 9110, 8.8.3 and 5.6.1: entity tags in a list, whose empty members do not count.
_TAG = '(W/)?"[!#-~\u0080-\u00ff]*"'
_TAGS = f"^([*]|[ \\t,]*{_TAG}([ \\t]*,[ \\t,]*{_TAG})*[ \\t,]*)$"

PARAMETERS: dict[str, Any] = {
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "description": "The ETags of what is meant: with any other it is 412 (RFC 9110, 13.1.1). * is whatever is "
        "there. A weak one, W/, matches nothing.",
        "schema": {"type": "string", "format": "etag", "pattern": _TAGS},
        "example": '"1"',
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETags of what is known: where it is still one of these, reading is 304 without a body, and "
        "a change 412 (RFC 9110, 13.1.2).",
        "schema": {"type": "string", "format": "etag", "pattern": _TAGS},
        "example": '"7"',
    },
    "Last-Event-ID": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The id of the last event of the stream before: it goes on there, without a gap. It takes the "
        "place of the cursor in the query.",
        "schema": {"type": "string", "maxLength": 4096},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes the call safe to repeat: for 24 hours the same key gets the first answer and has no "
        "second effect. The same key with another call is 422.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
        "example": "rent-2027-01",
    },
    "X-Correlation-Id": {
        "name": "X-Correlation-Id",
        "in": "header",
        "description": "Goes with every event that follows from the call. Without it, or where it is not 1 to 128 "
        "printable ASCII characters, one is made up.",
        "schema": {"type": "string"},
        "example": "request-456",
    },
}

HEADERS: dict[str, Any] = {
    "ETag": {
        "description": "What If-Match and If-None-Match take: of a task its version, else a digest of what is shown.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9a-f]+"$'},
        "example": '"1"',
    },
    "Location": {
        "description": "Where the task is.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference", "pattern": "^/tasks/[1-9][0-9]*$"},
        "example": "/tasks/7",
    },
    "Retry-After": {
        "description": "Seconds until another try is worth it (RFC 9110, 10.2.3).",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
        "example": 2,
    },
    "WWW-Authenticate": {
        "description": "Bearer (RFC 6750).",
        "required": True,
        "schema": {"type": "string", "pattern": "^Bearer"},
        "example": "Bearer",
    },
}


class Refusal(NamedTuple):
    """One status that is no success: its name among the components, what it says, and an example that a test meets."""

    name: str
    says: str
    title: str
    detail: str
    header: str | None = None
    errors: list[dict[str, str]] | None = None


REFUSALS = {
    400: Refusal(
        "Malformed",
        "The body is not JSON, the query not UTF-8, a header is none of what it takes, or something is there that "
        "nobody reads: a body of GET or DELETE, conditions where there is no ETag.",
        "Not an ETag",
        'If-Match takes ETags as they were given, quotes included, such as "3", or *.',
    ),
    401: Refusal(
        "NotSignedIn",
        "There is no bearer token, or it does not hold.",
        "Not signed in",
        "Send the header 'Authorization: Bearer TOKEN'.",
        header="WWW-Authenticate",
    ),
    403: Refusal(
        "NotAllowed",
        "The caller may not see this, or the token lacks a scope.",
        "Not for you",
        "Nobody sees the pack at work here: the operator may name who does, by PACK_VIEWERS.",
    ),
    404: Refusal(
        "NotFound", "There is none, or none of the caller's.", "No such task", "There is no task 999999999 among yours."
    ),
    409: Refusal(
        "Conflict",
        "What it is about is in no state for it, or the same call is being handled right now.",
        "Completed",
        "A completed task does not remind. Reopen it first.",
    ),
    410: Refusal(
        "Gone",
        "The cursor is older than 30 days, or of another database: begin anew without it.",
        "Start anew",
        "This cursor is of another database. Drop what you have, and leave it out.",
    ),
    412: Refusal(
        "VersionConflict",
        "What is there has no ETag that If-Match names, or one that If-None-Match names.",
        "Version conflict",
        "Task 7 is at version 1, which If-Match does not name. Read it again.",
    ),
    413: Refusal(
        "TooLarge", "The body is larger than MAX_BODY_BYTES.", "Too large", "A request has at most 262144 bytes."
    ),
    415: Refusal("NotJson", "The body is of another media type.", "Unsupported media type", "Send application/json."),
    422: Refusal(
        "NotValid",
        "A field is wrong, or a rule says no.",
        "Not a valid command",
        "title: is required",
        errors=[{"pointer": "/title", "detail": "is required"}],
    ),
    429: Refusal(
        "TooManyRequests",
        "The caller calls faster than one user may (USER_CALLS_PER_SECOND), or has as many streams as one may have.",
        "Too many requests",
        "You call faster than one user may. Wait as long as Retry-After says, then call again.",
        header="Retry-After",
    ),
    503: Refusal(
        "TryLater",
        "The database is away or busy, or the broker where it is needed. Nothing happened.",
        "Try again later",
        "The back end is away or busy.",
        header="Retry-After",
    ),
}


def responses() -> dict[str, Any]:
    """The refusals as components, and the answer to whoever has it already."""
    unchanged = {
        "description": "It is still what If-None-Match names: there is no body.",
        "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
    }
    return {"Unchanged": unchanged} | {each.name: _response(status, each) for status, each in REFUSALS.items()}


def _response(status: int, refusal: Refusal) -> dict[str, Any]:
    header = refusal.header
    return {
        "description": refusal.says,
        **({"headers": {header: {"$ref": f"#/components/headers/{header}"}}} if header else {}),
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {"problem": {"value": problem(status)}},
            }
        },
    }


def problem(status: int) -> dict[str, Any]:
    """The example of a refusal."""
    refusal = REFUSALS[status]
    more = {"errors": refusal.errors} if refusal.errors else {}
    return {"type": "about:blank", "title": refusal.title, "status": status, "detail": refusal.detail, **more}
