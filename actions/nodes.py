"""What the actions on nodes share: reading the target, what stands on it, and switching whether new pods may come.

Which pods a drain moves, leaves or refuses to lose is what `kubectl drain --ignore-daemonsets` says, as pure functions over what the
connector saw.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from connectors.kubernetes.nodes import BudgetOver, NodeSeen, PodOnNode, Room

from .present import still_the_same, still_there
from .protocol import (
    Action,
    CannotPlan,
    Change,
    Drifted,
    Impact,
    Outcome,
    Params,
    Plan,
    Step,
    Target,
    Verdict,
    World,
)
from .workloads import changed_lines

LONGEST_SOAK, SWITCH_DEADLINE = 10, 60
"""Seconds. That a node takes no pods is true at once."""


@dataclass(frozen=True)
class Pods:
    """The pods of a node by what a drain does with them. `bare` are made again by nobody, `local` lose data: both are in `moved`."""

    moved: tuple[PodOnNode, ...]
    stay: tuple[PodOnNode, ...]
    bare: tuple[PodOnNode, ...]
    local: tuple[PodOnNode, ...]


def sorted_out(pods: Iterable[PodOnNode]) -> Pods:
    there = sorted(pods, key=lambda each: (each.pod.namespace, each.pod.name))
    stay = [each for each in there if each.mirror or each.pod.owner_kind == "DaemonSet"]
    moved = [each for each in there if each not in stay]
    living = [each for each in moved if not each.ended]
    return Pods(
        moved=tuple(moved),
        stay=tuple(stay),
        bare=tuple(each for each in living if not each.pod.owner_kind),
        local=tuple(each for each in living if each.local_data),
    )


def read_node(target: Target, world: World) -> NodeSeen:
    """Read the node and make sure that it is still this one. Raises `LeftAlone`."""
    return still_there(target, lambda: world.cluster.nodes.read(target.ref.name))


def read_before_write(target: Target, world: World) -> NodeSeen:
    """Raises `Drifted` when the name now belongs to another machine, and the connector's errors."""
    return still_the_same(target, world.cluster.nodes.read(target.ref.name))


def switch_change(target: Target, seen: NodeSeen, world: World, *, schedulable: bool) -> Change:
    """What the server's dry run says would differ."""
    dry = world.cluster.nodes.set_schedulable(
        seen.ref, as_=world.person, schedulable=schedulable, execution="plan", seen=seen.resource_version, dry_run=True
    )  # fmt: skip
    return Change(target.label, changed_lines(seen.fields, dry.fields))


def switch(plan: Plan, world: World, *, schedulable: bool) -> Mapping[str, str | int]:
    """Let pods onto the node or keep them off, once for a run."""
    run, seen = world.current_run, read_before_write(plan.target, world)
    if seen.execution == run.id:  # whatever came after it: this step has happened, and must not a second time
        return switched(seen)
    if seen.schedulable != plan.preconditions["schedulable"]:
        raise Drifted("Somebody else switched whether the node takes pods. Nothing was changed.")
    return _write(seen, world, schedulable=schedulable)


def switch_back(plan: Plan, world: World) -> Mapping[str, str | int]:
    run, seen, before = (
        world.current_run,
        read_before_write(plan.target, world),
        bool(plan.preconditions["schedulable"]),
    )
    if seen.execution == run.id and seen.schedulable == before:
        return switched(seen)
    if seen.execution != run.id and seen.schedulable != before:
        raise Drifted("Somebody else switched it after this run did, so it was left as it is.")
    return _write(seen, world, schedulable=before)


def _write(seen: NodeSeen, world: World, *, schedulable: bool) -> dict[str, str | int]:
    world.hold()
    return switched(
        world.cluster.nodes.set_schedulable(
            seen.ref, as_=world.person, schedulable=schedulable, execution=world.current_run.id, seen=seen.resource_version
        )
    )  # fmt: skip


def switched(seen: NodeSeen) -> dict[str, str | int]:
    return {"takes pods": "yes" if seen.schedulable else "no", "ready": "yes" if seen.ready else "no"}


def back_step(undoes: str) -> Step:
    return Step("back", "Let it take pods again", "switch back", undoes=undoes)


def kubectl(target: Target, *words: str) -> str:
    """The command that does the same without us. A node is in no namespace."""
    return " ".join(["kubectl", "--context", target.cluster, *words])


class SwitchNodeParams(Params):
    """Nothing to choose."""


