"""What a request's page says when glass was broken for it: what was set aside, who reviews it by when, and what came of that."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from actions import counting
from actions.models import Debt, Request
from approvals.models import Vote
from inventory.models import Person

from .words import people


@dataclass(frozen=True)
class Broken:
    """`may_review`: whether this person's word on it would count. `left`: who can still review it, by name."""

    debt: Debt
    set_aside: tuple[str, ...]
    votes: tuple[Vote, ...]
    left: str
    may_review: bool
    late: bool

    @property
    def objected(self) -> str:
        """The name of whoever found it wrong."""
        return next((vote.voter.name for vote in self.votes if vote.decision == Vote.Decision.REJECT), "")

    @property
    def state(self) -> str:
        if self.debt.settled_at is None:
            return "failed" if self.late else "degraded"
        return "succeeded" if self.debt.accepted else "failed"


def broken_of(person: Person, request: Request, now: datetime | None = None) -> Broken | None:
    debt = (
        Debt.objects.filter(request=request).select_related("round", "request__service__team").first()
        if request.breaks_glass
        else None
    )
    if debt is None:
        return None
    at = now or timezone.now()
    open_still = debt.settled_at is None
    place = counting.place_of(person, debt.round, request.service, at) if open_still else None
    return Broken(
        debt=debt,
        set_aside=tuple(dict.fromkeys(each["rule"] for each in request.ruling["answers"] if each.get("set_aside"))),
        votes=tuple(debt.round.votes.select_related("voter")),
        left=people(place.left if place else (), "or"),
        may_review=place is not None and not place.refused,
        late=open_still and debt.due_at <= at,
    )
