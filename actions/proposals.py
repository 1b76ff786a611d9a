"""Approve with changes: an approver says to how much less they would agree, and the requester confirms it or keeps to what was asked.

Less is what the numbers say: each that differs lies between what is true now and what was asked, nothing else differs, and the policy
asks no more people for it. It is planned as the requester, and what was planned is what is confirmed, or nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from django.db import transaction
from django.utils import timezone

from approvals import services as approvals
from approvals.models import Round
from approvals.rulings import Effect, ruling_from
from audit import writer
from audit.canonical import storable
from audit.events import Event
from inventory.models import Person

from . import admission, bell, lifecycle, planning, recording, services, targets, voting
from .admission import Preview
from .errors import BadParams, NotFound, PlanChanged, TooLate
from .lifecycle import Lost
from .models import Proposal, Request
from .protocol import Params
from .registry import AnyAction, action_named
from .services import MAX_REASON, actor_of
from .states import ProposalState, RequestState

ONLY_SIZES = "Only how much or how long can be changed. For anything else, reject it and say what in the note."
DECIDED = "This was decided meanwhile. Reload the page to see how."


def sizes_of(params: type[Params]) -> tuple[str, ...]:
    """The parameters that say how much or how long. A number that is chosen from a list is a name, as of a revision."""
    found = []
    for name, field in params.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, Mapping) else {}
        if int in (field.annotation, *get_args(field.annotation)) and (
            extra.get("widget") == "stepper" or extra.get("proposed")
        ):
            found.append(name)
    return tuple(found)


def can_be_less(request: Request) -> bool:
    """Whether anything about it has a size. The way back has none of its own: it leads to where things were."""
    return request.undo_of_id is None and request.row is not None and any(
        request.params.get(name) is not None for name in sizes_of(action_named(request.action).params)
    )  # fmt: skip


def preview(*, actor: Person, request: Request, params: Mapping[str, Any]) -> Preview:
    """What would be proposed. `params` are those that differ. Nothing is written but refusals.

    Raises `NotAllowed`, `BadParams`, `CannotPlanNow`, `NotFound`, `TooLate`.
    """
    if request.round is None or request.state != RequestState.AWAITING_APPROVAL:
        raise TooLate(DECIDED)
    place = voting.place_of(actor, request, timezone.now())
    if place.refused:
        raise recording.not_allowed(actor_of(actor), request, "propose", place.why)
    action = action_named(request.action)
    if not can_be_less(request):
        raise BadParams({"params": [ONLY_SIZES]})
    if other := params.keys() - set(sizes_of(action.params)):
        raise BadParams({storable(name)[:100]: [ONLY_SIZES] for name in sorted(other)[: planning.MOST_PROBLEMS]})
    if endless := [name for name, value in params.items() if value is None and request.params.get(name) is not None]:
        raise BadParams({name: ["Say a number. Leaving it out would be more than what was asked."] for name in endless})
    return _less(request, action, planning.read_params(action, {**request.params, **params}))


def propose(
    *, actor: Person, request: Request, params: Mapping[str, Any], note: str = "", digest: str | None = None
) -> Proposal:
    """Say to what one would agree instead. `digest` is the plan that was looked at. Raises what `preview` raises, and `PlanChanged`."""
    seen, text = preview(actor=actor, request=request, params=params), storable(note)[:MAX_REASON].strip()
    if digest is not None and digest != seen.plan.digest:
        raise PlanChanged(
            "What would happen has changed since you looked. Look at the new plan below, then propose it again."
        )
    with transaction.atomic():
        _still_open(request)
        for earlier in Proposal.objects.filter(request=request, state=ProposalState.OPEN).select_related("proposer"):
            if earlier.proposer.identity != actor.identity:
                raise TooLate(
                    f"{earlier.proposer.name} has proposed something already. Wait for the answer of {request.requester.name}."
                )
            _move(earlier, ProposalState.CLOSED, actor, "another one was made")
        made = Proposal.objects.create(
            request=request, proposer=actor, params=seen.params.model_dump(mode="json"), plan_text=seen.plan.text, digest=seen.plan.digest,
            note=text, at=timezone.now(),
        )  # fmt: skip
        writer.record(Event(
            "proposal.made", actor_of(actor), f"{seen.plan.summary}, digest {made.digest[:8]}", lifecycle.about(request),
            {"proposal": made.pk, "digest": made.digest, "params": made.params, "note": text},
        ))  # fmt: skip
        transaction.on_commit(lambda: bell.announce(request.pk))
    return made


def confirm(*, actor: Person, proposal: Proposal, digest: str, entrance: str) -> Request:
    """Ask for that instead: a new request takes the place of the old one, and the proposer's yes is the first vote on it.

    Raises `NotAllowed`, `TooLate`, `PlanChanged`, and what planning raises.
    """
    request = proposal.request
    _only_the_requester(actor, request, "confirm a proposal")
    if digest != proposal.digest:
        raise PlanChanged(
            "You looked at another plan than the one that is proposed. Reload, look at the change, decide."
        )
    action = action_named(request.action)
    seen = _planned(request, planning.read_params(action, proposal.params))
    if seen.plan.digest != proposal.digest:
        raise PlanChanged("What it would do has changed since it was proposed. Keep yours, or ask for it anew.")
    if seen.ruling.effect is Effect.DENY:
        raise TooLate(f"The policy says no to it by now. {seen.ruling.why}")
    try:
        with transaction.atomic():
            asked = _still_open(request)
            _move(proposal, ProposalState.CONFIRMED, actor, f"as {proposal.proposer.name} proposed")
            approvals.close_round(asked, now=timezone.now())
            made = admission.admit(
                seen, request.requester, request.reason, entrance, actor=actor_of(actor), supersedes=request
            )
            writer.record(Event(
                "request.superseded", actor_of(actor), f"request {made.pk} takes its place", lifecycle.about(request),
                {"by": made.pk, "proposal": proposal.pk, "digest": made.digest},
            ))  # fmt: skip
            lifecycle.move(request, to=RequestState.WITHDRAWN, actor=actor_of(actor), summary=f"request {made.pk} asks for less instead",
                           changes={"decided_at": timezone.now()})  # fmt: skip
            _first_vote(proposal, made)
    except (Lost, lifecycle.Impossible) as late:
        raise TooLate(DECIDED) from late
    return made


def decline(*, actor: Person, proposal: Proposal) -> None:
    """Keep to what was asked; it waits as before. Raises `NotAllowed`, `TooLate`."""
    _only_the_requester(actor, proposal.request, "decline a proposal")
    try:
        with transaction.atomic():
            _move(proposal, ProposalState.DECLINED, actor, "keeps to what was asked")
            transaction.on_commit(lambda: bell.announce(proposal.request_id))
    except (Lost, lifecycle.Impossible) as late:
        raise TooLate(DECIDED) from late


def proposal_of(request: Request, number: int) -> Proposal:
    """Raises `NotFound`."""
    found = (
        Proposal.objects.select_related("proposer", "request__round", "request__requester")
        .filter(pk=number, request=request)
        .first()
    )
    if found is None:
        raise NotFound("There is no such proposal.")
    return found


def latest_of(request: Request) -> Proposal | None:
    return Proposal.objects.filter(request=request).select_related("proposer").first()


def _only_the_requester(actor: Person, request: Request, what: str) -> None:
    if actor.identity != request.requester.identity:
        raise recording.not_allowed(
            actor_of(actor), request, what, f"Only {request.requester.name} can answer it, who asked for it."
        )


def _still_open(request: Request) -> Round:
    """Nobody decides while this holds. Raises `TooLate`."""
    assert request.round is not None
    asked = approvals.locked(request.round)
    if asked.state != Round.State.OPEN or asked.expires_at <= timezone.now():
        raise TooLate(DECIDED)
    return asked


def _move(proposal: Proposal, to: ProposalState, actor: Person, summary: str) -> None:
    lifecycle.move(proposal, to=to, actor=actor_of(actor), summary=summary, changes={"closed_at": timezone.now()},
                   details={"proposal": proposal.pk, "digest": proposal.digest})  # fmt: skip


def _less(request: Request, action: AnyAction, proposed: Params) -> Preview:
    """Raises `BadParams` unless it is less than what was asked."""
    asked, goal = planning.read_params(action, request.params), targets.target_of(targets.row_of(request))
    now = planning.defaults_for(action, goal, planning.world_for(goal, request.requester))
    differing = [name for name in action.params.model_fields if getattr(asked, name) != getattr(proposed, name)]
    if not differing:
        raise BadParams({"params": ["That is what was asked. Approve it, or choose less."]})
    if wrong := {name: [said] for name in differing if (said := _not_less(name, action, asked, proposed, now))}:
        raise BadParams(wrong)
    seen = _planned(request, proposed)
    endless = [name for name in differing if getattr(asked, name) is None]
    if endless and (seen.plan.lasts_seconds is None or admission.stored_plan(request).lasts_seconds is not None):
        raise BadParams({name: [ONLY_SIZES] for name in endless})
    if seen.ruling.effect is Effect.DENY:
        raise BadParams({"params": [f"The policy says no to that. {seen.ruling.why}"]})
    if _places(seen) > sum(need["count"] for need in request.ruling["requirements"]):
        raise BadParams({"params": ["The policy asks more people for that than for what was asked."]})
    return seen


def _not_less(name: str, action: AnyAction, asked: Params, proposed: Params, now: Mapping[str, Any]) -> str:
    """Why a parameter that differs is not less, or an empty text. What had no end and gets one is seen in its plan."""
    before, after = getattr(asked, name), getattr(proposed, name)
    if name not in sizes_of(action.params):
        return ONLY_SIZES
    extra, present = action.params.model_fields[name].json_schema_extra, now.get(name)
    known = isinstance(present, int) and not (isinstance(extra, Mapping) and extra.get("proposed"))
    if before is None:
        return ""
    low, high = sorted((before, present if known and isinstance(present, int) else 0))
    return "" if low <= after <= high else f"Between {low} and {high}, which is what is true now and what was asked."


def _planned(request: Request, params: Params) -> Preview:
    """As the requester, who would be asking for it. A time that has passed meanwhile is now."""
    terms, now = admission.terms_of(request), timezone.now()
    if terms.not_before is not None and terms.not_before <= now:
        terms = replace(terms, not_before=None)
    return services.preview(
        actor=request.requester, action=request.action, target=targets.row_of(request).pk, terms=terms,
        params=params.model_dump(mode="json"),
    )  # fmt: skip


def _places(seen: Preview) -> int:
    return sum(need.count for need in seen.ruling.requirements)


def _was_seen(asked: Request, made: Request) -> bool:
    """Whether the proposer, who had the old request in sight, said yes to all that the new one asks: rules may have come meanwhile."""

    def asks(request: Request) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
        ruling = ruling_from(request.ruling)
        return {(need.rule, need.of) for need in ruling.requirements}, {
            (each.rule, each.set_aside) for each in ruling.set_aside
        }

    return all(new <= old for new, old in zip(asks(made), asks(asked), strict=True))


def _first_vote(proposal: Proposal, made: Request) -> None:
    """The proposer has looked at exactly this plan. If they may not decide any more, others do."""
    if made.round is None or not _was_seen(proposal.request, made):
        return
    by = actor_of(proposal.proposer)
    ballot = approvals.Ballot(True, proposal.digest, proposal.note, "proposal")
    try:
        with transaction.atomic():
            voting.cast(actor=proposal.proposer, request=made, ballot=ballot, by=by)
    except approvals.VoteRefused as refusal:
        recording.vote_refused(by, made, refusal)
