"""What an action can be asked for: rows of the inventory that a person may see, and what they are as values."""

from django.db.models import QuerySet

from connectors.kubernetes import ObjectRef
from inventory import queries as inventory
from inventory.models import Environment, Node, Person, Secret, Service, Workload

from .errors import NotFound
from .models import Request
from .plans import Target, TargetKind

Row = Workload | Secret | Node

NOUNS = {TargetKind.WORKLOAD: "workload", TargetKind.SECRET: "secret", TargetKind.NODE: "node"}


def visible(kind: TargetKind, person: Person) -> QuerySet[Workload] | QuerySet[Secret] | QuerySet[Node]:
    """All of a kind that the person may see. What nobody owns is nobody's to ask for, so it is not among them."""
    if kind is TargetKind.SECRET:
        return inventory.secrets_visible_to(person)
    if kind is TargetKind.NODE:
        return inventory.nodes_visible_to(person)
    return inventory.workloads_visible_to(person)


def find(kind: TargetKind, person: Person, pk: int) -> Row:
    """Raises `NotFound`, also for what the person may not see."""
    row = visible(kind, person).filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no such {NOUNS[kind]}, or you may not see it. Ask the team that owns it.")
    return row


def kind_of(row: Row) -> TargetKind:
    if isinstance(row, Secret):
        return TargetKind.SECRET
    return TargetKind.NODE if isinstance(row, Node) else TargetKind.WORKLOAD


def object_kind(row: Row) -> str:
    """What `Action.kinds` speaks of: the kind of the object in Kubernetes, or of the secret in the vault."""
    return "Node" if isinstance(row, Node) else row.kind


def name_of(row: Row) -> str:
    """What people call it: a workload by its service."""
    if isinstance(row, Secret):
        return row.path
    return row.name if isinstance(row, Node) else row.service.name


def service_of(row: Row) -> Service:
    """Raises `NotFound` when it belongs to none."""
    service = row.service
    if service is None:
        raise NotFound(f"{row} belongs to no service, so nobody can ask for it or agree. Give it an owner first.")
    return service


def environment_of(row: Row) -> Environment:
    """Where it counts: of what is in no environment that we know, the most critical one. Raises `NotFound` when there is none."""
    if row.environment is not None:
        return row.environment
    worst = Environment.objects.order_by("-criticality", "-position").first()
    if worst is None:
        raise NotFound("No environment is known yet. Connect a cluster first.")
    return worst


def row_of(request: Request) -> Row:
    """Raises `NotFound` when what it acted on is gone from the inventory."""
    row = request.row
    if row is None:
        raise NotFound("What this acted on is gone.")
    return row


def row_at(target: Target) -> Row:
    """The inventory's row of a target, seen from what is stored of it. Raises `NotFound` when it is gone from there."""
    rows: QuerySet[Workload] | QuerySet[Secret] | QuerySet[Node]
    if target.kind is TargetKind.SECRET:
        rows = Secret.objects.filter(pk=int(target.key.rpartition(":")[2]))
    else:
        model = Node if target.kind is TargetKind.NODE else Workload
        rows = model.objects.filter(cluster__name=target.cluster, uid=target.ref.uid)
    row = rows.first()
    if row is None:
        raise NotFound(f"{target.label} is gone.")
    return row


def column_of(row: Row) -> dict[str, Row]:
    """Which foreign key of a request holds the row."""
    return {kind_of(row).value: row}


def target_of(row: Row) -> Target:
    service, environment = service_of(row).slug, environment_of(row).slug
    if isinstance(row, Workload):
        ref = ObjectRef(row.kind, row.namespace, row.name, row.uid)
        label = f"{row.kind} {row.namespace}/{row.name}"
        return Target(TargetKind.WORKLOAD, f"workload:{row.uid}", label, service, environment, row.cluster.name, ref)
    if isinstance(row, Node):
        ref = ObjectRef("Node", "", row.name, row.uid)
        return Target(
            TargetKind.NODE, f"node:{row.uid}", f"Node {row.name}", service, environment, row.cluster.name, ref
        )
    ref = ObjectRef(row.kind, row.mount, row.path, f"{row.vault.name}/{row.mount}/{row.path}")
    consumer = row.consumers.filter(gone_at=None).select_related("cluster").order_by("pk").first()
    return Target(
        TargetKind.SECRET, f"secret:{row.pk}", f"Secret {row.mount}/{row.path}"[:400], service, environment,
        consumer.cluster.name if consumer else "", ref, row.vault.name,
    )  # fmt: skip
