"""What the lockout remembers of a failed sign-in, and for how long.

People type their password into the field for the name, so a name is kept as it is only when there is such an account. Any other is
kept as a keyed hash, which still counts guesses, and which says nothing without the secret key.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt, AccessLog
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from inventory.models import Person

KEPT = timedelta(days=1)


def name_to_keep(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str | None:
    """What django-axes counts by and stores (`AXES_USERNAME_CALLABLE`)."""
    given = (credentials or request.POST).get("username")
    if given is None:
        return None
    name = str(given)
    if "\x00" not in name and Person.objects.filter(username=name).exists():
        return name
    return salted_hmac("afterdeck.sign-in", name, algorithm="sha256").hexdigest()


def forget_old() -> int:
    """Let go of attempts that no lockout counts any more, and of who signed in: the record has that. Returns how many."""
    old = timezone.now() - KEPT
    return sum(rows.objects.filter(attempt_time__lt=old).delete()[0] for rows in (AccessAttempt, AccessLog))
