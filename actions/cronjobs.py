"""What the actions on CronJobs share: reading the target, its schedule in words, and the preconditions."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from connectors.kubernetes.seen import CronJobSeen

from .present import still_the_same, still_there
from .protocol import Impact, Target, World

ZONE = "UTC"
"""Of a CronJob that names no zone: it is that of the controllers, which cannot be asked, and hardly ever another."""


def read_cronjob(target: Target, world: World) -> CronJobSeen:
    """Read it and make sure that it is still this one. Raises `LeftAlone`."""
    return still_there(target, lambda: world.cluster.jobs.read_cronjob(target.ref.namespace, target.ref.name))


def read_before_write(target: Target, world: World) -> CronJobSeen:
    """Raises `Drifted` when the name now belongs to another object, and the connector's errors."""
    return still_the_same(target, world.cluster.jobs.read_cronjob(target.ref.namespace, target.ref.name))


def next_run(seen: CronJobSeen, now: datetime) -> datetime | None:
    """When its schedule comes round next, or `None` when that cannot be told."""
    try:
        local = now.astimezone(ZoneInfo(seen.time_zone or ZONE))
        return next(CronSim(seen.schedule, local))
    except (CronSimError, ZoneInfoNotFoundError, ValueError, StopIteration):
        return None


def schedule(seen: CronJobSeen, active: Sequence[str], now: datetime) -> tuple[Impact, ...]:
    """What it does by itself: its schedule, the last run and the next, and its Jobs that have not ended."""
    last = (
        "It has not run by its schedule yet."
        if seen.last_scheduled_at is None
        else f"Last run {_time(seen.last_scheduled_at)}."
    )
    due = next_run(seen, now)
    after = "Suspended: it starts nothing by itself." if seen.suspended else f"Next run {_time(due)}." if due else ""
    zone = f" ({seen.time_zone})" if seen.time_zone else ""
    return (
        Impact("Schedule", f"{seen.schedule}{zone}", f"{last} {after}".strip()),
        Impact("Runs now", _jobs(active), f"{', '.join(active[:3])}." if active else "None of its Jobs is active."),
    )


def _jobs(active: Sequence[str]) -> str:
    return "1 Job" if len(active) == 1 else f"{len(active)} Jobs"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} {at.tzname() or ''}".strip()
