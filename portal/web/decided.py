"""What one has decided, newest first, with what one wrote and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from actions.models import Debt, Request
from approvals.models import PolicyVersion, Round, Vote
from approvals.queries import votes_of
from inventory.models import Person

from . import paging, progress
from .door import signed_in
from .request_page import gist_of, title_for
from .words import short_digest

PAGE = 50
RELATED = (
    "service", "environment", "workload__cluster", "secret__vault", "node__cluster", "requester", "execution",
)  # fmt: skip
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
    about = [f"round__{way}__{name}" for way in ("request", "debt__request") for name in RELATED]
    heavy = [f"round__{way}__{name}" for way in ("request", "debt__request") for name in HEAVY]
    votes = list(
        votes_of(person.identity, before=before, limit=limit)
        .select_related("round__policy_version", *about)
        .defer("round__policy_version__files", *heavy)
    )
    names = _names(votes)
    return [_past(vote, names.get(vote.instead_of or 0, "")) for vote in votes]


def _past(vote: Vote, instead_of: str) -> Past:
    asked = vote.round
    yes = vote.decision == Vote.Decision.APPROVE
    debt: Debt | None = getattr(asked, "debt", None)
    request: Request | None = debt.request if debt is not None else getattr(asked, "request", None)
    said = ("accepted" if yes else "objected") if asked.kind == Round.Kind.REVIEW else "approved" if yes else "rejected"
    if request is None:
        version: PolicyVersion | None = getattr(asked, "policy_version", None)
        return Past(
            vote, f"Policy {short_digest(asked.digest)}", "", said, instead_of, None, version.state if version else ""
        )
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
