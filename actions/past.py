"""What happened before, as the policy sees it: how long ago, how often, how well.

A run is looked for by all that it touches: in a chain are runs on several targets and of several services, and a way around what binds
each of them would be no bound.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from approvals.facts import PLENTY, HistoryFacts
from inventory import queries as inventory
from inventory.models import Environment, Person, Service

from .debts import open_debts
from .models import Execution, Request
from .protocol import Plan
from .states import ENDED, ExecutionState

LOOK_BACK = 50


def history_of(
    *, target_key: str, action: str, service: Service, environment: Environment, person: Person, at: datetime,
    now: datetime, of: Request | None = None,
) -> HistoryFacts:  # fmt: skip
    """Until `at`, when it runs; what somebody has asked for counts until `now`, or they would ask for everything at some later time.
    `of` is the request that is asked about again: it is no part of its own history.
    """
    runs, asked = Execution.objects.filter(started_at__lte=at), Request.objects.filter(created_at__lte=now)
    if of is not None:
        runs = runs.exclude(request=of)
        asked = asked.filter(pk__lt=of.pk)
    hour, day = at - timedelta(hours=1), at - timedelta(days=1)
    on_target = runs.filter(request__touches__contains=[target_key]).exclude(state=ExecutionState.CANCELLED)
    last = on_target.order_by("-started_at").values_list("started_at", flat=True).first()
    here = runs.filter(request__touches__contains=[_of_service(service.slug)], request__environment=environment)
    mine = asked.filter(requester__in=inventory.accounts_of(person), ends=None)
    return HistoryFacts(
        minutes_since_target=round((at - last).total_seconds() / 60, 1) if last else float(PLENTY),
        target_runs_last_hour=on_target.filter(started_at__gt=hour).count(),
        actor_requests_last_hour=mine.filter(created_at__gt=now - timedelta(hours=1)).count(),
        service_reverts_last_day=here.filter(state=ExecutionState.REVERTED, ended_at__gt=day, ended_at__lte=at).count(),
        clean_runs=_clean(action, service, environment, at, of),
        open_debts=sum(
            debt.request_id != (of.pk if of else None) and debt.request.created_at <= now for debt in open_debts(person)
        ),
    )


def touched_by(plan: Plan) -> list[str]:
    """What the history of later requests looks for: the keys of its targets, its services, and which action is done to which of them."""
    return sorted({what for each in (plan, *plan.parts) for what in _touched(each)})


def _touched(plan: Plan) -> Iterator[str]:
    yield plan.target.key
    yield from plan.holds
    yield _of_service(plan.target.service)
    yield _doing(plan.action, plan.target.service)


def _of_service(slug: str) -> str:
    return f"service:{slug}"


def _doing(action: str, slug: str) -> str:
    return f"{action}@service:{slug}"


def _clean(action: str, service: Service, environment: Environment, at: datetime, of: Request | None) -> int:
    """How many, newest first, went well before one that did not: it failed, was taken back by itself or by somebody, or nobody knows.

    To undo one is not to do it well, and one that was cancelled says nothing.
    """
    over = Q(state__in=ENDED, ended_at__lte=at) | Q(state=ExecutionState.NEEDS_HUMAN, started_at__lte=at)
    runs = Execution.objects.filter(
        over, request__touches__contains=[_doing(action, service.slug)], request__environment=environment,
        request__undo_of=None, request__ends=None,
    )  # fmt: skip
    if of is not None:
        runs = runs.exclude(request=of)
    last = list(runs.order_by("-id").values_list("state", "request")[:LOOK_BACK])
    # Asked in one with the above, whether each was undone would be answered from the whole history of everybody.
    undone = set(
        Request.objects.filter(
            undo_of__in=[request for _, request in last], execution__state=ExecutionState.SUCCEEDED,
            execution__ended_at__lte=at,
        ).values_list("undo_of", flat=True)
    )  # fmt: skip
    return _streak([(state, request in undone) for state, request in last])


def _streak(runs: Sequence[tuple[str, bool]]) -> int:
    count = 0
    for state, undone in runs:
        if undone or state not in (ExecutionState.SUCCEEDED, ExecutionState.CANCELLED):
            return count
        count += state == ExecutionState.SUCCEEDED
    return count
