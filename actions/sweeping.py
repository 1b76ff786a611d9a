"""What time itself does: requests expire, and a run that is late raises an alarm instead of merely getting old."""

from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from approvals import services as approvals
from approvals.models import Round
from audit import writer
from audit.events import SYSTEM, Event

from . import lifecycle
from .lifecycle import Lost
from .models import Execution, Request
from .states import ACTIVE, ExecutionState, RequestState

log = structlog.get_logger(__name__)

LATE = timedelta(minutes=2)
"""How long after its deadline, or without any worker looking at it, a run counts as late."""


def sweep() -> None:
    _expire()
    _alarm()


def _expire() -> None:
    now = timezone.now()
    due = Request.objects.filter(
        state=RequestState.AWAITING_APPROVAL, round__state=Round.State.OPEN, round__expires_at__lte=now
    )
    for request in due.select_related("round", "service", "environment")[:200]:
        try:
            with transaction.atomic():
                if request.round is not None:
                    approvals.close_round(request.round, now=now)
                lifecycle.move(request, to=RequestState.EXPIRED, actor=SYSTEM, summary="nobody answered in time",
                               changes={"decided_at": now})  # fmt: skip
        except Lost:
            continue  # somebody answered in the last moment


def _alarm() -> None:
    now = timezone.now()
    late = Execution.objects.filter(
        state__in=[*ACTIVE, ExecutionState.QUEUED], run_after__lt=now - LATE, overdue_alarm_at=None
    ).select_related("request__service", "request__environment")
    for execution in late[:200]:
        with transaction.atomic():
            if Execution.objects.filter(pk=execution.pk, overdue_alarm_at=None).update(overdue_alarm_at=now) != 1:
                continue
            minutes = int((now - execution.run_after).total_seconds() // 60)
            writer.record(
                Event(
                    "execution.overdue",
                    SYSTEM,
                    f"nobody has looked at it for {minutes} min",
                    lifecycle.about(execution),
                )
            )
        log.error("execution.overdue", execution=execution.pk, minutes=minutes)
