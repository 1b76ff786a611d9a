"""The machines of the clusters, for whoever looks after them: what state they are in, how full they are, and what can be done.

Keyset-paged by cluster and name. What can be done to one is asked for when its menu is opened: the policy is not asked a thousand
times for a list that somebody only reads.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from actions import queries as actions
from inventory import queries as inventory
from inventory.models import Cluster, Node, Person
from inventory.nodes import free, may_see

from .acts import acts_on
from .door import signed_in

PAGE = 100
LONGEST = 253


@dataclass(frozen=True)
class Row:
    """One node. `free_cpu` in whole cores and `free_memory` in GiB are what nobody has requested yet."""

    node: Node
    state: str
    word: str
    why: str
    free_cpu: int
    free_memory: int
    request: int | None
    """The request whose run has it now."""


@signed_in
@require_safe
def nodes(request: HttpRequest, person: Person) -> HttpResponse:
    rows = _visible(person)
    text, cluster, after = (
        request.GET.get(name, "")[:LONGEST].replace("\x00", "") for name in ("q", "cluster", "after")
    )
    only_trouble = request.GET.get("trouble") == "1"
    chosen = rows.filter(name__icontains=text) if text else rows
    if cluster:
        chosen = chosen.filter(cluster__name=cluster)
    if only_trouble:
        chosen = chosen.filter(Q(ready=False) | Q(schedulable=False) | ~Q(trouble=""))
    found = list(_after(chosen, after)[: PAGE + 1])
    clusters = list(Cluster.objects.filter(nodes__in=rows).distinct().order_by("name"))
    kept = {"q": text, "cluster": cluster, "trouble": "1" if only_trouble else ""}
    context = {
        "section": "nodes",
        "rows": _rows(found[:PAGE]),
        "clusters": clusters,
        "asked": kept,
        "filtered": any(kept.values()),
        "after": after,
        "first": _query(kept),
        "next": _query({**kept, "after": f"{found[PAGE - 1].cluster.name}/{found[PAGE - 1].name}"})
        if len(found) > PAGE
        else "",
        "seen_at": min((row.seen_at for row in found[:PAGE]), default=None),
    }
    return render(request, "nodes.html", context)


@signed_in
@require_safe
def node_acts(request: HttpRequest, person: Person, pk: int) -> HttpResponse:
    """What can be done to one node, with the policy's answers: the menu behind its row."""
    node = _visible(person).filter(pk=pk).first()
    if node is None:
        raise Http404
    return render(request, "_node_acts.html", {"node": node, "acts": acts_on(person, node, timezone.now())})


def _visible(person: Person) -> QuerySet[Node]:
    """Raises `PermissionDenied` for whoever looks after no cluster: that there are nodes is no secret."""
    if not may_see(person):
        raise PermissionDenied
    return inventory.nodes_visible_to(person).filter(gone_at=None)


def _after(rows: QuerySet[Node], after: str) -> QuerySet[Node]:
    cluster, _, name = after.partition("/")
    ordered = rows.order_by("cluster__name", "name", "pk")
    return ordered.filter(Q(cluster__name__gt=cluster) | Q(cluster__name=cluster, name__gt=name)) if name else ordered


def _rows(found: Iterable[Node]) -> list[Row]:
    there = list(found)
    runs = actions.active_on_keys([f"node:{node.uid}" for node in there])
    return [_row(node, runs.get(f"node:{node.uid}")) for node in there]


def _row(node: Node, request: int | None) -> Row:
    room = free(node)
    if not node.ready:
        state, word = "failed", "Not ready"
    elif not node.schedulable:
        state, word = "needed", "Cordoned"
    else:
        state, word = ("degraded", "Degraded") if node.trouble else ("ready", "Ready")
    return Row(node, state, word, node.trouble, room.cpu // 1000, room.memory // 2**30, request)


def _query(kept: dict[str, str]) -> str:
    return urlencode({name: value for name, value in kept.items() if value})


urlpatterns = [
    path("nodes", nodes, name="nodes"),
    path("fragments/nodes/<int:pk>/acts", node_acts, name="node-acts"),
]
