"""What a channel is reached by: taken in the one form in which it can be used, and refused in words."""

import contextlib
import http.client
import re
import smtplib
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from taskmaster.domain.channels import mail_address, signing_key, webhook_address
from taskmaster.domain.user_channels import Channel

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

# Webhooks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("https://example.com", "https://example.com/"),
        ("https://example.com/hook", "https://example.com/hook"),
        ("HTTPS://EXAMPLE.com/Hook?a=B", "https://example.com/Hook?a=B"),
        ("https://example.com./hook", "https://example.com/hook"),
        ("https://example.com:443/", "https://example.com/"),
        ("https://example.com:/x", "https://example.com/x"),
        ("https://example.com:8443?x[]=1", "https://example.com:8443/?x[]=1"),
        ("https://xn--mller-kva.example/", "https://xn--mller-kva.example/"),
        ("https://a_b.example.com/{id}|x", "https://a_b.example.com/%7Bid%7D%7Cx"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700:4700::1111]:8443/x", "https://[2606:4700:4700::1111]:8443/x"),
        ("http://localhost:8080/hook?to=a@b", "http://localhost:8080/hook?to=a@b"),
    ],
)
def test_an_address_is_called_as_it_was_written(url: str, called: str) -> None:
    assert webhook_address(url).url == called


UNUSABLE_URLS = [
    "", "example.com", "//example.com/", "https:/example.com", "https:///x", "https://", "ftp://example.com/",
    "javascript://example.com/", "https:\\\\example.com", "https://example.com\\@127.0.0.1/", "https://example.com/a\\b",
    "https://ada@example.com/", "https://ada:pass@example.com/", "https://@example.com/", "https://a@b@example.com/",
    "https://example.com/#x", "https://example.com/#", "https://example.com#@evil.example/",
    "https://example.com:0/", "https://example.com:65536/", "https://example.com:99999999/", "https://example.com:x/",
    "https://example.com:-1/", "https://example.com:+443/", "https://example.com:443:443/",
    "https://m\u00fcller.example/", "https://example.com/\u00fc", "https://\uff45xample.com/", "https://example\u3002com/",
    "https://example.com/a b", " https://example.com/", "https://example.com/ ", "https://example.com/\n",
    "https://exam\nple.com/", "https://example.com/\r\nHost: evil", "https://example.com/\x00", "https://example.com/\x7f",
    "https://exa%6dple.com/", "https://exam!ple.com/", "https://-example.com/", "https://example-.com/",
    "https://.example.com/", "https://example..com/", "https://example.com../", "https://./", "https://*.example.com/",
    f"https://{'a' * 64}.example/", f"https://{'a.' * 127}example/",
    "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://1.2.3.4.5/",
    "https://1.2.3.256/", "https://01.02.03.04/", "https://example.123/", "https://example.0x1/",
    "https://[::1", "https://::1/", "https://[::1%25lo]/", "https://[fe80::1%eth0]/", "https://[::g]/", "https://[]/",
    "https://[example.com]/", "https://[::1]x/", f"https://example.com/{'x' * 2000}",
]  # fmt: skip


@pytest.mark.parametrize("url", UNUSABLE_URLS)
def test_an_address_that_cannot_be_called_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        webhook_address(url)


@given(st.text() | st.text("htps:/@#?%[].\\a1-_\r\n \x00\u00fc", max_size=40).map("https://".__add__))
@example("https://a/?\u2028")
def test_whatever_is_taken_is_a_request_line_and_a_host_header(url: str) -> None:
    with contextlib.suppress(ValueError):
        address = webhook_address(url)
        assert webhook_address(address.url) == address
        assert re.fullmatch(r"/[!-~]*", address.target)
        connection = http.client.HTTPConnection(address.host, address.port)
        connection.putrequest("POST", address.target)  # raises for what would be more than a line
        address.host.encode("idna")


# Secrets --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [24, 25, 26, 32, 63, 64])
@pytest.mark.parametrize("padded", [True, False])
def test_a_key_of_24_to_64_bytes_is_taken(size: int, padded: bool) -> None:
    key = bytes(range(size))
    text = b64encode(key).decode()
    assert signing_key("whsec_" + (text if padded else text.rstrip("="))) == key


