"""How a credential reaches the one who may have it, once, and nobody else ever.

It is made when the person asks for it and not before, wrapped in the vault before it leaves this module, and unwrapped by the first who
has the wrapping token: the vault sees to it that there is no second. We keep what it can be ended by. Whoever dies in between leaves
a credential that nobody got, and that ends by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from audit import writer
from audit.events import Event
from connectors.errors import ConnectorError, InvalidName, Missing, Transient
from inventory.models import Person

from . import confirmation, journal, lifecycle, recording
from .admission import stored_plan
from .chaining import evidence_for
from .errors import BadParams, CannotPlanNow, TooLate
from .models import Grant, Request
from .planning import world_for
from .protocol import CannotPlan, HandOver, Plan, Run, World
from .registry import AnyAction, action_named
from .services import actor_of
from .states import ExecutionState, GrantState

log = structlog.get_logger(__name__)

WRAPPED_FOR = timedelta(minutes=2)
"""How long somebody has to look. After that, or after a look, another one has to be made."""


@dataclass(frozen=True)
class Wrapped:
    """A credential on its way. `token` opens it once, in the vault at `address`, until `until`."""

    kind: str
    token: str = field(repr=False)
    address: str
    until: datetime


def hand_over(*, actor: Person, grant: Grant) -> Wrapped:
    """Make the credential of a grant for the person who asked for it, and wrap it. An earlier one of the same grant is ended first.

    That it is made is on record before it is. Raises `NotAllowed`, `TooLate`, `CannotPlanNow`.
    """
    request = grant.request
    _only_the_requester(actor, request)
    if objection := confirmation.objection(request):
        raise TooLate(f"{objection} No credential is made any more.")
    if not has_credential(request):
        raise CannotPlanNow(
            "There is no credential to show: this access is for your own identity, and the cluster lets you in as yourself."
        )
    now = timezone.now()
    with transaction.atomic():
        locked = Grant.objects.select_for_update().get(pk=grant.pk)
        if locked.state != GrantState.ACTIVE or locked.ends_at <= now:
            raise TooLate("It has ended. Ask for a new one.")
        if request.execution.state != ExecutionState.SUCCEEDED:
            raise TooLate("It is still being checked that the access is there. Try again in a moment.")
        locked.handed_over_at = now
        locked.save(update_fields=["handed_over_at"])
        writer.record(Event("credential.handed_over", actor_of(actor), "to be seen once", lifecycle.about(grant)))
    plan = stored_plan(request).granting
    action, world = action_named(plan.action), _world(request, plan)
    try:
        made = action.hand_over(plan, locked.handle, locked.ends_at, world)
        _keep(locked, action, plan, made, world)
        until = timezone.now() + WRAPPED_FOR
        token = world.vault.access.wrap(made.value, int(WRAPPED_FOR.total_seconds()))
    except CannotPlan as refusal:
        raise CannotPlanNow(str(refusal)) from refusal
    except ConnectorError as problem:
        raise CannotPlanNow(
            f"{problem.sentence} Nobody has got the credential; try again.", temporary=isinstance(problem, Transient)
        ) from problem
    return Wrapped(made.kind, token, world.vault.address, until)


def reveal(*, actor: Person, grant: Grant, token: str) -> Mapping[str, str]:
    """Open a wrapped credential, the only time it can be. Raises `NotAllowed`, `BadParams`, `TooLate`, `CannotPlanNow`."""
    request = grant.request
    _only_the_requester(actor, request)
    if grant.state != GrantState.ACTIVE:
        raise TooLate("It has ended. Ask for a new one.")
    with transaction.atomic():  # before it is opened: what cannot be recorded does not happen, and it opens only once
        writer.record(Event("credential.revealed", actor_of(actor), "opened, to be seen once", lifecycle.about(grant)))
    try:
        values = _world(request, stored_plan(request).granting).vault.access.unwrap(token)
    except Missing as gone:
        raise TooLate(gone.sentence) from gone
    except InvalidName as odd:
        raise BadParams({"token": [odd.sentence]}) from odd
    except ConnectorError as problem:
        raise CannotPlanNow(problem.sentence, temporary=isinstance(problem, Transient)) from problem
    return values


def has_credential(request: Request) -> bool:
    """Access for somebody's own identity has none: they are let in as they are."""
    return stored_plan(request).granting.params.get("identity") != "own"


def _only_the_requester(actor: Person, request: Request) -> None:
    if actor.pk != request.requester_id:
        raise recording.not_allowed(
            actor_of(actor), request, "credential", "Only who asked for it gets the credential."
        )


def _world(request: Request, plan: Plan) -> World:
    execution = request.execution
    evidence = evidence_for(stored_plan(request), plan, journal.evidence_of(execution))
    run = Run(str(execution.mark), execution.stamp, execution.applied_at, evidence=evidence)
    return world_for(plan.target, request.requester, run)


def _keep(grant: Grant, action: AnyAction, plan: Plan, made: HandOver, world: World) -> None:
    """Remember what it can be ended by. A grant that was ended while it was made ends it at once."""
    handle = {**grant.handle, **made.handle}
    still = Grant.objects.filter(
        pk=grant.pk, state=GrantState.ACTIVE, ends_at=grant.ends_at, handed_over_at=grant.handed_over_at
    )
    if still.update(handle=handle) == 1:
        return
    try:
        action.revoke(plan, made.handle, world)
    except ConnectorError as problem:
        log.warning("credential.left_to_its_own_end", grant=grant.pk, reason=problem.sentence)
    raise TooLate(
        "It was ended, or asked for a second time, while the credential was made. That one is ended, and nobody has got it."
    )
