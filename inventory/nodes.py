"""The machines of a cluster, and the service they belong to, so that they have an owner as everything else has.

A cluster whose administrator does not lend us its nodes (`deploy/kubernetes/nodes.yaml`) has none here, and all else works.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.conf import settings
from django.db import transaction

from audit import writer
from audit.events import SYSTEM, About, Event
from connectors.errors import Forbidden
from connectors.kubernetes import KubernetesCluster
from connectors.kubernetes.nodes import NodeSeen, Room, room

from .claims import line
from .models import Cluster, Environment, Node, Person, Service, Team
from .queries import VIEW, nodes_visible_to
from .services import BATCH, create_team, owner_changed

log = structlog.get_logger(__name__)

SEEN = (
    "name", "environment_id", "ready", "schedulable", "version", "cpu", "memory", "pods", "most_pods", "cpu_requested",
    "memory_requested", "trouble", "gone_at",
)  # fmt: skip
"""What makes a node's row a changed one."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A node with the sum of what stands on it."""

    seen: NodeSeen
    pods: int
    requested: Room


def look(cluster: KubernetesCluster) -> list[Machine]:
    """All nodes. Raises the connector's errors, but where we may not look there are none."""
    try:
        nodes = list(cluster.nodes.all())
    except Forbidden:
        log.debug("discovery.nodes_not_lent", cluster=cluster.name)
        return []
    counts: Counter[str] = Counter()
    requested: defaultdict[str, Room] = defaultdict(Room)
    for each in cluster.nodes.pods():
        if not each.ended:
            counts[each.pod.node] += 1
            requested[each.pod.node] += each.requests
    return [Machine(seen, counts[seen.ref.name], requested[seen.ref.name]) for seen in nodes]


@transaction.atomic
def keep(cluster: Cluster, machines: Sequence[Machine], *, at: datetime) -> None:
    """Make the rows say what was seen; what is missing is gone. Call it after the cluster's workloads are kept."""
    if machines:
        _own(cluster)
    worst = Environment.objects.filter(workloads__cluster=cluster, workloads__gone_at=None)
    environment = worst.order_by("-criticality", "-position").first()
    rows = {machine.seen.ref.uid: _row(cluster, machine, environment, at) for machine in machines}
    before = {row.uid: row for row in Node.objects.filter(cluster=cluster, gone_at=None)}
    written = [row for uid, row in rows.items() if uid not in before or _differs(before[uid], row)]
    Node.objects.bulk_create(
        written,
        BATCH,
        update_conflicts=True,
        unique_fields=["cluster", "uid"],
        update_fields=[name.removesuffix("_id") for name in SEEN],
    )
    gone = [row.pk for uid, row in before.items() if uid not in rows]
    if gone:
        Node.objects.filter(pk__in=gone).update(gone_at=at)
    Node.objects.filter(cluster=cluster, gone_at=None).update(seen_at=at)


def may_see(person: Person) -> bool:
    """Whether the machines are this person's business: administrators, auditors, and the team that a cluster belongs to."""
    return person.has_perm(f"inventory.{VIEW}") or nodes_visible_to(person).exists()


def free(node: Node) -> Room:
    """What nobody has requested yet."""
    return room(node.cpu, node.memory) - Room(node.cpu_requested, node.memory_requested)


def _own(cluster: Cluster) -> None:
    """The cluster's own service, in the hands of the team that the settings name."""
    said = settings.CONFIGURATION.clusters.get(cluster.name)
    team = _team(said.team) if said and said.team else None
    slug = f"cluster-{cluster.name}"
    service, new = Service.objects.get_or_create(
        slug=slug, defaults={"name": f"Cluster {cluster.name}", "team": team, "tier": 1, "description": "Its nodes."}
    )
    if new:
        owner = team.slug if team else ""
        about = About(service=slug)
        details: dict[str, object] = {"owner": owner, "name": service.name}
        summary = f"the nodes of cluster {cluster.name}, owned by {owner or 'nobody'}"
        writer.record(Event("service.discovered", SYSTEM, summary, about, details))
    elif team is not None and service.team_id != team.pk:
        former, service.team = service.team, team
        service.save(update_fields=["team"])
        writer.record(owner_changed(service, former, actor=SYSTEM))
    if cluster.service_id != service.pk:
        cluster.service = service
        cluster.save(update_fields=["service"])


def _team(slug: str) -> Team:
    return Team.objects.filter(slug=slug).first() or create_team(
        slug, slug.replace("-", " ").capitalize(), actor=SYSTEM
    )


def _row(cluster: Cluster, machine: Machine, environment: Environment | None, at: datetime) -> Node:
    seen = machine.seen
    return Node(
        cluster=cluster,
        name=seen.ref.name,
        uid=seen.ref.uid,
        environment=environment,
        ready=seen.ready,
        schedulable=seen.schedulable,
        version=line(seen.version, 64),
        cpu=line(seen.cpu, 32),
        memory=line(seen.memory, 32),
        pods=machine.pods,
        most_pods=seen.most_pods,
        cpu_requested=machine.requested.cpu,
        memory_requested=machine.requested.memory,
        trouble=line(seen.trouble, 300),
        seen_at=at,
    )


def _differs(before: Node, now: Node) -> bool:
    return any(getattr(before, name) != getattr(now, name) for name in SEEN)
