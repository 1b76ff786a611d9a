"""The only writer of a request's and a run's state.

Every move is one conditional UPDATE that must hit exactly one row, with its audit event in the same transaction; whoever loses a
race gets `Lost`, never a silent no-op. What may follow what is data, in `states.py`.
"""

from collections.abc import Mapping
from typing import TypeVar

from django.db import transaction

from audit import writer
from audit.events import About, Actor, Event
from audit.redact import redact

from . import bell
from .models import Execution, Request
from .states import EXECUTION_MOVES, REQUEST_MOVES

Row = TypeVar("Row", Request, Execution)


class Lost(Exception):
    """The row was no longer in the state (or under the fence) this move starts from."""


class Impossible(Exception):
    """There is no such move."""


def about(row: Request | Execution) -> About:
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
    moves = REQUEST_MOVES if isinstance(row, Request) else EXECUTION_MOVES
    step = moves.get((row.state, to))
    if step is None:
        raise Impossible(f"{type(row).__name__} {row.pk} cannot go from {row.state} to {to}.")
    values = {"state": to, **(changes or {})}
    with transaction.atomic():
        _update(row, values)
        before = row.state
        writer.record(
            Event(step.verb, actor, summary, about(row), {"from": str(before), "to": str(to), **(details or {})})
        )
        transaction.on_commit(lambda: bell.announce(about(row).request))
    for name, value in values.items():
        setattr(row, name, value)
    return row


def update(row: Execution, changes: Mapping[str, object]) -> None:
    """Set columns of a run without moving it, under the same fence. Raises `Lost`."""
    _update(row, changes)
    for name, value in changes.items():
        setattr(row, name, value)


def _update(row: Request | Execution, values: Mapping[str, object]) -> None:
    if isinstance(row, Execution):  # what was observed or said outside may hold a credential; here it would be at rest
        safe = {name: redact(value) for name, value in values.items()}
        changed = Execution.objects.filter(pk=row.pk, state=row.state, fence=row.fence).update(**safe)
    else:
        changed = Request.objects.filter(pk=row.pk, state=row.state).update(**values)
    if changed != 1:
        raise Lost(f"{type(row).__name__} {row.pk} is no longer {row.state}.")
