"""The HTTP API of a daprd: one request at a time on a kept connection, several at once by several threads.

http.client does it: it is imported in a few milliseconds, and a publisher makes a request for each event. daprd is a
part of the system and not somebody else's server, so a socket's time-out is enough here, without a deadline of its own.
"""

import http.client
import json
import queue
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

_LARGEST_ANSWER = 1_048_576  # bytes: a secret, or the reasons of a refusal
_SHOWN = 300  # characters


class Answer(NamedTuple):
    """What daprd answered."""

    status: int
    body: bytes

    @property
    def code(self) -> str:
        """The error's code, such as ERR_PUBSUB_NOT_FOUND; '' where there is none."""
        return self._said("errorCode")

    @property
    def reason(self) -> str:
        """The status with the error in one line."""
        said = self._said("message") or self.body.decode("utf-8", "replace")
        line = " ".join(said.split())[:_SHOWN]
        return f"{self.status} {line}".strip()

    def _said(self, name: str) -> str:
        with suppress(ValueError, AttributeError):
            return str(json.loads(self.body).get(name, ""))
        return ""


class Daprd:
    """One daprd, by its address (http://host:port) and the token that it asks for, if it asks for one."""

    def __init__(self, url: str, token: str, *, seconds: float) -> None:
        """`seconds` is how long a request waits for a connection, and then for its answer."""
        parts = urlsplit(url)
        self._address = parts.hostname or "", parts.port
        self._is_tls = parts.scheme == "https"
        self._headers = {"dapr-api-token": token} if token else {}
        self._seconds = seconds
        self._idle: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()

    def ask(self, method: str, path: str, body: bytes = b"", *, content_type: str = "application/json") -> Answer:
        """The answer to one request. Raises OSError, a time-out among them, where there is none.

        A connection that was kept may be gone by now: then the request is made again, on a new one. So daprd may have
        had it twice.
        """
        headers = {**self._headers, "Content-Type": content_type}
        try:
            return self._exchange(self._idle.get_nowait(), method, path, body, headers)
        except TimeoutError:
            raise
        except (queue.Empty, OSError):
            pass
        return self._exchange(self._connection(), method, path, body, headers)

    def close(self) -> None:
        """Close the connections that are kept. One that is in use is closed or kept by its thread."""
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        return kind(*self._address, timeout=self._seconds)

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> Answer:
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = Answer(response.status, response.read(_LARGEST_ANSWER))
        except http.client.HTTPException as error:
            connection.close()
            raise ConnectionError(f"no answer of HTTP: {type(error).__name__}") from error
        except BaseException:
            connection.close()
            raise
        if response.isclosed():  # read to its end
            self._idle.put(connection)
        else:
            connection.close()
        return answer
