"""What happened before, as the policy sees it: how long ago, how often, how well."""

from datetime import datetime, timedelta

from django.db.models import Max, Q

from approvals.facts import PLENTY, HistoryFacts
from inventory.models import Environment, Person, Service

from .debts import open_debts
from .models import Execution, Request
from .states import ENDED, ExecutionState

LOOK_BACK = 50


def history_of(
    *, target_key: str, action: str, service: Service, environment: Environment, person: Person, at: datetime,
    now: datetime, of: Request | None = None,
) -> HistoryFacts:  # fmt: skip
    """Until `at`, when it runs; what somebody has asked for counts until `now`, or they would ask for everything at some later time.
    `of` is the request that is asked about again: it is no part of its own history.
    """
    runs, asked = Execution.objects.all(), Request.objects.all()
    if of is not None:
        runs = runs.exclude(request=of)
        asked = asked.filter(pk__lt=of.pk)
    hour, day = at - timedelta(hours=1), at - timedelta(days=1)
    on_target = runs.filter(request__target_key=target_key, started_at__lte=at).exclude(state=ExecutionState.CANCELLED)
    last = on_target.aggregate(last=Max("started_at"))["last"]
    here = runs.filter(request__service=service, request__environment=environment)
    human = Q(requester=person) | Q(requester__same_person_as=person)
    if person.same_person_as_id is not None:
        human |= Q(requester=person.same_person_as_id) | Q(requester__same_person_as=person.same_person_as_id)
    return HistoryFacts(
        minutes_since_target=round((at - last).total_seconds() / 60, 1) if last else float(PLENTY),
        target_runs_last_hour=on_target.filter(started_at__gt=hour).count(),
        actor_requests_last_hour=asked.filter(human, created_at__gt=now - timedelta(hours=1), ends=None).count(),
        service_reverts_last_day=here.filter(state=ExecutionState.REVERTED, ended_at__gt=day).count(),
        clean_runs=_clean(list(
            here.filter(request__action=action, state__in=ENDED).order_by("-id").values_list("state", flat=True)[:LOOK_BACK]
        )),
        open_debts=sum(debt.request_id != (of.pk if of else None) for debt in open_debts(person)),
    )  # fmt: skip


def _clean(states: list[str]) -> int:
    """How many of them, newest first, succeeded before one that did not. One that was cancelled says nothing."""
    count = 0
    for state in states:
        if state in (ExecutionState.REVERTED, ExecutionState.FAILED):
            return count
        count += state == ExecutionState.SUCCEEDED
    return count
