"""Who is on call for each team now, and who is next; where one may, with the schedule to change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from actions.errors import BadParams, Refused
from approvals import absences
from approvals.models import Absence
from inventory import on_call
from inventory.models import Person, Shift, Team
from inventory.on_call import Planned
from inventory.queries import teams_visible_to
from portal.refusals import as_the_gate_says

from .door import signed_in
from .moments import read_moment


@dataclass(frozen=True)
class Line:
    """One shift; `away` when whoever has it is out of office now, and still will be when it begins."""

    shift: Shift
    away: Absence | None


@dataclass(frozen=True)
class Crew:
    """One team's now, next, and everything after. `people` is empty when the schedule is not this person's to change."""

    team: Team
    now: tuple[Line, ...]
    later: tuple[Line, ...]
    may_plan: bool
    people: Sequence[Person]


@dataclass(frozen=True)
class Form:
    """What was typed for one team, with what is wrong with it."""

    team: str = ""
    person: str = ""
    starts_at: str = ""
    ends_at: str = ""
    problems: Mapping[str, Sequence[str]] | None = None


@never_cache
@signed_in
@require_safe
def index(request: HttpRequest, person: Person) -> HttpResponse:
    return _page(request, person)


@signed_in
@require_POST
def add(request: HttpRequest, person: Person, slug: str) -> HttpResponse:
    team = _team_or_404(person, slug)
    typed = {name: request.POST.get(name, "")[:150] for name in ("person", "starts_at", "ends_at")}
    try:
        with as_the_gate_says():
            on_call.require_planner(person, team)
            wanted = Planned(
                _person_of(team, typed["person"]),
                read_moment("starts_at", typed["starts_at"]),
                read_moment("ends_at", typed["ends_at"]),
            )
            shift = on_call.add_shift(actor=person, team=team, wanted=wanted, now=timezone.now())
    except Refused as refused:
        problems = refused.fields if isinstance(refused, BadParams) else {"person": [str(refused)]}
        return _page(request, person, Form(team.slug, **typed, problems=problems), refused.status)
    messages.success(request, f"{shift.person.name} is on call for {team.name} then.")
    return redirect("on-call")


@signed_in
@require_POST
def remove(request: HttpRequest, person: Person, pk: int) -> HttpResponse:
    shift = Shift.objects.filter(pk=pk, team__in=teams_visible_to(person)).select_related("team", "person").first()
    if shift is None:
        raise Http404("There is no such shift, or you may not see it.")
    try:
        with as_the_gate_says():
            on_call.remove_shift(actor=person, shift=shift, now=timezone.now())
    except Refused as refused:
        said = (
            " ".join(" ".join(each) for each in refused.fields.values())
            if isinstance(refused, BadParams)
            else str(refused)
        )
        return _page(request, person, Form(shift.team.slug, problems={"person": [said]}), refused.status)
    messages.success(request, f"{shift.person.name} is off call for {shift.team.name}.")
    return redirect("on-call")


def _page(request: HttpRequest, person: Person, form: Form = Form(), status: int = 200) -> HttpResponse:
    now = timezone.now()
    teams = list(teams_visible_to(person).select_related("approvers"))
    context = {
        "section": "on-call",
        "crews": _crews(person, teams, now),
        "form": form,
    }
    return render(request, "on_call.html", context, status=status)


def _crews(person: Person, teams: Sequence[Team], now: datetime) -> list[Crew]:
    shifts = on_call.shifts_from(teams, now)
    away = absences.away_at(now, {shift.person_id for shift in shifts})
    everywhere = person.has_perm(on_call.PLANS)
    mine = set(person.groups.values_list("pk", flat=True))
    planned = {team.pk for team in teams if everywhere or team.approvers_id in mine}
    people = on_call.belonging([team for team in teams if team.pk in planned])
    lines: dict[int, list[Line]] = {team.pk: [] for team in teams}
    for shift in shifts:
        absence = away.get(shift.person_id)
        lines[shift.team_id].append(Line(shift, absence if absence and absence.ends_at > shift.starts_at else None))
    return [
        Crew(
            team,
            tuple(line for line in lines[team.pk] if line.shift.starts_at <= now),
            tuple(line for line in lines[team.pk] if line.shift.starts_at > now),
            team.pk in planned,
            people.get(team.pk, ()),
        )
        for team in teams
    ]


def _team_or_404(person: Person, slug: str) -> Team:
    team = teams_visible_to(person).filter(slug=slug).first()
    if team is None:
        raise Http404("There is no such team, or you may not see it.")
    return team


def _person_of(team: Team, username: str) -> Person:
    found = next((each for each in on_call.belonging([team])[team.pk] if each.username == username), None)
    if found is None:
        raise BadParams({"person": ["Choose somebody from the list."]})
    return found


urlpatterns = [
    path("on-call", index, name="on-call"),
    path("on-call/<slug:slug>/shifts", add, name="shift-add"),
    path("on-call/shifts/<int:pk>/remove", remove, name="shift-remove"),
]
