"""Every service a person may see, in pages of fifty, and one service: what runs, what can be done, what changed.

The list is keyset-paged by name, so that nobody counts ten thousand rows to show fifty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from actions import queries as actions
from approvals import absences
from inventory import incidents, on_call
from inventory import queries as inventory
from inventory.models import Environment, Person, Secret, Service, Workload
from inventory.queries import SystemState
from inventory.samples import WANT_NOTHING
from inventory.series import series_of, window_of

from . import words
from .acts import Acts, acts_on, places_of
from .board import Cell, board_of, cell_of, run_on
from .changes import changes_of
from .door import signed_in
from .suspended import suspended_among

PAGE, MOST_INCIDENTS = 50, 5
LINK_ICONS = {"runbook": "book-2", "dashboard": "chart-line", "repository": "git-branch", "argo cd": "refresh"}


@dataclass(frozen=True)
class Link:
    """A link that a team gave its service; only https gets here."""

    name: str
    href: str
    icon: str


@dataclass(frozen=True)
class Live:
    """A workload as last seen, for the columns of the live state."""

    workload: Workload
    cell: Cell
    starting: int
    room: int
    autoscaler: str

    @property
    def scheduled(self) -> bool:
        return self.workload.kind in WANT_NOTHING


@dataclass(frozen=True)
class Column:
    """One environment: its state, its workloads, and whether what is said of it may be old."""

    environment: Environment
    cell: Cell
    lives: tuple[Live, ...]
    run_request: int | None
    silent_since: datetime | None


@dataclass(frozen=True)
class Age:
    """How old a secret is against how old it may get."""

    secret: Secret
    days: int | None
    limit: int | None
    acts: Acts

    @property
    def late(self) -> bool:
        return self.days is not None and self.limit is not None and self.days > self.limit


@signed_in
@require_safe
def services(request: HttpRequest, person: Person) -> HttpResponse:
    text, after = _text(request, "q"), _text(request, "after")
    only_trouble = request.GET.get("trouble") == "1"
    rows = inventory.named_like(inventory.services_visible_to(person), text)
    if only_trouble:
        rows = inventory.in_trouble(rows)
    found = list(inventory.by_name(rows, after=after)[: PAGE + 1])
    context = {
        "section": "services",
        "board": board_of(found[:PAGE]),
        "q": text,
        "after": after,
        "only_trouble": only_trouble,
        "next": found[PAGE - 1].slug if len(found) > PAGE else "",
        "sees_all": person.has_perm(f"inventory.{inventory.VIEW}"),
    }
    return render(request, "services.html", context)


@signed_in
@require_safe
def service(request: HttpRequest, person: Person, slug: str) -> HttpResponse:
    found = _visible(person, slug)
    now = timezone.now()
    workloads = _live(found)
    places = places_of(person, workloads, now)
    columns = _columns(workloads, now)
    chosen = _chosen(request, [place.environment for place in places])
    changes = changes_of(found, now)
    visible = inventory.services_visible_to(person)
    opened = list(incidents.open_for(found)[: MOST_INCIDENTS + 1])
    context = {
        "section": "services",
        "service": found,
        "links": _links(found.links),
        "columns": columns,
        "seen_at": min((workload.seen_at for workload in workloads), default=None),
        "places": places,
        "place": next((place for place in places if place.environment == chosen), None),
        "suspended": suspended_among([each for each in workloads if each.environment == chosen]),
        "changes": changes,
        "secrets": [_age(secret, now, _acts(person, secret, found, now)) for secret in inventory.secrets_of(found)],
        "on_call": [each.name for each in on_call.on_call_now(found.team, now)],
        "incidents": opened[:MOST_INCIDENTS],
        "more_incidents": len(opened) > MOST_INCIDENTS,
        "approvers": _approvers(found, now),
        "called_by": _names(found.called_by.filter(pk__in=visible)),
        "calls": _names(found.calls.filter(pk__in=visible)),
        "cluster": "" if workloads else found.clusters.values_list("name", flat=True).first() or "",
        "trouble": _worst(columns),
        "silent": _silent(workloads),
    }
    return render(request, "service.html", context)


@signed_in
@require_safe
def service_live(request: HttpRequest, person: Person, slug: str) -> HttpResponse:
    """The columns of the live state, which ask for themselves."""
    found = _visible(person, slug)
    workloads = _live(found)
    seen_at = min((workload.seen_at for workload in workloads), default=None)
    context = {"service": found, "columns": _columns(workloads, timezone.now()), "seen_at": seen_at}
    return render(request, "_service_live.html", context)


@signed_in
@require_safe
def service_changes(request: HttpRequest, person: Person, slug: str) -> HttpResponse:
    found = _visible(person, slug)
    return render(request, "_service_changes.html", {"service": found, "changes": changes_of(found, timezone.now())})


@signed_in
@require_safe
def service_acts(request: HttpRequest, person: Person, slug: str) -> HttpResponse:
    """What can be done to a service, with the policy's answers: the menu behind a row of a list."""
    found = _visible(person, slug)
    return render(
        request, "_service_acts.html", {"service": found, "places": places_of(person, _live(found), timezone.now())}
    )


