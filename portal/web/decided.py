"""What one has decided, newest first, with what one wrote and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from actions.models import Request
from approvals.models import PolicyVersion, Round, Vote
from approvals.queries import votes_of
from inventory.models import Person

from . import paging, progress
from .door import signed_in
from .request_page import gist_of, title_for
from .words import short_digest

PAGE = 50
RELATED = ("service", "environment", "secret", "node", "requester", "execution")
HEAVY = ("plan_text", "stale_plan_text", "facts", "ruling")


@dataclass(frozen=True)
class Past:
    """A decision that somebody took. `request` is missing where it was about a policy."""

    vote: Vote
    title: str
    gist: str
    said: str
    instead_of: str
    request: Request | None
    state: str


def past_of(person: Person, *, before: paging.Place | None = None, limit: int) -> list[Past]:
    votes = list(votes_of(person.identity, before=before, limit=limit).select_related("round"))
    about, policies, names = _requests(votes), _policies(votes), _names(votes)
    return [
        _past(vote, names.get(vote.instead_of or 0, ""), about.get(vote.round_id), policies.get(vote.round_id))
        for vote in votes
    ]


def _requests(votes: Sequence[Vote]) -> dict[int, Request]:
    """By round: what was asked for, or done and reviewed."""
    asked = Request.objects.filter(round__in=[vote.round_id for vote in votes])
    reviewed = Request.objects.filter(
        debt__round__in=[vote.round_id for vote in votes if vote.round.kind == Round.Kind.REVIEW]
    )
    found = {each.round_id: each for each in asked.select_related(*RELATED).defer(*HEAVY) if each.round_id}
    if any(vote.round.kind == Round.Kind.REVIEW for vote in votes):
        found |= {each.debt.round_id: each for each in reviewed.select_related("debt", *RELATED).defer(*HEAVY)}
    return found


def _policies(votes: Sequence[Vote]) -> dict[int, PolicyVersion]:
    rounds = [vote.round_id for vote in votes if vote.round.kind == Round.Kind.POLICY]
    rows = PolicyVersion.objects.filter(round__in=rounds).defer("files") if rounds else ()
    return {row.round_id: row for row in rows if row.round_id}


def _past(vote: Vote, instead_of: str, request: Request | None, policy: PolicyVersion | None) -> Past:
    yes = vote.decision == Vote.Decision.APPROVE
    words = ("accepted", "objected") if vote.round.kind == Round.Kind.REVIEW else ("approved", "rejected")
    said = words[0] if yes else words[1]
    if request is None:
        now = policy.get_state_display() if policy else ""
        return Past(vote, f"Policy {short_digest(vote.digest)}", "", said, instead_of, None, now)
    return Past(vote, title_for(request), gist_of(request), said, instead_of, request, progress.state_of(request))


def _names(votes: Sequence[Vote]) -> dict[int, str]:
    wanted = {vote.instead_of for vote in votes if vote.instead_of}
    return {each.pk: each.name for each in Person.objects.filter(pk__in=wanted)} if wanted else {}


@signed_in
@require_safe
def decided(request: HttpRequest, person: Person) -> HttpResponse:
    before = paging.read(request.GET.get("before", ""))
    found = past_of(person, before=before, limit=PAGE + 1)
    last = found[PAGE - 1].vote if len(found) > PAGE else None
    context = {
        "section": "queue",
        "past": found[:PAGE],
        "older": f"{reverse('decided')}?{urlencode({'before': paging.text_of(last.at, last.pk)})}" if last else "",
        "newest": reverse("decided") if before else "",
    }
    return render(request, "decided.html", context)


urlpatterns = [
    path("approvals/decided", decided, name="decided"),
]
