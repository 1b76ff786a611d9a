"""Runs an approved plan: confirm it is still true, apply, verify, and take back when reality disagrees.

`advance` does as much as can be done now and hands the run back; it never sleeps on a slot and never holds a transaction across an
effect. It can be killed between any two lines: whoever claims the run next reads the journal and goes on from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from audit import writer
from connectors.errors import Conflict, ConnectorError, Transient, Unknown

from . import claiming, confirmation, grants, journal, lifecycle, run_logs, verification
from .admission import stored_plan
from .claiming import hand_back, in_hand, renew, worker_actor
from .errors import CannotPlanNow
from .lifecycle import Lost
from .models import Execution, JournalEntry
from .planning import world_for
from .protocol import CannotPlan, Drifted, NotYet, Plan, Run, Step, StepFailed, World
from .registry import AnyAction, action_named
from .states import ExecutionState

log = structlog.get_logger(__name__)

Phase, Status = JournalEntry.Phase, JournalEntry.Status

AGAIN = {"try again": "yes"}
"""Evidence of a step that could not be tried: it failed for now, not for good."""

CONFLICT_TRIES = 5
RETRY = timedelta(seconds=1)
PATIENCE = timedelta(minutes=10)
"""How long a run waits for an outside that does not answer before a person is asked."""


def advance(execution: Execution, supplied: Mapping[str, str] | None = None) -> None:
    """Carry a claimed run as far as it goes. Returns when it ended, waits, or was taken by somebody else.

    `supplied` are values that its first step needs and that are kept nowhere.
    """
    token = writer.correlation.set(f"execution-{execution.pk}")
    structlog.contextvars.bind_contextvars(execution=execution.pk, request=execution.request_id)
    try:
        with in_hand(execution):
            while _step_of_life(execution, supplied):
                renew(execution)
    except Lost as lost:
        log.info("execution.lost", reason=str(lost))
    finally:
        structlog.contextvars.unbind_contextvars("execution", "request")
        writer.correlation.reset(token)


def _step_of_life(execution: Execution, supplied: Mapping[str, str] | None) -> bool:
    """One state's work; `True` when the next state's work can begin at once."""
    if execution.crashes > claiming.MAX_CRASHES:
        cause = f"This run ended or broke its worker {execution.crashes} times."
        if execution.state == ExecutionState.QUEUED:
            return _end(execution, ExecutionState.FAILED, f"{cause} It had not begun, so nothing changed.")
        return _ask_human(execution, f"{cause} Its journal says how far it came.")
    try:
        if execution.state == ExecutionState.RUNNING:
            return _running(execution, supplied)
        return LIFE[ExecutionState(execution.state)](execution)
    except CannotPlanNow as gone:  # the cluster was taken out of the settings while the run was under way
        return _ask_human(execution, str(gone))


def _queued(execution: Execution) -> bool:
    if execution.cancel_requested_by is not None:
        return _end(
            execution, ExecutionState.CANCELLED, f"{execution.cancel_requested_by.name} cancelled it before it began."
        )
    return claiming.start(execution)


def _waiting(execution: Execution) -> bool:
    """Knock before going on, so that a long wait is two events of the record and not hundreds."""
    if execution.cancel_requested_by is None and not _past_deadline(execution):
        plan = stored_plan(execution.request)
        world = _world(execution, plan)
        asked = (world.kubernetes if plan.target.cluster else None, world.bao if plan.target.vault else None)
        silent = [health for each in asked if each is not None and not (health := each.health()).ok]
        if silent:
            hand_back(execution, after=2 * RETRY, cause=silent[0].sentence)
            return False
    lifecycle.move(execution, to=ExecutionState.RUNNING, actor=worker_actor(), summary="goes on")
    return True


def _running(execution: Execution, supplied: Mapping[str, str] | None) -> bool:
    plan = stored_plan(execution.request)
    if execution.cancel_requested_by is not None:
        return _cancel(execution, plan)
    if not journal.anything_happened(execution):
        answer = confirmation.confirm(execution)
        if answer.wait:
            return _wait(execution, answer.wait)
        if answer.stale:
            return _end_as_stale(execution, answer.stale, answer.now)
    elif not journal.all_done(execution, plan.steps) and (objection := confirmation.objection(execution.request)):
        return _take_back(execution, plan, objection)
    action = action_named(plan.action)
    for step in plan.steps:
        if _cancelled_meanwhile(execution):
            return _cancel(execution, plan)
        world = replace(_world(execution, plan), supplied=supplied)  # with what the step before has left
        if not _apply(execution, Phase.APPLY, step, action, plan, world):
            return _after_failed_step(execution, plan)
    now = timezone.now()
    with transaction.atomic():
        if plan.lasts_seconds is not None:
            grants.start(execution, plan, at=now)
        lifecycle.move(
            execution, to=ExecutionState.VERIFYING, actor=worker_actor(), summary=f"soak {plan.soak_seconds} s",
            changes={"applied_at": now, "observed": {}, "deadline": now + timedelta(seconds=plan.deadline_seconds), "cause": ""},
        )  # fmt: skip
    return True


def _verifying(execution: Execution) -> bool:
    plan = stored_plan(execution.request)
    if _cancelled_meanwhile(execution):
        return _cancel(execution, plan)
    action, world = action_named(plan.action), _world(execution, plan)
    result = verification.observe(execution, plan, world, action.verify, Phase.VERIFY, plan.soak_seconds)
    run_logs.keep(execution, action, plan, world, last=not result.again)
    if result.again:
        hand_back(execution, after=verification.INTERVAL)
        return False
    if result.good:
        with transaction.atomic():
            verification.keep_proof(execution, result.proof)
            return _end(execution, ExecutionState.SUCCEEDED, result.sentence)
    if result.blind:
        return _ask_human(
            execution, f"{result.sentence} The steps are done; whether they worked could not be observed."
        )
    return _take_back(execution, plan, result.sentence)


def _reverting(execution: Execution) -> bool:
    plan = stored_plan(execution.request)
    action, world = action_named(plan.action), _world(execution, plan)
    began = journal.began(execution)
    for step in plan.revert:
        if step.undoes and step.undoes not in began:
            continue
        if not _apply(execution, Phase.REVERT, step, action, plan, world):
            return _after_failed_revert(execution)
    result = verification.observe(
        execution, plan, world, action.verify_revert, Phase.VERIFY_REVERT, min(plan.soak_seconds, 10)
    )
    if result.again:
        hand_back(execution, after=verification.INTERVAL)
        return False
    if result.good:
        return _end(execution, ExecutionState.REVERTED, execution.cause)
    return _ask_human(execution, f"{execution.cause} It could not be taken back: {result.sentence}")


LIFE: dict[ExecutionState, Callable[[Execution], bool]] = {
    ExecutionState.QUEUED: _queued,
    ExecutionState.WAITING: _waiting,
    ExecutionState.VERIFYING: _verifying,
    ExecutionState.REVERTING: _reverting,
}


def _apply(execution: Execution, phase: str, step: Step, action: AnyAction, plan: Plan, world: World) -> bool:
    """Do one step at most once. `True` when it is done; otherwise its journal entry says what it is."""
    doubt = journal.in_doubt(execution, phase, step)
    entry = journal.intend(execution, phase, step, actor=worker_actor())
    if entry.status == Status.DONE:
        return True
    doubt = doubt and not entry.begun  # what is known to have begun is no guess
    for attempt in range(1, CONFLICT_TRIES + 1):
        renew(execution)
        try:
            evidence = action.apply(step, plan, world)
        except Conflict as problem:
            if attempt < CONFLICT_TRIES:
                continue  # the object's status moved between our read and our write; nothing was changed, so read again
            _refused(execution, entry, problem.sentence, doubt=doubt)
        except CannotPlan as lost:  # a cluster or vault that it needs was taken out of the settings
            _refused(execution, entry, str(lost), doubt=doubt)
        except Drifted as drift:
            _settle(execution, entry, Status.FAILED, str(drift), {"drifted": "yes"})
        except NotYet as pending:
            journal.go_on(execution, entry, str(pending), pending.evidence)
        except StepFailed as failed:
            entry.begun = True
            _settle(execution, entry, Status.FAILED, str(failed))
        except Unknown as problem:
            _cannot_say(execution, entry, problem.sentence)
        except Transient as problem:
            if doubt or entry.begun:
                journal.postpone(execution, entry, problem.sentence)
            else:  # nothing was sent, so nothing changed: the next try begins with a new look at everything
                _settle(execution, entry, Status.FAILED, problem.sentence, AGAIN)
        except ConnectorError as problem:
            _refused(execution, entry, f"{problem.sentence} {problem.detail}".strip(), doubt=doubt)
        else:
            _settle(execution, entry, Status.DONE, "Read back: it is there, once.", dict(evidence))
            return True
        return False
    return False


def _refused(execution: Execution, entry: JournalEntry, said: str, *, doubt: bool) -> None:
    """To be refused now says nothing about an earlier attempt whose end nobody saw."""
    if doubt:
        _cannot_say(execution, entry, said)
    else:
        _settle(execution, entry, Status.FAILED, said)


def _cannot_say(execution: Execution, entry: JournalEntry, why: str) -> None:
    """The record gets this once, however often it is looked again."""
    if entry.status == Status.UNKNOWN:
        journal.postpone(execution, entry, why)
    else:
        _settle(execution, entry, Status.UNKNOWN, why)


def _settle(
    execution: Execution,
    entry: JournalEntry,
    status: JournalEntry.Status,
    detail: str,
    evidence: Mapping[str, str | int] | None = None,
) -> None:
    journal.settle(execution, entry, status, actor=worker_actor(), detail=detail, evidence=evidence or {})


def _after_failed_step(execution: Execution, plan: Plan) -> bool:
    entry = _last(execution, Phase.APPLY)
    if entry.status == Status.INTENDED and entry.begun:
        return _go_on_later(execution, entry, plan)
    if entry.status == Status.INTENDED or AGAIN.items() <= entry.evidence.items():
        return _wait(execution, entry.detail)
    if entry.status == Status.UNKNOWN:
        return _look_again(execution, entry)
    if journal.anything_happened(execution):
        return _take_back(execution, plan, entry.detail)
    if entry.evidence.get("drifted"):
        return _end_as_stale(execution, entry.detail)
    return _end(execution, ExecutionState.FAILED, entry.detail)


def _go_on_later(execution: Execution, entry: JournalEntry, plan: Plan) -> bool:
    """A step takes its time. Each has as long as the plan gives the whole to get good."""
    if timezone.now() < entry.started_at + timedelta(seconds=plan.deadline_seconds):
        hand_back(execution, after=RETRY, cause=entry.detail)
        return False
    cause = f"{entry.title} was not done after {plan.deadline_seconds // 60} min. {entry.detail}"
    _settle(execution, entry, Status.FAILED, cause)
    return _take_back(execution, plan, cause)


def _after_failed_revert(execution: Execution) -> bool:
    entry = _last(execution, Phase.REVERT)
    undecided = entry.status in (Status.INTENDED, Status.UNKNOWN) or AGAIN.items() <= entry.evidence.items()
    if undecided and not _past_deadline(execution):
        hand_back(execution, after=RETRY)
        return False
    return _ask_human(execution, f"{execution.cause} It could not be taken back: {entry.detail}")


def _look_again(execution: Execution, entry: JournalEntry) -> bool:
    """No answer came back. Applying again reads first, and the resource version lets at most one of two writes through."""
    if _past_deadline(execution):
        return _ask_human(execution, f"{entry.detail} Nobody can say whether {entry.title!r} happened.")
    hand_back(execution, after=RETRY, cause=entry.detail)
    return False


def _wait(execution: Execution, why: str) -> bool:
    deadline = execution.deadline or timezone.now() + PATIENCE
    if timezone.now() > deadline:
        if journal.anything_happened(execution):
            return _ask_human(execution, f"{why} It was tried for {PATIENCE.seconds // 60} min.")
        return _end(
            execution, ExecutionState.FAILED, f"{why} It was tried for {PATIENCE.seconds // 60} min; nothing changed."
        )
    lifecycle.move(
        execution, to=ExecutionState.WAITING, actor=worker_actor(), summary=why,
        changes={"cause": why, "deadline": deadline, "lease_until": None, "run_after": timezone.now() + 2 * RETRY},
    )  # fmt: skip
    return False


def _cancelled_meanwhile(execution: Execution) -> bool:
    execution.refresh_from_db(fields=["cancel_requested_by"])
    return execution.cancel_requested_by is not None


def _cancel(execution: Execution, plan: Plan) -> bool:
    who = execution.cancel_requested_by.name if execution.cancel_requested_by else "Somebody"
    if journal.anything_happened(execution):
        return _take_back(execution, plan, f"{who} cancelled it.")
    return _end(execution, ExecutionState.CANCELLED, f"{who} cancelled it before anything changed.")


def _take_back(execution: Execution, plan: Plan, cause: str) -> bool:
    began = journal.began(execution)
    if not plan.revert or any(step.final and step.id in began for step in plan.steps):
        return _ask_human(execution, f"{cause} {plan.no_revert}")
    journal.stop_observing(execution, cause)
    # Whoever stops a task wants to read what it said; afterwards it is gone.
    run_logs.keep(execution, action_named(plan.action), plan, _world(execution, plan), last=True)
    lifecycle.move(
        execution, to=ExecutionState.REVERTING, actor=worker_actor(), summary=cause[:400],
        changes={"cause": cause, "observed": {}, "deadline": timezone.now() + timedelta(seconds=plan.deadline_seconds)},
    )  # fmt: skip
    return True


def _ask_human(execution: Execution, cause: str) -> bool:
    """What may have given something for a while begins its time here: it must end even if nobody ever looks."""
    journal.stop_observing(execution, cause)
    plan = stored_plan(execution.request)
    with transaction.atomic():
        if plan.lasts_seconds is not None and journal.anything_happened(execution):
            grants.start(execution, plan, at=timezone.now())
        lifecycle.move(
            execution, to=ExecutionState.NEEDS_HUMAN, actor=worker_actor(), summary=cause[:400],
            changes={"cause": cause, "lease_until": None},
        )  # fmt: skip
    log.error("execution.needs_human", cause=cause)
    return False


def _end(execution: Execution, state: ExecutionState, sentence: str) -> bool:
    lifecycle.move(
        execution, to=state, actor=worker_actor(), summary=sentence[:400],
        changes={"cause": sentence, "ended_at": timezone.now(), "lease_until": None},
    )  # fmt: skip
    return False


def _end_as_stale(execution: Execution, why: str, now: Plan | None = None) -> bool:
    with transaction.atomic():
        confirmation.mark_stale(execution, why, now)
        return _end(execution, ExecutionState.CANCELLED, why)


def _world(execution: Execution, plan: Plan) -> World:
    run = Run(
        str(execution.mark), execution.stamp, execution.applied_at, verification.good_since(execution),
        execution.observed.get("baseline", {}), journal.evidence_of(execution), frozenset(journal.began(execution)),
    )  # fmt: skip
    return world_for(plan.target, execution.request.requester, run, hold=lambda: renew(execution))


def _last(execution: Execution, phase: str) -> JournalEntry:
    return execution.journal.filter(phase=phase).order_by("-id")[0]


def _past_deadline(execution: Execution) -> bool:
    limit = execution.deadline or (execution.started_at or execution.queued_at) + PATIENCE
    return timezone.now() > limit
