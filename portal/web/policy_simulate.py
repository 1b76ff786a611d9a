"""What the policy would answer if somebody else asked, or at another time. Whoever looks sees only what they see elsewhere too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from actions import targets
from actions.errors import BadParams, CannotPlanNow
from actions.protocol import TargetKind
from actions.registry import AnyAction
from actions.simulating import simulate
from actions.targets import Row
from inventory.models import Environment, Person
from inventory.queries import services_visible_to

from . import chain, drafts, fields, outside
from .acts import fitting
from .chain import CHAIN
from .door import signed_in
from .goals import SERVICE_SLUG, Goal, goal_of
from .moments import as_typed, read_moment
from .verdict import Verdict, verdict_on

MOST_SERVICES = 500
MOST_PEOPLE = 500
WHO_AND_WHEN = ("who", "at")


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
    now, options, trouble = outside.now_of(person, goal)
    values = {**now, **{name: {} for name in fields.has_inside(params)}, **draft.shown}
    answer, wrong = Simulated(problem=trouble), dict[str, Sequence[str]]()
    if asked and not trouble:
        try:
            answer = _simulated(person, request, goal, draft.values, from_form=True)
        except BadParams as problem:
            wrong = dict(problem.fields)
    context = {
        "fields": fields.fields_of(params, values=values, now=now, problems=wrong, options=options),
        "inside": fields.inner_fields(outside.inner_of(person, goal, values), values, wrong),
        "inner_of": fields.chosen_in(params, values),
    }
    return _page(request, person, goal, answer, wrong, "policy_simulated.html", context)


@never_cache
@signed_in
@require_safe
def simulated_chain(request: HttpRequest, person: Person, slug: str) -> HttpResponse:
    """Several changes as one: what the form of a chain offers, and the answer to all of it."""
    goal, form = goal_of(request, person, slug, CHAIN), request.GET
    answer, wrong = Simulated(), dict[str, Sequence[str]]()
    if form.get("ask") == "yes":
        wanted = chain.wanted_in(form, person, goal)
        wrong = dict(wanted.wrong)
        if not wrong and len(wanted.parts) < 2:
            answer = Simulated(problem=chain.TOO_FEW.problem)
        elif not wrong:
            try:
                answer = _simulated(person, request, goal, {"parts": list(wanted.parts)}, from_form=False)
            except BadParams as problem:
                wrong = {
                    name if name in WHO_AND_WHEN else chain.name_of(name, wanted.keys): said
                    for name, said in problem.fields.items()
                }
    groups = chain.groups_of(person, goal, chain.ticked_in(form), wrong)
    return _page(request, person, goal, answer, wrong, "policy_simulated_chain.html", {"groups": groups})


def _page(
    request: HttpRequest,
    person: Person,
    goal: Goal,
    answer: Simulated,
    wrong: Mapping[str, Sequence[str]],
    template: str,
    more: Mapping[str, Any],
) -> HttpResponse:
    who, at = _who_and_when(request, person)
    people = Person.objects.filter(is_active=True).order_by("username").values_list("username", flat=True)
    context = {
        "section": "policy",
        "goal": goal,
        "general": fields.plainly(wrong, "params"),
        "wrong": wrong,
        "who": who,
        "at": at,
        "people": people[:MOST_PEOPLE],
        "answer": answer,
        "kind": targets.kind_of(goal.row).value,
        **more,
    }
    return render(request, template, context, status=422 if wrong else 200)


def _who_and_when(request: HttpRequest, person: Person) -> tuple[str, str]:
    """As they were typed; oneself, and now, when nothing was."""
    at = request.GET.get("at", "")[:40] or as_typed(timezone.now())
    return request.GET.get("who", person.username)[:150], at


def _simulated(
    viewer: Person, request: HttpRequest, goal: Goal, params: Mapping[str, Any], *, from_form: bool
) -> Simulated:
    """Raises `BadParams`."""
    who, at = _who_and_when(request, viewer)
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
            params=params,
            from_form=from_form,
        )
    except CannotPlanNow as problem:
        return Simulated(problem=str(problem))
    ruling = seen.ruling
    price = " and ".join(f"{need.count} of {len(need.people)} ({need.of})" for need in ruling.override)
    glass = ruling.break_glass.because if ruling.break_glass else ""
    return Simulated(verdict_on(seen, person), seen.plan.summary, override=price, glass=glass)


def _subjects(person: Person, slug: str) -> list[Subject]:
    rows = [
        row
        for kind in TargetKind
        for row in targets.visible(kind, person).filter(gone_at=None, **{SERVICE_SLUG[kind]: slug})
    ]
    return [Subject(row, tuple(_chance(each, row, slug) for each in fitting(row))) for row in rows]


def _chance(action: AnyAction, row: Row, slug: str) -> Chance:
    query = urlencode({targets.kind_of(row).value: row.pk})
    return Chance(action.title, action.icon, f"{reverse('policy-simulate-action', args=[slug, action.id])}?{query}")


urlpatterns = [
    path("policy/simulate", choose, name="policy-simulate"),
    path("policy/simulate/<str:slug>/chain", simulated_chain, name="policy-simulate-chain"),
    path("policy/simulate/<str:slug>/<str:action_id>", simulated, name="policy-simulate-action"),
]
