"""Where events go: one POST to a URL, and the answer to it or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import urllib3


class NoAnswerError(Exception):
    """The sink did not answer: it could not be reached, broke the connection or took too long."""


@dataclass(frozen=True)
class Answer:
    """A response, read to its end; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Sink(Protocol):
    """Sends an event. Raises NoAnswerError."""

    def __call__(self, url: str, headers: Mapping[str, bytes], body: bytes, timeout: float) -> Answer: ...


class HttpSink:
    """Sends to any address on the network; redirects are not followed, as Knative does not follow them."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(num_pools=32, maxsize=64)

    def __call__(self, url: str, headers: Mapping[str, bytes], body: bytes, timeout: float) -> Answer:
        try:
            response = self._pool.request(
                "POST",
                url,
                body=body,
                # http.client takes bytes as they are, where it would refuse text beyond Latin-1.
                headers=dict(headers),  # type: ignore[arg-type]
                timeout=urllib3.Timeout(total=timeout),
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise NoAnswerError(f"{url}: {error}") from error
        answer_headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, answer_headers, response.data)
