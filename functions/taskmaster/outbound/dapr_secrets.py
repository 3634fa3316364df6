"""Secrets out of a secret store of Dapr, named as dapr://STORE/KEY, or dapr://STORE/KEY#FIELD of a key of several."""

import json
from urllib.parse import quote, unquote, urlsplit

from taskmaster.errors import TaskmasterError
from taskmaster.outbound.daprd import Daprd

_SECONDS = 10.0


class NoSecret(TaskmasterError):
    """A secret cannot be read. The text says why, as the end of a sentence, and holds no secret."""


class SecretStores:
    """The secret stores of one daprd, asked once for each key."""

    def __init__(self, url: str, token: str) -> None:
        """`url` is DAPR_URL, and may be empty: then there are none."""
        self._url = url
        self._daprd = Daprd(url, token, seconds=_SECONDS) if url and _is_address(url) else None
        self._read: dict[tuple[str, str], dict[str, str]] = {}

    def read(self, address: str) -> str:
        """The secret at an address. Raises NoSecret."""
        try:
            parts = urlsplit(address)
        except ValueError:
            parts = urlsplit("")
        store, key, field = parts.netloc, unquote(parts.path[1:]), unquote(parts.fragment)
        if not store or not key or parts.query:
            raise NoSecret("it must be dapr://STORE/KEY, or dapr://STORE/KEY#FIELD")
        if self._daprd is None:
            raise NoSecret("DAPR_URL is not set" if not self._url else "DAPR_URL is no address")
        if (store, key) not in self._read:
            self._read[store, key] = self._ask(self._daprd, store, key)
        found = self._read[store, key]
        if not field:
            field = key if key in found or len(found) != 1 else next(iter(found))
        if not found.get(field):
            raise NoSecret(
                f"it has no {field}, only {', '.join(found) or 'nothing'}: name one as dapr://STORE/KEY#FIELD"
            )
        return found[field]

    def _ask(self, daprd: Daprd, store: str, key: str) -> dict[str, str]:
        path = f"/v1.0/secrets/{quote(store, safe='')}/{quote(key, safe='')}"
        try:
            answer = daprd.ask("GET", path)
        except OSError as error:
            raise NoSecret(f"no daprd answers at {self._url} ({type(error).__name__})") from None
        finally:
            daprd.close()
        if answer.status == 204:
            raise NoSecret(f"store {store} has no such key")
        if answer.status == 401:
            raise NoSecret(f"daprd at {self._url} refuses DAPR_API_TOKEN")
        if answer.status != 200:
            raise NoSecret(f"daprd at {self._url} answered {answer.reason}")
        try:
            found = json.loads(answer.body)
            return {str(name): str(value) for name, value in found.items()}
        except (ValueError, AttributeError):
            raise NoSecret(f"daprd at {self._url} answered what is no secret") from None


def _is_address(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname) and urlsplit(url).port != 0
    except ValueError:
        return False
