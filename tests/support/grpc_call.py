"""One unary call by gRPC, over a plain HTTP/2 connection: enough to see whether a server answers it with a message."""

import socket
import struct
from collections.abc import Mapping

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _GOAWAY = 0, 1, 4, 7
_ACK = _END_STREAM = 1
_END_HEADERS = 4


def answer(host: str, port: int, method: str, message: bytes, headers: Mapping[str, str]) -> bytes | None:
    """The message that came back; None where the call was refused. `method` is package.Service/Method."""
    fields = {
        ":method": "POST", ":scheme": "http", ":path": f"/{method}", ":authority": f"{host}:{port}",
        "content-type": "application/grpc", "te": "trailers", **headers,
    }  # fmt: skip
    block = b"".join(_literal(name, text) for name, text in fields.items())
    body = struct.pack(">BI", 0, len(message)) + message
    with socket.create_connection((host, port), timeout=10) as connection:
        call = _frame(_HEADERS, _END_HEADERS, 1, block) + _frame(_DATA, _END_STREAM, 1, body)
        connection.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + call)
        received = b""
        with connection.makefile("rb") as stream:
            while True:
                length, kind, flags, number = _head(stream.read(9))
                content = stream.read(length)
                if kind == _SETTINGS and not flags & _ACK:
                    connection.sendall(_frame(_SETTINGS, _ACK, 0, b""))
                assert kind != _GOAWAY, content
                received += content if kind == _DATA else b""
                if number and kind in (_DATA, _HEADERS) and flags & _END_STREAM:
                    return received[5:] if received else None


def _literal(name: str, text: str) -> bytes:
    """A header without HPACK's tables and codes (RFC 7541, 6.2.2). Each part has fewer than 127 bytes."""
    return b"\x00" + b"".join(bytes([len(part)]) + part.encode() for part in (name, text))


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + content


def _head(head: bytes) -> tuple[int, int, int, int]:
    assert len(head) == 9, "the server hung up"
    kind, flags, stream = struct.unpack(">BBI", head[3:])
    return int.from_bytes(head[:3], "big"), kind, flags, stream
