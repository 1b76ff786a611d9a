"""Reads of requests and runs, scoped to who may see them, keyset-paged, with a constant number of queries."""

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import OrderBy
from django.db.models.functions import Now
from django.utils import timezone

from approvals import absences
from approvals.models import Asked, Round
from inventory import queries as inventory
from inventory.models import Person, Service, Team, Workload

from .models import Execution, Hold, Request
from .states import ACTIVE, ENDED, ExecutionState, RequestState

RELATED = (
    "service__team",
    "environment",
    "workload__cluster",
    "secret__vault",
    "secret__service",
    "node__cluster__service",
    "ends",
    "incident",
    "requester",
    "round",
    "execution",
    "execution__cancel_requested_by",
)


OVER = Q(execution__state__in=[*ENDED, ExecutionState.NEEDS_HUMAN]) | Q(
    state__in=[
        RequestState.REJECTED, RequestState.EXPIRED, RequestState.WITHDRAWN, RequestState.STALE, RequestState.DENIED,
    ]
)  # fmt: skip
"""What has come to something, if only to a question that a person has to answer."""


def requests_visible_to(person: Person) -> QuerySet[Request]:
    """What the person asked, is asked about or asked to review, by themself or for whom they stand in, or whose service they see or
    approve for.
    """
    rows = Request.objects.select_related(*RELATED)
    if person.has_perm(f"inventory.{inventory.VIEW}"):
        return rows
    asked = Asked.objects.filter(identity__in=_asked_as(person))
    return rows.filter(
        Q(service__in=inventory.services_visible_to(person))
        | Q(requester=person)
        | Q(Exists(asked.filter(round=OuterRef("round"))))
        # in one with the above, neither would use its index
        | Q(Exists(asked.filter(round__debt__request=OuterRef("pk"))))
        | Q(service__in=_approved_by(person))
    )


def _asked_as(person: Person) -> set[int]:
    """Under which numbers the account may have been asked, or those for whom it stands in. Looked up by itself: within a query about
    requests, planning it six times took longer than the query.
    """
    absent = absences.stand_in_for([person.pk], timezone.now())
    others = Person.objects.filter(pk__in=absent).select_related("same_person_as__same_person_as")
    return {person.pk, person.identity, *absent, *(each.identity for each in others)}


def request_for(person: Person, request_id: int) -> Request | None:
    return requests_visible_to(person).filter(pk=request_id).first()


def page_of(rows: QuerySet[Request], *, before: tuple[datetime, int] | None, size: int) -> list[Request]:
    """One page, newest first, of at most `size` + 1 rows (the extra one tells that there is more)."""
    if before is not None:
        # a row comparison stays flat at 10 M rows; the ORM's OR form does not
        rows = rows.extra(where=["(actions_request.created_at, actions_request.id) < (%s, %s)"], params=list(before))
    return list(rows.order_by("-created_at", "-id")[: size + 1])


def _approved_by(person: Person) -> QuerySet[Service]:
    """Of teams whose approver the person is, whether or not they are on the team."""
    return Service.objects.filter(team__in=Team.objects.filter(approvers__in=person.groups.all()))


def joined(rows: QuerySet[Request], *order: str | OrderBy, limit: int) -> QuerySet[Request]:
    """The first of them, with all that a page says about them. They are chosen before anything is joined: to plan a dozen joins takes
    longer than to find that there is nothing, and to make them for a busy requester's whole history longer still.
    """
    chosen = list(rows.order_by(*order).values_list("pk", flat=True)[:limit])
    if not chosen:
        return Request.objects.none()
    return Request.objects.select_related(*RELATED).filter(pk__in=chosen).order_by(*order)


