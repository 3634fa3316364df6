"""The revisions of the Model Context Protocol that are spoken here, and by which one a message is meant.

Since 2026-07-28 there is no handshake and no session: each request says its revision in `_meta`, and repeats that, its
method and the name of its tool in headers, which have to agree. Before that `initialize` settles the revision, and a
header names it from then on; a session was never required, and there is none here.
"""

import base64
import binascii
import re
from collections.abc import Mapping

from taskmaster.assistants.rpc import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_VERSION, Message, RpcError

STATELESS = "2026-07-28"
WITH_HANDSHAKE = ("2025-11-25", "2025-06-18")  # the latest first
SUPPORTED = (STATELESS, *WITH_HANDSHAKE)

_PREFIX = "io.modelcontextprotocol/"
VERSION, CAPABILITIES, SERVER = f"{_PREFIX}protocolVersion", f"{_PREFIX}clientCapabilities", f"{_PREFIX}serverInfo"
_ENCODED = re.compile(r"=\?base64\?(.*)\?=")


def revision_of(message: Message, headers: Mapping[str, str]) -> str:
    """The revision by which a message is to be handled. Raises RpcError where it does not fit its headers."""
    named = headers.get("mcp-protocol-version")
    said = message.meta.get(VERSION)
    if named is None and said is None and message.method == "initialize":
        return WITH_HANDSHAKE[0]  # the handshake comes before the header
    if named is None:
        raise RpcError(HEADER_MISMATCH, f"Send the header MCP-Protocol-Version, such as {STATELESS}.")
    if said is not None and said != named:
        raise RpcError(HEADER_MISMATCH, "MCP-Protocol-Version and the protocolVersion in _meta differ.")
    if named not in SUPPORTED:
        data = {"supported": SUPPORTED, "requested": named}
        raise RpcError(UNSUPPORTED_VERSION, f"Use one of these versions: {', '.join(SUPPORTED)}.", data)
    if named == STATELESS and message.id is not None:
        _check_stateless(message, headers)
    return named


def negotiated(message: Message) -> str:
    """The revision that `initialize` settles: the one that is asked for, or the latest of its kind."""
    asked = message.params.get("protocolVersion")
    return asked if asked in WITH_HANDSHAKE else WITH_HANDSHAKE[0]


def _check_stateless(message: Message, headers: Mapping[str, str]) -> None:
    if message.meta.get(VERSION) is None:
        raise RpcError(INVALID_PARAMS, f"_meta must have {VERSION}.")
    if not isinstance(message.meta.get(CAPABILITIES), dict):
        raise RpcError(INVALID_PARAMS, f"_meta must have {CAPABILITIES}, an object.")
    expected = {"Mcp-Method": message.method}
    if message.method == "tools/call":
        expected["Mcp-Name"] = str(message.params.get("name", ""))
    for header, value in expected.items():
        given = headers.get(header.lower())
        if given is None or _decoded(given) != value:
            raise RpcError(HEADER_MISMATCH, f"The header {header} is not what the body says.")


def _decoded(header: str) -> str | None:
    """The value of a header, which is encoded where it is not plain ASCII; None where the encoding is wrong."""
    found = _ENCODED.fullmatch(header)
    if found is None:
        return header
    try:
        return base64.b64decode(found[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
