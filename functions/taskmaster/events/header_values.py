"""Values of attributes in HTTP headers: which ones arrive unchanged, and how the others are encoded.

Every event that is put on a topic is carried further by a KafkaSource, which writes each attribute into a header as it
is: in Latin-1, trimmed, not percent-encoded. A control character it can never send, and with it nothing behind it in
the partition; a character beyond Latin-1 arrives as a question mark.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from urllib.parse import quote, unquote, unquote_to_bytes

# CloudEvents 1.0.2, section 3, String: no controls (U+0000-U+001F, U+007F-U+009F), noncharacters or lone surrogates.
_NO_STRING = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane * 0x10000 + end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
    + "]"
)
_NAME = re.compile(r"[a-z0-9]{1,64}")
_BEYOND_LATIN_1 = re.compile("[^\x00-\xff]")
_PERCENT_ENCODED = re.compile("(?:[^%]|%[0-9A-Fa-f]{2})*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BACKSLASHED = re.compile(r"\\(.)", re.DOTALL)
_SAFE = "".join(chr(each) for each in range(0x21, 0x7F) if chr(each) not in '%"')


class CannotTravel(ValueError):
    """An outgoing event has a value that no header can carry unchanged. The text names the attribute."""


def is_name(name: str) -> bool:
    """Whether it names an attribute: lower-case letters and digits (CloudEvents 1.0.2, section 3), at most 64 here."""
    return bool(_NAME.fullmatch(name))


def flaw(value: str) -> str:
    """Why a value is no String of CloudEvents, as the end of a sentence; '' where it is one."""
    if value.isascii() and value.isprintable():  # as nearly all are, and found in a tenth of the time
        return ""
    if found := _NO_STRING.search(value):
        return f"holds U+{ord(found[0]):04X}, which no attribute of a CloudEvent may"
    return ""


def obstacle(value: str) -> str:
    """Why a value does not arrive as it is, as the end of a sentence; '' where it does."""
    if said := flaw(value):
        return said
    if not value.isascii() and (found := _BEYOND_LATIN_1.search(value)):
        return f"holds U+{ord(found[0]):04X}: beyond Latin-1 everything arrives as a question mark"
    if value != value.strip():
        return "begins or ends with a blank, which no header keeps"
    return ""


def check(headers: Iterable[tuple[str, str]]) -> None:
    """Raises CannotTravel for the first header of a Kafka record that a KafkaSource could not pass on unchanged."""
    for name, value in headers:
        if said := obstacle(value):
            raise CannotTravel(f"{name} {said}")


def received(value: str) -> str:
    """The attribute in a header of HTTP (binding 3.1.3.2): unquoted first, then percent-decoded, once.

    `value` is as WSGI hands it over, in Latin-1 (PEP 3333). Raises ValueError for what is no percent-encoded UTF-8.
    """
    if quoted := _QUOTED.fullmatch(value):
        value = _BACKSLASHED.sub(r"\1", quoted[1])
    if not _PERCENT_ENCODED.fullmatch(value):
        raise ValueError("has a % without two hexadecimal digits: write %25 for the sign itself")
    with suppress(UnicodeError):  # a sender that does not percent-encode may write Latin-1
        value = value.encode("latin-1").decode("utf-8")
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("is not percent-encoded UTF-8") from None


def sent(value: str) -> str:
    """A value in ASCII as HTTP binding 3.1.3.2 has it: another text for every other value, lone surrogates too."""
    return quote(value, safe=_SAFE, errors="surrogatepass")


def listed(values: Mapping[str, str]) -> str:
    """Names and values in one value of ASCII, which `unlisted` reads."""
    return ",".join(f"{_word(name)}={_word(value)}" for name, value in values.items())


def unlisted(text: str) -> dict[str, str]:
    """What `listed` wrote; of anything else, what can be read."""
    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    return {restored(name): restored(value) for name, _, value in pairs}


def _word(value: str) -> str:
    return quote(value, safe="", errors="surrogatepass")


def restored(value: str) -> str:
    """The value that `sent` wrote; of anything else, what can be read."""
    raw = unquote_to_bytes(value.encode("utf-8", "surrogatepass"))
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")
