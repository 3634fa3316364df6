"""The public keys of whoever signs tokens (JSON Web Key Set, RFC 7517): given in a setting, or fetched now and then.

A process fetches when it first needs a key, when what it has is five minutes old, and when a token names a key that it
does not know; but never more often than every ten seconds, so that tokens with made-up key ids make nobody fetch.
While the issuer is away, the keys that it gave last go on being used.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Any, Protocol

from pydantic_core import from_json

from taskmaster import kubernetes
from taskmaster.hosts import may_be_asked
from taskmaster.jws import ALGORITHMS

logger = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
PAUSE_SECONDS = 10.0  # between two fetches, whoever asks
FIRST_PAUSE_SECONDS = 2.0  # the same while there are no keys at all, and everybody waits for them
_FOR_EVER = -1.0  # which is as long as a fetch may take
_FETCH_SECONDS = 5.0  # of one document, from connecting to its last byte
_LARGEST = 524_288

Document = Mapping[str, Any]


class KeysUnavailable(Exception):
    """Nobody can say whether a token holds, since its issuer's keys cannot be had right now. Try again later."""


class KeySet:
    """The keys as they were published at one moment."""

    def __init__(self, document: Document) -> None:
        """Raises ValueError for what is no key set."""
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
    """Where the keys come from. Both raise KeysUnavailable."""

    def current(self) -> KeySet: ...

    def newer_than(self, known: KeySet) -> KeySet:
        """The keys after another look, for a token whose key is not among the known ones; or `known` again."""
        ...


class GivenKeys:
    """The keys of a setting."""

    def __init__(self, text: str) -> None:
        self._held = KeySet(from_json(text))

    def current(self) -> KeySet:
        return self._held

    def newer_than(self, known: KeySet) -> KeySet:
        return known


class PublishedKeys:
    """The keys that `fetch` gets: of one process, for all its threads."""

    def __init__(self, fetch: Callable[[], Document]) -> None:
        self._fetch = fetch
        self._fetching = Lock()
        self._held: KeySet | None = None
        self._fresh_until = 0.0
        self._next_fetch = 0.0
        self._failed = False

    def current(self) -> KeySet:
        held = self._held
        if held is None:
            return self._renewed(held, patience=_FOR_EVER)
        if time.monotonic() < self._fresh_until:
            return held
        try:
            return self._renewed(held, patience=0.0)
        except KeysUnavailable:  # another thread is at it
            return held

    def newer_than(self, known: KeySet) -> KeySet:
        newer = self._renewed(known, patience=1.0)
        if newer is known and self._failed:
            raise KeysUnavailable(
                "the issuer's keys cannot be had, and the key of a token is none of those it gave last"
            )
        return newer

    def _renewed(self, known: KeySet | None, *, patience: float) -> KeySet:
        """The keys after one fetch, by this thread or by another that is at it: wait so many seconds for that one."""
        if not self._fetching.acquire(timeout=patience):
            raise KeysUnavailable("the issuer's keys are being fetched")
        try:
            if self._held is known and time.monotonic() >= self._next_fetch:
                self._renew()
            if self._held is None:
                raise KeysUnavailable("the issuer's keys cannot be had")
            return self._held
        finally:
            self._fetching.release()

    def _renew(self) -> None:
        try:
            fetched = KeySet(self._fetch())
        except (OSError, ValueError) as error:  # what came may be no JSON, or no key set
            self._failed = True
            logger.warning("the keys of a token issuer cannot be had: %s", type(error).__name__)
        else:
            self._failed = False
            self._fresh_until = time.monotonic() + FRESH_SECONDS
            if fetched != self._held:
                self._held = fetched
        self._next_fetch = time.monotonic() + (FIRST_PAUSE_SECONDS if self._held is None else PAUSE_SECONDS)


def fetch(url: str, *, kubernetes_api: str) -> Document:
    """A JSON object of at most half a megabyte. Raises OSError or ValueError."""
    from taskmaster import http_get

    ours = kubernetes.serves(url, api=kubernetes_api)
    body = http_get.body(
        url,
        headers=kubernetes.headers() if ours else {},
        trusting=kubernetes.trusted() if ours else None,
        seconds=_FETCH_SECONDS,
        largest=_LARGEST,
    )
    document = from_json(body)
    if not isinstance(document, dict):
        raise ValueError("no JSON object")
    return document


def discover(issuer: str, *, kubernetes_api: str) -> Document:
    """The keys of an issuer that says where they are (OpenID Connect Discovery 1.0, 4). Raises as `fetch` does."""
    about = fetch(issuer.rstrip("/") + "/.well-known/openid-configuration", kubernetes_api=kubernetes_api)
    where = about.get("jwks_uri")
    if about.get("issuer") != issuer or not isinstance(where, str) or not may_be_asked(where):
        raise ValueError("the discovery document is another issuer's, or does not say where the keys are")
    return fetch(where, kubernetes_api=kubernetes_api)
