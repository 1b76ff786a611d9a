"""Reads of grants: who has what, and for how long. Scoped as requests are, since a grant is what a request gave."""

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from inventory.models import Person

from .access import beside_the_work_on_it
from .models import Grant, Request
from .queries import joined, requests_visible_to
from .states import ExecutionState, GrantState
from .targets import Row, target_of

RECENT = timedelta(days=7)
OPEN = (GrantState.ACTIVE, GrantState.ENDING)
RELATED = (
    "request__service__team",
    "request__environment",
    "request__requester",
    "request__execution",
    "ended_by",
    "request__workload__service",
    "request__secret__service",
    "request__node__cluster__service",
)


def grants_visible_to(person: Person) -> QuerySet[Grant]:
    """Of requests that the person sees: their own, those of their services, and all for who may see everything."""
    seen = requests_visible_to(person).values("pk")
    return Grant.objects.filter(request__in=seen).select_related(*RELATED)


def grant_for(person: Person, grant_id: int) -> Grant | None:
    return grants_visible_to(person).filter(pk=grant_id).first() if 0 < grant_id < 2**63 else None


def open_grants(person: Person, *, mine: bool, limit: int = 200) -> list[Grant]:
    """What has not ended, the next to end first. They are chosen before anything is joined, as requests are."""
    whose, order = Q(request__requester=person), ("ends_at", "pk")
    open_now = Grant.objects.filter(whose, state__in=OPEN)  # what one asked for, one sees
    if not mine:
        open_now = Grant.objects.filter(~whose, state__in=OPEN, request__in=requests_visible_to(person).values("pk"))
    chosen = list(open_now.order_by(*order).values_list("pk", flat=True)[:limit])
    return list(Grant.objects.filter(pk__in=chosen).select_related(*RELATED).order_by(*order)) if chosen else []


def ended_lately(person: Person, limit: int = 20) -> list[Grant]:
    since = timezone.now() - RECENT
    rows = grants_visible_to(person).filter(state=GrantState.ENDED, ended_at__gte=since)
    return list(rows.order_by("-ended_at", "-pk")[:limit])


def to_start(person: Person, limit: int = 20) -> list[Request]:
    """What was agreed for the person and begins when they say so."""
    rows = Request.objects.filter(
        requester=person, execution__state=ExecutionState.QUEUED, execution__waits_for="start"
    )
    return list(joined(rows, "created_at", "pk", limit=limit))


def on_target(person: Person, row: Row, limit: int = 20) -> list[Grant]:
    """Who has access to a target now."""
    key = beside_the_work_on_it(target_of(row)).key
    rows = grants_visible_to(person).filter(target_key=key, kind=Grant.Kind.ACCESS, state__in=OPEN)
    return list(rows.order_by("ends_at", "pk")[:limit])
