"""A mail carries what a user wrote as text, and never as a header, a command or another recipient."""

import email
import re
from email.header import decode_header, make_header
from email.message import Message
from email.policy import default

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskmaster.reminding import mail
from tests.support.channels import send_mail

HOSTILE = [
    "=?utf-8?q?=0D=0ABcc:_x=40y.example?=",
    "=?utf-8?b?DQpCY2M6IHhAeS5leGFtcGxl?=",
    "=?utf-8?q?=0D=0A=0D=0Aa_body?= =?us-ascii?q?=0ABcc:x=40y?=",
    "a =?utf-8?q?b?= c",
    "Bcc: x@y.example",
    "\r\nBcc: x@y.example\r\n\r\nbody",
    "\x00\x07\x1b[31m\x7f\x85",
    "\u2028Bcc: x\u2029",
    ".\r\n.\r\nMAIL FROM:<eve@example.com>",
    "x" * 500,
    "\u00fc" * 500,
    "\U0001f469\u200d\U0001f469\u200d\U0001f466",
]


def written(title: str, body: str = "now\n", *, to: str = "ada@example.com", sender: str = "r@example.com") -> bytes:
    return mail.message(to, title, body, "0190", sender)


def read(raw: bytes) -> Message:
    return email.message_from_bytes(raw)


@given(title=st.text(max_size=500), body=st.text(max_size=500))
@example(title=HOSTILE[0], body=".\r\n.")
def test_no_title_and_no_body_becomes_a_header(title: str, body: str) -> None:
    raw = written(title, body)
    parsed = read(raw)
    assert sorted(parsed.keys()) == sorted(
        ["To", "Content-Type", "MIME-Version", "Content-Transfer-Encoding", "From", "Subject", "Date", "Message-ID",
         "Auto-Submitted"]
    )  # fmt: skip
    assert re.fullmatch(rb"([\t\x20-\x7e]{0,998}\r\n)*", raw)
    told = parsed.get_payload(decode=True)
    assert isinstance(told, bytes)
    assert told.decode().replace("\r\n", "\n") == "\n".join(body.splitlines()) + "\n"


@pytest.mark.parametrize("title", HOSTILE)
def test_a_hostile_title_is_one_line_that_says_what_it_says(title: str) -> None:
    raw = written(title)
    shown = str(make_header(decode_header(read(raw)["Subject"])))
    assert shown.split() == "".join(each if each.isprintable() or each == "\u200d" else " " for each in title).split()
    modern = email.message_from_bytes(raw, policy=default)
    assert modern["Bcc"] is None
    assert [address.addr_spec for address in modern["To"].addresses] == ["ada@example.com"]


def test_a_plain_title_is_not_encoded() -> None:
    assert b"\r\nSubject: Reminder: call Grace\r\n" in written("Reminder: call Grace")


def test_a_sender_may_have_a_name() -> None:
    parsed = email.message_from_bytes(written("x", sender="R\u00e9minders <r@example.com>"), policy=default)
    [sender] = parsed["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("R\u00e9minders", "r@example.com")
    assert parsed["Message-ID"] == "<0190@example.com>"


def test_an_address_beyond_ascii_stays_what_it_is() -> None:
    assert written("x", to="\u00e4da@example.com").startswith("To: \u00e4da@example.com\r\n".encode())


@pytest.mark.parametrize("address", ["=?utf-8?q?=0D=0ABcc:_x=40y.example?=", "x@y.example.", "a\r\nb@example.com", ""])
def test_an_address_of_another_day_fails_and_nobody_is_called(address: str) -> None:
    outcome = send_mail(address, "x", "x", "1", smtp_url="smtp://127.0.0.1:1", sender="r@example.com")
    assert outcome.outcome == "failed"
    assert "set this channel anew" in outcome.detail
