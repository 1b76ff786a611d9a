"""CPU and memory: what containers ask for, how that is changed on a template or on a pod that runs, and who else decides about it.

A pod's `resize` subresource keeps nothing but the resources of what it is sent, so the mark of an execution stays in the cluster's audit
log and the pod does not carry it. Such a write is recognised by its values instead, and bound to the version that was seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.errors import Forbidden, Missing
from connectors.kubernetes import whole, wire, writing
from connectors.kubernetes.capacity import AskingPod, AskingSpec, Machine, PodNeeds, needs_of, room
from connectors.kubernetes.resources import WORKLOADS, collection, single
from connectors.kubernetes.seen import ContainerSeen, Identity, ObjectRef, PodSeen, WorkloadSeen
from connectors.kubernetes.sending import Writer
from connectors.kubernetes.transport import Transport
from connectors.kubernetes.whole import Whole
from connectors.names import dns_label, quantity
from connectors.names import kind as known_kind

ACTING = frozenset({"Auto", "Recreate", "Initial", "InPlaceOrRecreate"})
RUNS = "status.phase!=Succeeded,status.phase!=Failed"


@dataclass(frozen=True, slots=True)
class Sizes:
    """What one container asks for, and the most it may use, as Kubernetes writes it. Empty: nothing is set."""

    cpu_request: str = ""
    cpu_limit: str = ""
    memory_request: str = ""
    memory_limit: str = ""

    @property
    def resources(self) -> wire.Resources:
        requests = {"cpu": self.cpu_request, "memory": self.memory_request}
        limits = {"cpu": self.cpu_limit, "memory": self.memory_limit}
        return wire.Resources(
            requests={name: text for name, text in requests.items() if text},
            limits={name: text for name, text in limits.items() if text},
        )


def sizes_of(resources: wire.Resources | ContainerSeen) -> Sizes:
    if isinstance(resources, ContainerSeen):
        return Sizes(resources.cpu_request, resources.cpu_limit, resources.memory_request, resources.memory_limit)
    asks, most = resources.requests, resources.limits
    return Sizes(asks.get("cpu", ""), most.get("cpu", ""), asks.get("memory", ""), most.get("memory", ""))


@dataclass(frozen=True, slots=True)
class SizedPod:
    """One container of a pod: what is asked for it, what it has (`None` while it does not run), and what keeps it from getting there.

    `pending` is the reason of a resize that has not begun: `Deferred` until the machine has room, `Infeasible` for ever.
    """

    ref: ObjectRef
    resource_version: str
    asked: Sizes
    has: Sizes | None
    observed: bool
    pending: str
    in_progress: bool
    message: str
    restarts_for: frozenset[str]  # cpu, memory: what the container is restarted for when it changes


@dataclass(frozen=True, slots=True)
class VerticalSeen:
    """A VerticalPodAutoscaler. Only one that acts changes anything; with mode `Off` it recommends."""

    name: str
    mode: str
    acts: bool


class Sizing:
    """The sizes in one cluster. Reached as `KubernetesCluster.sizing`. Errors as everywhere: `connectors.errors`."""

    def __init__(self, transport: Transport, writer: Writer) -> None:
        self._transport, self._writer = transport, writer

    # What is there

    def needs(self, ref: ObjectRef, instead: Mapping[str, Sizes] | None = None) -> PodNeeds:
        """What one pod of the workload's template asks for; `instead` are other sizes for containers, by name."""
        path = single(known_kind(ref.kind, WORKLOADS), ref.namespace, ref.name)
        template = self._transport.get(path, _Workload, what=str(ref)).spec.template
        return needs_of(template.spec, {name: sizes.resources for name, sizes in (instead or {}).items()})

    def room(self, ref: ObjectRef, needs: PodNeeds, own: frozenset[str]) -> int | None:
        """How many such pods all ready, schedulable nodes could hold, the pods with the UIDs `own` included.

        `None` when the portal may not read the nodes.
        """
        try:
            machines = list(self._transport.pages(collection("Node"), Machine, what="nodes"))
        except Forbidden:
            return None
        query = [("fieldSelector", RUNS)]
        pods = self._transport.pages(collection("Pod"), AskingPod, what="pods", query=query)
        return room(machines, pods, needs, own=own, most_each=1 if ref.kind == "DaemonSet" else None)

    def vertical_of(self, ref: ObjectRef) -> VerticalSeen | None:
        """The VerticalPodAutoscaler of a workload. A cluster without the kind has none."""
        path = collection("VerticalPodAutoscaler", ref.namespace)
        target = (known_kind(ref.kind, WORKLOADS), ref.name)
        try:
            for found in self._transport.pages(path, _Vertical, what="vertical autoscalers"):
                if (found.spec.target_ref.kind, found.spec.target_ref.name) == target:
                    mode = found.spec.update_policy.update_mode
                    return VerticalSeen(found.metadata.name, mode, acts=mode in ACTING)
        except Missing:
            return None
        return None

    def pods(self, workload: WorkloadSeen, among: list[PodSeen], container: str) -> list[SizedPod]:
        """The pods `among` that are there and have the container, by name."""
        uids = {pod.uid for pod in among}
        query = [("labelSelector", workload.selector_query)]
        path, what = collection("Pod", workload.ref.namespace), f"pods of {workload.ref}"
        found = self._transport.pages(path, _Pod, what=what, query=query)
        sized = [_sized(pod, container) for pod in found if pod.metadata.uid in uids]
        return sorted(filter(None, sized), key=lambda pod: pod.ref.name)

    def read_pod(self, ref: ObjectRef, container: str) -> SizedPod:
        """Whatever has the name of the pod `ref` now. Raises `Missing` when nothing has, or it has no such container."""
        there = self._transport.get(single("Pod", ref.namespace, ref.name), _Pod, what=str(ref))
        return _known(there, container)

    # What can be changed

    def set_resources(
        self,
        ref: ObjectRef,
        *,
        as_: Identity,
        container: str,
        sizes: Sizes,
        execution: str,
        seen: str,
        dry_run: bool = False,
    ) -> WorkloadSeen:
        """Set the four sizes of one container of the pod template; an empty one is taken away. Starts a rollout."""
        known_kind(ref.kind, WORKLOADS)
        patch = {
            **writing.precondition(ref, execution, seen),
            "spec": {"template": {"spec": {"containers": [_container(container, sizes)]}}},
        }
        path = single(ref.kind, ref.namespace, ref.name)
        sized = self._writer.strategic(path, patch, Whole, as_=as_, what=str(ref), dry_run=dry_run)
        return whole.workload(ref.kind, sized)

    def resize_pod(
        self,
        ref: ObjectRef,
        *,
        as_: Identity,
        container: str,
        sizes: Sizes,
        execution: str,
        seen: str,
        dry_run: bool = False,
    ) -> SizedPod:
        """Ask the machine to give one container of the running pod other sizes, without replacing the pod."""
        known_kind(ref.kind, frozenset({"Pod"}))
        patch = {**writing.precondition(ref, execution, seen), "spec": {"containers": [_container(container, sizes)]}}
        path = f"{single(ref.kind, ref.namespace, ref.name)}/resize"
        sized = self._writer.strategic(path, patch, _Pod, as_=as_, what=str(ref), dry_run=dry_run)
        return _known(sized, container)


