"""What time itself does: requests expire, others are asked too, and a run that is late raises an alarm instead of merely getting old."""

from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from approvals import services as approvals
from approvals.models import Round
from audit import writer
from audit.events import SYSTEM, Event

from . import debts, escalation, grants, lifecycle, policies
from .apart import apart, in_turn
from .lifecycle import Lost
from .models import Execution, Request
from .states import ACTIVE, ExecutionState, RequestState

log = structlog.get_logger(__name__)

LATE = timedelta(minutes=2)
"""How long after its deadline, or without any worker looking at it, a run counts as late."""


LONG_IN_LINE = timedelta(minutes=15)
"""How long a run may stand behind others on its target before somebody is told. Nobody else would notice: it is looked at each second."""


def sweep() -> None:
    for step in (_expire, escalation.escalate, _leave_the_line, _alarm, grants.alarm, debts.alarm, policies.note_once):
        with apart("sweep.step_failed", step=f"{step.__module__}.{step.__name__}"):
            step()


def _expire() -> None:
    now = timezone.now()
    due = Request.objects.filter(
        state=RequestState.AWAITING_APPROVAL, round__state=Round.State.OPEN, round__expires_at__lte=now
    )
    for request in in_turn("expire", due.select_related("round", "service", "environment")):
        with apart("request.expiry_failed", request=request.pk), suppress(Lost):  # somebody answered in the last moment
            _close(request, now)


def _close(request: Request, now: datetime) -> None:
    """Raises `Lost`."""
    with transaction.atomic():
        if request.round is not None:
            approvals.close_round(request.round, now=now)
        lifecycle.move(request, to=RequestState.EXPIRED, actor=SYSTEM, summary="nobody answered in time",
                       changes={"decided_at": now})  # fmt: skip


def _leave_the_line() -> None:
    """An approval does not hold for ever: what has stood in line for as long as approvers had to answer is stale."""
    now = timezone.now()
    longest = timedelta(hours=settings.CONFIGURATION.request_expiry_hours)
    due = Execution.objects.filter(state=ExecutionState.QUEUED, queued_at__lte=now - longest)
    for execution in in_turn("leave the line", due.select_related("request__service", "request__environment")):
        with apart("execution.leaving_failed", execution=execution.pk), suppress(Lost):  # it began in the last moment
            _give_up(execution, now)


def _give_up(execution: Execution, now: datetime) -> None:
    """Raises `Lost`."""
    why = f"It stood in line for {settings.CONFIGURATION.request_expiry_hours} h, so what was agreed no longer holds. Nothing was done."
    with transaction.atomic():
        lifecycle.move(execution, to=ExecutionState.CANCELLED, actor=SYSTEM, summary=why,
                       changes={"cause": why, "ended_at": now, "lease_until": None})  # fmt: skip
        lifecycle.move(execution.request, to=RequestState.STALE, actor=SYSTEM, summary=why, changes={"decided_at": now})


def _alarm() -> None:
    now = timezone.now()
    unattended = Q(state__in=[*ACTIVE, ExecutionState.QUEUED], run_after__lt=now - LATE) & ~Q(
        state=ExecutionState.QUEUED, waits_for__in=["start", "value"]
    )
    behind_others = Q(state=ExecutionState.QUEUED, waits_for="", queued_at__lt=now - LONG_IN_LINE)
    late = Execution.objects.filter(unattended | behind_others, overdue_alarm_at=None).select_related(
        "request__service", "request__environment"
    )
    for execution in in_turn("alarm about runs", late):
        with apart("execution.alarm_failed", execution=execution.pk):
            _alarm_about(execution, now)


def _alarm_about(execution: Execution, now: datetime) -> None:
    since = min(execution.run_after, execution.queued_at) if execution.started_at is None else execution.run_after
    minutes = int((now - since).total_seconds() // 60)
    with transaction.atomic():
        if Execution.objects.filter(pk=execution.pk, overdue_alarm_at=None).update(overdue_alarm_at=now) != 1:
            return
        said = f"it has not moved for {minutes} min"
        writer.record(Event("execution.overdue", SYSTEM, said, lifecycle.about(execution)))
    log.error("execution.overdue", execution=execution.pk, minutes=minutes)
