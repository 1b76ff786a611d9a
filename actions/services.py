"""The gate. Browser, API, command line, schedule and chat all ask here, and nowhere else can a request begin.

Every function names its actor, refuses with a sentence (`errors`), and writes its change and its audit event in one transaction.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from approvals import services as approvals
from approvals.rulings import Effect
from approvals.tally import Outcome
from audit import writer
from audit.canonical import storable
from audit.events import Actor, ActorKind, Event
from inventory import queries as inventory
from inventory.models import Person

from . import admission, bell, debts, following, lifecycle, recording, targets, voting
from .admission import Preview, stored_plan
from .errors import BadParams, CannotPlanNow, Denied, NotFound, PlanChanged, TooLate, VoteDoesNotCount
from .lifecycle import Lost
from .models import Execution, Grant, Request
from .planning import make_plan, read_params, world_for
from .policies import current_policy
from .protocol import Ending
from .registry import AnyAction, UnknownAction, action_named
from .ruling import decide, facts_of
from .states import ENDED, ExecutionState, GrantState, RequestState
from .terms import AS_USUAL, Terms

MAX_REASON = 2000
MAX_KEY = 64


def actor_of(person: Person) -> Actor:
    return Actor(ActorKind.PERSON, person.username, person.pk)


def preview(
    *,
    actor: Person,
    action: str,
    target: int,
    params: Mapping[str, Any],
    from_form: bool = False,
    undo_of: Request | None = None,
    terms: Terms = AS_USUAL,
) -> Preview:
    """Plan and ask the policy, without writing anything. `target` is the id of the action's kind of target, such as a workload's.

    Raises `NotFound`, `BadParams`, `CannotPlanNow`.
    """
    chosen = _action(action, undo_of)
    row = targets.find(chosen.target, actor, target)
    values = read_params(chosen, params, from_form=from_form)
    started = time.monotonic()
    now = timezone.now()
    how = terms.checked(now)
    goal = targets.target_of(row)
    plan = make_plan(chosen, goal, values, world_for(goal, actor, now=now))
    if how.not_before is not None and chosen.waits_for(plan) == "value":
        raise BadParams(
            {"not_before": ["The value is handed in by hand and kept nowhere, so it runs when somebody does that."]}
        )
    took = int((time.monotonic() - started) * 1000)
    policy = current_policy()
    facts = facts_of(chosen, row, actor, now, plan, policy, undo_of, terms=how)
    plain = decide(facts, plan, policy, AS_USUAL) if how.override or how.break_glass else None
    return Preview(chosen, row, values, plan, decide(facts, plan, policy, how), took, facts, how, plain)


def submit(
    *,
    actor: Person,
    action: str,
    target: int,
    params: Mapping[str, Any],
    reason: str,
    entrance: str,
    digest: str | None = None,
    from_form: bool = False,
    submission_key: str | None = None,
    terms: Terms = AS_USUAL,
) -> Request:
    """Ask for an action. Runs at once, waits for approvers, or is denied; the record says which and why.

    `digest` is the plan the person looked at: if it is given and no longer true, nothing is submitted. The same `submission_key`
    by the same person returns the request it made before. Raises `NotFound`, `BadParams`, `CannotPlanNow`, `PlanChanged`,
    `Denied`.
    """
    return _submit(
        actor=actor, action=action, target=target, params=params, reason=reason, entrance=entrance, digest=digest,
        from_form=from_form, undo_of=None, submission_key=submission_key, terms=terms,
    )  # fmt: skip


def _submit(
    *,
    actor: Person,
    action: str,
    target: int,
    params: Mapping[str, Any],
    reason: str,
    entrance: str,
    digest: str | None,
    from_form: bool,
    undo_of: Request | None,
    submission_key: str | None,
    terms: Terms,
) -> Request:
    text = _reason(reason)
    if terms.break_glass and digest is None:
        raise BadParams(
            {"digest": ["Glass is broken for a plan that was looked at. Preview it first, and send its digest."]}
        )
    key = _key(actor, submission_key)
    if earlier := _made_before(key):
        return earlier
    try:
        seen = preview(
            actor=actor, action=action, target=target, params=params, from_form=from_form, undo_of=undo_of, terms=terms
        )
    except CannotPlanNow as problem:
        recording.plan_refused(actor_of(actor), action, _find(action, actor, target), str(problem))
        raise
    if digest is not None and digest != seen.plan.digest:
        raise PlanChanged("What would happen has changed since you looked. Look at the new plan below, then ask again.")
    try:
        with transaction.atomic():
            if terms.break_glass:
                seen = _ruled_alone(seen, actor, undo_of)
            request = admission.admit(seen, actor, text, entrance, actor=actor_of(actor), undo_of=undo_of, key=key)
    except IntegrityError:
        if earlier := _made_before(key):
            return earlier  # the twin of this submission was faster
        raise
    if seen.ruling.effect is Effect.DENY:
        raise Denied(seen.ruling.why, request.pk, seen.ruling.deciding_rules)
    return request


def _ruled_alone(seen: Preview, actor: Person, undo_of: Request | None) -> Preview:
    """Ask the policy once more while no other tab or account of this human breaks glass: one that was faster has left a debt."""
    debts.one_at_a_time(actor)
    policy = current_policy()
    facts = facts_of(seen.action, seen.row, actor, timezone.now(), seen.plan, policy, undo_of, terms=seen.terms)
    return replace(seen, facts=facts, ruling=decide(facts, seen.plan, policy, seen.terms))


def vote(
    *,
    actor: Person,
    request: Request,
    approve: bool,
    digest: str,
    note: str = "",
    entrance: str = "browser",
    looked_seconds: int | None = None,
) -> Outcome:
    """Decide on one digest. Raises `VoteDoesNotCount` (recorded), `TooLate`."""
    if request.round is None:
        raise TooLate("Nobody has to be asked about this request.")
    ballot = approvals.Ballot(approve, digest, storable(note)[:MAX_REASON], entrance, looked_seconds)
    try:
        with transaction.atomic():
            return voting.cast(actor=actor, request=request, ballot=ballot, by=actor_of(actor))
    except approvals.VoteRefused as refusal:
        recording.vote_refused(actor_of(actor), request, refusal)
        raise VoteDoesNotCount(str(refusal), refusal.rule) from refusal
    except (Lost, lifecycle.Impossible) as lost:
        raise TooLate("The request changed while you were deciding. The page of the request says how.") from lost


def withdraw(*, actor: Person, request: Request) -> Request:
    """Take back a request that has not started. Raises `NotAllowed`, `TooLate`."""
    _not_an_end(actor, request, "withdraw")
    if actor.identity != request.requester.identity:
        why = "Only the requester can withdraw. An approver can reject instead."
        raise recording.not_allowed(actor_of(actor), request, "withdraw", why)
    try:
        with transaction.atomic():
            if request.round is not None:
                approvals.close_round(request.round, now=timezone.now())
            execution = Execution.objects.select_for_update().filter(request=request).first()
            if execution is not None:
                if execution.state != ExecutionState.QUEUED:
                    raise Lost("started")
                lifecycle.move(execution, to=ExecutionState.CANCELLED, actor=actor_of(actor), summary="withdrawn before it began",
                               changes={"ended_at": timezone.now()})  # fmt: skip
            lifecycle.move(request, to=RequestState.WITHDRAWN, actor=actor_of(actor), summary="taken back by the requester",
                           changes={"decided_at": timezone.now()})  # fmt: skip
    except (Lost, lifecycle.Impossible) as late:
        raise TooLate(
            "It is too late to withdraw: it was decided or has begun. A run can be cancelled instead."
        ) from late
    return request


def cancel(*, actor: Person, request: Request) -> Execution:
    """Stop a run between steps: nothing has happened yet → cancelled; something has → it is taken back.

    Raises `NotAllowed`, `TooLate`.
    """
    _not_an_end(actor, request, "cancel")
    if not (
        actor.identity == request.requester.identity or inventory.is_owner(actor, request.service) or actor.is_superuser
    ):
        why = "Only the requester, the owning team or an administrator can cancel this run."
        raise recording.not_allowed(actor_of(actor), request, "cancel", why)
    execution = Execution.objects.filter(request=request).first()
    if execution is None:
        raise TooLate("It is not running. Withdraw the request instead.")
    with transaction.atomic():
        locked = Execution.objects.select_for_update().get(pk=execution.pk)
        if locked.state in ENDED or locked.state in (ExecutionState.REVERTING, ExecutionState.NEEDS_HUMAN):
            raise TooLate(f"It is too late to cancel: the run is {ExecutionState(locked.state).label.lower()}.")
        if locked.cancel_requested_by_id is None:
            locked.cancel_requested_by = actor
            locked.run_after = timezone.now()
            locked.save(update_fields=["cancel_requested_by", "run_after"])
            writer.record(
                Event("execution.cancel_requested", actor_of(actor), "stop at the next step", lifecycle.about(locked))
            )
        transaction.on_commit(lambda: bell.ring(locked.pk))
        transaction.on_commit(lambda: bell.announce(request.pk))
    return locked


def undo(
    *,
    actor: Person,
    request: Request,
    reason: str,
    entrance: str,
    digest: str | None = None,
    submission_key: str | None = None,
    terms: Terms = AS_USUAL,
) -> Request:
    """Ask for the deliberate inverse of a run that succeeded. Raises what `submit` raises, and `TooLate`."""
    if earlier := _made_before(_key(actor, submission_key)):
        return earlier
    way_back = undo_of(request)
    return _submit(
        actor=actor, action=way_back.action, target=targets.row_of(request).pk, params=way_back.params, reason=reason,
        entrance=entrance, digest=digest, from_form=False, undo_of=request, submission_key=submission_key, terms=terms,
    )  # fmt: skip


def undo_of(request: Request) -> Ending:
    """The inverse: an action and its parameters. Raises `TooLate` with the reason when there is none."""
    if request.ends_id is not None:  # what was agreed for a while would come back for good, and nobody would be asked
        raise TooLate("This was the end of something that was agreed for a while. Ask for it again.")
    execution = Execution.objects.filter(request=request).first()
    if execution is None or execution.state != ExecutionState.SUCCEEDED:
        raise TooLate("Only a run that succeeded can be undone.")
    plan = stored_plan(request)
    if plan.undo is None:
        raise TooLate(plan.no_undo)
    if (back := following.undoing([request]).get(request.pk)) is not None:
        raise TooLate(f"Request {back.pk} {'undid' if following.has_undone(back) else 'is to undo'} this.")
    if (grant := Grant.objects.filter(request=request).first()) is not None:
        raise TooLate(
            "It was for a while, and that is over."
            if grant.state == GrantState.ENDED
            else "This ends by itself. To end it now, give it back."
        )
    return Ending(plan.undo_action or plan.action, plan.undo)


def may_resolve(person: Person, request: Request) -> bool:
    """Whether the person is one of those who say what is true of a run that could not know."""
    others = person.identity != request.requester.identity
    return person.is_superuser or (others and inventory.is_approver(person, request.service.team))


def resolve(*, actor: Person, request: Request, outcome: str, note: str) -> Execution:
    """Say what is true about a run that could not know. `outcome` is succeeded, reverted or failed.

    Raises `NotAllowed`, `BadParams`, `TooLate`.
    """
    if not may_resolve(actor, request):
        why = "Another approver of the owning team than the requester, or an administrator, says what is true."
        raise recording.not_allowed(actor_of(actor), request, "resolve", why)
    if outcome not in (ExecutionState.SUCCEEDED, ExecutionState.REVERTED, ExecutionState.FAILED):
        raise BadParams({"outcome": ["Choose succeeded, reverted or failed."]})
    note = storable(note)[:MAX_REASON].strip()
    if not note:
        raise BadParams({"note": ["Say what you saw, so that the record can be trusted."]})
    execution = Execution.objects.filter(request=request).first()
    if execution is None or execution.state != ExecutionState.NEEDS_HUMAN:
        raise TooLate("This run does not wait for a person.")
    applied = {} if execution.applied_at or outcome != ExecutionState.SUCCEEDED else {"applied_at": timezone.now()}
    try:
        return lifecycle.move(
            execution, to=outcome, actor=actor_of(actor), summary=note[:200], details={"note": note},
            changes={"ended_at": timezone.now(), "cause": f"{actor.name} looked: {note[:500]}", **applied},
        )  # fmt: skip
    except (Lost, lifecycle.Impossible) as late:
        raise TooLate("This run does not wait for a person any more.") from late


def _not_an_end(actor: Person, request: Request, what: str) -> None:
    """What was agreed for a while ends, whoever would rather keep it. Raises `NotAllowed`."""
    if request.ends_id is not None:
        why = "This is the agreed end of something. It can only be asked for again."
        raise recording.not_allowed(actor_of(actor), request, what, why)


def _action(action_id: str, undo_of: Request | None = None) -> AnyAction:
    try:
        chosen = action_named(action_id)
    except UnknownAction as unknown:
        raise NotFound(str(unknown)) from unknown
    if not chosen.listed and undo_of is None:
        raise NotFound(f"{chosen.title} is only done as the end of something else. Give that back, or undo it.")
    return chosen


def _find(action_id: str, person: Person, target: int) -> targets.Row | None:
    with suppress(NotFound, UnknownAction):
        return targets.find(action_named(action_id).target, person, target)
    return None


def _key(actor: Person, submission_key: str | None) -> str | None:
    if submission_key and len(submission_key) > MAX_KEY:  # two that were cut to the same would be taken for one
        raise BadParams({"submission_key": [f"At most {MAX_KEY} characters."]})
    return f"{actor.pk}:{storable(submission_key)}" if submission_key else None


def _made_before(key: str | None) -> Request | None:
    return Request.objects.filter(submission_key=key).first() if key else None


def _reason(reason: str) -> str:
    text = storable(reason).strip()
    if not text:
        raise BadParams({"reason": ["Say why: approvers and whoever reads this later need it."]})
    if len(text) > MAX_REASON:
        raise BadParams({"reason": [f"At most {MAX_REASON} characters; these are {len(text)}. Link the rest."]})
    return text
