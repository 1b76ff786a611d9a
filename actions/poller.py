"""Watches the table from inside every worker, so that a dead or frozen broker costs latency and never work.

Each thread looks for itself, so that a run whose cluster does not answer holds up no other. Also keeps the leases of the runs that
this process has in hand, and sweeps: expires requests nobody answered, raises the alarm about runs that are late.
"""

import threading
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connections

from . import claiming, execution, grants, sweeping

log = structlog.get_logger(__name__)

THREADS = 4
SWEEP_EVERY = 5.0
GRANTS_EVERY = 2.0
"""Seconds; in a thread of its own, because a cluster that does not answer must not hold up what else time does."""
PATIENCE = 60.0
"""Seconds that a process which ends gives its runs to come to a place where they can be handed back."""

Job = tuple[Callable[[], None], float]
"""What to do, and the seconds between two times."""

_stop = threading.Event()
_threads: list[threading.Thread] = []


def start(*more: Job) -> None:
    """Start watching, once per process. `more` are jobs of a layer above, which this one does not know."""
    if _threads:
        return
    _stop.clear()
    poll, lease = settings.CONFIGURATION.poll_seconds, settings.CONFIGURATION.lease_seconds
    jobs: list[Job] = [(_drain, poll)] * THREADS + [
        (sweeping.sweep, SWEEP_EVERY),
        (grants.end_due, GRANTS_EVERY),
        (claiming.keep_leases, lease / 3),
        *more,
    ]
    for number, (job, pause) in enumerate(jobs):
        name = f"afterdeck-{job.__name__.strip('_')}-{number}"
        _threads.append(threading.Thread(target=_repeat, args=(job, pause), name=name, daemon=True))
    for thread in _threads:
        thread.start()


def stop() -> None:
    """Take nothing new."""
    _stop.set()


def finish() -> None:
    """Stop, and wait until what is in hand has been handed back."""
    stop()
    for thread in _threads:
        thread.join(PATIENCE)
    _threads.clear()


def _repeat(job: Callable[[], None], pause: float) -> None:
    while not _stop.wait(pause):
        try:
            close_old_connections()
            job()
        except DatabaseError as problem:
            log.warning("poller.database", problem=str(problem))
            connections.close_all()
        except Exception:  # a defect met in one run must not stop the others; its lease runs out and it is counted
            log.exception("poller.failed")


def _drain() -> None:
    """Take due runs until there is none."""
    while not _stop.is_set() and (run := claiming.claim()) is not None:
        execution.advance(run)
