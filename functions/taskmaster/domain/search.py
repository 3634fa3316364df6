"""What a search compares: texts without their case, in one form for what looks the same. Pure.

A term is found where its folded text is part of a folded title, or of a folded description. Folded is the compatibility
caseless match of Unicode (The Unicode Standard, 3.13, D146): ΟΔΟΣ is οδος, STRASSE is straße, é is é however it is
composed, and a ligature its letters. Beyond it, the four i of Turkish are one: İstanbul is istanbul.
"""

import re
from typing import Any

_TURKISH_I = re.compile("[i\u0131]\u0307*")


def folded(text: str) -> str:
    """The text as it is compared. Of ASCII it is lower case, which PostgreSQL can say as well; of others it cannot."""
    if text.isascii():
        return text.lower()
    from unicodedata import normalize  # a megabyte that most texts do not need

    for form in ("NFD", "NFKD"):
        text = normalize(form, text).casefold()
    letters = _TURKISH_I.sub("i", normalize("NFKD", text))
    return normalize("NFKC", letters)


def folded_texts(title: str, description: str | None, *, version: int) -> dict[str, Any]:
    """What is kept of a task for searches, by column: its folded texts where they are not ASCII, and of which version.

    The version tells them from those of a row that code without these columns has changed since.
    """
    texts = {"search_title": _unless_ascii(title), "search_description": _unless_ascii(description)}
    return {**texts, "search_version": version if any(texts.values()) else None}


def _unless_ascii(text: str | None) -> str | None:
    return None if text is None or text.isascii() else folded(text)