def _container(name: str, sizes: Sizes) -> Whole:
    """For a strategic merge, which finds a container by its name and leaves the others alone."""
    for text in (sizes.cpu_request, sizes.cpu_limit, sizes.memory_request, sizes.memory_limit):
        if text:
            quantity(text)
    return {
        "name": dns_label(name, "the name of a container"),
        "resources": {
            "requests": {"cpu": sizes.cpu_request or None, "memory": sizes.memory_request or None},
            "limits": {"cpu": sizes.cpu_limit or None, "memory": sizes.memory_limit or None},
        },
    }


def _known(pod: "_Pod", container: str) -> SizedPod:
    seen = _sized(pod, container)
    if seen is None:
        raise Missing(f"Pod {pod.metadata.namespace}/{pod.metadata.name} has no container {container}.")
    return seen


def _sized(pod: "_Pod", container: str) -> SizedPod | None:
    declared = next((each for each in pod.spec.containers if each.name == container), None)
    if declared is None:
        return None
    status = next((each for each in pod.status.container_statuses if each.name == container), None)
    conditions = {condition.type: condition for condition in pod.status.conditions if condition.status == "True"}
    pending, progress = conditions.get("PodResizePending"), conditions.get("PodResizeInProgress")
    told = pending or progress
    return SizedPod(
        ref=ObjectRef("Pod", pod.metadata.namespace, pod.metadata.name, pod.metadata.uid),
        resource_version=pod.metadata.resource_version,
        asked=sizes_of(declared.resources),
        has=sizes_of(status.resources) if status and status.resources else None,
        observed=pod.status.observed_generation >= pod.metadata.generation,
        pending=pending.reason if pending else "",
        in_progress=progress is not None,
        message=told.message if told else "",
        restarts_for=frozenset(
            policy.resource_name for policy in declared.resize_policy if policy.restart_policy == "RestartContainer"
        ),
    )


class _Template(wire.Wire):
    spec: AskingSpec = AskingSpec()


class _WorkloadSpec(wire.Wire):
    template: _Template = _Template()


class _Workload(wire.Wire):
    spec: _WorkloadSpec = _WorkloadSpec()


class _ResizePolicy(wire.Wire):
    resource_name: str = ""
    restart_policy: str = ""


class _Container(wire.Wire):
    name: str
    resources: wire.Resources = wire.Resources()
    resize_policy: list[_ResizePolicy] = []


class _PodSpec(wire.Wire):
    containers: list[_Container] = []


class _ContainerStatus(wire.Wire):
    name: str
    resources: wire.Resources | None = None


class _PodStatus(wire.Wire):
    conditions: list[wire.Condition] = []
    container_statuses: list[_ContainerStatus] = []
    observed_generation: int = 0


class _Pod(wire.Wire):
    metadata: wire.Meta
    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()


class _UpdatePolicy(wire.Wire):
    update_mode: str = "Auto"


class _VerticalSpec(wire.Wire):
    target_ref: wire.ObjectReference = wire.ObjectReference()
    update_policy: _UpdatePolicy = _UpdatePolicy()


class _Vertical(wire.Wire):
    metadata: wire.Meta
    spec: _VerticalSpec = _VerticalSpec()
