"""The form of an action: what to fill in, and beside it, before anybody asks, what would happen and who must agree.

The right column is one fragment, asked for again shortly after each change. It carries the digest of the plan it shows,
and the form sends that digest along: what is submitted is what was looked at, or nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from actions import granted, queries, ruling, services
from actions.admission import Preview
from actions.errors import BadParams, CannotPlanNow, Denied, PlanChanged, Refused
from actions.models import Request
from approvals.rulings import Ruling
from inventory.models import Person

from . import drafts, fields, outside, plans
from .door import signed_in
from .drafts import Draft
from .goals import Goal, earlier_of, goal_of
from .verdict import Verdict, verdict_on
from .ways import Glass, Way, confirmed, glass_of, ways_of
from .words import people

ENTRANCE = "browser"


class NotLookedAt(PlanChanged):
    """The form never showed a plan, so nobody can have agreed to one: there was no script, or it was too fast."""

    title = "Look at the plan first"


@dataclass(frozen=True)
class Panel:
    """The right column: either a plan with the policy's answer, or the problem why there is none."""

    plan: plans.PlanView | None = None
    ruling: Ruling | None = None
    verdict: Verdict | None = None
    """The ruling as it is read; set whenever there is one."""
    usual_answer: float | None = None
    title: str = ""
    problem: str = ""
    status: int = 200
    state: str = "failed"
    """How a problem looks: what is not filled in yet is no failure."""
    whole: bool = False
    """Set when the form itself could not be filled in, so that trying again means the whole page."""
    then: Ruling | None = None
    """Set when nothing was changed yet: what the policy says to the least that could be asked for."""
    ways: tuple[Way, ...] = ()
    glass: Glass | None = None
    """Set when this is about to break glass."""

    @property
    def asked(self) -> str:
        """The people who could approve, by name, once each."""
        if self.ruling is None:
            return ""
        return people(list(dict.fromkeys(who.name for need in self.ruling.requirements for who in need.people)))

    @property
    def needed(self) -> int:
        """How many different people have to agree."""
        return sum(need.count for need in self.ruling.requirements) if self.ruling else 0


@never_cache
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def action(request: HttpRequest, person: Person, slug: str, action_id: str) -> HttpResponse:
    goal = goal_of(request, person, slug, action_id)
    if request.method == "POST":
        return _submit(request, person, goal)
    earlier = earlier_of(person, request.GET.get("again", ""))
    return _form(
        request, person, goal, drafts.opening(request.GET, action_id, goal.action.params, earlier, goal.undo_of)
    )


@never_cache
@signed_in
@require_POST
def plan(request: HttpRequest, person: Person, slug: str, action_id: str) -> HttpResponse:
    """The right column for what the form says now. Nothing is written."""
    goal = goal_of(request, person, slug, action_id)
    draft = drafts.of(request.POST, goal.action.params, goal.undo_of)
    wrong: Mapping[str, Sequence[str]] = {}
    try:
        panel = _panel(person, goal, draft)
    except BadParams as problem:
        if fields.to_be_written(goal.action.params, draft.shown):
            panel = _not_yet(person, goal, "Fill in the form, and the plan is made by itself.")
        else:
            panel, wrong = _wrong_values(goal, problem), problem.fields
    inner = outside.inner_of(person, goal, draft.shown)
    inside = fields.inner_fields(inner, draft.shown, wrong)
    names = [*fields.names_of(goal.action.params), *(field.name for field in inside)]
    context = {
        "goal": goal,
        "panel": panel,
        "problems": [(fields.key_of(name), fields.plainly(wrong, name)) for name in names],
        "general": fields.plainly(wrong, "params"),
        "how_problems": wrong,
        "inside": inside,
        "inside_changed": draft.inner_of != request.POST.get("inner_of", draft.inner_of),
        "draft": draft,
    }
    return render(request, "_plan.html", context, status=panel.status)


def _submit(request: HttpRequest, person: Person, goal: Goal) -> HttpResponse:
    draft = drafts.of(request.POST, goal.action.params, goal.undo_of)
    try:
        made = _ask(person, goal, draft)
    except BadParams as problem:
        return _form(request, person, goal, draft, problem=problem)
    except Denied as denied:
        return HttpResponseRedirect(reverse("request", args=[denied.request_id]))
    except (PlanChanged, CannotPlanNow) as problem:
        return _form(request, person, goal, draft, problem=problem, look=True)
    except Refused as problem:
        return _form(request, person, goal, draft, problem=problem)
    return HttpResponseRedirect(reverse("request", args=[made.pk]))


def looked_at(draft: Draft) -> None:
    """Raises `NotLookedAt` without a plan, and `NotConfirmed` for broken glass without the second yes."""
    if not draft.digest:
        raise NotLookedAt("This is what would happen. Press the button once more to ask for it.")
    confirmed(draft)