def need_requester(person: Person, limit: int = 20) -> QuerySet[Request]:
    """What the person asked for and has to look at again: waiting, stale, reverted, failed or unclear, of the last 24 h."""
    since = timezone.now() - timedelta(hours=24)
    undone = Request.objects.filter(undo_of=OuterRef("pk"))
    rows = Request.objects.filter(requester=person).filter(
        Q(state=RequestState.AWAITING_APPROVAL)
        | Q(state__in=[RequestState.STALE, RequestState.REJECTED, RequestState.EXPIRED], decided_at__gt=since)
        | Q(execution__state=ExecutionState.NEEDS_HUMAN)
        | Q(execution__state__in=[ExecutionState.REVERTED, ExecutionState.FAILED], execution__ended_at__gt=since)
    )
    return joined(rows.exclude(Exists(undone)), "-created_at", "-pk", limit=limit)


def unclear_for(person: Person, limit: int = 100) -> QuerySet[Request]:
    """Runs that need a human, of services the person approves for; their own need another one, under whichever account they asked."""
    one = person.identity
    own = Q(requester=one) | Q(requester__same_person_as=one) | Q(requester__same_person_as__same_person_as=one)
    unclear = Q(execution__state=ExecutionState.NEEDS_HUMAN, service__team__approvers__in=person.groups.all())
    return joined(Request.objects.filter(unclear).exclude(own), "-created_at", "-pk", limit=limit)


def running_now(person: Person, limit: int = 20) -> QuerySet[Request]:
    rows = requests_visible_to(person).filter(execution__state__in=[*ACTIVE, ExecutionState.QUEUED])
    rows = rows.exclude(execution__state=ExecutionState.QUEUED, execution__queued_at__gt=Now())
    return joined(rows, F("execution__started_at").desc(nulls_last=True), "-pk", limit=limit)


def runs_later(person: Person, limit: int = 10) -> QuerySet[Request]:
    """Agreed for a time that lies ahead, the next first."""
    waiting = Q(execution__state=ExecutionState.QUEUED, execution__run_after__gt=Now(), execution__queued_at__gt=Now())
    return joined(requests_visible_to(person).filter(waiting), "execution__run_after", "pk", limit=limit)


def changes_of(service: Service, limit: int = 20) -> QuerySet[Request]:
    return service.requests.select_related(*RELATED).order_by("-created_at", "-id")[:limit]


@dataclass(frozen=True)
class Counted:
    """How many requests there were, and how many of their runs were taken back."""

    all: int
    reverted: int


def counted_since(service: Service, since: datetime) -> Counted:
    reverted = Count("pk", filter=Q(execution__state=ExecutionState.REVERTED))
    found = service.requests.filter(created_at__gte=since).aggregate(all=Count("pk"), reverted=reverted)
    return Counted(found["all"], found["reverted"])


def last_changes(services: list[Service]) -> dict[int, Request]:
    """The newest request of each service, by one step into an index for each, and not by sorting the whole history."""
    newest = Request.objects.filter(service=OuterRef("pk")).order_by("-created_at", "-id").values("pk")[:1]
    chosen = Service.objects.filter(pk__in=[each.pk for each in services]).values_list(Subquery(newest), flat=True)
    rows = Request.objects.filter(pk__in=[pk for pk in chosen if pk]).select_related(
        "environment", "requester", "execution"
    )
    return {row.service_id: row for row in rows}


def active_on(workloads: list[Workload]) -> dict[str, Execution]:
    """The run that holds each target, by target key."""
    keys = [f"workload:{workload.uid}" for workload in workloads]
    rows = Hold.objects.filter(target_key__in=keys, execution__state__in=ACTIVE).select_related("execution__request")
    return {row.target_key: row.execution for row in rows}


def active_on_keys(keys: Collection[str]) -> dict[str, int]:
    """The request whose run holds each target, by target key."""
    rows = Hold.objects.filter(target_key__in=keys, execution__state__in=ACTIVE)
    return dict(rows.values_list("target_key", "execution__request_id"))


@dataclass(frozen=True)
class Estimate:
    """How long it took before, in seconds, of runs that succeeded."""

    count: int
    usual: float
    slowest: float


