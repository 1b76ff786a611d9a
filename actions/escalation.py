"""Who is asked too when nobody has answered in time: what the policy froze with the request, at the time it froze."""

from datetime import datetime
from functools import partial

from django.db import transaction
from django.utils import timezone

from approvals import groups
from approvals import services as approvals
from approvals.models import Round
from approvals.rulings import Requirement
from audit import writer
from audit.events import SYSTEM, Event
from inventory import queries as inventory

from . import bell, lifecycle
from .apart import apart, in_turn
from .models import Request
from .states import RequestState


def escalate() -> None:
    now = timezone.now()
    due = Request.objects.filter(
        state=RequestState.AWAITING_APPROVAL, round__state=Round.State.OPEN, round__escalates_at__lte=now, round__expires_at__gt=now
    )  # fmt: skip
    related = ("round", "service__team", "environment", "requester__same_person_as")
    for request in in_turn("escalate", due.select_related(*related)):
        with apart("request.escalation_failed", request=request.pk):
            _ask_others(request, now)


def _ask_others(request: Request, now: datetime) -> None:
    assert request.round is not None
    with transaction.atomic():
        never = inventory.accounts_of(request.requester)
        for need in approvals.escalate(request.round, risk=request.risk, now=now, never=never):
            writer.record(_event(request, need, never))
        transaction.on_commit(partial(bell.announce, request.pk))


def _event(request: Request, need: Requirement, never: set[int]) -> Event:
    assert need.escalation is not None
    later, team = need.escalation, request.service.team
    who = groups.describe(later.of, team=team.slug if team else "nobody", service=request.service.slug)
    people = [each for each in later.people if each.identity not in never]
    why = f"nobody had answered after {later.after_minutes} min, so {who} are asked too"
    return Event(
        "request.escalated", SYSTEM, why, lifecycle.about(request),
        {"rule": need.rule, "after_minutes": later.after_minutes, "people": [each.username for each in people]},
    )  # fmt: skip
