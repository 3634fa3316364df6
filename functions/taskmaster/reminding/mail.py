"""One mail by SMTP (RFC 5321), by the server that SMTP_URL names. A message keeps its Message-ID over all tries.

Text of a user is never parsed as a header or a command: the address is checked once more, the subject is one line that
no mail program decodes to another text, and the body is encoded.
"""

import socket
import unicodedata
from email.charset import QP, Charset
from email.header import Header
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import formataddr, formatdate, parseaddr
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from taskmaster.domain.channels import mail_address
from taskmaster.domain.outcome import DELIVERED, Outcome, failed, later
from taskmaster.outbound.deadline import Bounded, Deadline
from taskmaster.telemetry.trace_context import TraceContext

if TYPE_CHECKING:
    import smtplib

TOTAL_SECONDS = 20.0  # from resolving the server's name to its confirmation of the mail
_STEP_SECONDS = 10.0  # for one answer of the server
_MOST_ANSWERS = 65_536  # bytes of all answers of a server, before and after STARTTLS each


def send(
    address: str,
    subject: str,
    text: str,
    message_id: str,
    *,
    smtp_url: str,
    sender: str,
    deadline: Deadline,
    trace: TraceContext | None = None,
) -> Outcome:
    """Send a mail under a deadline. `smtp_url`: smtp://user:password@host:587 (STARTTLS where offered) or smtps://.

    The mail has the fields of `trace`, named as HTTP has them: no standard names them for mails.
    """
    import smtplib

    if not smtp_url or not sender:
        return failed("no mail is sent here: SMTP_URL and MAIL_FROM are not set")
    try:
        address = mail_address(address)
    except ValueError as error:  # stored by an older version
        return failed(f"set this channel anew: its address {error}")
    try:
        server = _connected(smtp_url, deadline)
        try:
            options = [] if address.isascii() else ["SMTPUTF8"]
            if options and not server.has_extn("smtputf8"):
                return failed("the mail server takes only addresses in ASCII (no SMTPUTF8)")
            mail = message(address, subject, text, message_id, sender, trace=trace)
            server.sendmail(_mailbox(sender), [address], mail, options)
            server.putcmd("quit")  # its answer is not read: the mail is accepted, and a time-out would repeat it
        finally:
            server.close()
    except smtplib.SMTPRecipientsRefused as error:
        [(code, _)] = list(error.recipients.values())[:1] or [(550, b"")]
        return _classified(code)
    except smtplib.SMTPAuthenticationError:
        return later("the mail server refused the login", seconds=None)
    except smtplib.SMTPResponseException as error:
        return _classified(error.smtp_code)
    except (smtplib.SMTPException, OSError) as error:
        return later(type(error).__name__, seconds=None)
    return DELIVERED


def message(
    address: str, subject: str, text: str, message_id: str, sender: str, *, trace: TraceContext | None = None
) -> bytes:
    """The mail as it goes out, with CRLF (RFC 5322, RFC 2045). `address` is one that `mail_address` takes."""
    coded = Charset("utf-8")
    coded.body_encoding = QP
    mail = MIMEText("\n".join(text.splitlines()) + "\n", "plain", cast(Any, coded))
    mail["From"] = formataddr(parseaddr(sender))
    mail["Subject"] = cast(Any, _subject(subject))
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{message_id}@{_mailbox(sender).rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic replies
    for name, value in (trace.headers() if trace else {}).items():
        mail[name] = value
    # An address must not be encoded (RFC 2047, 5); beyond ASCII it is UTF-8 (RFC 6532, 3.2).
    return f"To: {address}\r\n".encode() + mail.as_bytes(policy=compat32.clone(linesep="\r\n"))


def _subject(text: str) -> Header:
    """The subject as one line; text that looks encoded is encoded once more, so that it is shown as written."""
    line = " ".join("".join(" " if unicodedata.category(each) == "Cc" else each for each in text).split())
    plain = line.isascii() and "=?" not in line
    return Header(line, "us-ascii" if plain else "utf-8", header_name="Subject")


def _mailbox(sender: str) -> str:
    """The address in MAIL_FROM, which may have a name before it."""
    return parseaddr(sender)[1]


def _connected(url: str, deadline: Deadline) -> "smtplib.SMTP":
    """A connection to a server, after EHLO, over TLS where it offers that, and logged in."""
    import smtplib
    import ssl

    parts = urlsplit(url)
    context = ssl.create_default_context()
    is_tls = parts.scheme == "smtps"

    class Server(smtplib.SMTP):
        def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
            made = deadline.connect(host, port)
            made.settimeout(timeout)
            return context.wrap_socket(made, server_hostname=host) if is_tls else made

        def getreply(self) -> tuple[int, bytes]:
            if self.file is None and self.sock is not None:
                self.file = Bounded(self.sock.makefile("rb"), _MOST_ANSWERS)
            return super().getreply()

    server = Server(parts.hostname or "", parts.port or (465 if is_tls else 25), timeout=_STEP_SECONDS)
    try:
        server.ehlo()
        if not is_tls and (server.has_extn("starttls") or parts.username):
            server.starttls(context=context)  # a password is never sent in the clear
            server.ehlo()
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        server.close()
        raise
    return server


def _classified(code: int) -> Outcome:
    detail = f"SMTP {code}"
    return failed(detail) if 500 <= code < 600 else later(detail, seconds=None)
