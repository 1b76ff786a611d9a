"""Tells workers and open pages that something happened. Best effort: losing a ring costs latency, never work."""

import structlog
from celery import current_app
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

CHANNEL = "afterdeck:changed"
EXECUTE = "actions.tasks.execute"

_valkey: Redis | None = None


def ring(execution_id: int) -> None:
    """Ask any worker to look at a run. The message is its id and nothing else."""
    try:
        current_app.send_task(EXECUTE, args=[execution_id], retry=False)
    except Exception as problem:  # noqa: BLE001  # whatever the broker's libraries raise, the poller finds the row
        log.warning("bell.not_rung", execution=execution_id, problem=str(problem))


def announce(request_id: int | None) -> None:
    """Tell open pages that a request changed; without this they find out by polling."""
    try:
        _connection().publish(CHANNEL, str(request_id or 0))
    except RedisError as problem:
        log.warning("bell.not_announced", request=request_id, problem=str(problem))


def _connection() -> Redis:
    global _valkey
    if _valkey is None:
        _valkey = Redis.from_url(settings.CELERY_BROKER_URL, socket_timeout=1, socket_connect_timeout=1)
    return _valkey
