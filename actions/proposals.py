"""Approve with changes: an approver says to how much less they would agree, and the requester confirms it or keeps to what was asked.

Less is what its amounts say (`less`), and the policy asks no more people for it. It is planned as the requester, and what was planned is
what is confirmed, or nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils import timezone

from approvals import services as approvals
from approvals.models import Round
from approvals.rulings import Effect, ruling_from
from audit import writer
from audit.canonical import storable
from audit.events import Event
from inventory.models import Person

from . import admission, bell, counting, less, lifecycle, recording, services, targets, voting
from .admission import Preview
from .errors import BadParams, NotFound, PlanChanged, TooLate
from .lifecycle import Lost
from .models import Proposal, Request
from .services import MAX_REASON, actor_of
from .states import ProposalState, RequestState

DECIDED = "This was decided meanwhile. The page of the request says how."


def can_be_less(request: Request) -> bool:
    """Whether anything about it has a size. The way back has none of its own: it leads to where things were."""
    if request.undo_of_id is not None:
        return False
    try:
        return any(value is not None for value in less.asked_of(request).values())
    except NotFound:
        return False


def preview(*, actor: Person, request: Request, params: Mapping[str, Any]) -> Preview:
    """What would be proposed. `params` are those that differ. Nothing is written but refusals.

    Raises `NotAllowed`, `BadParams`, `CannotPlanNow`, `NotFound`, `TooLate`.
    """
    if request.round is None or request.state != RequestState.AWAITING_APPROVAL:
        raise TooLate(DECIDED)
    place = counting.place_of(actor, request.round, request.service, timezone.now())
    if place.refused:
        raise recording.not_allowed(actor_of(actor), request, "propose", place.why)
    if not can_be_less(request):
        raise BadParams({"params": [less.ONLY_SIZES]})
    return _less(request, less.pairs_of(request, params))


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
            "You looked at another plan than the one that is proposed. Look at the present one, then decide."
        )
    seen = _planned(request, proposal.params)
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


def _less(request: Request, pairs: tuple[less.Pair, ...]) -> Preview:
    """Raises `BadParams` unless it is less than what was asked."""
    less.refuse_more(pairs, request.requester)
    seen = _planned(request, less.as_asked(request, pairs))
    less.refuse_endless(pairs, admission.stored_plan(request), seen.plan)
    if seen.ruling.effect is Effect.DENY:
        raise BadParams({"params": [f"The policy says no to that. {seen.ruling.why}"]})
    if _places(seen) > sum(need["count"] for need in request.ruling["requirements"]):
        raise BadParams({"params": ["The policy asks more people for that than for what was asked."]})
    return seen


def _planned(request: Request, params: Mapping[str, Any]) -> Preview:
    """As the requester, who would be asking for it. A time that has passed meanwhile is now."""
    terms, now = admission.terms_of(request), timezone.now()
    if terms.not_before is not None and terms.not_before <= now:
        terms = replace(terms, not_before=None)
    return services.preview(
        actor=request.requester, action=request.action, target=targets.row_of(request).pk, params=params, terms=terms
    )


def _places(seen: Preview) -> int:
    return sum(need.count for need in seen.ruling.requirements)


def _was_seen(asked: Request, made: Request) -> bool:
    """Whether the proposer, who had the old request in sight, said yes to all that the new one asks: rules may have come meanwhile."""
    new, old = ruling_from(made.ruling), ruling_from(asked.ruling)
    needs = {(need.rule, need.of) for need in new.requirements} <= {(need.rule, need.of) for need in old.requirements}
    return needs and new.overruled <= old.overruled


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