def estimate(action: str, service_id: int, environment_id: int) -> Estimate | None:
    """From the last 50 successful runs of this action there; `None` when there is none to learn from."""
    spans = (
        Execution.objects.filter(
            request__action=action, request__service=service_id, request__environment=environment_id,
            state=ExecutionState.SUCCEEDED, started_at__isnull=False, ended_at__isnull=False,
        )
        .order_by("-id")
        .values_list("started_at", "ended_at")[:50]
    )  # fmt: skip
    seconds = [(ended - started).total_seconds() for started, ended in spans if started and ended]
    return Estimate(len(seconds), statistics.median(seconds), max(seconds)) if seconds else None


def usual_seconds(requests: Sequence[Request]) -> dict[int, float]:
    """The usual time of each request's run, by its id, in one query; left out where there is nothing to learn from."""
    places = {request.pk: (request.action, request.service_id, request.environment_id) for request in requests}
    wanted = Q(pk__in=[])
    for action, service_id, environment_id in set(places.values()):
        wanted |= Q(request__action=action, request__service=service_id, request__environment=environment_id)
    rows = (
        Execution.objects.filter(
            wanted, state=ExecutionState.SUCCEEDED, started_at__isnull=False, ended_at__isnull=False
        )
        .order_by("-id")
        .values_list("request__action", "request__service_id", "request__environment_id", "started_at", "ended_at")
    )
    spans: dict[tuple[str, int, int], list[float]] = {}
    for action, service_id, environment_id, started, ended in rows[: 50 * len(requests)]:
        if started and ended:
            spans.setdefault((action, service_id, environment_id), []).append((ended - started).total_seconds())
    return {pk: statistics.median(spans[place]) for pk, place in places.items() if place in spans}


def usual_answer_seconds(service: Service, environment_id: int) -> float | None:
    """The median wait for an approval there, of the last 50 that were decided."""
    spans = (
        Request.objects.filter(
            service__team=service.team,
            environment=environment_id,
            round__state__in=[Round.State.APPROVED, Round.State.REJECTED],
        )
        .order_by("-id")
        .values_list("created_at", "round__closed_at")[:50]
    )
    seconds = [(decided - created).total_seconds() for created, decided in spans if decided]
    return statistics.median(seconds) if seconds else None


LOOKED_THROUGH = 200
"""Requests, the newest: thousands that wait for the same would otherwise be read to find what has come to an end. They are chosen by a
query of their own, or Postgres reads the thousands all the same.
"""


def like_this_before(request: Request, limit: int = 5) -> QuerySet[Request]:
    """What has come of the same there, whenever it was asked: while one waits, another may have run."""
    same = Request.objects.filter(action=request.action, service=request.service, environment=request.environment)
    return (
        Request.objects.filter(OVER, pk__in=_newest(same.exclude(pk=request.pk)))
        .select_related("service", "workload", "secret", "node", "requester", "execution", "round")
        .prefetch_related("round__votes__voter")
        .order_by("-created_at", "-id")[:limit]
    )


def run_since(request: Request) -> Request | None:
    """The last change of the same target that ended well after this was asked."""
    same = Request.objects.filter(target_key=request.target_key).exclude(pk=request.pk)
    rows = Request.objects.filter(
        pk__in=_newest(same), execution__state=ExecutionState.SUCCEEDED, execution__ended_at__gt=request.created_at
    )
    related = ("service", "workload", "secret", "node", "requester", "execution")
    return rows.select_related(*related).order_by("-execution__ended_at").first()


def _newest(rows: QuerySet[Request]) -> list[int]:
    return list(rows.order_by("-created_at", "-id").values_list("pk", flat=True)[:LOOKED_THROUGH])


def ended_today(person: Person) -> int:
    start = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return (
        requests_visible_to(person)
        .filter(execution__state=ExecutionState.SUCCEEDED, execution__ended_at__gte=start)
        .count()
    )


def usual_plan_ms(action: str, service_id: int) -> int | None:
    """The median time that planning this action for that service took, of the last 20 requests."""
    spans = list(
        Request.objects.filter(action=action, service=service_id)
        .order_by("-id")
        .values_list("planned_in_ms", flat=True)[:20]
    )
    return round(statistics.median(spans)) if spans else None
