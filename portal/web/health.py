"""Whether this process lives (/healthz), and whether it can do its work (/readyz), for whoever restarts and routes.

Postgres and the policy are needed; without Valkey everything is slower and nothing is lost, and notices that come late come, so that
is told and not fatal.
"""

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe
from redis import Redis
from redis.exceptions import RedisError

from actions.policies import current_policy
from approvals.reading import BadPolicy
from portal.notices import queries as notices

from .words import span

TIMEOUT = 1
LATE = timedelta(minutes=1)


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when requests can be served, else 503; the body says why. Reasons name no address and no credential."""
    problems = {name: check() for name, check in CHECKS.items()}
    fit = not any(problems[name] for name in NEEDED)
    body = {
        "ready": fit,
        "checks": {
            name: {"ok": not problem, "needed": name in NEEDED, **({"reason": problem} if problem else {})}
            for name, problem in problems.items()
        },
    }
    return JsonResponse(body, status=200 if fit else 503, headers={"Cache-Control": "no-store"})


def _postgres() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
    except DatabaseError as problem:
        return f"Postgres does not answer as it should ({type(problem).__name__}). Pages and runs need it."
    return ""


def _valkey() -> str:
    try:
        with Redis.from_url(
            settings.CELERY_BROKER_URL, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
        ) as valkey:
            valkey.ping()
    except RedisError as problem:
        return f"Valkey does not answer ({type(problem).__name__}). Pages poll and workers watch the table; nothing is lost."
    return ""


def _policy() -> str:
    try:
        current_policy()
    except (BadPolicy, OSError) as problem:
        return f"The policy cannot be used, so everything would be denied: {problem}"
    except DatabaseError:
        return ""  # what is wrong with the database is said once
    return ""


def _notices() -> str:
    try:
        lag = notices.lag(timezone.now())
    except DatabaseError:
        return ""
    if lag < LATE:
        return ""
    return (
        f"Notices are {span(lag.total_seconds())} behind the record: no worker follows it, or a transaction stays open."
    )


CHECKS: dict[str, Callable[[], str]] = {
    "postgres": _postgres,
    "valkey": _valkey,
    "policy": _policy,
    "notices": _notices,
}
NEEDED = ("postgres", "policy")

urlpatterns = [
    path("healthz", alive, name="healthz"),
    path("readyz", ready, name="readyz"),
]
