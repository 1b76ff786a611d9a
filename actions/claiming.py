"""How a worker takes a run: one UPDATE that skips what others hold, gives a lease, and raises the fence.

Every later write of the run carries the fence, so that a worker that was thought dead and comes back hits no row. Who crashes
while holding a run is counted; a run that ended its worker three times is not taken a fourth time.

A lease says that its worker lives, not that the outside is quick: while a run is in hand, `keep_leases` prolongs it from a thread
of its own. A process that is killed or frozen stops doing so. So does one that has had a run in hand for too long.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from audit.events import Actor, ActorKind

from . import lifecycle
from .admission import stored_plan
from .models import Execution, Grant, Hold
from .protocol import Plan
from .registry import action_named
from .states import ExecutionState

MAX_CRASHES = 2
TARGET_BUSY_RETRY = timedelta(seconds=1)
TARGET_STUCK_RETRY = timedelta(seconds=15)
"""A person takes longer than a run."""
LONGEST_IN_HAND = 120.0
"""Seconds after which a run that was not handed back is taken for stuck: its lease is no longer kept, and another worker tries."""

LOADED = ("request__service__team", "request__environment", "request__requester")
"""What beginning a run needs. The rest is fetched where it is asked for: to plan a query of twenty joins takes Postgres and Django longer
than all that comes before the run begins.
"""

_CLAIM = """
UPDATE actions_execution SET
    fence = fence + 1, attempts = attempts + 1, worker = %(worker)s, lease_until = now() + make_interval(secs => %(lease)s),
    crashes = crashes + CASE WHEN lease_until IS NULL THEN 0 ELSE 1 END
WHERE id = (
    SELECT id FROM actions_execution
    WHERE state IN ('queued', 'running', 'waiting', 'verifying', 'reverting')
      AND (lease_until IS NULL OR lease_until < now()) AND run_after <= now()
      AND (%(only)s::bigint IS NULL OR id = %(only)s)
      AND (waits_for = '' OR state <> 'queued' OR cancel_requested_by_id IS NOT NULL OR %(waiting)s)
    ORDER BY run_after FOR UPDATE SKIP LOCKED LIMIT 1
)
RETURNING id
"""


_in_hand: dict[int, tuple[int, float]] = {}
"""Of this process: execution id → fence, and when it was taken."""


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_native_id()}"


def worker_actor() -> Actor:
    return Actor(ActorKind.WORKER, f"worker {socket.gethostname()}:{os.getpid()}")


def claim(only: int | None = None, *, waiting: bool = False) -> Execution | None:
    """Take a run that is due, or `None`. `only` narrows it to one run; `waiting` takes it although it waits for its requester."""
    lease = timedelta(seconds=settings.CONFIGURATION.lease_seconds)
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM, {"worker": worker_name(), "lease": lease.total_seconds(), "only": only, "waiting": waiting}
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return Execution.objects.select_related(*LOADED).get(pk=row[0])


def start(execution: Execution) -> bool:
    """Make a queued run the one that owns its targets; `False` while another run does, and then it stays in line."""
    plan = stored_plan(execution.request)
    keys = sorted(
        {key for each in (plan, *plan.parts) for key in _held(execution, each)}
    )  # in order: two cannot wait for each other
    try:
        with transaction.atomic():
            Hold.objects.bulk_create([Hold(target_key=key, execution=execution) for key in keys])
            lifecycle.move(
                execution, to=ExecutionState.RUNNING, actor=worker_actor(),
                summary=f"attempt {execution.attempts}, fence {execution.fence}",
                changes={"started_at": timezone.now(), "cause": "", "overdue_alarm_at": None},
            )  # fmt: skip
    except IntegrityError:
        hold = Hold.objects.filter(target_key__in=keys).exclude(execution=execution).select_related("execution").first()
        holder = hold.execution if hold else None
        stuck = holder is not None and holder.state == ExecutionState.NEEDS_HUMAN
        what = "waits for a person" if stuck else "is running"
        busy = f"Request {holder.request_id} {what} on the same target. One change at a time." if holder else ""
        hand_back(execution, after=TARGET_STUCK_RETRY if stuck else TARGET_BUSY_RETRY, cause=busy)
        return False
    return True


def _held(execution: Execution, plan: Plan) -> tuple[str, ...]:
    """What a run has to itself. Access, and its end, touch nothing but what is the grant's own, so they stand in nobody's way: what
    waits for a person must not keep other people's access from ending.
    """
    ends = execution.request.ends
    if action_named(plan.action).gives_access or (ends is not None and ends.kind == Grant.Kind.ACCESS):
        return ()
    return (plan.target.key, *plan.holds)


def renew(execution: Execution) -> None:
    """Keep the run for another lease. Raises `Lost`."""
    lease = timezone.now() + timedelta(seconds=settings.CONFIGURATION.lease_seconds)
    lifecycle.update(execution, {"lease_until": lease})


@contextmanager
def in_hand(execution: Execution) -> Iterator[None]:
    """While this is open, `keep_leases` keeps the run's lease."""
    mine = (execution.fence, time.monotonic())
    _in_hand[execution.pk] = mine
    try:
        yield
    finally:
        if _in_hand.get(execution.pk) == mine:
            del _in_hand[execution.pk]


def keep_leases() -> None:
    """Prolong what this process has in hand. A run that was handed back or taken by others is left alone."""
    lease = timezone.now() + timedelta(seconds=settings.CONFIGURATION.lease_seconds)
    for pk, (fence, since) in list(_in_hand.items()):
        if time.monotonic() - since < LONGEST_IN_HAND:
            Execution.objects.filter(pk=pk, fence=fence, lease_until__isnull=False).update(lease_until=lease)


def hand_back(execution: Execution, *, after: timedelta, cause: str | None = None) -> None:
    """Give the worker back; any worker goes on later. Raises `Lost`."""
    changes: dict[str, object] = {"lease_until": None, "run_after": timezone.now() + after}
    if cause is not None:
        changes["cause"] = cause
    lifecycle.update(execution, changes)
