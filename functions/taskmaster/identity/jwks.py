"""The public keys of an issuer of tokens (JSON Web Key Set, RFC 7517): in a setting, or fetched by HTTP.

A process fetches when it first needs a key, when its keys are five minutes old, and when a token names an unknown key;
but at most every ten seconds, so that tokens with invented key ids cause no fetches. While the issuer is unavailable,
the process goes on with the keys that it fetched last.

One fetch is under way at a time, in a thread of its own. A request that needs its keys waits for a limited time,
counted from the start of the fetch and not of the request: an issuer that answers byte by byte blocks no thread. While
there are keys, which others' tokens need, a request whose key is unknown waits without a thread where the server can
postpone it.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from threading import Event, Lock, Thread
from typing import Any, NoReturn, Protocol

from pydantic_core import from_json

from taskmaster.errors import TaskmasterError
from taskmaster.identity.jws import ALGORITHMS
from taskmaster.outbound import kubernetes
from taskmaster.outbound.deadline import Deadline, within
from taskmaster.trusted_hosts import may_serve_keys

logger = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
PAUSE_SECONDS = 10.0  # between two fetches
FIRST_PAUSE_SECONDS = 2.0  # the same while there are no keys at all
PATIENCE_SECONDS = 3.0  # that a request waits for a fetch, from the start of the fetch: a cold pod is slow itself
SHORT_PATIENCE_SECONDS = 0.3  # the same after a fetch that failed: the next one may be as slow, and fail too
TOTAL_SECONDS = 5.0  # of one fetch, discovery included, however slowly an answer trickles in
_FIRST_LOOK = 0.05  # seconds after which a postponed request comes again; each further one waits twice as long
_LARGEST = 524_288

Document = Mapping[str, Any]
Postpone = Callable[[float], NoReturn]  # have the request come again after so many seconds


class KeysUnavailable(TaskmasterError):
    """A token cannot be verified now, because the keys of its issuer are not available. Try again later."""


class KeySet:
    """The keys as they were published at one moment."""

    def __init__(self, document: Document) -> None:
        """Raises ValueError where it is no key set."""
        listed = document.get("keys")
        if not isinstance(listed, list):
            raise ValueError("a JWK set has a list of keys")
        self._keys = [key for key in listed if isinstance(key, dict) and _verifies(key)]

    def matching(self, key_id: str | None, algorithm: str) -> Iterator[Document]:
        """The keys that may have signed a token with this header (RFC 7515, 4.1). None for symmetric algorithms."""
        for key in self._keys:
            fits = algorithm in ALGORITHMS[key["kty"]] and key.get("alg", algorithm) == algorithm
            if fits and key_id in (None, key.get("kid")):
                yield key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeySet) and self._keys == other._keys

    __hash__ = object.__hash__


def _verifies(key: Mapping[str, Any]) -> bool:
    operations = key.get("key_ops", ["verify"])
    meant_for_it = key.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    return meant_for_it and str(key.get("kty")) in ALGORITHMS


class Keys(Protocol):
    """A source of keys. Both methods raise KeysUnavailable."""

    def current(self) -> KeySet: ...

    def newer_than(self, known: KeySet, postpone: Postpone | None = None) -> KeySet:
        """The keys after another fetch, for a token whose key is not among the known ones; or `known` again.

        Without `postpone` the calling thread waits for that fetch.
        """
        ...


class GivenKeys:
    """The keys of a setting."""

    def __init__(self, text: str) -> None:
        self._held = KeySet(from_json(text))

    def current(self) -> KeySet:
        return self._held

    def newer_than(self, known: KeySet, postpone: Postpone | None = None) -> KeySet:
        return known


class PublishedKeys:
    """The keys that `fetch` gets: of one process, for all its threads."""

    def __init__(self, fetch: Callable[[], Document]) -> None:
        self._fetch = fetch
        self._choosing = Lock()  # held while a thread decides whether to fetch
        self._ended = Event()  # of the fetch that is under way, or was last
        self._ended.set()
        self._begun = 0.0
        self._held: KeySet | None = None
        self._fresh_until = 0.0
        self._next_fetch = 0.0
        self._failed = False

    def current(self) -> KeySet:
        held = self._held
        if held is not None and time.monotonic() < self._fresh_until:
            return held
        began = self._begin(held)
        if held is None or began:  # a request that has keys does not wait for the fetch of another one
            self._await()
        if self._held is None:
            raise KeysUnavailable("the issuer's keys cannot be had")
        return self._held

    def newer_than(self, known: KeySet, postpone: Postpone | None = None) -> KeySet:
        self._begin(known)
        if not self._await(postpone):
            raise KeysUnavailable("the issuer's keys are being fetched")
        if self._held is None or (self._held is known and self._failed):
            raise KeysUnavailable(
                "the issuer's keys cannot be had, and the key of a token is none of those it gave last"
            )
        return self._held

    def _begin(self, known: KeySet | None) -> bool:
        """Begin a fetch, unless one is under way, was a moment ago, or has brought other keys than the known ones."""
        with self._choosing:
            if not self._ended.is_set() or self._held is not known or time.monotonic() < self._next_fetch:
                return False
            self._ended, self._begun = Event(), time.monotonic()
        Thread(target=self._renew, args=(self._ended,), name="keys of an issuer", daemon=True).start()
        return True

    def _await(self, postpone: Postpone | None = None) -> bool:
        """Wait for the fetch that is under way, if there is one: for a moment from its start. Whether it has ended."""
        with self._choosing:
            ended, begun = self._ended, self._begun
        patience = SHORT_PATIENCE_SECONDS if self._failed else PATIENCE_SECONDS
        under_way = time.monotonic() - begun
        left = max(patience - under_way, 0.0)
        if postpone and left and not ended.is_set():
            postpone(min(max(under_way, _FIRST_LOOK), left))
        return ended.wait(left)

    def _renew(self, ended: Event) -> None:
        try:
            fetched = KeySet(self._fetch())
        except Exception as error:  # of the network, or a body that is no JSON or no key set
            self._failed = True
            logger.warning("the keys of a token issuer cannot be had: %s", type(error).__name__)
        else:
            self._failed = False
            self._fresh_until = time.monotonic() + FRESH_SECONDS
            if fetched != self._held:
                self._held = fetched
        self._next_fetch = time.monotonic() + (FIRST_PAUSE_SECONDS if self._held is None else PAUSE_SECONDS)
        ended.set()


def fetch(url: str, *, kubernetes_api: str) -> Document:
    """A JSON object of at most half a megabyte, within TOTAL_SECONDS. Raises OSError or ValueError."""
    return within(TOTAL_SECONDS, lambda deadline: _fetch(url, deadline, kubernetes_api))


def discover(issuer: str, *, kubernetes_api: str) -> Document:
    """The keys of an issuer that says where they are (OpenID Connect Discovery 1.0, 4). Raises as `fetch` does."""
    return within(TOTAL_SECONDS, lambda deadline: _discover(issuer, deadline, kubernetes_api))


def discovery_url(issuer: str) -> str:
    """Where an issuer says what there is to know about it (OpenID Connect Discovery 1.0, 4)."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def _discover(issuer: str, deadline: Deadline, kubernetes_api: str) -> Document:
    about = _fetch(discovery_url(issuer), deadline, kubernetes_api)
    where = about.get("jwks_uri")
    if about.get("issuer") != issuer or not isinstance(where, str) or not may_serve_keys(where):
        raise ValueError("the discovery document is another issuer's, or does not say where the keys are")
    return _fetch(where, deadline, kubernetes_api)


def _fetch(url: str, deadline: Deadline, kubernetes_api: str) -> Document:
    from taskmaster.outbound import http_get

    ours = kubernetes.serves(url, api=kubernetes_api)
    body = http_get.body(
        url,
        headers=kubernetes.headers() if ours else {},
        trusting=kubernetes.trusted() if ours else None,
        deadline=deadline,
        largest=_LARGEST,
    )
    document = from_json(body)
    if not isinstance(document, dict):
        raise ValueError("no JSON object")
    return document
