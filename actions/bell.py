"""Tells workers and open pages that something happened. Best effort: losing a ring costs latency, never work.

A broker that does not answer costs one timeout, not one for every change: after a failure nobody rings for a moment, and the
poller and the pages' own polling find out meanwhile.
"""

import time

import structlog
from celery import current_app
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

CHANNEL = "afterdeck:changed"
EXECUTE = "actions.tasks.execute"
REST = 5.0
"""Seconds of silence after a failure."""

_valkey: Redis | None = None
_silent_until = 0.0


def ring(execution_id: int) -> None:
    """Ask any worker to look at a run. The message is its id and nothing else."""
    if _silent():
        return
    try:
        current_app.send_task(EXECUTE, args=[execution_id], retry=False)
    except Exception as problem:  # noqa: BLE001  # whatever the broker's libraries raise, the poller finds the row
        _fall_silent()
        log.warning("bell.not_rung", execution=execution_id, problem=str(problem))


def announce(request_id: int | None) -> None:
    """Tell open pages that a request changed; without this they find out by polling."""
    if _silent():
        return
    try:
        _connection().publish(CHANNEL, str(request_id or 0))
    except RedisError as problem:
        _fall_silent()
        log.warning("bell.not_announced", request=request_id, problem=str(problem))


def _silent() -> bool:
    return time.monotonic() < _silent_until


def _fall_silent() -> None:
    global _silent_until
    _silent_until = time.monotonic() + REST


def _connection() -> Redis:
    global _valkey
    if _valkey is None:
        _valkey = Redis.from_url(settings.CELERY_BROKER_URL, socket_timeout=1, socket_connect_timeout=1)
    return _valkey
