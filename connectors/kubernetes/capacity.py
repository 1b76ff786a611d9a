"""How many pods of a template fit on the machines of a cluster, counted as its scheduler counts: by requests, not by use.

Taints, tolerations and node selectors are heeded; affinities are not. What is counted is a promise of room, not of placement.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from kubernetes.utils.quantity import parse_quantity

from connectors.kubernetes.wire import Condition, Meta, Resources, Text, Wire

NOT_FOR_NEW_PODS = frozenset({"NoSchedule", "NoExecute"})
NOTHING = Decimal(0)


class Toleration(Wire):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class Taint(Wire):
    key: str
    effect: str
    value: str = ""


class Asking(Wire):
    """A container, as far as it asks for something. Of an init container, `Always` means that it stays."""

    name: str = ""
    resources: Resources = Resources()
    restart_policy: str = ""


class AskingSpec(Wire):
    containers: list[Asking] = []
    init_containers: list[Asking] = []
    overhead: Text = {}
    node_name: str = ""
    node_selector: Text = {}
    tolerations: list[Toleration] = []


class AskingPod(Wire):
    metadata: Meta
    spec: AskingSpec = AskingSpec()


class MachineSpec(Wire):
    unschedulable: bool = False
    taints: list[Taint] = []


class MachineStatus(Wire):
    allocatable: Text = {}
    conditions: list[Condition] = []


class Machine(Wire):
    """A node, as far as it takes pods."""

    metadata: Meta
    spec: MachineSpec = MachineSpec()
    status: MachineStatus = MachineStatus()


@dataclass(frozen=True, slots=True)
class PodNeeds:
    """What one pod asks for and may use at most, in cores and bytes, and which machines it may be on."""

    cpu: Decimal = NOTHING
    memory: Decimal = NOTHING
    cpu_limit: Decimal = NOTHING
    memory_limit: Decimal = NOTHING
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()


def needs_of(spec: AskingSpec, instead: Mapping[str, Resources] | None = None) -> PodNeeds:
    """`instead` are other resources for containers, by name. Where only a limit is set, Kubernetes makes it the request."""

    def total(what: str, *, limit: bool) -> Decimal:
        def of(container: Asking) -> Decimal:
            resources = (instead or {}).get(container.name, container.resources)
            text = resources.limits.get(what) if limit else resources.requests.get(what, resources.limits.get(what))
            return amount(text or "0")

        staying, peak = NOTHING, NOTHING
        for container in spec.init_containers:  # they run one after another, beside those that stay
            if container.restart_policy == "Always":
                staying += of(container)
            peak = max(peak, staying if container.restart_policy == "Always" else staying + of(container))
        running = staying + sum(map(of, spec.containers), NOTHING)
        return max(running, peak) + amount(spec.overhead.get(what, "0"))

    return PodNeeds(
        cpu=total("cpu", limit=False),
        memory=total("memory", limit=False),
        cpu_limit=total("cpu", limit=True),
        memory_limit=total("memory", limit=True),
        node_selector=spec.node_selector,
        tolerations=tuple(spec.tolerations),
    )


def room(
    machines: Iterable[Machine],
    pods: Iterable[AskingPod],
    needs: PodNeeds,
    *,
    own: frozenset[str],
    most_each: int | None = None,
) -> int:
    """How many such pods all machines together could hold, those with the UIDs `own` included; `most_each` on one machine."""
    used: dict[str, list[Decimal]] = defaultdict(lambda: [NOTHING, NOTHING, NOTHING])
    for pod in pods:
        if pod.spec.node_name and pod.metadata.uid not in own:
            asks = needs_of(pod.spec)
            there = used[pod.spec.node_name]
            used[pod.spec.node_name] = [there[0] + asks.cpu, there[1] + asks.memory, there[2] + 1]
    found = 0
    for machine in machines:
        if takes(machine, needs):
            fits = _fit(machine.status.allocatable, used[machine.metadata.name], needs)
            found += fits if most_each is None else min(fits, most_each)
    return found


def takes(machine: Machine, needs: PodNeeds) -> bool:
    """Whether the scheduler would consider the machine for such a pod."""
    ready = any(c.type == "Ready" and c.status == "True" for c in machine.status.conditions)
    if not ready or machine.spec.unschedulable:
        return False
    if not needs.node_selector.items() <= machine.metadata.labels.items():
        return False
    taints = [taint for taint in machine.spec.taints if taint.effect in NOT_FOR_NEW_PODS]
    return all(any(_tolerates(toleration, taint) for toleration in needs.tolerations) for taint in taints)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect not in ("", taint.effect):
        return False
    if toleration.operator == "Exists":
        return toleration.key in ("", taint.key)
    return (toleration.key, toleration.value) == (taint.key, taint.value)


def _fit(allocatable: Text, used: list[Decimal], needs: PodNeeds) -> int:
    wanted = (needs.cpu, needs.memory, Decimal(1))
    free = [
        amount(allocatable.get(what, "0")) - taken for what, taken in zip(("cpu", "memory", "pods"), used, strict=True)
    ]
    return max(0, min(int(left // each) for left, each in zip(free, wanted, strict=True) if each))


def amount(text: str) -> Decimal:
    """The number behind a quantity that the server wrote. What a person typed goes through `names.quantity` instead."""
    return Decimal(parse_quantity(text))
