"""Which workloads of a page have their auto-sync suspended at the moment, and what has drifted from Git since.

The first is in the database and is part of the page; the second is asked of the cluster, so the page asks for it afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from actions import planning, suspensions, targets
from actions.errors import Refused
from actions.protocol import CannotPlan, TargetKind
from actions.suspensions import Suspension
from actions.workloads import read_target
from connectors.errors import ConnectorError
from inventory.models import Person, Workload

from .door import signed_in


@dataclass(frozen=True)
class Suspended:
    workload: Workload
    suspension: Suspension


def suspended_among(workloads: Sequence[Workload]) -> list[Suspended]:
    keys = {f"workload:{workload.uid}": workload for workload in workloads}
    found = suspensions.suspensions_of(*keys)
    return [Suspended(keys[key], each) for key, each in found.items()]


@never_cache
@signed_in
@require_safe
def drift(request: HttpRequest, person: Person, slug: str, pk: int) -> HttpResponse:
    """What the owner will take back, in words, as the cluster says it now."""
    try:
        row = targets.find(TargetKind.WORKLOAD, person, pk)
    except Refused as hidden:
        raise Http404(str(hidden)) from hidden
    target = targets.target_of(row)
    suspension = suspensions.suspensions_of(target.key).get(target.key)
    if suspension is None or target.service != slug:
        raise Http404("Its auto-sync is not suspended.")
    try:
        lines = suspension.drift(read_target(planning.world_for(target, person).cluster, target))
    except (Refused, CannotPlan, ConnectorError) as problem:
        return render(request, "_drift.html", {"problem": str(problem)})
    return render(request, "_drift.html", {"lines": lines})


urlpatterns = [path("services/<str:slug>/drift/<int:pk>", drift, name="drift")]
