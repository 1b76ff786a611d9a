"""What the policy would answer if somebody else asked, or at another time. Whoever looks sees only what they see elsewhere too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from actions import targets
from actions.admission import Preview
from actions.errors import BadParams, CannotPlanNow
from actions.protocol import TargetKind
from actions.registry import AnyAction
from actions.simulating import simulate
from actions.targets import Row
from inventory.models import Environment, Person
from inventory.queries import VIEW, services_visible_to

from . import drafts, fields, outside
from .acts import fitting
from .chain import CHAIN
from .door import signed_in
from .goals import SERVICE_SLUG, Goal, goal_of
from .moments import as_typed, read_moment
from .verdict import Verdict, verdict_on

MOST_SERVICES = 500
MOST_PEOPLE = 500
ABOUT_SOMEBODY = ("actor.", "history.")


@dataclass(frozen=True)
class Chance:
    """One action on one target, and where it is simulated."""

    title: str
    icon: str
    href: str


@dataclass(frozen=True)
class Subject:
    row: Row
    chances: tuple[Chance, ...]

    @property
    def environment(self) -> Environment:
        return targets.environment_of(self.row)


@dataclass(frozen=True)
class Simulated:
    """What came of it: an answer, or why there is no plan to ask about."""

    verdict: Verdict | None = None
    summary: str = ""
    problem: str = ""
    override: str = ""
    glass: str = ""


@never_cache
@signed_in
@require_safe
def choose(request: HttpRequest, person: Person) -> HttpResponse:
    slug = request.GET.get("service", "").replace("\x00", "")[:100]
    services = services_visible_to(person).order_by("slug")
    found = services.filter(slug=slug).first() if slug else None
    context = {
        "section": "policy",
        "slug": slug,
        "services": services.values_list("slug", flat=True)[:MOST_SERVICES],
        "found": found,
        "subjects": _subjects(person, found.slug) if found else (),
    }
    return render(request, "policy_simulate.html", context)


@never_cache
@signed_in
@require_safe
def simulated(request: HttpRequest, person: Person, slug: str, action_id: str) -> HttpResponse:
    goal = goal_of(request, person, slug, action_id)
    params = goal.action.params
    asked = request.GET.get("ask") == "yes"
    draft = (
        drafts.of(request.GET, params, None) if asked else drafts.opening(request.GET, action_id, params, None, None)
    )
    who, at = request.GET.get("who", person.username)[:150], request.GET.get("at", "")[:40] or as_typed(timezone.now())
    now, options, trouble = outside.now_of(person, goal)
    values = {**now, **{name: {} for name in fields.has_inside(params)}, **draft.shown}
    answer, wrong = Simulated(problem=trouble), dict[str, Sequence[str]]()
    if asked and not trouble:
        try:
            answer = _simulated(person, who, at, goal, draft.values)
        except BadParams as problem:
            wrong = dict(problem.fields)
    context = {
        "section": "policy",
        "goal": goal,
        "fields": fields.fields_of(params, values=values, now=now, problems=wrong, options=options),
        "inside": fields.inner_fields(outside.inner_of(person, goal, values), values, wrong),
        "inner_of": fields.chosen_in(params, values),
        "general": fields.plainly(wrong, "params"),
        "wrong": wrong,
        "who": who,
        "at": at,
        "people": Person.objects.filter(is_active=True)
        .order_by("username")
        .values_list("username", flat=True)[:MOST_PEOPLE],
        "answer": answer,
        "kind": targets.kind_of(goal.row).value,
    }
    return render(request, "policy_simulated.html", context, status=422 if wrong else 200)


def _told(seen: Preview, viewer: Person, person: Person) -> Preview:
    """Without what a stranger is and did: which groups they are in and how much they asked for is for who works with them."""
    colleagues = person.groups.filter(pk__in=viewer.groups.values("pk")).exists()
    if colleagues or viewer == person or viewer.has_perm(f"inventory.{VIEW}"):
        return seen
    answers = tuple(
        replace(answer, facts=tuple(fact for fact in answer.facts if not fact[0].startswith(ABOUT_SOMEBODY)))
        for answer in seen.ruling.answers
    )
    return replace(seen, ruling=replace(seen.ruling, answers=answers))


def _simulated(viewer: Person, who: str, at: str, goal: Goal, values: Mapping[str, Any]) -> Simulated:
    """Raises `BadParams`."""
    person = Person.objects.filter(username=who.replace("\x00", ""), is_active=True).first()
    if person is None:
        raise BadParams({"who": ["Nobody is called that."]})
    try:
        seen = simulate(
            viewer=viewer,
            person=person,
            at=read_moment("at", at),
            action=goal.action.id,
            target=goal.row.pk,
            params=values,
            from_form=True,
        )
    except CannotPlanNow as problem:
        return Simulated(problem=str(problem))
    ruling = seen.ruling
    price = " and ".join(f"{need.count} of {len(need.people)} ({need.of})" for need in ruling.override)
    glass = ruling.break_glass.because if ruling.break_glass else ""
    return Simulated(verdict_on(_told(seen, viewer, person), person), seen.plan.summary, override=price, glass=glass)


def _subjects(person: Person, slug: str) -> list[Subject]:
    rows = [
        row
        for kind in TargetKind
        for row in targets.visible(kind, person).filter(gone_at=None, **{SERVICE_SLUG[kind]: slug})
    ]
    return [Subject(row, tuple(_chance(each, row, slug) for each in fitting(row) if each.id != CHAIN)) for row in rows]


def _chance(action: AnyAction, row: Row, slug: str) -> Chance:
    query = urlencode({targets.kind_of(row).value: row.pk})
    return Chance(action.title, action.icon, f"{reverse('policy-simulate-action', args=[slug, action.id])}?{query}")


urlpatterns = [
    path("policy/simulate", choose, name="policy-simulate"),
    path("policy/simulate/<str:slug>/<str:action_id>", simulated, name="policy-simulate-action"),
]
