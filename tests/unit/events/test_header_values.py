"""What a header carries unchanged, and how the rest is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmaster.events.header_values import flaw, obstacle, received, restored, sent

ANYTHING = st.text(st.characters(exclude_categories=[]))


@pytest.mark.parametrize(
    "code", [0, 1, 9, 10, 13, 0x1F, 0x7F, 0x80, 0x85, 0x9F, 0xD800, 0xDFFF, 0xFDD0, 0xFDEF, 0xFFFE]
)
def test_what_cloudevents_excludes_from_a_string(code: int) -> None:
    """CloudEvents 1.0.2, section 3, String."""
    assert flaw(f"a{chr(code)}b") == f"holds U+{code:04X}, which no attribute of a CloudEvent may"


@pytest.mark.parametrize("plane", range(17))
def test_the_last_two_characters_of_every_plane_are_none(plane: int) -> None:
    assert flaw(chr(plane * 0x10000 + 0xFFFE))
    assert flaw(chr(plane * 0x10000 + 0xFFFF))
    assert not flaw(chr(plane * 0x10000 + 0xFFFD))


@pytest.mark.parametrize("value", ["", "x", "a b", "50%", '"q"', "é", "\xa1", "Ã¼", "a\xa0b"])
def test_what_arrives_as_it_is(value: str) -> None:
    assert obstacle(value) == ""


@pytest.mark.parametrize("value", ["→", "😀", "\u2028", " x", "x ", "\xa0x", " "])
def test_what_arrives_as_something_else(value: str) -> None:
    assert flaw(value) == ""
    assert obstacle(value)


@given(ANYTHING)
def test_whatever_was_written_percent_encoded_is_read_back(value: str) -> None:
    written = sent(value)
    assert written.isascii()
    assert obstacle(written) == ""
    assert restored(written) == value
    if not flaw(value):
        assert received(written) == value


@given(ANYTHING)
def test_anything_can_be_restored(value: str) -> None:
    assert isinstance(restored(value), str)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ('"Euro € 😀"'.encode().decode("latin-1"), "Euro € 😀"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ('"a \\"b\\" \\\\ c"', 'a "b" \\ c'),
        ('"a%20b"', "a b"),
        ("a%2525", "a%25"),
        ('a"b', 'a"b'),
        ('"a', '"a'),
        ('"', '"'),
        ('""', ""),
        ("\xe9", "é"),
    ],
)
def test_a_header_is_unquoted_then_decoded_once(header: str, value: str) -> None:
    assert received(header) == value


@pytest.mark.parametrize("header", ["a%FF", "a%FE", "%ED%A0%80", "%C3", "%", "a%2", "%zz", '"%FF"'])
def test_what_is_no_percent_encoded_utf8_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match=r"percent-encoded|hexadecimal"):
        received(header)
