"""Notices as a signed POST to an address of the person's own, for a program that reads them.

The signing secret is nowhere: it is worked out from the key of the portal and a salt in the row, and shown once.
"""

import base64
import json
from collections.abc import Callable, Sequence
from functools import partial

from django.utils import timezone
from django.utils.crypto import salted_hmac

from connectors import webhook

from .channels import address, pinned_hosts
from .models import Delivery, Notice, Webhook

MOST = 100
TYPE = "afterdeck.notices"


def post_of(delivery: Delivery, notices: Sequence[Notice]) -> Callable[[], None]:
    """What sends it; that raises `Transient`, `Unknown` or `Permanent`. Raises `Permanent`."""
    hook, now = delivery.person.webhook, timezone.now()
    data = {
        "notices": [_said(notice) for notice in notices[:MOST]],
        "more": max(0, len(notices) - MOST),
    }
    body = json.dumps({"type": TYPE, "timestamp": now.isoformat(), "data": data}, ensure_ascii=False)
    place = webhook.place_of(hook.url, pinned_hosts())  # again: an administrator may have taken the host off the list
    return partial(webhook.send, place, body=body, secret=secret_of(hook), message=str(delivery.id_outside), at=now)


def secret_of(hook: Webhook) -> str:
    made = salted_hmac("afterdeck.webhook", f"{hook.person_id}:{hook.salt}", algorithm="sha256").digest()
    return f"whsec_{base64.b64encode(made).decode()}"


def _said(notice: Notice) -> dict[str, object]:
    return {
        "id": notice.pk,
        "kind": notice.kind,
        "text": notice.text,
        "url": address(notice.path),
        "request": notice.request_id,
        "at": notice.at.isoformat(),
    }