def _ask(person: Person, goal: Goal, draft: Draft) -> Request:
    looked_at(draft)
    if goal.undo_of is not None:
        return services.undo(
            actor=person,
            request=goal.undo_of,
            reason=draft.reason,
            entrance=ENTRANCE,
            digest=draft.digest,
            submission_key=draft.submission_key,
            terms=draft.terms,
        )
    return services.submit(
        actor=person, action=goal.action.id, target=goal.row.pk, params=draft.values, reason=draft.reason, entrance=ENTRANCE,
        digest=draft.digest, from_form=True, submission_key=draft.submission_key, terms=draft.terms,
    )  # fmt: skip


def _form(
    request: HttpRequest,
    person: Person,
    goal: Goal,
    draft: Draft,
    *,
    problem: Refused | None = None,
    look: bool = False,
) -> HttpResponse:
    """The whole page. With `look`, the plan is made at once and is part of it: for whoever has no script, and after a refusal."""
    now, options, trouble = outside.now_of(person, goal)
    wrong = problem.fields if isinstance(problem, BadParams) else {}
    panel = None
    if trouble:
        panel = Panel(title=CannotPlanNow.title, problem=trouble, status=CannotPlanNow.status, whole=True)
    elif look:
        try:
            panel = _panel(person, goal, draft)
        except BadParams as bad:
            panel = _wrong_values(goal, bad)
    values = {**now, **{name: {} for name in fields.has_inside(goal.action.params)}, **draft.shown}
    inside = () if goal.undo_of else fields.inner_fields(outside.inner_of(person, goal, values), values, wrong)
    nothing_to_choose = trouble and not any(draft.shown.values())
    shown = (
        ()
        if goal.undo_of or nothing_to_choose
        else fields.fields_of(goal.action.params, values=values, now=now, problems=wrong, options=options)
    )
    context = {
        "section": "services",
        "goal": goal,
        "fields": [field for field in shown if not field.advanced],
        "advanced": [field for field in shown if field.advanced],
        "inside": inside,
        "inner_of": fields.chosen_in(goal.action.params, values),
        "general": fields.plainly(wrong, "params"),
        "reason_problems": wrong.get("reason", []),
        "how_problems": wrong,
        "draft": draft,
        "holders": granted.on_target(person, goal.row) if goal.action.gives_access else None,
        "panel": panel,
        "usual_plan": (queries.usual_plan_ms(goal.action.id, goal.service.pk) or 0) / 1000,
        "notice": None if isinstance(problem, BadParams | CannotPlanNow) else problem,
    }
    return render(request, "action.html", context, status=problem.status if problem else 200)


def _panel(person: Person, goal: Goal, draft: Draft) -> Panel:
    """Raises `BadParams`; every other way a plan can fail is shown in the panel itself."""
    try:
        seen = services.preview(
            actor=person, action=goal.action.id, target=goal.row.pk, params=draft.values, from_form=goal.undo_of is None,
            undo_of=goal.undo_of, terms=draft.terms,
        )  # fmt: skip
    except CannotPlanNow as refusal:
        if _is_as_now(person, goal, draft) or fields.to_be_written(goal.action.params, draft.shown):
            return _not_yet(person, goal, str(refusal))
        return Panel(title=refusal.title, problem=str(refusal), status=refusal.status)
    return panel_of(person, goal, seen, draft)


def _not_yet(person: Person, goal: Goal, why: str) -> Panel:
    """Nothing was chosen or written yet: what the policy says to the least that could be asked for."""
    then = ruling.rule(goal.action, goal.row, person, timezone.now())
    return Panel(title="Nothing changes yet", problem=why, then=then)


def panel_of(person: Person, goal: Goal, seen: Preview, draft: Draft) -> Panel:
    """The plan with the policy's answer, and how long either usually takes."""
    estimate = queries.estimate(goal.action.id, goal.service.pk, goal.environment.pk)
    usual = None
    if seen.ruling.requirements:
        usual = queries.usual_answer_seconds(goal.service, goal.environment.pk)
    view = plans.view_of(seen.plan, digest=seen.plan.digest, impact=seen.plan.impact, estimate=estimate)
    other = ways_of(seen, draft.how)
    return Panel(
        plan=view, ruling=seen.ruling, verdict=verdict_on(seen, person), usual_answer=usual, ways=other, glass=glass_of(seen)
    )  # fmt: skip


def _is_as_now(person: Person, goal: Goal, draft: Draft) -> bool:
    """Whether the form still says what is true already, as it does when it opens."""
    if fields.proposes(goal.action.params):
        return False
    now, _, trouble = outside.now_of(person, goal)
    return (
        bool(now)
        and not trouble
        and all(str(value).lower() == str(draft.shown.get(name, "")).lower() for name, value in now.items())
    )


def _wrong_values(goal: Goal, problem: BadParams) -> Panel:
    labels = {name: field.title or name for name, field in goal.action.params.model_fields.items()}
    said = [
        f"{labels[name]}: {text}" if name in labels else text
        for name in problem.fields
        for text in fields.plainly(problem.fields, name)
    ]
    return Panel(title=problem.title, problem=" ".join(said), status=problem.status)


urlpatterns = [
    path("services/<str:slug>/<str:action_id>", action, name="action"),
    path("services/<str:slug>/<str:action_id>/plan", plan, name="action-plan"),
]
