"""Watches the table from inside every worker, so that a dead or frozen broker costs latency and never work.

Also the sweeper: expires requests nobody answered, and raises the alarm about runs that are late.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connections

from . import claiming, execution, sweeping

log = structlog.get_logger(__name__)

THREADS = 4
SWEEP_EVERY = timedelta(seconds=5)

_stop = threading.Event()
_thread: threading.Thread | None = None


def start() -> None:
    """Start watching, once per process."""
    global _thread
    if _thread is None:
        _stop.clear()
        _thread = threading.Thread(target=_watch, name="afterdeck-poller", daemon=True)
        _thread.start()


def stop() -> None:
    """Finish what is being done and stop."""
    _stop.set()


def _watch() -> None:
    pause = settings.CONFIGURATION.poll_seconds
    sweep_in = 0.0
    with ThreadPoolExecutor(THREADS, thread_name_prefix="afterdeck-run") as pool:
        while not _stop.wait(pause):
            busy = [pool.submit(_drain) for _ in range(THREADS)]
            sweep_in -= pause
            if sweep_in <= 0:
                busy.append(pool.submit(_guarded_sweep))
                sweep_in = SWEEP_EVERY.total_seconds()
            for done in busy:
                done.result()


def _drain() -> None:
    """Take due runs until there is none."""
    try:
        close_old_connections()
        while not _stop.is_set() and (run := claiming.claim()) is not None:
            execution.advance(run)
    except DatabaseError as problem:
        log.warning("poller.database", problem=str(problem))
        connections.close_all()
    except Exception:  # a defect met in one run must not stop the others; its lease runs out and it is counted
        log.exception("poller.run_failed")


def _guarded_sweep() -> None:
    try:
        close_old_connections()
        sweeping.sweep()
    except DatabaseError as problem:
        log.warning("poller.database", problem=str(problem))
        connections.close_all()
