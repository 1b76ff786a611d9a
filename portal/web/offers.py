"""Beside an ask that needs approvals or is denied: the nearest smaller one that needs fewer, asked for by the page after the plan.

It takes several plans, so it comes when it is there, and nothing waits for it.
"""

import json
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from actions import offers
from actions.errors import Refused
from actions.offers import Offer
from approvals.rulings import Effect
from inventory.models import Person

from . import drafts
from .door import signed_in
from .goals import goal_of
from .words import moment, span

MINUTES = "minutes"


@dataclass(frozen=True)
class Shown:
    """`at` and `then` are one sentence, `instead` the rest; `fill` is what the button puts into the form."""

    at: str
    then: str
    instead: str
    button: str
    fill: str


@never_cache
@signed_in
@require_POST
def offer(request: HttpRequest, person: Person, slug: str, action_id: str) -> HttpResponse:
    """One row of the verdict, or nothing at all."""
    goal = goal_of(request, person, slug, action_id)
    if goal.undo_of is not None:
        return HttpResponse(status=204)
    draft = drafts.of(request.POST, goal.action.params, None)
    try:
        found = offers.nearest(
            actor=person,
            action=goal.action.id,
            target=goal.row.pk,
            params=draft.values,
            from_form=True,
            terms=draft.terms,
        )
    except Refused:  # the plan beside it says so already
        found = None
    if found is None:
        return HttpResponse(status=204)
    return render(request, "_offer.html", {"offer": shown(found)})


def shown(found: Offer) -> Shown:
    info = found.seen.action.params.model_fields[found.name]
    label = info.title or found.name.replace("_", " ")
    value, asked, at = str(found.value), str(found.asked), "With less"
    if found.name.endswith(MINUTES):
        value, asked = span(found.value * 60), span(found.asked * 60)
        at, label = f"For {value}", "time"
    elif found.now:
        percent = round((found.value - found.now) * 100 / found.now)
        at = f"At {'+' if percent > 0 else '−'}{abs(percent)} %"
    instead = f"{label[:1].lower()}{label[1:]} {value} instead of {asked}"
    return Shown(at, _then(found), instead, f"Use {value}", json.dumps({found.name: str(found.value)}))


def _then(found: Offer) -> str:
    ruling, later = found.seen.ruling, found.seen.terms.not_before
    if ruling.effect is Effect.ALLOW:
        return f"it runs {moment(later) if later else 'now'}"
    return f"it {ruling.headline[:1].lower()}{ruling.headline[1:]}"


urlpatterns = [
    path("services/<str:slug>/<str:action_id>/offer", offer, name="action-offer"),
]
