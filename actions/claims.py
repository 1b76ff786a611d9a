"""Saying "I am on it", so that two approvers do not read the same plan at once. It keeps nobody from deciding, and lapses by itself."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from approvals import services as approvals
from approvals.models import Round
from audit import writer
from audit.events import Event
from inventory.models import Person

from . import bell, counting, lifecycle, recording
from .errors import TooLate
from .models import Request
from .services import actor_of


def claimer_of(asked: Round | None, now: datetime) -> Person | None:
    """Who says to be looking at it now."""
    if asked is None or asked.claimed_at is None or asked.claimed_at <= now - approvals.CLAIM_HOLDS:
        return None
    return asked.claimed_by if asked.state == Round.State.OPEN else None


def claim(*, actor: Person, request: Request) -> None:
    """Say that one looks at it; whoever could decide can. Raises `NotAllowed`, `TooLate`."""
    asked, now = request.round, timezone.now()
    if asked is None:
        raise TooLate("Nobody has to be asked about this request.")
    place = counting.place_of(actor, asked, request.service, now)
    if place.refused:
        raise recording.not_allowed(actor_of(actor), request, "claim", place.why)
    with transaction.atomic():
        if not approvals.claim(asked, account=actor.pk, now=now):
            asked.refresh_from_db()
            other = claimer_of(asked, now)
            raise TooLate(
                f"{other.name} is looking at it already. You can still decide."
                if other
                else "There is nothing to decide any more. The page of the request says how it ended."
            )
        _record("request.claimed", actor, request, "looking at it")


def release(*, actor: Person, request: Request) -> None:
    """Say that one does not look at it any more. Raises `TooLate`."""
    with transaction.atomic():
        if request.round is None or not approvals.release(request.round, account=actor.pk):
            raise TooLate("You are not looking at it, as far as anybody knows.")
        _record("request.released", actor, request, "not looking at it any more")


def _record(verb: str, actor: Person, request: Request, said: str) -> None:
    writer.record(Event(verb, actor_of(actor), said, lifecycle.about(request)))
    transaction.on_commit(lambda: bell.announce(request.pk))
