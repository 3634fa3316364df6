"""What every operation of the OpenAPI document shares: headers, and the refusals as problem details (RFC 9457)."""

from typing import Any, NamedTuple

from tests.specifications.json_schema import Schema

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

PARAMETERS: dict[str, Any] = {
    "If-Match": {
        "name": "If-Match",
        "in": "header",
        "description": "The ETag of the version that is meant: with any other it is 412 (RFC 9110, 13.1.1). * is any.",
        "schema": {"type": "string", "format": "etag", "pattern": '^("[1-9][0-9]{0,8}"|[1-9][0-9]{0,8}|[*])$'},
        "example": '"1"',
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
        "description": "The version of the task, for If-Match.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[1-9][0-9]*"$'},
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
        "The body is not JSON, or a header is none of what it takes.",
        "Not a version",
        'If-Match takes the ETag of a task, such as "3".',
    ),
    401: Refusal(
        "NotSignedIn",
        "There is no bearer token, or it does not hold.",
        "Not signed in",
        "Send the header 'Authorization: Bearer TOKEN'.",
        header="WWW-Authenticate",
    ),
    404: Refusal("NotFound", "The caller has no such task.", "No such task", "There is no task 999999999 among yours."),
    409: Refusal(
        "Conflict",
        "The task is in no state for it, or the same call is being handled right now.",
        "Completed",
        "A completed task does not remind. Reopen it first.",
    ),
    412: Refusal(
        "VersionConflict",
        "The task has another version than If-Match says.",
        "Version conflict",
        "Task 7 is at version 1, not 3. Read it again.",
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
    503: Refusal(
        "TryLater",
        "The database is away or busy. Nothing happened.",
        "Try again later",
        "The back end is away or busy.",
        header="Retry-After",
    ),
}


def responses() -> dict[str, Any]:
    """The refusals as components."""
    return {each.name: _response(status, each) for status, each in REFUSALS.items()}


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