class NodeSwitch(Action[SwitchNodeParams]):
    """Cordon and uncordon: one field of the node. The two differ in its value, and each is the other's undo."""

    schedulable: ClassVar[bool]
    word: ClassVar[str]
    opposite: ClassVar[str]
    """The id of the action that takes it back."""

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        read_node(target, world)
        return {}

    def plan(self, target: Target, params: SwitchNodeParams, world: World) -> Plan:
        seen = read_node(target, world)
        if seen.schedulable == self.schedulable:
            raise CannotPlan(
                "It takes pods already." if self.schedulable else "It is cordoned already: no new pods come onto it."
            )
        title, step = f"{self.word.capitalize()} {target.ref.name}", f"{self.word.capitalize()} the node"
        pods = sorted_out(world.cluster.nodes.pods(target.ref.name))
        return Plan(
            action=self.id,
            target=target,
            params={},
            summary=title,
            preconditions={"schedulable": seen.schedulable},
            changes=(switch_change(target, seen, world, schedulable=self.schedulable),),
            steps=(Step("switch", step, "switch"),),
            revert=(Step("back", "Put it back as it was", "switch back", undoes="switch"),),
            no_revert="",
            undo={},
            undo_action=self.opposite,
            no_undo="",
            irreversible=(),
            eject=(kubectl(target, self.word, target.ref.name),),
            soak_seconds=min(world.soak_seconds, LONGEST_SOAK),
            deadline_seconds=SWITCH_DEADLINE,
            numbers={"pods": 0},
            impact=(self._meaning(len(pods.moved)), *health(seen)),
        )  # fmt: skip

    def _meaning(self, pods: int) -> Impact:
        if self.schedulable:
            return Impact(
                "Pods", f"{pods} on it", "New ones may come; those that went away do not come back by themselves."
            )
        return Impact("Pods", f"{pods} stay", "They go on running. Only new ones are kept off.")

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        if step.verb == "switch back":
            return switch_back(plan, world)
        return switch(plan, world, schedulable=self.schedulable)

    def verify(self, plan: Plan, world: World) -> Verdict:
        return is_switched(plan, world, schedulable=self.schedulable)

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return is_switched(plan, world, schedulable=bool(plan.preconditions["schedulable"]))


def is_switched(plan: Plan, world: World, *, schedulable: bool) -> Verdict:
    seen = read_before_write(plan.target, world)
    if seen.schedulable != schedulable:
        return Verdict(Outcome.FAILED, "Somebody else switched it back.", switched(seen))
    return Verdict(Outcome.OK, "It takes new pods" if schedulable else "It takes no new pods", switched(seen))


# What a drain costs


def health(seen: NodeSeen) -> tuple[Impact, ...]:
    if seen.ready:
        return ()
    return (
        Impact(
            "Now",
            f"not ready ({seen.trouble})",
            "Its kubelet does not answer, so pods on it cannot be stopped in order.",
            worry=True,
        ),
    )


def losses(pods: Sequence[PodOnNode], everywhere: Sequence[PodOnNode]) -> Impact:
    """Which workloads lose how many of their pods."""
    here, of = _by_workload(pods), _by_workload(everywhere)
    worst = sorted(here, key=lambda name: (-here[name] / max(1, of[name]), name))
    named = [f"{name} {here[name]} of {of[name]}" for name in worst[:6]]
    more = f" and {len(worst) - 6} more" if len(worst) > 6 else ""
    alone = any(here[name] == of[name] for name in worst)
    figure = f"{len(pods)} {'pod' if len(pods) == 1 else 'pods'} of {len(here)} {'workload' if len(here) == 1 else 'workloads'}"
    return Impact("Moves", figure, f"{', '.join(named)}{more}." if named else "Nothing has to move.", worry=alone)


def holding(budgets: Sequence[BudgetOver]) -> tuple[Impact, ...]:
    """The budgets that let fewer of these pods go at once than there are."""
    tight = [budget for budget in budgets if budget.allowed < len(budget.pods)]
    if not tight:
        return ()
    shut = [budget for budget in tight if budget.allowed == 0]
    named = ", ".join(f"{budget} lets {budget.allowed} of {len(budget.pods)} go" for budget in tight[:5])
    figure = f"{len(tight)} {'holds' if len(tight) == 1 else 'hold'}"
    return (Impact("Budgets", figure, f"{named}. It waits for them, until its deadline.", worry=bool(shut)),)


def room_elsewhere(
    node: str, pods: Sequence[PodOnNode], everywhere: Iterable[PodOnNode], nodes: Iterable[NodeSeen]
) -> Impact:
    """Whether the others have room for what has to move, by what pods request: the largest first, where it fits."""
    left = {each.ref.name: each.room for each in nodes if each.ref.name != node and each.ready and each.schedulable}
    for each in everywhere:
        if each.pod.node in left and not each.ended:
            left[each.pod.node] -= each.requests
    homeless = 0
    for each in sorted(pods, key=lambda one: (one.requests.cpu, one.requests.memory), reverse=True):
        place = next(
            (
                name
                for name in sorted(left, key=lambda name: left[name].cpu, reverse=True)
                if left[name].holds(each.requests)
            ),
            None,
        )
        if place is None:
            homeless += 1
        else:
            left[place] -= each.requests
    free = sum(left.values(), Room())
    said = (
        f"{free.cpu // 1000} CPU and {free.memory // 2**30} Gi are free by requests on {len(left)} other nodes after it"
    )
    if homeless:
        return Impact("Room elsewhere", f"not for {homeless}", f"They would wait for a machine. {said}.", worry=True)
    return Impact("Room elsewhere", f"for all {len(pods)}", f"{said}. Affinities and taints are not counted.")


def _by_workload(pods: Iterable[PodOnNode]) -> Counter[str]:
    living = (each.pod for each in pods if not each.ended)
    return Counter(f"{pod.namespace}/{pod.workload[1] or pod.name}" for pod in living)
