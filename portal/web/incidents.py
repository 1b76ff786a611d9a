"""What is wrong with services, as told by whoever keeps incidents: what is open, what was, and for who may, to open and to close one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from actions.errors import BadParams, Refused
from inventory import incidents
from inventory.incidents import Report
from inventory.models import Incident, Person
from portal.refusals import as_the_gate_says

from . import paging
from .door import signed_in
from .moments import read_moment

PAGE = 50
BETWEEN = re.compile(r"[\s,;]+")
FIELDS = {"reference": 100, "title": 400, "url": 600, "services": 8000, "opened_at": 30}
"""What the form has, and how much of it is kept to be shown again: more than is taken, so that too much is said to be."""


@dataclass(frozen=True)
class Form:
    """What was typed, with what is wrong with it. `changes`: the reference of the open one that it is about, else it opens another."""

    reference: str = ""
    title: str = ""
    url: str = ""
    services: str = ""
    opened_at: str = ""
    changes: str = ""
    problems: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True)
class Part:
    """One page of the open ones, or of the others. `older` is where the next page is."""

    rows: tuple[Incident, ...]
    older: str


@never_cache
@signed_in
@require_safe
def index(request: HttpRequest, person: Person) -> HttpResponse:
    wanted = request.GET.get("change", "")[:64]
    changed = (
        incidents.incidents_visible_to(person).filter(reference=wanted, closed_at=None).first() if wanted else None
    )
    if changed is None:
        return _page(request, person, Form(services=request.GET.get("service", "")[:253]))
    slugs = ", ".join(sorted(each.slug for each in changed.services.all()))
    form = Form(changed.reference, changed.title, changed.url, slugs, changes=changed.reference)
    return _page(request, person, form)


@signed_in
@require_POST
def report(request: HttpRequest, person: Person) -> HttpResponse:
    typed = {name: request.POST.get(name, "").replace("\x00", "")[:longest] for name, longest in FIELDS.items()}
    changes = request.POST.get("changes", "")[:64]
    if changes:
        typed["reference"] = changes
    try:
        with as_the_gate_says():
            incidents.require_reporter(person, typed["reference"])
            told = Report(
                typed["reference"].strip(), typed["title"], [slug for slug in BETWEEN.split(typed["services"]) if slug],
                typed["url"].strip(), read_moment("opened_at", typed["opened_at"]) if typed["opened_at"] else None,
            )  # fmt: skip
            if not changes and incidents.is_open(told.reference):  # the API takes the same reference for the same one
                raise BadParams({"reference": ["It is open already. Change that one, or give another reference."]})
            _, new = incidents.report(actor=person, told=told, now=timezone.now())
    except Refused as refused:
        return _page(request, person, Form(**typed, changes=changes, problems=_problems(refused)), refused.status)
    messages.success(request, f"{told.reference} is {'open' if new else 'up to date'}.")
    return redirect("incidents")


@signed_in
@require_POST
def close(request: HttpRequest, person: Person, reference: str) -> HttpResponse:
    if not incidents.REFERENCE.fullmatch(reference):
        raise Http404("No incident is called that.")
    try:
        with as_the_gate_says():
            incidents.close(actor=person, reference=reference, now=timezone.now())
    except Refused as refused:
        return _page(request, person, Form(problems={"general": _said(refused)}), refused.status)
    messages.success(request, f"{reference} is closed.")
    return redirect("incidents")


def _page(request: HttpRequest, person: Person, form: Form, status: int = 200) -> HttpResponse:
    rows = incidents.incidents_visible_to(person).select_related("told_by")
    context = {
        "section": "incidents",
        "opened": _part(request, rows.filter(closed_at=None), "open_before"),
        "closed": _part(request, rows.filter(closed_at__isnull=False), "before"),
        "first": not request.GET.keys() & {"open_before", "before"},
        "form": form,
        "may_report": person.has_perm(incidents.REPORTS),
    }
    return render(request, "incidents.html", context, status=status)


def _part(request: HttpRequest, rows: QuerySet[Incident], name: str) -> Part:
    if place := paging.read(request.GET.get(name, "")):
        rows = incidents.before(rows, place)
    found = list(rows[: PAGE + 1])
    older = paging.text_of(found[PAGE - 1].opened_at, found[PAGE - 1].pk) if len(found) > PAGE else ""
    return Part(tuple(found[:PAGE]), f"{reverse('incidents')}?{urlencode({name: older})}" if older else "")


def _problems(refused: Refused) -> Mapping[str, Sequence[str]]:
    return refused.fields if isinstance(refused, BadParams) else {"general": [str(refused)]}


def _said(refused: Refused) -> Sequence[str]:
    return [" ".join(each) for each in _problems(refused).values()]


urlpatterns = [
    path("incidents", index, name="incidents"),
    path("incidents/report", report, name="incident-report"),
    path("incidents/<str:reference>/close", close, name="incident-close"),
]
