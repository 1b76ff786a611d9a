"""How long a plan was on somebody's screen before they decided: the form carries the signed moment at which it was made.

A signature, so that nobody seems to have looked longer than they did; and what has none counts as not known, never as nothing.
"""

from datetime import datetime

from django.core import signing
from django.utils import timezone

from inventory.models import Person

LONGEST = 24 * 3600
"""Seconds. A tab that was left open for days says nothing about looking."""


def stamp(person: Person, digest: str) -> str:
    """For the form of one person about one plan."""
    return signing.dumps([person.pk, digest, timezone.now().isoformat()], salt=__name__)


def seconds_since(text: str, person: Person, digest: str) -> int | None:
    """`None` for a stamp that is not this person's for this plan, and for one that is too old to mean anything."""
    try:
        whose, what, at = signing.loads(text, salt=__name__)
    except signing.BadSignature:
        return None
    seconds = (timezone.now() - datetime.fromisoformat(at)).total_seconds()
    known = (whose, what) == (person.pk, digest) and 0 <= seconds <= LONGEST
    return int(seconds) if known else None
