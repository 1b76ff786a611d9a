"""Reads of the audit record: a page and a filter, keyset-paged by time and id so that row ten million costs what row ten costs."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from .models import EventRow


@dataclass(frozen=True)
class Filter:
    """What an auditor looks for; empty fields mean everything. `services` bounds what the person may see, `None` is no bound."""

    actor: str = ""
    service: str = ""
    action: str = ""
    environment: str = ""
    verb: str = ""
    request: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    services: Collection[str] | None = None
    viewer_id: int | None = None


def events(wanted: Filter) -> QuerySet[EventRow]:
    """Newest first."""
    rows = EventRow.objects.all()
    for column in ("actor", "service", "action", "environment", "verb"):
        value = getattr(wanted, column)
        if value:
            rows = rows.filter(**{column: value})  # columns from the tuple above, never from a user
    if wanted.request is not None:
        rows = rows.filter(request_id=wanted.request)
    if wanted.since:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(at__lt=wanted.until)
    if wanted.services is not None:
        rows = rows.filter(Q(service__in=wanted.services) | Q(actor_id=wanted.viewer_id))
    return rows.order_by("-at", "-id")


def page(wanted: Filter, *, before: tuple[datetime, int] | None, size: int) -> list[EventRow]:
    """At most `size` + 1 rows older than `before`; the extra one tells that there is more."""
    rows = events(wanted)
    if before is not None:
        # the ORM's OR form of this keyset is 150 times slower at 10 M rows
        rows = rows.extra(where=["(audit_event.at, audit_event.id) < (%s, %s)"], params=list(before))
    return list(rows[: size + 1])


def page_after(wanted: Filter, *, after: tuple[datetime, int], size: int) -> list[EventRow]:
    """The `size` rows just newer than `after`, newest first."""
    rows = events(wanted).extra(
        where=["(audit_event.at, audit_event.id) > (%s, %s)"], params=list(after)
    )  # as in `page`
    return list(reversed(rows.order_by("at", "id")[:size]))


def count_up_to(wanted: Filter, limit: int) -> int:
    """How many match, or `limit` when there are at least that many: an exact count of everything is not worth its scan."""
    return events(wanted).order_by()[:limit].count()


def events_of_request(request_id: int) -> QuerySet[EventRow]:
    return EventRow.objects.filter(request_id=request_id).order_by("-id")
