"""Beside an ask that needs approvals or is denied: the nearest smaller one that needs fewer, asked for by the page after the plan.

It takes several plans, so it comes when it is there, and nothing waits for it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from actions import offers
from actions.amounts import Amount
from actions.errors import Refused
from actions.offers import Less, Offer
from approvals.rulings import Effect
from inventory.models import Person

from . import drafts
from .door import signed_in
from .goals import goal_of
from .words import people, span, zoned

MINUTES = "minutes"


@dataclass(frozen=True)
class Shown:
    """`at` and `then` are one sentence, `instead` the rest; `fill` is what the button puts into the form."""

    at: str
    then: str
    instead: str
    button: str
    icon: str
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
    labels = {name: info.title or name for name, info in found.seen.action.params.model_fields.items()}
    instead = people([_instead(each, labels[each.name]) for each in found.less])
    fill = json.dumps({each.name: str(each.value) for each in found.less})
    button = f"Use {_said(found.less[0], found.less[0].value)}" if len(found.less) == 1 else "Use these"
    icon = "bolt" if found.seen.ruling.effect is Effect.ALLOW else "user-check"
    return Shown(_at(found.less), _then(found), instead, button, icon, fill)


def _instead(less: Less, label: str) -> str:
    label = (
        "time" if less.name.endswith(MINUTES) else label if label[:2].isupper() else f"{label[:1].lower()}{label[1:]}"
    )
    return f"{label} {_said(less, less.value)} instead of {_said(less, less.asked)}"


def _said(less: Less, value: Amount) -> str:
    return span(int(value) * 60) if less.name.endswith(MINUTES) else str(value)


def _at(less: Sequence[Less]) -> str:
    """How far that is from the present, of several the furthest; or for how long."""
    changes = [each.percent for each in less if each.percent is not None]
    if changes:
        most = max(changes, key=abs)
        return f"At {'+' if most > 0 else '−'}{abs(most)} %"
    return f"For {_said(less[0], less[0].value)}" if less[0].name.endswith(MINUTES) else "With less"


def _then(found: Offer) -> str:
    ruling, later = found.seen.ruling, found.seen.terms.not_before
    if ruling.effect is Effect.ALLOW:
        return f"it runs {zoned(later) if later else 'now'}"
    return f"it {ruling.headline[:1].lower()}{ruling.headline[1:]}"


urlpatterns = [
    path("services/<str:slug>/<str:action_id>/offer", offer, name="action-offer"),
]
