"""Nodes, and what stands on them: how much room is left, which pods a drain would move, and which budgets would hold them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import msgspec

from connectors.errors import InvalidName
from connectors.kubernetes import reading, wire, writing
from connectors.kubernetes.fields import fields
from connectors.kubernetes.resources import collection, of_cluster
from connectors.kubernetes.seen import EXECUTION, Identity, ObjectRef, PodSeen
from connectors.kubernetes.sending import Writer
from connectors.kubernetes.transport import Transport
from connectors.kubernetes.whole import Whole
from connectors.names import dns_subdomain, quantity

MIRROR = "kubernetes.io/config.mirror"
"""Annotation of a pod that a machine runs by itself: the API server only shows it."""
ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Room:
    """CPU in thousandths of a core, memory in bytes."""

    cpu: int = 0
    memory: int = 0

    def __add__(self, other: "Room") -> "Room":
        return Room(self.cpu + other.cpu, self.memory + other.memory)

    def __sub__(self, other: "Room") -> "Room":
        return Room(self.cpu - other.cpu, self.memory - other.memory)

    def holds(self, other: "Room") -> bool:
        return self.cpu >= other.cpu and self.memory >= other.memory


@dataclass(frozen=True, slots=True)
class NodeSeen:
    ref: ObjectRef
    resource_version: str
    execution: str | None
    ready: bool
    schedulable: bool
    version: str
    cpu: str  # allocatable, as the server writes it
    memory: str
    most_pods: int
    trouble: str  # why it is not well, in the server's word, or ""
    fields: Mapping[str, str] = field(default_factory=dict)  # of the whole object, by path; empty in lists

    @property
    def room(self) -> Room:
        return room(self.cpu, self.memory)


@dataclass(frozen=True, slots=True)
class PodOnNode:
    """A pod, as far as it matters to whoever moves it."""

    pod: PodSeen
    requests: Room
    mirror: bool
    local_data: bool  # an emptyDir, which is gone with the pod
    labels: dict[str, str]

    @property
    def ended(self) -> bool:
        return self.pod.phase in ENDED


@dataclass(frozen=True, slots=True)
class BudgetOver:
    """A disruption budget, with those of some pods that it counts, by UID."""

    namespace: str
    name: str
    allowed: int
    pods: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class _NodeSpec(wire.Wire):
    unschedulable: bool = False


class _NodeInfo(wire.Wire):
    kubelet_version: str = ""


class _NodeStatus(wire.Wire):
    conditions: list[wire.Condition] = []
    allocatable: wire.Text = {}
    node_info: _NodeInfo = _NodeInfo()


class _Node(wire.Wire):
    metadata: wire.Meta
    spec: _NodeSpec = _NodeSpec()
    status: _NodeStatus = _NodeStatus()


class _Volume(wire.Wire):
    empty_dir: dict[str, Any] | None = None


class _PlacedSpec(wire.Wire):
    containers: list[wire.Container] = []
    node_name: str = ""
    volumes: list[_Volume] = []


class _PlacedPod(wire.Wire):
    metadata: wire.Meta
    spec: _PlacedSpec = _PlacedSpec()
    status: wire.PodStatus = wire.PodStatus()


class Nodes:
    """The nodes of one cluster. Errors as everywhere: `connectors.errors`."""

    def __init__(self, transport: Transport, writer: Writer) -> None:
        self._transport, self._writer = transport, writer

    def all(self) -> Iterator[NodeSeen]:
        return map(_node, self._transport.pages(collection("Node"), _Node, what="nodes"))

    def read(self, name: str) -> NodeSeen:
        """Raises `Missing` when it is gone."""
        return _whole_node(self._transport.get(of_cluster("Node", name), Whole, what=f"Node {name}"))

    def pods(self, node: str | None = None) -> Iterator[PodOnNode]:
        """Pods that a scheduler has placed: on one node, or everywhere (`None`)."""
        query = (
            [] if node is None else [("fieldSelector", f"spec.nodeName={dns_subdomain(node, 'the name of a Node')}")]
        )
        found = self._transport.pages(collection("Pod"), _PlacedPod, what="pods on nodes", query=query)
        return (_placed(each) for each in found if each.spec.node_name)

    def budgets_over(self, pods: Iterable[PodOnNode]) -> list[BudgetOver]:
        """The disruption budgets that count any of these pods."""
        there = list(pods)
        found = self._transport.pages(collection("PodDisruptionBudget"), wire.Budget, what="disruption budgets")
        over = [_budget(budget, there) for budget in found]
        return [budget for budget in over if budget.pods]

    def set_schedulable(
        self, ref: ObjectRef, *, as_: Identity, schedulable: bool, execution: str, seen: str, dry_run: bool = False
    ) -> NodeSeen:
        """Let new pods onto the node, or keep them off (`kubectl uncordon`, `kubectl cordon`). Pods that are there stay."""
        unschedulable = None if schedulable else True  # absent, as kubectl leaves it
        patch = {**writing.precondition(ref, execution, seen), "spec": {"unschedulable": unschedulable}}
        path = of_cluster("Node", ref.name)
        return _whole_node(self._writer.merge(path, patch, Whole, as_=as_, what=str(ref), dry_run=dry_run))


def _whole_node(whole: Whole) -> NodeSeen:
    return replace(_node(msgspec.convert(whole, _Node)), fields=fields(whole))


def _node(seen: _Node) -> NodeSeen:
    conditions = {each.type: each for each in seen.status.conditions}
    ready = conditions.get("Ready")
    troubles = [each.type for each in seen.status.conditions if each.type != "Ready" and each.status == "True"]
    is_ready = ready is not None and ready.status == "True"
    return NodeSeen(
        ref=reading.reference("Node", seen.metadata),
        resource_version=seen.metadata.resource_version,
        execution=seen.metadata.annotations.get(EXECUTION),
        ready=is_ready,
        schedulable=not seen.spec.unschedulable,
        version=seen.status.node_info.kubelet_version,
        cpu=seen.status.allocatable.get("cpu", ""),
        memory=seen.status.allocatable.get("memory", ""),
        most_pods=_whole(seen.status.allocatable.get("pods", "")),
        trouble=((ready.reason if ready else "") or "NotReady") if not is_ready else next(iter(troubles), ""),
    )


def _placed(seen: _PlacedPod) -> PodOnNode:
    spec = wire.PodSpec(containers=seen.spec.containers, node_name=seen.spec.node_name)
    return PodOnNode(
        pod=reading.pod(wire.Pod(metadata=seen.metadata, spec=spec, status=seen.status)),
        requests=sum((_requests(container) for container in seen.spec.containers), Room()),
        mirror=MIRROR in seen.metadata.annotations,
        local_data=any(volume.empty_dir is not None for volume in seen.spec.volumes),
        labels=seen.metadata.labels,
    )


def _budget(seen: wire.Budget, pods: list[PodOnNode]) -> BudgetOver:
    meta, selector = seen.metadata, seen.spec.selector
    counted = [
        each.pod.uid
        for each in pods
        if selector is not None and each.pod.namespace == meta.namespace and reading.selects(selector, each.labels)
    ]
    return BudgetOver(meta.namespace, meta.name, seen.status.disruptions_allowed, tuple(counted))


def _requests(container: wire.Container) -> Room:
    asked = container.resources.requests
    return room(asked.get("cpu", ""), asked.get("memory", ""))


def room(cpu: str, memory: str) -> Room:
    """Two quantities, as the server writes them."""
    return Room(_thousandths(cpu), _whole(memory))


def _amount(text: str) -> Decimal:
    """What the server accepted may be written in ways that we do not read; then it counts as nothing."""
    try:
        return quantity(text) if text else Decimal(0)
    except InvalidName:
        return Decimal(0)


def _thousandths(text: str) -> int:
    return int(_amount(text) * 1000)


def _whole(text: str) -> int:
    return int(_amount(text))
