"""The record, to be looked through: filters that are the address, pages by time and id, one event opened, and exports.

What a person may see of it, and how it is exported, is the same for programs: `portal.record`.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from actions.registry import all_actions
from audit import queries
from audit.events import VERBS
from audit.export import Format
from audit.models import EventRow
from audit.queries import Filter
from inventory.models import Environment, Person
from portal.record import exported, seen_by

from . import paging
from .door import signed_in

PAGE = 50
COUNTED = 10_000
"""Above this an exact count is not worth its scan."""

TIMES: dict[str, tuple[str, timedelta | None]] = {
    "": ("All the time", None),
    "hour": ("Last hour", timedelta(hours=1)),
    "day": ("Last 24 h", timedelta(days=1)),
    "week": ("Last 7 days", timedelta(days=7)),
    "month": ("Last 30 days", timedelta(days=30)),
}
FIELDS = ("time", "since", "until", "actor", "service", "environment", "action", "verb", "request")

OUTCOMES: dict[str, str] = {
    "plan.refused": "failed",
    "request.denied": "denied",
    "request.approved": "approved",
    "request.rejected": "rejected",
    "request.expired": "expired",
    "request.withdrawn": "withdrawn",
    "request.stale": "stale",
    "vote.refused": "denied",
    "access.refused": "denied",
    "session.refused": "denied",
    "step.failed": "failed",
    "step.unknown": "stale",
    "verification.failed": "failed",
    "execution.succeeded": "succeeded",
    "execution.reverted": "reverted",
    "execution.failed": "failed",
    "execution.cancelled": "cancelled",
    "execution.needs_human": "needs_human",
}
"""Verbs that say how something ended, and the state whose word and colour they take."""


@dataclass(frozen=True)
class Asked:
    """The filters of an address, as they were written, with what is wrong with them."""

    written: dict[str, str]
    wanted: Filter
    problems: dict[str, str]

    @property
    def active(self) -> int:
        return sum(1 for value in self.written.values() if value)

    def address(self, **more: str | int) -> str:
        query: dict[str, str | int] = {**self.written, **more}
        said = urlencode({name: value for name, value in query.items() if value})
        return f"{reverse('audit')}?{said}" if said else reverse("audit")


@dataclass(frozen=True)
class Row:
    event: EventRow
    outcome: str
    href: str
    is_open: bool


@dataclass(frozen=True)
class Opened:
    """One event in full. `sha256` is computed now, over the text as it is stored."""

    event: EventRow
    meaning: str
    sha256: str
    address: str


@never_cache
@signed_in
@require_safe
def index(request: HttpRequest, person: Person) -> HttpResponse:
    asked = _asked(request.GET.dict(), person)
    status = 422 if asked.problems else 200
    before, after = paging.read(request.GET.get("before", "")), paging.read(request.GET.get("after", ""))
    found = [] if asked.problems else _found(asked.wanted, before, after)
    rows = found[:PAGE]
    count = 0 if asked.problems else queries.count_up_to(asked.wanted, COUNTED + 1)
    place = {name: request.GET[name] for name in ("before", "after") if name in request.GET}
    open_row = next((row for row in rows if str(row.pk) == request.GET.get("open", "")), None)
    more = len(found) > PAGE or (after is not None and bool(rows))
    context = {
        "section": "audit",
        "asked": asked,
        "rows": [_row(row, asked, place, row == open_row) for row in rows],
        "opened": _opened(open_row, asked) if open_row else None,
        "count": count,
        "counted_all": count <= COUNTED,
        "limit": COUNTED,
        "older": asked.address(before=paging.text_of(rows[-1].at, rows[-1].pk)) if rows and more else "",
        "newer": asked.address(after=paging.text_of(rows[0].at, rows[0].pk)) if rows and (before or after) else "",
        "first": asked.address() if before or after else "",
        "times": TIMES,
        "environments": Environment.objects.values_list("slug", flat=True),
        "actions": all_actions(),
        "verbs": VERBS,
        "sees_all": asked.wanted.services is None,
    }
    return render(request, "audit.html", context, status=status)


def _found(wanted: Filter, before: paging.Place | None, after: paging.Place | None) -> list[EventRow]:
    if after is not None:
        return queries.page_after(wanted, after=after, size=PAGE)
    return queries.page(wanted, before=before, size=PAGE)


def _row(event: EventRow, asked: Asked, place: dict[str, str], is_open: bool) -> Row:
    href = asked.address(**place) if is_open else asked.address(**place, open=event.pk)
    return Row(event, OUTCOMES.get(event.verb, ""), f"{href}#event-{event.pk}", is_open)


def _opened(event: EventRow, asked: Asked) -> Opened:
    here = paging.text_of(event.at, event.pk + 1)  # so that it comes first, whatever is written afterwards
    return Opened(
        event,
        VERBS.get(event.verb, ""),
        hashlib.sha256(event.text.encode()).hexdigest(),
        f"{asked.address(before=here, open=event.pk)}#event-{event.pk}",
    )


@signed_in
@require_POST
def download(request: HttpRequest, person: Person) -> HttpResponseBase:
    asked = _asked(request.POST.dict(), person)
    kind = request.POST.get("format", "")
    if asked.problems or kind not in tuple(Format):
        return render(
            request, "audit_export_refused.html", {"section": "audit", "problems": asked.problems}, status=422
        )
    filters = {name: value for name, value in asked.written.items() if value}
    return exported(actor=person, wanted=asked.wanted, kind=Format(kind), filters=filters)


def _asked(written: dict[str, str], person: Person) -> Asked:
    said = {name: written.get(name, "").replace("\x00", "").strip()[:400] for name in FIELDS}
    problems: dict[str, str] = {}
    number = _number(said["request"], problems)
    since, until = _moment(said, "since", problems), _moment(said, "until", problems)
    if said["time"] not in TIMES:
        problems["time"] = "Choose one of the list."
    ago = TIMES.get(said["time"], ("", None))[1]
    if ago is not None:
        since = max(filter(None, (since, timezone.now() - ago)))
    wanted = Filter(
        actor=_account(said["actor"]),
        service=said["service"],
        action=said["action"],
        environment=said["environment"],
        verb=said["verb"],
        request=number,
        since=since,
        until=until,
    )
    return Asked(said, seen_by(person, wanted), problems)


def _account(text: str) -> str:
    """The record names accounts; people type names."""
    if not text:
        return ""
    found = Person.objects.filter(display_name__iexact=text).values_list("username", flat=True).first()
    return found or text


def _number(text: str, problems: dict[str, str]) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    problems["request"] = "A request is a number, such as 4816."
    return None


def _moment(said: dict[str, str], name: str, problems: dict[str, str]) -> datetime | None:
    if not said[name]:
        return None
    try:
        found = parse_datetime(said[name])
        if found is not None:
            return found if timezone.is_aware(found) else timezone.make_aware(found)
    except (ValueError, OverflowError):
        pass
    problems[name] = "Write a time such as 2026-11-24T14:00."
    return None


urlpatterns = [
    path("audit", index, name="audit"),
    path("audit/export", download, name="audit-export"),
]