UNUSABLE_SECRETS = [
    "", "whsec_", "hush", KEY.removeprefix("whsec_"), "WHSEC_" + KEY[6:], KEY + " ", KEY + "\n", " " + KEY,
    "whsec_" + "a" * 33, "whsec_" + "a" * 37, KEY + "=", KEY + "==", "whsec_" + "a" * 34 + "=",
    "whsec_" + "a" * 35 + "==",
    "whsec_" + b64encode(bytes(23)).decode(), "whsec_" + b64encode(bytes(65)).decode(),
    "whsec_" + b64encode(bytes(66)).decode(), "whsec_" + "-" * 32, "whsec_" + "_" * 32, "whsec_" + "a" * 31 + "=",
    "whsec_" + "a" * 16 + "=" + "a" * 16, "whsec_" + "\u00e4" * 32, "whsec_" + "a" * 31 + "\uff41", "whpk_" + KEY[6:],
]  # fmt: skip


@pytest.mark.parametrize("secret", UNUSABLE_SECRETS)
def test_a_secret_that_is_no_key_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and 24 to 64 bytes in base64"):
        signing_key(secret)


# Mail -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["ada@example.com", "a.d.a@example.com", "ada+to-do@example.co.uk", "o'neil@example.com", "a=b@example.com",
     "x@localhost", "x@1and1.example", "x@xn--mller-kva.example", "\u00e4da@example.com", f"{'a' * 64}@example.com"],
)  # fmt: skip
def test_a_mail_address_is_taken(address: str) -> None:
    assert mail_address(address) == address


UNUSABLE_MAIL = [
    "", "ada", "@", "@example.com", "ada@", "ada@@example.com", "ada@b@example.com", "x@y.example.", "x@.example",
    "x@example..com", "x@-example.com", "x@example-.com", "x@exa_mple.com", "x@127.0.0.1", "x@1", "x@0x7f000001",
    "x@[127.0.0.1]", "x@[IPv6:::1]", "x@m\u00fcller.example", f"x@{'a' * 64}.example", f"x@{'a.' * 130}example",
    ".ada@example.com", "ada.@example.com", "a..da@example.com", '"ada"@example.com', '"a b"@example.com',
    "ada lovelace@example.com", "Ada <ada@example.com>", "<ada@example.com>", "ada@example.com,eve@example.com",
    "ada@example.com;eve@example.com", "friends:ada@example.com;", "ada(eve)@example.com", "ada\\@example.com",
    "=?utf-8?q?=0D=0ABcc:_x=40y.example?=@example.com", "=?utf-8?q?=0D=0ABcc:_x=40y.example?=", "a?b@example.com",
    "ada@example.com\n", "ada@example.com\r\nRCPT TO:<eve@example.com>", "a\r\nda@example.com", "a\x00da@example.com",
    "a\x7fda@example.com", "a\u0085da@example.com", "a\u2028da@example.com", "a\u202eda@example.com",
    "a\u200bda@example.com", f"{'a' * 65}@example.com", f"{chr(0xe4) * 33}@example.com",
]  # fmt: skip


@pytest.mark.parametrize("address", UNUSABLE_MAIL)
def test_a_mail_address_that_cannot_be_used_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="must be a mail address"):
        mail_address(address)


@given(st.text() | st.text('ad.@=?<>_q"\\ \r\n', max_size=40) | st.emails())
def test_whatever_is_taken_is_one_recipient(address: str) -> None:
    with contextlib.suppress(ValueError):
        assert smtplib.quoteaddr(mail_address(address)) == f"<{address}>"


# At the door ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "channel",
    [
        *({"type": "webhook", "url": url, "secret": KEY} for url in UNUSABLE_URLS),
        *({"type": "webhook", "url": "https://example.com/", "secret": secret} for secret in UNUSABLE_SECRETS),
        *({"type": "mail", "address": address} for address in UNUSABLE_MAIL),
    ],
)
def test_what_cannot_be_used_is_refused_at_the_door_and_not_quoted(channel: Any) -> None:
    given = channel.get("address", channel.get("url"))
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Channel).validate_python(channel)
    [fault] = refused.value.errors(include_input=False, include_context=False)
    assert fault["msg"].removeprefix("Value error, ").startswith(("must ", "String should have at most"))
    assert given not in fault["msg"] or given in "ada@example.com https://example.com/reminders"
