"""The only writer of a request's, a run's, a grant's and a proposal's state.

Every move is one conditional UPDATE that must hit exactly one row, with its audit event in the same transaction; whoever loses a
race gets `Lost`, never a silent no-op. What may follow what is data, in `states.py`.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import TypeVar

from django.db import transaction
from django.utils import timezone

from audit import writer
from audit.events import About, Actor, Event
from audit.redact import redact

from . import bell
from .models import Execution, Grant, Hold, Proposal, Request
from .states import (
    EXECUTION_MOVES,
    GRANT_MOVES,
    HOLDS_TARGET,
    PROPOSAL_MOVES,
    REQUEST_MOVES,
    ExecutionState,
    GrantState,
    Move,
    ProposalState,
    RequestState,
)

Stateful = Request | Execution | Grant | Proposal
Row = TypeVar("Row", Request, Execution, Grant, Proposal)

MOVES: dict[type[Stateful], dict[tuple[str, str], Move]] = {
    Request: REQUEST_MOVES,
    Execution: EXECUTION_MOVES,
    Grant: GRANT_MOVES,
    Proposal: PROPOSAL_MOVES,
}


END_AGAIN = timedelta(seconds=30)
"""After how long the end of a grant is tried again that failed; twice as long each time."""
END_AGAIN_AT_LEAST_EVERY = timedelta(minutes=15)


class Lost(Exception):
    """The row was no longer in the state (or under the fence) this move starts from."""


class Impossible(Exception):
    """There is no such move."""


def about(row: Stateful) -> About:
    request = row if isinstance(row, Request) else row.request
    return About(
        request=request.pk,
        execution=row.pk if isinstance(row, Execution) else None,
        action=request.action,
        service=request.service.slug,
        environment=request.environment.slug,
        target=request.target_label,
    )


def move(
    row: Row,
    *,
    to: str,
    actor: Actor,
    summary: str,
    changes: Mapping[str, object] | None = None,
    details: Mapping[str, object] | None = None,
) -> Row:
    """Move `row` to a state, set `changes`, and record it. The row in hand is updated too.

    An execution that is leased is moved only under its fence. Raises `Impossible` when no table has the move, `Lost` when another
    hand was faster.
    """
    step = MOVES[type(row)].get((row.state, to))
    if step is None:
        raise Impossible(f"{type(row).__name__} {row.pk} cannot go from {row.state} to {to}.")
    values = {"state": to, **(changes or {})}
    with transaction.atomic():
        _update(row, values)
        before = row.state
        writer.record(
            Event(step.verb, actor, summary, about(row), {"from": str(before), "to": str(to), **(details or {})})
        )
        if isinstance(row, Execution) and to not in HOLDS_TARGET:
            Hold.objects.filter(execution=row).delete()
            _settle_grants(row, to, actor, summary)
        elif isinstance(row, Execution) and to == ExecutionState.NEEDS_HUMAN:
            _end_again(row, actor, summary)
        elif isinstance(row, Request) and before == RequestState.AWAITING_APPROVAL:
            _close_proposals(row, actor)
        transaction.on_commit(lambda: bell.announce(about(row).request))
    for name, value in values.items():
        setattr(row, name, value)
    return row


def _close_proposals(request: Request, actor: Actor) -> None:
    """What was decided is not confirmed in another size any more."""
    for still in Proposal.objects.filter(request=request, state=ProposalState.OPEN):
        closed = {"closed_at": timezone.now()}
        move(still, to=ProposalState.CLOSED, actor=actor, summary="the request was decided", changes=closed)


def _settle_grants(run: Execution, to: str, actor: Actor, why: str) -> None:
    """What the end of a run means for a grant: it was taken back, or its end is done, or its end has to be tried again."""
    now = timezone.now()
    if to == ExecutionState.SUCCEEDED:
        if ended := Grant.objects.filter(endings=run.request).exclude(state=GrantState.ENDED).first():
            move(ended, to=GrantState.ENDED, actor=actor, summary=why[:400], changes={"ended_at": now, "cause": ""})
        return
    for mine in Grant.objects.filter(request=run.request, state=GrantState.ACTIVE):
        changes = {"ended_at": now, "cause": why}
        move(mine, to=GrantState.ENDED, actor=actor, summary="it was taken back", changes=changes)
    _end_again(run, actor, why)


def _end_again(run: Execution, actor: Actor, why: str) -> None:
    """An end that did not get through is tried again, less and less often, also while a person is asked about it."""
    still = Grant.objects.filter(endings=run.request, state=GrantState.ENDING).first()
    if still is not None:
        wait = min(END_AGAIN * 2 ** min(still.endings.count() - 1, 10), END_AGAIN_AT_LEAST_EVERY)
        again = {"cause": why, "next_try_at": timezone.now() + wait}
        move(still, to=GrantState.ACTIVE, actor=actor, summary=why[:400], changes=again)


def update(row: Execution, changes: Mapping[str, object]) -> None:
    """Set columns of a run without moving it, under the same fence. Raises `Lost`."""
    _update(row, changes)
    for name, value in changes.items():
        setattr(row, name, value)


def _update(row: Stateful, values: Mapping[str, object]) -> None:
    if isinstance(row, Grant | Proposal):
        changed = type(row).objects.filter(pk=row.pk, state=row.state).update(**values)
    elif isinstance(
        row, Execution
    ):  # what was observed or said outside may hold a credential; here it would be at rest
        safe = {name: redact(value) for name, value in values.items()}
        changed = Execution.objects.filter(pk=row.pk, state=row.state, fence=row.fence).update(**safe)
    else:
        changed = Request.objects.filter(pk=row.pk, state=row.state).update(**values)
    if changed != 1:
        raise Lost(f"{type(row).__name__} {row.pk} is no longer {row.state}.")
