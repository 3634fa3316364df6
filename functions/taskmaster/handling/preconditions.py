"""Conditional requests (RFC 9110, 13): which entity tags a call names, and whether the current one satisfies it.

An entity tag here is the text between the quotes: the version of a task, or a digest of another representation. Every
tag of the pack is strong. The pack sends no Last-Modified, so it ignores If-Unmodified-Since (13.1.4).
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_BETWEEN = re.compile(r"[ \t]*,[ \t,]*")


def tag_of(shown: str) -> str:
    """A strong entity tag, without its quotes, of a representation that has no version: its digest."""
    return hashlib.sha256(shown.encode()).hexdigest()[:32]


class Unparsable(ValueError):
    """A header that is neither * nor a list of entity tags (400). The text says what to send."""


class EntityTags(NamedTuple):
    """What a header names: `any` is *, whatever is there."""

    any: bool = False
    strong: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, name: str, text: str) -> Self:
        """The value of a header (RFC 9110, 8.8.3, 5.6.1: empty members of a list do not count). Raises Unparsable."""
        rest = text.strip(" \t")
        if rest == "*":
            return cls(any=True)
        rest = rest.strip(" \t,")
        kinds: tuple[set[str], set[str]] = (set(), set())
        while True:
            found = _TAG.match(rest)
            if found is None:
                raise Unparsable(f'{name} takes ETags as they were given, quotes included, such as "3", or *.')
            kinds[found[1] is not None].add(found[2])
            rest = rest[found.end() :]
            if not rest:
                return cls(strong=frozenset(kinds[0]), weak=frozenset(kinds[1]))
            between = _BETWEEN.match(rest)
            rest = rest[between.end() :] if between else "no list"

    def listed(self) -> list[str]:
        return ["*"] if self.any else sorted([f'"{tag}"' for tag in self.strong] + [f'W/"{tag}"' for tag in self.weak])


class Preconditions(NamedTuple):
    """The preconditions of one request. Falsy where it has none."""

    if_match: EntityTags | None = None
    if_none_match: EntityTags | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """The preconditions in the headers of a request. Raises Unparsable."""
        given = {name: headers[name.lower()] for name in ("If-Match", "If-None-Match") if name.lower() in headers}
        return cls(**{name.lower().replace("-", "_"): EntityTags.parse(name, text) for name, text in given.items()})

    def __bool__(self) -> bool:
        return self.if_match is not None or self.if_none_match is not None

    def failed(self, tag: str) -> str | None:
        """The header that is false for the current tag, in the order of RFC 9110, 13.2.2; else None."""
        if self.if_match and not (self.if_match.any or tag in self.if_match.strong):  # strong: W/ never matches
            return "If-Match"
        none = self.if_none_match
        if none and (none.any or tag in none.strong or tag in none.weak):
            return "If-None-Match"
        return None

    def canonical(self) -> dict[str, Any]:
        """What the digest of a command includes of them. Not If-Match: *, which every command requires anyway."""
        found = {}
        if self.if_match and not self.if_match.any:
            found["if_match"] = self.if_match.listed()
        if self.if_none_match:
            found["if_none_match"] = self.if_none_match.listed()
        return found
