"""Lets a question in: writes the request with the answer of the policy, opens its round, and puts its run in line.

Only the gate (`services`) and the end of a grant (`grants`) come here, in a transaction of their own.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from approvals import services as approvals
from approvals.facts import Effect, Ruling
from audit import writer
from audit.events import SYSTEM, Actor, Event
from inventory.models import Person

from . import bell, lifecycle, recording, targets
from .models import Execution, Grant, Request
from .protocol import Params, Plan, plan_from
from .registry import AnyAction, action_named
from .states import RequestState

STATES = {
    Effect.ALLOW: RequestState.APPROVED,
    Effect.NEEDS: RequestState.AWAITING_APPROVAL,
    Effect.DENY: RequestState.DENIED,
}


@dataclass(frozen=True)
class Preview:
    """What would be asked for: the plan, the policy's answer to it, and how long planning took."""

    action: AnyAction
    row: targets.Row
    params: Params
    plan: Plan
    ruling: Ruling
    planned_in_ms: int


def admit(
    seen: Preview,
    requester: Person,
    reason: str,
    entrance: str,
    *,
    actor: Actor,
    undo_of: Request | None = None,
    ends: Grant | None = None,
    key: str | None = None,
) -> Request:
    """Write the request. Its run is in line at once when nobody has to be asked."""
    now = timezone.now()
    asked = None
    if seen.ruling.effect is Effect.NEEDS:
        expiry = now + timedelta(hours=settings.CONFIGURATION.request_expiry_hours)
        asked = approvals.open_round(
            digest=seen.plan.digest, requester_identity=requester.identity, requirements=seen.ruling.requirements, now=now,
            expires_at=expiry,
        )  # fmt: skip
    request = Request.objects.create(
        action=seen.action.id,
        # The end of a grant belongs where its start did, whoever the target belongs to by then, and if it is nobody.
        service=ends.request.service if ends else targets.service_of(seen.row),
        environment=ends.request.environment if ends else targets.environment_of(seen.row),
        **targets.column_of(seen.row),
        target_key=seen.plan.target.key,
        target_label=seen.plan.target.label,
        params=seen.params.model_dump(mode="json"),
        summary=seen.plan.summary,
        reason=reason,
        entrance=entrance,
        requester=requester,
        plan_text=seen.plan.text,
        digest=seen.plan.digest,
        impact=[asdict(item) for item in seen.plan.impact],
        ruling=asdict(seen.ruling),
        risk=int(seen.action.risk),
        round=asked,
        state=STATES[seen.ruling.effect],
        undo_of=undo_of,
        ends=ends,
        created_at=now,
        decided_at=None if asked else now,
        planned_in_ms=seen.planned_in_ms,
        submission_key=key,
    )
    recording.created(request, seen.ruling, actor)
    transaction.on_commit(lambda: bell.announce(request.pk))
    if seen.ruling.effect is Effect.ALLOW:
        queue(request, now)
    return request


def stored_plan(request: Request) -> Plan:
    return plan_from(json.loads(request.plan_text))


def queue(request: Request, now: datetime) -> Execution:
    """Put the run in line. Its stamp is chosen here, once, so that whoever repeats a step writes the same."""
    plan = stored_plan(request)
    waits_for = action_named(request.action).waits_for(plan)
    if waits_for == "start" and request.round is None:
        waits_for = ""  # nobody had to be asked, so whoever asked is there
    execution = Execution.objects.create(
        request=request,
        waits_for=waits_for,
        stamp=now.isoformat(timespec="seconds"),
        run_after=now,
        queued_at=now,
    )
    said = {"": "in line for a worker", "start": "for its requester to start", "value": "for its requester's value"}
    writer.record(
        Event("execution.queued", SYSTEM, said[waits_for], lifecycle.about(execution), {"stamp": execution.stamp})
    )
    transaction.on_commit(lambda: bell.ring(execution.pk))
    return execution
