"""Drain a node: keep new pods off it, then evict those on it one by one, as disruption budgets let them go.

What is evicted is made again elsewhere by whoever made it, so taking a drain back only lets the node take pods again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from connectors.errors import Held
from connectors.kubernetes.nodes import PodOnNode

from ..nodes import (
    LONGEST_SOAK,
    Pods,
    back_step,
    health,
    holding,
    is_switched,
    kubectl,
    losses,
    read_before_write,
    read_node,
    room_elsewhere,
    sorted_out,
    switch,
    switch_back,
    switch_change,
    switched,
)
from ..protocol import (
    Action,
    CannotPlan,
    Change,
    Impact,
    Line,
    NotYet,
    Outcome,
    Params,
    Plan,
    Risk,
    Step,
    StepFailed,
    Target,
    TargetKind,
    Verdict,
    World,
)
from ..registry import register
from ..workloads import evicted

AT_ONCE = 10
"""Evictions before the worker is handed back: each may take as long as the cluster does to answer."""
FIRST = "pods at first"


class DrainParams(Params):
    minutes: int = Field(
        json_schema_extra={"proposed": True},
        default=15,
        ge=1,
        le=240,
        title="Give up after (minutes)",
        description="Then the node takes pods again",
    )
    delete_bare: bool = Field(
        default=False, title="Also pods that nobody makes again", description="They are gone for good",
        json_schema_extra={"advanced": True},
    )  # fmt: skip
    delete_local_data: bool = Field(
        default=False, title="Also pods with data on the node (emptyDir)", description="The data is gone with the pod",
        json_schema_extra={"advanced": True},
    )  # fmt: skip


@register
class DrainNode(Action[DrainParams]):
    id, title, icon, risk = "drain-node", "Drain", "droplet-off", Risk.HIGH
    target, kinds = TargetKind.NODE, ("Node",)
    params = DrainParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        read_node(target, world)
        return {"minutes": 15, "delete_bare": False, "delete_local_data": False}

    def plan(self, target: Target, params: DrainParams, world: World) -> Plan:
        seen = read_node(target, world)
        everywhere = list(world.cluster.nodes.pods())
        pods = sorted_out(each for each in everywhere if each.pod.node == target.ref.name)
        if refusal := _refusal(pods, params.delete_bare, params.delete_local_data):
            raise CannotPlan(refusal)
        if not seen.schedulable and not pods.moved:
            raise CannotPlan("It is cordoned and empty already: only pods that belong to every node are on it.")
        cordon = (Step("cordon", "Cordon the node", "switch"),) if seen.schedulable else ()
        change = switch_change(target, seen, world, schedulable=False) if seen.schedulable else _only_evictions(target)
        living = [each for each in pods.moved if not each.ended]
        return Plan(
            action=self.id,
            target=target,
            params=params.model_dump(),
            summary=f"Drain {target.ref.name}",
            preconditions={"schedulable": seen.schedulable},
            changes=(change,),
            steps=(*cordon, Step("evict", "Evict its pods, as their budgets let them go", "evict")),
            revert=(back_step("cordon"),) if seen.schedulable else (),
            no_revert="" if seen.schedulable else "The node was cordoned before. Pods that were evicted run elsewhere by now.",
            undo={} if seen.schedulable else None,
            undo_action="uncordon-node" if seen.schedulable else "",
            no_undo="" if seen.schedulable else "The node was cordoned before it was drained.",
            irreversible=_irreversible(pods),
            eject=(kubectl(target, "drain", target.ref.name, *_flags(params)),),
            soak_seconds=min(world.soak_seconds, LONGEST_SOAK),
            deadline_seconds=params.minutes * 60,
            numbers={"pods": len(living), "unavailable": len(living)},
            impact=(
                losses(pods.moved, everywhere),
                room_elsewhere(target.ref.name, living, everywhere, world.cluster.nodes.all()),
                *holding(world.cluster.nodes.budgets_over(living)),
                Impact("Stays", _count(pods.stay), "Of DaemonSets, or of the machine itself."),
                *health(seen),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        if step.verb == "switch back":
            return switch_back(plan, world)
        if step.verb == "switch":
            return switch(plan, world, schedulable=False)
        return self._evict(plan, world)

    def _evict(self, plan: Plan, world: World) -> Mapping[str, str | int]:
        """One pass over what is still there. Who that is is read each time, so a pass that was cut off needs no memory."""
        world.refuse_while_planning()
        if read_before_write(plan.target, world).schedulable:
            raise StepFailed("Somebody let the node take pods again while it was being drained.")
        pods = sorted_out(world.cluster.nodes.pods(plan.target.ref.name))
        if refusal := _refusal(pods, plan.params["delete_bare"], plan.params["delete_local_data"]):
            raise StepFailed(f"There are other pods on it now than when this was planned. {refusal}")
        first = max(len(pods.moved), int(world.current_run.evidence.get(FIRST, 0)))
        if not pods.moved:
            return {FIRST: first, "left": 0}
        held = self._pass(pods.moved, world)
        raise NotYet(
            _progress(first, pods, held), {FIRST: first, "left": len(pods.moved), "held by": _named(held, world)}
        )

    def _pass(self, moved: Sequence[PodOnNode], world: World) -> list[PodOnNode]:
        """Ask a few to go, and return those that a budget keeps."""
        held: list[PodOnNode] = []
        asked = 0
        for each in moved:
            if each.pod.terminating:
                continue
            if asked == AT_ONCE:
                break
            try:
                asked += evicted(each.pod.ref, world.cluster, world)
            except Held:
                held.append(each)
        return held

    def verify(self, plan: Plan, world: World) -> Verdict:
        seen = read_before_write(plan.target, world)
        if seen.schedulable:
            return Verdict(Outcome.FAILED, "Somebody let the node take pods again.", switched(seen))
        pods = sorted_out(world.cluster.nodes.pods(plan.target.ref.name))
        evidence = {**switched(seen), "pods left": len(pods.moved)}
        if pods.moved:
            return Verdict(Outcome.WAIT, f"{len(pods.moved)} pods came onto it meanwhile", evidence)
        return Verdict(Outcome.OK, "It takes no new pods and is empty", evidence)

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return is_switched(plan, world, schedulable=bool(plan.preconditions["schedulable"]))


def _refusal(pods: Pods, bare: bool, local: bool) -> str:
    """Why these pods may not all be evicted, or nothing."""
    if pods.bare and not bare:
        return f"{_some(pods.bare)}: nobody makes it again. Delete it yourself, or ask to drain bare pods too."
    if pods.local and not local:
        return f"{_some(pods.local)}: its data on the node (emptyDir) goes with it. Ask to delete such data too."
    return ""


def _count(pods: Sequence[PodOnNode]) -> str:
    return "1 pod" if len(pods) == 1 else f"{len(pods)} pods"


def _some(pods: Sequence[PodOnNode]) -> str:
    named = ", ".join(f"{each.pod.namespace}/{each.pod.name}" for each in pods[:3])
    return f"{named} and {len(pods) - 3} more" if len(pods) > 3 else named


def _irreversible(pods: Pods) -> tuple[str, ...]:
    always = "Pods that went do not come back by themselves when the node takes pods again."
    bare = (f"{_some(pods.bare)}: gone for good.",) if pods.bare else ()
    local = (f"{_some(pods.local)}: data on the node is gone.",) if pods.local else ()
    return (always, *bare, *local)


def _only_evictions(target: Target) -> Change:
    return Change(target.label, (Line("pods", "those that can move", "none"),))


def _flags(params: DrainParams) -> list[str]:
    flags = ["--ignore-daemonsets", f"--timeout={params.minutes}m"]
    return [*flags, *["--force"] * params.delete_bare, *["--delete-emptydir-data"] * params.delete_local_data]


def _progress(first: int, pods: Pods, held: Sequence[PodOnNode]) -> str:
    gone = f"{first - len(pods.moved)} of {first} pods are gone"
    return f"{gone}; a disruption budget keeps {_some(held)}" if held else gone


def _named(held: Sequence[PodOnNode], world: World) -> str:
    return ", ".join(map(str, world.cluster.nodes.budgets_over(held)))[:300] if held else "none"
