"""The form of several changes as one: which of them, with what each needs; and beside it the one plan of all.

It offers what belongs together: to stabilise a service is to look into it, restart some of it and roll some of it back; and secrets are
rotated across the services of a team. Any other chain can be asked for by the API.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from actions import planning, registry, services, targets
from actions.errors import BadParams, CannotPlanNow, Denied, Refused
from actions.protocol import TargetKind
from actions.registry import AnyAction
from actions.targets import Row
from inventory.models import Person, Workload

from . import drafts, fields
from .action import ENTRANCE, Panel, looked_at, panel_of
from .door import signed_in
from .drafts import DIGEST_LENGTH, Draft, How, again, how_of
from .goals import Goal, earlier_of, goal_of

CHAIN = "chain"
GROUPS = (
    ("Stabilise", TargetKind.WORKLOAD, ("get-namespace-access", "restart-workload", "rollback-workload")),
    ("Rotate across services", TargetKind.SECRET, ("rotate-secret",)),
)
ONCE_A_NAMESPACE = "get-namespace-access"
MOST_ROWS = 12
TOO_FEW = Panel(
    title="Choose two or more", problem="Tick what is to be done together. One change alone has a form of its own.", status=422,
    state="queued",
)  # fmt: skip


@dataclass(frozen=True)
class Box:
    """One change that can be ticked. `trouble` says why it cannot be now."""

    action: AnyAction
    row: Row
    chosen: bool
    fields: tuple[fields.Field, ...]
    trouble: str

    @property
    def key(self) -> str:
        return key_of(self.action.id, self.row.pk)

    @property
    def headline(self) -> str:
        return registry.headline_of(self.action.id, targets.name_of(self.row))


def key_of(action_id: str, pk: int) -> str:
    return f"{action_id}-{pk}"


@dataclass(frozen=True)
class Group:
    title: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Wanted:
    """What was ticked: the parts as the gate takes them, their keys in the same order, and what is wrong with their values."""

    parts: tuple[Mapping[str, Any], ...]
    keys: tuple[str, ...]
    wrong: Mapping[str, Sequence[str]]


@never_cache
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def chain(request: HttpRequest, person: Person, slug: str) -> HttpResponse:
    goal = goal_of(request, person, slug, CHAIN)
    if request.method == "POST":
        return _submit(request, person, goal)
    earlier = earlier_of(person, request.GET.get("again", ""))
    parts = earlier.params.get("parts", []) if earlier and earlier.action == CHAIN else []
    values = {key_of(part["action"], part["target"]): part["params"] for part in parts}
    chosen = {**{key: {} for key in request.GET.getlist("part")}, **values}
    reason, how = (earlier.reason, again(earlier)) if earlier else ("", How())
    return _form(request, person, goal, chosen, Draft({}, {}, reason, "", uuid4().hex, how=how))


@never_cache
@signed_in
@require_POST
def plan(request: HttpRequest, person: Person, slug: str) -> HttpResponse:
    """The right column for what is ticked now. Nothing is written."""
    goal = goal_of(request, person, slug, CHAIN)
    wanted, names = wanted_in(request.POST, person, goal), [name for name in request.POST if "." in name]
    draft = _draft(request)
    panel, wrong = _panel(person, goal, wanted, draft)
    context = {
        "goal": goal,
        "panel": panel,
        "problems": [(fields.key_of(name), fields.plainly(wrong, name)) for name in names],
        "general": fields.plainly(wrong, "params"),
        "how_problems": wrong,
        "draft": draft,
    }
    return render(request, "_plan.html", context, status=panel.status)


def _submit(request: HttpRequest, person: Person, goal: Goal) -> HttpResponse:
    draft, wanted = _draft(request), wanted_in(request.POST, person, goal)
    try:
        if wanted.wrong:
            raise BadParams(wanted.wrong)
        looked_at(draft)
        made = services.submit(
            actor=person, action=CHAIN, target=goal.row.pk, params={"parts": list(wanted.parts)}, reason=draft.reason,
            entrance=ENTRANCE, digest=draft.digest, submission_key=draft.submission_key, terms=draft.terms,
        )  # fmt: skip
    except Denied as denied:
        return HttpResponseRedirect(reverse("request", args=[denied.request_id]))
    except Refused as problem:
        return _form(request, person, goal, ticked_in(request.POST), draft, problem=problem, wanted=wanted)
    return HttpResponseRedirect(reverse("request", args=[made.pk]))


def _form(
    request: HttpRequest,
    person: Person,
    goal: Goal,
    chosen: Mapping[str, Mapping[str, Any]],
    draft: Draft,
    *,
    problem: Refused | None = None,
    wanted: Wanted | None = None,
) -> HttpResponse:
    """The whole page, with the plan when something was ticked already: for whoever has no script, and after a refusal."""
    panel, wrong = _panel(person, goal, wanted, draft) if wanted else (None, {})
    refused = problem.fields if isinstance(problem, BadParams) else {}
    context = {
        "section": "services",
        "goal": goal,
        "groups": groups_of(person, goal, chosen, {**wrong, **refused}),
        "general": fields.plainly(wrong, "params"),
        "reason_problems": refused.get("reason", []),
        "how_problems": {**wrong, **refused},
        "draft": draft,
        "panel": panel,
        "notice": None if isinstance(problem, BadParams | CannotPlanNow) else problem,
    }
    return render(request, "chain.html", context, status=problem.status if problem else 200)


def _panel(person: Person, goal: Goal, wanted: Wanted, draft: Draft) -> tuple[Panel, Mapping[str, Sequence[str]]]:
    """Beside it, what is wrong with which field."""
    wrong = wanted.wrong
    if not wrong and len(wanted.parts) < 2:
        return TOO_FEW, {}
    try:
        if not wrong:
            seen = services.preview(
                actor=person, action=CHAIN, target=goal.row.pk, params={"parts": list(wanted.parts)}, terms=draft.terms
            )
            return panel_of(person, goal, seen, draft), {}
    except BadParams as problem:
        wrong = {name_of(name, wanted.keys): said for name, said in problem.fields.items()}
    except CannotPlanNow as refusal:
        return Panel(title=refusal.title, problem=str(refusal), status=refusal.status), {}
    said = " ".join(text for name in wrong for text in fields.plainly(wrong, name))
    return Panel(title=BadParams.title, problem=said, status=BadParams.status), wrong


def name_of(path_: str, keys: Sequence[str]) -> str:
    """The field of the form that `parts.1.params.replicas` is; what is not about a part is called the same there."""
    if path_ in drafts.ABOUT_HOW:
        return path_
    _, number, _, name = [*path_.split(".", 3), "", "", ""][:4]
    return f"{keys[int(number)]}.{name}" if number.isdecimal() and int(number) < len(keys) and name else "params"


def wanted_in(form: QueryDict, person: Person, goal: Goal) -> Wanted:
    """In the order of the page, whatever the browser sent them in."""
    ticked, parts, keys = set(form.getlist("part")), [], []
    wrong: dict[str, Sequence[str]] = {}
    for action, row in _offered(person, goal):
        key = key_of(action.id, row.pk)
        if key not in ticked:
            continue
        try:
            typed = fields.typed(action.params, fields_under(key, form))
            values = planning.read_params(action, typed, from_form=True)
        except BadParams as problem:
            wrong |= {f"{key}.{name}": said for name, said in problem.fields.items()}
        else:
            parts.append(
                {"action": action.id, "target": row.pk, "params": values.model_dump(mode="json", exclude_none=True)}
            )
            keys.append(key)
    return Wanted(tuple(parts), tuple(keys), wrong)


def ticked_in(form: QueryDict) -> dict[str, dict[str, str]]:
    """What was ticked, by its key, with what was typed for it."""
    return {key: fields_under(key, form) for key in form.getlist("part")}


def fields_under(key: str, form: Mapping[str, str]) -> dict[str, str]:
    """What a form says about one of the boxes: fields by its key, a dot, and theirs."""
    return {name.removeprefix(f"{key}."): form[name] for name in form if name.startswith(f"{key}.")}


def _draft(request: HttpRequest) -> Draft:
    form = request.POST
    digest = form.get("digest", "")
    return Draft(
        {}, {}, form.get("reason", ""), digest if len(digest) == DIGEST_LENGTH else "", form.get("key", "")[:32],
        how=how_of(form),
    )  # fmt: skip


def _offered(person: Person, goal: Goal) -> Iterator[tuple[AnyAction, Row]]:
    """What can be ticked, in the order in which it would be done."""
    known = {action.id: action for action in registry.all_actions()}
    for _, kind, action_ids in GROUPS:
        about = {"service": goal.service} if kind is TargetKind.WORKLOAD else {"service__team": goal.service.team}
        visible = targets.visible(kind, person).filter(gone_at=None, environment=goal.environment, **about)
        rows: list[Row] = list(visible.order_by("pk")[:MOST_ROWS])
        for action in (known[each] for each in action_ids if each in known):
            fit = [row for row in rows if targets.object_kind(row) in action.kinds]
            if action.id == ONCE_A_NAMESPACE:
                fit = list({row.namespace: row for row in reversed(fit) if isinstance(row, Workload)}.values())
            yield from ((action, row) for row in fit)


def groups_of(
    person: Person, goal: Goal, chosen: Mapping[str, Mapping[str, Any]], wrong: Mapping[str, Sequence[str]]
) -> list[Group]:
    boxes = [_box(person, action, row, chosen, wrong) for action, row in _offered(person, goal)]
    groups = [Group(title, tuple(box for box in boxes if box.action.target is kind)) for title, kind, _ in GROUPS]
    return [group for group in groups if group.boxes]


def _box(
    person: Person,
    action: AnyAction,
    row: Row,
    chosen: Mapping[str, Mapping[str, Any]],
    wrong: Mapping[str, Sequence[str]],
) -> Box:
    key, target = key_of(action.id, row.pk), targets.target_of(row)
    try:
        world = planning.world_for(target, person)
        now = planning.defaults_for(action, target, world)
        options = planning.options_for(action, target, world)
    except CannotPlanNow as refusal:
        return Box(action, row, False, (), str(refusal))
    values = {**now, **chosen.get(key, {})}
    mine = {name.removeprefix(f"{key}."): said for name, said in wrong.items() if name.startswith(f"{key}.")}
    every = fields.fields_of(action.params, values=values, now=now, problems=mine, options=options)
    shown = tuple(replace(field, name=f"{key}.{field.name}", required=False) for field in every if not field.advanced)
    return Box(action, row, key in chosen, shown, "")


urlpatterns = [
    path("services/<str:slug>/chain", chain, name="chain"),
    path("services/<str:slug>/chain/plan", plan, name="chain-plan"),
]
