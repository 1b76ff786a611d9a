"""Values that a person types for one step and that may be kept nowhere: not in a request, not in a queue, not in a journal.

The process that receives them becomes the run's worker for that step. If it dies before the step is done, the value is gone with it,
and the run says so.
"""

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from audit import writer
from audit.events import Event
from inventory import queries as inventory
from inventory.models import Person

from . import claiming, lifecycle, recording
from .admission import stored_plan
from .errors import BadParams, TooLate
from .execution import advance
from .models import Execution, Request
from .planning import make_plan, read_params, world_for
from .registry import action_named
from .services import actor_of
from .states import ExecutionState


def supply(*, actor: Person, request: Request, values: Mapping[str, str]) -> Execution:
    """Hand in values that may be kept nowhere: this process takes the run and does its first step with them.

    Raises `NotAllowed`, `BadParams`, `TooLate`, `CannotPlanNow`.
    """
    if not (actor.identity == request.requester.identity or inventory.is_owner(actor, request.service)):
        why = "Only who asked, or the owning team, can hand in the value."
        raise recording.not_allowed(actor_of(actor), request, "supply", why)
    if not values or not all(values.values()):
        raise BadParams(
            {name: ["Fill it in."] for name, value in values.items() if not value} or {"value": ["Fill it in."]}
        )
    _still_as_agreed(request)
    waiting = Execution.objects.filter(request=request, state=ExecutionState.QUEUED, waits_for="value")
    if waiting.update(run_after=timezone.now()) != 1:
        raise TooLate("This does not wait for a value: it was handed in already, or it is over.")
    execution = claiming.claim(only=request.execution.pk, waiting=True)
    if execution is None:
        raise TooLate("A worker has just taken this run. Try again in a moment.")
    with transaction.atomic():
        said = f"{len(values)} {'value' if len(values) == 1 else 'values'}, kept nowhere"
        writer.record(Event("value.supplied", actor_of(actor), said, lifecycle.about(request)))
    advance(execution, supplied=values)
    execution.refresh_from_db()
    if execution.state == ExecutionState.QUEUED:  # another run has the target
        raise TooLate(f"{execution.cause} The value was not used; hand it in again then.")
    return execution


def _still_as_agreed(request: Request) -> None:
    """What would make the run wait would lose the value, so it is found out before. Raises `CannotPlanNow`."""
    agreed = stored_plan(request)
    action = action_named(request.action)
    make_plan(action, agreed.target, read_params(action, request.params), world_for(agreed.target, request.requester))
