"""Who has access to what and for how long, and the page on which a credential is seen once.

A credential comes in two clicks. The first makes it and shows what opens it, once and for two minutes; the second opens it and is the
answer to its own form, because to show it after a redirect we would have to keep it somewhere. Nothing of it is kept.
"""

from base64 import b64encode
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from actions import granted, handover
from actions.errors import Refused
from actions.handover import Wrapped, has_credential
from actions.models import Grant
from inventory import queries as inventory
from inventory.models import Person

from .door import signed_in
from .goals import address_from

SOON = 15 * 60
"""Seconds before its end from which a grant says that it ends soon."""

SHOWN_AS = {"kubeconfig": "kubeconfig", "database": "database login", "vault-token": "vault token"}


@dataclass(frozen=True)
class Row:
    """One grant. `state`: ready, ending, failed (it should have ended), or succeeded (it did)."""

    grant: Grant
    title: str
    state: str
    word: str
    mine: bool
    may_end: bool
    longer: str
    gives_credential: bool


@signed_in
@require_safe
def index(request: HttpRequest, person: Person) -> HttpResponse:
    now = timezone.now()
    context = {
        "section": "access",
        "to_start": granted.to_start(person),
        "mine": rows_of(granted.open_grants(person, mine=True), person, now),
        "others": rows_of(granted.open_grants(person, mine=False), person, now),
        "ended": rows_of(granted.ended_lately(person), person, now),
    }
    return render(request, "access.html", context)


def rows_of(grants: Sequence[Grant], person: Person, now: datetime) -> tuple[Row, ...]:
    foreign = {grant.request.service_id for grant in grants if grant.request.requester_id != person.pk}
    owned = inventory.owned_among(person, foreign) if foreign else set[int]()
    return tuple(_row(grant, person, now, owned) for grant in grants)


def _row(grant: Grant, person: Person, now: datetime, owned: Container[int]) -> Row:
    asked = grant.request
    mine = asked.requester_id == person.pk
    state, word = _state(grant, now)
    row = asked.row
    offered = mine and row is not None and row.gone_at is None and grant.state == "active"
    return Row(
        grant=grant,
        title=asked.summary,
        state=state,
        word=word,
        mine=mine,
        may_end=grant.state == "active" and (mine or person.is_superuser or asked.service_id in owned),
        longer=address_from(asked, asked.action, again=asked.pk) if offered else "",
        gives_credential=mine and grant.kind == Grant.Kind.ACCESS and has_credential(asked),
    )


def _state(grant: Grant, now: datetime) -> tuple[str, str]:
    if grant.state == "ended":
        return "succeeded", "Ended"
    if grant.overdue_alarm_at is not None:
        return "failed", "Overdue"
    if grant.state == "ending":
        return "running", "Ending"
    left = (grant.ends_at - now).total_seconds()
    return ("ending", "Ends soon") if left < SOON else ("ready", "Active")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def credential(request: HttpRequest, person: Person, grant_id: int) -> HttpResponse:
    """The first click: make it. Until then the page says what will happen."""
    grant = _own(person, grant_id)
    if request.method != "POST":
        return _page(request, grant, person)
    try:
        return _page(request, grant, person, wrapped=handover.hand_over(actor=person, grant=grant))
    except Refused as refusal:
        return _page(request, grant, person, refusal=refusal)


@never_cache
@require_POST
@signed_in
def reveal(request: HttpRequest, person: Person, grant_id: int) -> HttpResponse:
    """The second click: open it, the only time that it can be."""
    grant = _own(person, grant_id)
    try:
        values = handover.reveal(actor=person, grant=grant, token=request.POST.get("token", ""))
    except Refused as refusal:
        return _page(request, grant, person, refusal=refusal)
    return _page(request, grant, person, values=values)


def _own(person: Person, grant_id: int) -> Grant:
    """Whether it is theirs, the gate says, and keeps a record of it; here it is only found."""
    grant = granted.grant_for(person, grant_id)
    if grant is None or grant.kind != Grant.Kind.ACCESS:
        raise Http404("There is no such access, or you may not see it.")
    return grant


def _page(
    request: HttpRequest,
    grant: Grant,
    person: Person,
    *,
    wrapped: Wrapped | None = None,
    values: Mapping[str, str] | None = None,
    refusal: Refused | None = None,
) -> HttpResponse:
    text = (values or {}).get("kubeconfig", "")
    context = {
        "section": "access",
        "grant": grant,
        "mine": grant.request.requester_id == person.pk,
        "wrapped": wrapped,
        "what": SHOWN_AS[wrapped.kind] if wrapped else "",
        "values": [(name.capitalize(), value) for name, value in (values or {}).items() if name != "kubeconfig"],
        "kubeconfig": text,
        "download": f"data:application/yaml;base64,{b64encode(text.encode()).decode()}" if text else "",
        "refusal": refusal,
        "step": "seen" if values else "wrapped" if wrapped else "",
    }
    return render(request, "credential.html", context, status=refusal.status if refusal else 200)


urlpatterns = [
    path("access", index, name="access"),
    path("grants/<int:grant_id>/credential", credential, name="grant-credential"),
    path("grants/<int:grant_id>/credential/reveal", reveal, name="grant-reveal"),
]
