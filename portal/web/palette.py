"""Search and run from anywhere: what a person types becomes actions with the policy's answer, services, and requests.

A word that begins an action's name chooses the action, the others look for the service: "restart che". A number finds its request.
What is shown is bounded, and so is what it costs: the policy is asked for the few actions that are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from actions import queries as actions
from actions.models import Request
from actions.plans import TargetKind
from actions.registry import AnyAction, all_actions, title_of
from actions.ruling import Relation, relation_of
from actions.targets import name_of, service_of
from inventory import queries as inventory
from inventory.models import Person, Service, Workload

from .acts import Act, act_of, fitting
from .door import signed_in
from .progress import ending_of

MOST_ACTS = 6
MOST_SERVICES = 6
MOST_NODES = 4
MOST_REQUESTS = 4
LONGEST = 100


@dataclass(frozen=True)
class Asked:
    """What was typed, read: the actions meant, the words that look for a service, the number of a request."""

    actions: tuple[AnyAction, ...]
    words: tuple[str, ...]
    number: int | None
    names_an_action: bool


@dataclass(frozen=True)
class FoundRequest:
    request: Request
    title: str
    state: str


def read(text: str, known: Sequence[AnyAction]) -> Asked:
    """Split what was typed into the action it begins with and the rest."""
    typed = text.casefold().split()[:8]
    meant = tuple(action for action in known if typed and any(_begins(action, word) for word in typed))
    rest = tuple(word for word in typed if not any(_begins(action, word) for action in meant))
    number = next((int(word.lstrip("#")) for word in typed if word.lstrip("#").isdecimal() and len(word) < 19), None)
    return Asked(meant or tuple(known), rest, number, bool(meant))


def _begins(action: AnyAction, word: str) -> bool:
    return len(word) > 1 and (action.title.casefold().startswith(word) or action.id.startswith(word))


@signed_in
@require_safe
def palette(request: HttpRequest, person: Person) -> HttpResponse:
    text = request.GET.get("q", "")[:LONGEST].replace("\x00", "").strip()
    asked = read(text, [action for action in all_actions() if action.listed])
    found = _services(person, asked)
    context = {
        "q": text,
        "acts": [(act, marked(name_of(act.row), asked.words)) for act in _acts(person, asked, found)],
        "services": [(each, marked(each.name, asked.words)) for each in ([] if asked.names_an_action else found)],
        "requests": [(each, marked(each.request.service.name, asked.words)) for each in _requests(person, asked, text)],
    }
    return render(request, "_palette_results.html", context)


def _services(person: Person, asked: Asked) -> list[Service]:
    """Own ones first, then the others; with nothing typed, own ones only."""
    text = " ".join(asked.words)
    mine = list(inventory.trouble_first(inventory.named_like(inventory.my_services(person), text))[:MOST_SERVICES])
    if len(mine) == MOST_SERVICES or not (text or not mine):
        return mine
    others = inventory.named_like(inventory.services_visible_to(person), text).exclude(
        pk__in=[each.pk for each in mine]
    )
    return [*mine, *others.order_by("slug")[: MOST_SERVICES - len(mine)]]


def _acts(person: Person, asked: Asked, services: Sequence[Service]) -> list[Act]:
    """For a few actions, the policy's answer; the most critical environment first, as on the service's page."""
    if not (asked.words or asked.names_an_action):
        return []
    by_pk = {service.pk: service for service in services}
    workloads = inventory.live_workloads(services)
    workloads.sort(key=lambda each: (list(by_pk).index(each.service_id), -each.environment.criticality))
    relations: dict[int, Relation] = {}
    now = timezone.now()
    acts: list[Act] = []
    for workload, action in _pairs(workloads, asked.actions):
        service = workload.service = by_pk[workload.service_id]
        relation = relations.setdefault(service.pk, relations.get(service.pk) or relation_of(person, service, now))
        acts.append(act_of(action, workload, person, now, relation))
    return [*acts, *_acts_on_nodes(person, asked, now)][:MOST_ACTS]


def _acts_on_nodes(person: Person, asked: Asked, now: datetime) -> list[Act]:
    """For whoever sees nodes, and only when such an action is named: what else is typed is hardly ever the name of a node."""
    meant = [action for action in asked.actions if action.target is TargetKind.NODE]
    if not (asked.names_an_action and meant):
        return []
    nodes = inventory.nodes_visible_to(person).filter(gone_at=None)
    for word in asked.words:
        nodes = nodes.filter(name__icontains=word)
    found = list(nodes.order_by("cluster__name", "name")[:MOST_NODES])
    relations = {each.pk: relation_of(person, each, now) for each in {service_of(node) for node in found}}
    return [
        act_of(action, node, person, now, relations[service_of(node).pk])
        for node in found
        for action in fitting(node)
        if action in meant
    ]


def _pairs(workloads: Sequence[Workload], meant: Sequence[AnyAction]) -> list[tuple[Workload, AnyAction]]:
    pairs = [(workload, action) for workload in workloads for action in fitting(workload) if action in meant]
    return pairs[:MOST_ACTS]


def _requests(person: Person, asked: Asked, text: str) -> list[FoundRequest]:
    rows = actions.requests_visible_to(person)
    if asked.number is not None:
        rows = rows.filter(pk=asked.number)
    else:
        for word in asked.words:
            rows = rows.filter(service__slug__icontains=word)
        if asked.names_an_action:
            rows = rows.filter(action__in=[action.id for action in asked.actions])
        elif not asked.words:
            rows = rows.filter(requester=person)
    return [
        FoundRequest(row, title_of(row.action), _state(row))
        for row in rows.order_by("-created_at", "-id")[:MOST_REQUESTS]
    ]


def _state(request: Request) -> str:
    run = getattr(request, "execution", None)
    return ending_of(request, run) if run else request.state


def marked(name: str, words: Sequence[str]) -> SafeString:
    """The name with the first place of each word marked. Everything that came from outside is escaped piece by piece."""
    folded = name.casefold()
    if len(folded) != len(name):  # folding changed the length (ß), so the places would be wrong
        return mark_safe(escape(name))  # noqa: S308  # escaped
    spots = sorted((at, at + len(word)) for word in words if (at := folded.find(word)) >= 0)
    pieces, end = [], 0
    for start, stop in spots:
        if start < end:
            continue
        pieces.append(f"{escape(name[end:start])}<mark>{escape(name[start:stop])}</mark>")
        end = stop
    return mark_safe("".join(pieces) + escape(name[end:]))  # noqa: S308  # every piece is escaped


urlpatterns = [path("fragments/palette", palette, name="palette")]
