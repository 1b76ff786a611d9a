"""Lets a question in: writes the request with the answer of the policy, opens its round, and puts its run in line.

Only the gate (`services`) and the end of a grant (`grants`) come here, in a transaction of their own.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from approvals import services as approvals
from approvals.facts import Facts
from approvals.rulings import OVERRIDE, Effect, Ruling
from audit import writer
from audit.canonical import digest
from audit.events import SYSTEM, Actor, Event
from inventory.models import Person

from . import bell, debts, lifecycle, past, recording, ruling, targets
from .models import Execution, Grant, Request
from .protocol import Params, Plan, plan_from
from .registry import AnyAction, action_named
from .states import RequestState
from .terms import Terms

STATES = {
    Effect.ALLOW: RequestState.APPROVED,
    Effect.NEEDS: RequestState.AWAITING_APPROVAL,
    Effect.DENY: RequestState.DENIED,
}


@dataclass(frozen=True)
class Preview:
    """What would be asked for: the plan, the policy's answer to it, and how long planning took.

    `plain` is the answer if nothing were set aside, where something is to be.
    """

    action: AnyAction
    row: targets.Row
    params: Params
    plan: Plan
    ruling: Ruling
    planned_in_ms: int
    facts: tuple[Facts, ...] = ()
    terms: Terms = field(default_factory=Terms)
    plain: Ruling | None = None


def admit(
    seen: Preview,
    requester: Person,
    reason: str,
    entrance: str,
    *,
    actor: Actor,
    undo_of: Request | None = None,
    ends: Grant | None = None,
    supersedes: Request | None = None,
    key: str | None = None,
) -> Request:
    """Write the request. Its run is in line at once when nobody has to be asked."""
    now = timezone.now()
    service = ends.request.service if ends else targets.service_of(seen.row)
    broken = seen.terms.break_glass and seen.ruling.effect is Effect.ALLOW and seen.ruling.break_glass is not None
    overrides = seen.terms.override and any(each.set_aside == OVERRIDE for each in seen.ruling.answers)
    asked = None
    if seen.ruling.effect is Effect.NEEDS:
        minutes = seen.ruling.expires_minutes or settings.CONFIGURATION.request_expiry_hours * 60
        asked = approvals.open_round(
            digest=seen.plan.digest, requester_identity=requester.identity, requirements=seen.ruling.requirements, now=now,
            expires_at=now + timedelta(minutes=minutes), risk=int(seen.action.risk),
        )  # fmt: skip
    request = Request.objects.create(
        action=seen.action.id,
        # The end of a grant belongs where its start did, whoever the target belongs to by then, and if it is nobody.
        service=service,
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
        touches=past.touched_by(seen.plan),
        round=asked,
        state=STATES[seen.ruling.effect],
        undo_of=undo_of,
        ends=ends,
        created_at=now,
        decided_at=None if asked else now,
        planned_in_ms=seen.planned_in_ms,
        facts=[each.stored() for each in seen.facts],
        ticket=seen.terms.ticket,
        incident=ruling.incident_of(service, seen.terms, now) if ends is None else None,
        not_before=seen.terms.not_before,
        overrides=overrides,
        breaks_glass=broken,
        supersedes=supersedes,
        shape="" if overrides else shape_of(seen.plan),  # what sets a denial aside is decided by itself
        submission_key=key,
    )
    recording.created(request, seen.ruling, actor)
    if broken:
        debts.open_debt(request, seen.ruling, now)
    transaction.on_commit(lambda: bell.announce(request.pk))
    if seen.ruling.effect is Effect.ALLOW:
        queue(request, now)
    return request


def terms_of(request: Request) -> Terms:
    """How it was asked for; what was started before its time is for later no more."""
    at = request.not_before
    if at is not None and request.activated_at is not None and request.activated_at < at:
        at = None
    return Terms(request.ticket, at, request.overrides, request.breaks_glass)


def shape_of(plan: Plan) -> str:
    """The same for the same change elsewhere: what the action does to which fields, without where and from what."""
    lines = sorted({(line.path, line.before, line.after) for change in plan.changes for line in change.lines})
    return digest({"action": plan.action, "params": dict(plan.params), "lines": [list(line) for line in lines]})


def stored_plan(request: Request) -> Plan:
    return plan_from(json.loads(request.plan_text))


def queue(request: Request, now: datetime) -> Execution:
    """Put the run in line, or let it stand there from when it is to run: until then it is nobody's turn, and nobody is late.

    Its stamp is chosen here, once, so that whoever repeats a step writes the same. What was agreed only after its time runs at once.
    """
    plan = stored_plan(request)
    waits_for = action_named(request.action).waits_for(plan)
    at = max(now, request.not_before or now)
    if waits_for == "start" and (request.round is None or at > now):
        waits_for = ""  # nobody had to be asked, so whoever asked is there; or they have said when
    execution = Execution.objects.create(
        request=request,
        waits_for=waits_for,
        stamp=at.astimezone(UTC).isoformat(timespec="seconds"),
        run_after=at,
        queued_at=at,
    )
    said = {"": "in line for a worker", "start": "for its requester to start", "value": "for its requester's value"}
    when = f"not before {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at > now else said[waits_for]
    writer.record(Event("execution.queued", SYSTEM, when, lifecycle.about(execution), {"stamp": execution.stamp}))
    transaction.on_commit(lambda: bell.ring(execution.pk))
    return execution
