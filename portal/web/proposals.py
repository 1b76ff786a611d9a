"""Approve with changes: the form in which an approver says to how much less they would agree, and what the requester answers.

The form opens with what was asked. Beside it is the plan of what it says now, made as the requester, and its digest: what is proposed is
what was looked at, and what is confirmed is what is shown, or nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from actions import claims, compare, less, proposals, queries, targets
from actions.admission import Preview
from actions.amounts import Amount
from actions.errors import BadParams, CannotPlanNow, Difference, PlanChanged, Refused
from actions.less import Piece
from actions.models import Request
from actions.registry import action_named
from approvals.rulings import Effect
from inventory.models import Person

from . import fields, plans
from .door import signed_in
from .drafts import DIGEST_LENGTH
from .goals import Goal
from .request_page import title_for
from .requests import decide, request_or_404

ENTRANCE = "browser"
WHOLE = re.compile(r" *-?[0-9]{1,9} *")


class NotLookedAt(PlanChanged):
    """The form never showed a plan: there was no script, or it was too fast."""

    title = "Look at the plan first"


@dataclass(frozen=True)
class Draft:
    """What the form says: `shown` is as it was typed."""

    shown: Mapping[str, str]
    note: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Panel:
    """The right column: either what would be proposed, against what was asked, or why it cannot be."""

    plan: plans.PlanView | None = None
    lines: tuple[Difference, ...] = ()
    then: str = ""
    title: str = ""
    problem: str = ""
    status: int = 200
    state: str = "failed"
    """How a problem looks: what was not changed yet is no failure."""


@never_cache
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def propose(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    found = request_or_404(person, request_id)
    if request.method != "POST":
        asked = less.asked_of(found)
        return _form(
            request, person, found, Draft({name: "" if value is None else str(value) for name, value in asked.items()})
        )
    draft = _draft(request, found)
    try:
        if not draft.digest:
            raise NotLookedAt("This is what would happen instead. Press the button once more to propose it.")
        proposals.propose(
            actor=person, request=found, params=_amounts(found, draft), note=draft.note, digest=draft.digest
        )
    except Refused as problem:
        return _form(request, person, found, draft, problem)
    messages.success(request, f"Proposed. {found.requester.name} confirms it or keeps to what was asked.")
    return HttpResponseRedirect(reverse("request", args=[found.pk]))


@never_cache
@signed_in
@require_POST
def plan(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    """The right column for what the form says now. Nothing is written."""
    found = request_or_404(person, request_id)
    draft, wrong = _draft(request, found), {}
    try:
        panel = _panel(person, found, draft)
    except BadParams as problem:
        panel, wrong = _wrong(problem), problem.fields
    context = {
        "found": found,
        "panel": panel,
        "problems": [(fields.key_of(name), fields.plainly(wrong, name)) for name in draft.shown],
    }
    return render(request, "_propose_plan.html", context, status=panel.status)


def _form(
    request: HttpRequest, person: Person, found: Request, draft: Draft, problem: Refused | None = None
) -> HttpResponse:
    """The whole page. After a refusal the plan is part of it at once, as for whoever has no script."""
    wrong = problem.fields if isinstance(problem, BadParams) else {}
    panel = None
    if problem is not None:
        try:
            panel = _panel(person, found, draft)
        except BadParams as bad:
            panel = _wrong(bad)
    context = {
        "section": "queue",
        "found": found,
        "title": title_for(found),
        "fields": [field for piece in less.pieces_of(found) for field in _fields(found, piece, draft, wrong)],
        "draft": draft,
        "panel": panel,
        "notice": None if isinstance(problem, BadParams | CannotPlanNow) else problem,
        "outside": Goal(action_named(found.action), targets.row_of(found), (), None).outside,
    }
    return render(request, "propose.html", context, status=problem.status if problem else 200)


def _panel(person: Person, found: Request, draft: Draft) -> Panel:
    """Raises `BadParams`; every other way it can fail is shown in the panel itself."""
    amounts = _amounts(found, draft)
    if not amounts and draft.shown:
        return Panel(title="Nothing changes yet", problem="This is what was asked. Choose less.", state="queued")
    try:
        seen = proposals.preview(actor=person, request=found, params=amounts)
    except BadParams:
        raise
    except Refused as refusal:
        return Panel(title=refusal.title, problem=str(refusal), status=refusal.status)
    estimate = queries.estimate(found.action, found.service_id, found.environment_id)
    view = plans.view_of(seen.plan, digest=seen.plan.digest, impact=seen.plan.impact, estimate=estimate)
    return Panel(view, tuple(compare.compare(found.plan_text, seen.plan.text)), _then(seen, found))


def _then(seen: Preview, found: Request) -> str:
    """What follows when it is confirmed."""
    who, needed = found.requester.name, sum(need.count for need in seen.ruling.requirements)
    if seen.ruling.effect is Effect.ALLOW:
        return f"Nobody has to be asked for that: it runs as soon as {who} confirms."
    if needed == 1:
        return f"Your yes is all that it needs: it runs as soon as {who} confirms."
    return f"When {who} confirms, your yes is the first of {needed}."


def _wrong(problem: BadParams) -> Panel:
    said = [text for name in problem.fields for text in fields.plainly(problem.fields, name)]
    return Panel(title=problem.title, problem=" ".join(said), status=problem.status)


def _draft(request: HttpRequest, found: Request) -> Draft:
    digest = request.POST.get("digest", "")
    typed = {name: request.POST[name][:64] for name in less.asked_of(found) if name in request.POST}
    return Draft(typed, request.POST.get("note", ""), digest if len(digest) == DIGEST_LENGTH else "")


def _amounts(found: Request, draft: Draft) -> dict[str, Amount | None]:
    """What differs from what was asked. Raises `BadParams`."""
    whole = {
        f"{piece.under}{name}" for piece in less.pieces_of(found) for name in piece.kinds if piece.kinds[name].whole
    }
    asked, wrong = less.asked_of(found), dict[str, Sequence[str]]()
    said: dict[str, Amount | None] = {}
    for name, text in draft.shown.items():
        if name in whole and text.strip() and not WHOLE.fullmatch(text):
            wrong[name] = ["Write a whole number in digits, such as 4"]
            continue
        value = (int(text) if name in whole else text.strip()) if text.strip() else None
        if value != asked[name]:
            said[name] = value
    if wrong:
        raise BadParams(wrong)
    return said


def _fields(found: Request, piece: Piece, draft: Draft, wrong: Mapping[str, Sequence[str]]) -> Iterator[fields.Field]:
    """Those of what was asked, or of one part of a chain, with what is true now, which the plan says where it is not known."""
    mine = {name: f"{piece.under}{name}" for name in piece.kinds}
    typed = {name: draft.shown[path] for name, path in mine.items() if path in draft.shown}
    problems = {name: wrong[path] for name, path in mine.items() if path in wrong}
    try:
        now = piece.now(found.requester)
    except Refused:
        now = {}
    every = fields.fields_of(piece.action.params, values={**piece.params, **typed}, now=now, problems=problems)
    for field in (each for each in every if each.name in typed):
        label = f"{piece.title}: {field.label}" if piece.title else field.label
        hint = field.hint if piece.kinds[field.name].whole else f"{field.now} now" if field.now else "Not set now"
        yield replace(field, name=mine[field.name], label=label, hint=hint)


@signed_in
@require_POST
def confirm(request: HttpRequest, person: Person, request_id: int, number: int) -> HttpResponse:
    made: list[Request] = []

    def act(found: Request) -> str:
        proposal, digest = proposals.proposal_of(found, number), request.POST.get("digest", "")
        made.append(proposals.confirm(actor=person, proposal=proposal, digest=digest, entrance=ENTRANCE))
        return "Confirmed. This takes the place of what was asked."

    answer = decide(request, person, request_id, act)
    return HttpResponseRedirect(reverse("request", args=[made[0].pk])) if made else answer


@signed_in
@require_POST
def decline(request: HttpRequest, person: Person, request_id: int, number: int) -> HttpResponse:
    def act(found: Request) -> str:
        proposals.decline(actor=person, proposal=proposals.proposal_of(found, number))
        return "It waits as you asked for it."

    return decide(request, person, request_id, act)


def _said(act: Callable[..., None], words: str) -> Callable[[HttpRequest, Person, int], HttpResponse]:
    def view(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
        def said(found: Request) -> str:
            act(actor=person, request=found)
            return words

        back = f"{reverse('queue')}?request={request_id}" if request.POST.get("next", "").startswith("queue") else ""
        return decide(request, person, request_id, said, back)

    return view


claim = signed_in(require_POST(_said(claims.claim, "You are on it. Others can still decide.")))
release = signed_in(require_POST(_said(claims.release, "You are not on it any more.")))

urlpatterns = [
    path("requests/<int:request_id>/proposal", propose, name="request-propose"),
    path("requests/<int:request_id>/proposal/plan", plan, name="request-propose-plan"),
    path("requests/<int:request_id>/proposals/<int:number>/confirm", confirm, name="proposal-confirm"),
    path("requests/<int:request_id>/proposals/<int:number>/decline", decline, name="proposal-decline"),
    path("requests/<int:request_id>/claim", claim, name="request-claim"),
    path("requests/<int:request_id>/release", release, name="request-release"),
]
