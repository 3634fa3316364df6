"""One mail by SMTP (RFC 5321), by the server that SMTP_URL names. A message keeps its Message-ID over all tries."""

from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from taskmaster.outcome import DELIVERED, Outcome, failed, later

_TIMEOUT = 10.0  # seconds for each step


def deliver(address: str, subject: str, text: str, message_id: str, *, smtp_url: str, sender: str) -> Outcome:
    """Send a mail; what came of it. `smtp_url`: smtp://user:password@host:587 (STARTTLS where offered) or smtps://."""
    import smtplib

    if not smtp_url or not sender:
        return failed("no mail is sent here: SMTP_URL and MAIL_FROM are not set")
    message = EmailMessage()
    message["From"], message["To"] = sender, address
    message["Subject"] = " ".join(subject.split())
    message["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2].strip('>')}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes, please
    message.set_content(text)
    try:
        with _connected(smtp_url) as server:
            server.send_message(message)
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


def _connected(url: str):  # type: ignore[no-untyped-def]  # smtplib.SMTP, imported late
    import smtplib
    import ssl

    parts = urlsplit(url)
    context = ssl.create_default_context()
    host = parts.hostname or ""
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=_TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=_TIMEOUT)
    try:
        server.ehlo()
        if parts.scheme != "smtps" and (server.has_extn("starttls") or parts.username):
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
    return later(detail, seconds=None) if 400 <= code < 500 else failed(detail)
