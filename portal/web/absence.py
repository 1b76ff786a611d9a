"""Out of office: a person says from when to when they are away and who decides in their place, and that they are back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from actions.errors import BadParams
from approvals import absences
from approvals.models import Absence
from inventory.models import Person
from inventory.queries import accounts_of, colleagues_of
from portal.refusals import as_the_gate_says

from .door import signed_in
from .moments import read_moment

FIELDS = ("starts_at", "ends_at", "stand_in", "note")


@dataclass(frozen=True)
class Form:
    """What was typed, with what is wrong with it."""

    starts_at: str = ""
    ends_at: str = ""
    stand_in: str = ""
    note: str = ""
    problems: Mapping[str, Sequence[str]] | None = None


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def index(request: HttpRequest, person: Person) -> HttpResponse:
    if request.method != "POST":
        return _page(request, person, Form())
    typed = {name: request.POST.get(name, "")[:300] for name in FIELDS}
    try:
        absence = _announce(person, typed)
    except BadParams as wrong:
        return _page(request, person, Form(**typed, problems=wrong.fields), wrong.status)
    who = f"{absence.stand_in.name} can decide in your place." if absence.stand_in else "Nobody decides in your place."
    messages.success(request, f"You are out of office then. {who}")
    return redirect("absence")


@signed_in
@require_POST
def back(request: HttpRequest, person: Person, pk: int) -> HttpResponse:
    try:
        with as_the_gate_says():
            absences.end(actor=person, person_ids=accounts_of(person), absence_id=pk, now=timezone.now())
    except BadParams as wrong:
        return _page(request, person, Form(problems=wrong.fields), wrong.status)
    messages.success(request, "You are back. What waits for you is asked of you again.")
    return redirect("absence")


def _announce(person: Person, typed: Mapping[str, str]) -> Absence:
    now = timezone.now()
    stand_in = None
    if typed["stand_in"]:
        stand_in = next((each for each in colleagues_of(person) if each.username == typed["stand_in"]), None)
        if stand_in is None:
            raise BadParams({"stand_in": ["Choose somebody from the list."]})
    with as_the_gate_says():
        return absences.announce(
            actor=person, stand_in=stand_in, note=typed["note"], now=now,
            starts_at=read_moment("starts_at", typed["starts_at"]) if typed["starts_at"] else now,
            ends_at=read_moment("ends_at", typed["ends_at"]),
        )  # fmt: skip


def _page(request: HttpRequest, person: Person, form: Form, status: int = 200) -> HttpResponse:
    now = timezone.now()
    context = {
        "form": form,
        "absences": absences.absences_of(accounts_of(person), now),
        "colleagues": colleagues_of(person),
        "now": now,
    }
    return render(request, "absence.html", context, status=status)


urlpatterns = [
    path("profile/absence", index, name="absence"),
    path("profile/absence/<int:pk>/back", back, name="absence-back"),
]
