"""Notices as an e-mail: plain text, one line each, and where to go. Whatever is worth keeping is behind the link."""

import smtplib
from collections.abc import Callable, Sequence
from functools import partial

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from django.template.loader import render_to_string
from django.urls import reverse

from connectors.errors import Permanent, Transient
from portal.configuration import SmtpSettings

from .channels import address
from .models import Delivery, Notice

SHOWN = 10
SECONDS = 10
MOST_SUBJECT = 120


def post_of(delivery: Delivery, notices: Sequence[Notice]) -> Callable[[], None]:
    """What sends it; that raises `Transient`, or `Permanent` when this message will never be taken. Raises `Permanent`."""
    smtp: SmtpSettings | None = settings.CONFIGURATION.smtp
    if smtp is None:
        raise Permanent("No mail server is set up any more.")
    return partial(_send, smtp, _message(delivery, notices, smtp.sender))


def _send(smtp: SmtpSettings, message: EmailMessage) -> None:
    try:
        password = smtp.password_file.read_text().strip() if smtp.password_file else ""
        server = EmailBackend(
            host=smtp.host, port=smtp.port, username=smtp.username, password=password, use_tls=smtp.encryption == "starttls",
            use_ssl=smtp.encryption == "tls", timeout=SECONDS, fail_silently=False,
        )  # fmt: skip
        server.send_messages([message])
    except smtplib.SMTPRecipientsRefused as refusal:
        codes = [code for code, _ in refusal.recipients.values()]
        raise _of(min(codes, default=500), "The mail server does not take mail for this address.") from None
    except smtplib.SMTPResponseException as refusal:
        raise _of(refusal.smtp_code, f"The mail server answered {refusal.smtp_code}.") from None
    except (smtplib.SMTPException, OSError) as problem:  # a file that cannot be read is one, too
        raise Transient("The mail server cannot be reached.", type(problem).__name__) from None
    except ValueError as problem:
        raise Permanent("This is not an address that mail can be sent to.", type(problem).__name__) from None


def _message(delivery: Delivery, notices: Sequence[Notice], sender: str) -> EmailMessage:
    shown = [(notice.text, address(notice.path)) for notice in notices[:SHOWN]]
    context = {
        "shown": shown,
        "more": len(notices) - len(shown),
        "inbox": address(reverse("notices")),
        "choose": address(reverse("notice-settings")),
    }
    return EmailMessage(
        subject=_subject(notices),
        body=render_to_string("notices_email.txt", context),
        from_email=f"Afterdeck <{sender}>",
        to=[delivery.person.email],
        headers={
            "Message-ID": f"<{delivery.id_outside}@{sender.rpartition('@')[2]}>",  # the same over all tries
            "Auto-Submitted": "auto-generated",  # else out-of-office replies come back
        },
    )


def _subject(notices: Sequence[Notice]) -> str:
    if len(notices) == 1:
        text = notices[0].text
        return text if len(text) <= MOST_SUBJECT else f"{text[: MOST_SUBJECT - 1]}…"
    return f"{len(notices)} notices from Afterdeck"


def _of(code: int, sentence: str) -> Permanent | Transient:
    return Permanent(sentence, str(code)) if code >= 500 else Transient(sentence, str(code))