@signed_in
@require_safe
def service_series(request: HttpRequest, person: Person, slug: str) -> JsonResponse:
    """What the charts of one environment draw: the last day, or as much of it as we have been looking."""
    found = _visible(person, slug)
    workloads = [each for each in _live(found) if each.environment.slug == request.GET.get("on")]
    window = window_of(workloads, now=timezone.now())
    length = window.until - window.since
    series = series_of(workloads, window)
    body = {
        "at": series.at, "wanted": series.wanted, "ready": series.ready, "restarted": series.restarted,
        "from": int(window.since.timestamp()), "to": int(window.until.timestamp()), "bar": window.bar.total_seconds(),
        "axis": [f"{timezone.localtime(window.since + part * length / 4):%H:%M}" for part in range(4)],
        "length": words.roughly(length.total_seconds()), "bar_length": words.roughly(window.bar.total_seconds()),
        "now": {"ready": sum(each.ready for each in workloads), "wanted": sum(each.wanted for each in workloads)},
    }  # fmt: skip
    return JsonResponse(body)


def _visible(person: Person, slug: str) -> Service:
    found = inventory.services_visible_to(person).filter(slug=slug).first()
    if found is None:
        raise Http404
    return found


def _names(services: QuerySet[Service]) -> list[str]:
    return list(services.order_by("name").values_list("name", flat=True)[:12])


def _approvers(service: Service, now: datetime) -> list[str]:
    """By name; of those who are away, that they are."""
    found = inventory.approvers_of(service.team)
    away = absences.away_at(now, [each.pk for each in found])
    return [
        f"{each.name} (away until {words.moment(away[each.pk].ends_at)})" if each.pk in away else each.name
        for each in sorted(found, key=lambda each: each.pk in away)
    ]


def _live(service: Service) -> list[Workload]:
    workloads = inventory.live_workloads([service])
    for workload in workloads:
        workload.service = service  # the row at hand, with its team: no query for each
    return sorted(
        workloads, key=lambda each: (each.environment.position, each.environment.slug, each.kind in WANT_NOTHING)
    )


def _text(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "")[:253].replace("\x00", "")


def _chosen(request: HttpRequest, environments: Sequence[Environment]) -> Environment | None:
    """The environment asked for, else the most critical one: it is why people come."""
    asked = request.GET.get("on")
    named = next((each for each in environments if each.slug == asked), None)
    return named or max(environments, key=lambda each: each.criticality, default=None)


def _columns(workloads: Sequence[Workload], now: datetime) -> tuple[Column, ...]:
    active = actions.active_on(list(workloads))
    grouped: dict[Environment, list[Workload]] = {}
    for workload in workloads:
        grouped.setdefault(workload.environment, []).append(workload)
    columns = []
    for environment, here in grouped.items():
        run = run_on(here, active)
        silent = next((each.cluster.unreachable_since for each in here if each.cluster.unreachable_since), None)
        lives = tuple(_live_of(each, cell_of(environment, [each], run_on([each], active))) for each in here)
        columns.append(
            Column(environment, cell_of(environment, here, run), lives, run.request_id if run else None, silent)
        )
    return tuple(columns)


def _live_of(workload: Workload, cell: Cell) -> Live:
    missing = max(0, workload.wanted - workload.ready)
    bounds: dict[str, Any] = workload.autoscaler or {}
    room = max(0, int(bounds.get("max", 0)) - max(workload.wanted, workload.ready)) if bounds else 0
    said = f"Keeps it between {bounds['min']} and {bounds['max']}" if bounds else f"None, fixed at {workload.wanted}"
    return Live(workload, cell, missing, room, said)


def _worst(columns: Sequence[Column]) -> Column | None:
    troubled = [column for column in columns if column.cell.trouble and column.cell.state in ("failed", "degraded")]
    return max(troubled, key=lambda column: column.environment.criticality, default=None)


def _silent(workloads: Sequence[Workload]) -> list[SystemState]:
    """The clusters of this service that do not answer, once each."""
    clusters = {each.cluster.pk: each.cluster for each in workloads if each.cluster.unreachable_since}
    return [
        SystemState("kubernetes", row.name, row.simulated, row.unreachable_since, row.problem)
        for row in clusters.values()
    ]


def _links(links: object) -> list[Link]:
    """Names and addresses come from annotations, so from anybody who may write one: only plain https goes out."""
    if not isinstance(links, dict):
        return []
    found = []
    for name, href in list(links.items())[:8]:
        if isinstance(href, str) and _is_safe(href):
            found.append(Link(str(name)[:40], href, LINK_ICONS.get(str(name).lower(), "link")))
    return found


def _is_safe(href: str) -> bool:
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    plain = href.isprintable() and " " not in href
    return plain and parts.scheme == "https" and bool(parts.hostname) and not parts.username


def _acts(person: Person, secret: Secret, service: Service, now: datetime) -> Acts:
    """What can be done to a secret from the page of the service that owns it; one that it only reads is others' to change."""
    return acts_on(person, secret, now) if secret.service_id == service.pk else Acts()


def _age(secret: Secret, now: datetime, acts: Acts) -> Age:
    days = (now - secret.rotated_at).days if secret.rotated_at else None
    return Age(secret, days, secret.rotate_every.days if secret.rotate_every else None, acts)


urlpatterns = [
    path("services", services, name="services"),
    path("services/<str:slug>", service, name="service"),
    path("fragments/services/<str:slug>/live", service_live, name="service-live"),
    path("fragments/services/<str:slug>/changes", service_changes, name="service-changes"),
    path("fragments/services/<str:slug>/acts", service_acts, name="service-acts"),
    path("fragments/services/<str:slug>/series", service_series, name="service-series"),
]
