"""Who signs tokens: whether the keys of an issuer can be had, and whether one of them verifies anything."""

from collections.abc import Iterator

from pydantic_core import from_json

from taskmaster.diagnosis.finding import Finding, Severity
from taskmaster.identity.jwks import Document, KeySet, discover, discovery_url, fetch
from taskmaster.identity.jws import ALGORITHMS
from taskmaster.settings import Settings

AREA = "issuer"


def examine(settings: Settings) -> Iterator[Finding]:
    """What is wrong with the keys for people's and for events' tokens. Fetches them, each under a deadline."""
    if not settings.oidc_issuer:
        yield Finding(
            code="nobody-signs-in",
            severity=Severity.CRITICAL,
            area=AREA,
            what="OIDC_ISSUER is not set",
            why="every call of a person is answered with 401",
            mend="set OIDC_ISSUER and OIDC_AUDIENCE (to try it without a provider: taskmaster keys new FILE)",
        )
    for prefix in ("oidc", "event_oidc"):
        if getattr(settings, f"{prefix}_issuer"):
            yield from _keys(settings, prefix)


def _keys(settings: Settings, prefix: str) -> Iterator[Finding]:
    issuer, where, given = (getattr(settings, f"{prefix}_{name}") for name in ("issuer", "jwks_url", "jwks"))
    whose = "people's" if prefix == "oidc" else "events'"
    try:
        keys = KeySet(_document(settings, issuer, where, given))
    except (OSError, ValueError) as error:
        yield Finding(
            code="keys-unavailable",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"the keys of {where or issuer} cannot be had: {_said(error)}",
            why=f"{whose} tokens are answered with 503 by every process that has no keys yet",
            mend=f"curl -i {where or discovery_url(issuer)}; or set {prefix.upper()}_JWKS",
        )
        return
    algorithms = {name for names in ALGORITHMS.values() for name in names}
    if not any(True for algorithm in algorithms for _ in keys.matching(None, algorithm)):
        yield Finding(
            code="no-usable-key",
            severity=Severity.CRITICAL,
            area=AREA,
            what=f"{where or issuer} has no key that verifies a signature by {', '.join(sorted(algorithms))}",
            why=f"{whose} tokens are all refused with 401",
            mend="have the issuer sign with one of these algorithms",
        )


def _document(settings: Settings, issuer: str, where: str, given: str) -> Document:
    if given:
        document: Document = from_json(given)
        return document
    if where:
        return fetch(where, kubernetes_api=settings.kubernetes_api_url)
    return discover(issuer, kubernetes_api=settings.kubernetes_api_url)


def _said(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}"[:200] if text else type(error).__name__
