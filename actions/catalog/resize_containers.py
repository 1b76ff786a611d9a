"""Resize containers: what one container asks for and may use at most, of CPU and memory.

On the template it is a rollout, and stays. In place it is the pods that run, without a restart, until they are replaced: their
machines grant it, put it off until they have room, or refuse. It may also run while pods crash, because too little memory is why.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from connectors.errors import InvalidName
from connectors.kubernetes import WorkloadSeen
from connectors.kubernetes.capacity import amount
from connectors.kubernetes.sizing import SizedPod, Sizes, sizes_of
from connectors.names import quantity

from .. import inplace
from ..inplace import NAMES, lines, same, text
from ..protocol import (
    QUANTITY,
    Action,
    CannotPlan,
    Change,
    Impact,
    Option,
    Params,
    Plan,
    Risk,
    Step,
    Target,
    TargetKind,
    Verdict,
    World,
)
from ..registry import register
from ..sizes import Guards, counted, guards, percent
from ..templates import (
    DEADLINE_SECONDS,
    back_in_place,
    in_place,
    pods_of,
    put_in_place,
    template_plan,
)
from ..workloads import (
    autoscaler_text,
    availability,
    kubectl,
    read_target,
    refuse_without_rollouts,
    wait_to_be_seen,
)

NONE = "none"
LEAST_MEMORY = Decimal(2**20)
LABELS = {
    "cpu_request": "CPU request",
    "cpu_limit": "CPU limit",
    "memory_request": "memory request",
    "memory_limit": "memory limit",
}
WAYS = (
    Option("template", "On the template", "A rollout, and it stays."),
    Option("in-place", "In place", "The pods that run, without a restart, until they are replaced."),
)


def _cpu(value: str) -> str:
    return value if value == NONE else _quantity(value)


def _memory(value: str) -> str:
    if value != NONE and quantity(_quantity(value)) < LEAST_MEMORY:
        raise ValueError("that is less than 1 Mi; give a unit, such as 256Mi")
    return value


def _quantity(value: str) -> str:
    try:
        quantity(value)
    except InvalidName as problem:
        raise ValueError(problem.sentence) from problem
    return value


Cpu = Annotated[
    Annotated[str, AfterValidator(_cpu)] | None, Field(max_length=32, json_schema_extra={"format": QUANTITY})
]
Memory = Annotated[
    Annotated[str, AfterValidator(_memory)] | None, Field(max_length=32, json_schema_extra={"format": QUANTITY})
]


class ResizeContainersParams(Params):
    """One container, and those of its four sizes that should change."""

    container: str = Field(max_length=63, title="Container")
    how: Literal["template", "in-place"] = Field("template", title="How")
    cpu_request: Cpu = Field(None, title="CPU request", description="Such as 250m. Empty: as it is; none: not set.")
    cpu_limit: Cpu = Field(None, title="CPU limit", description="The most it may use. Above it, it is slowed down.")
    memory_request: Memory = Field(None, title="Memory request", description="Such as 256Mi.")
    memory_limit: Memory = Field(None, title="Memory limit", description="Above it, it is killed and restarted.")


@register
class ResizeContainers(Action[ResizeContainersParams]):
    id, title, icon, risk = "resize-containers", "Resize containers", "cpu", Risk.MEDIUM
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet")
    preposition = "of"
    params = ResizeContainersParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        """With several containers the sizes stay open, so that nobody gives one those of another."""
        containers = read_target(world.cluster, target).containers
        sizes = asdict(sizes_of(containers[0])) if len(containers) == 1 else dict.fromkeys(NAMES, "")
        return {"container": containers[0].name, "how": "template", **sizes}

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        seen = read_target(world.cluster, target)
        return {
            "container": [Option(each.name, each.name, text(sizes_of(each))) for each in seen.containers],
            "how": WAYS,
        }

    def present(self, target: Target, params: ResizeContainersParams, world: World) -> Mapping[str, Any]:
        """Of the container that is meant; pods that were resized in place have other sizes than the template."""
        seen, there = read_target(world.cluster, target), params.how == "in-place"
        pods = inplace.running(world, seen, params.container) if there else ()
        return asdict(pods[0].asked if pods else _sizes_in(seen, params.container))

    def plan(self, target: Target, params: ResizeContainersParams, world: World) -> Plan:
        seen = read_target(world.cluster, target)
        if params.how == "in-place":
            return self._plan_in_place(target, params, world, seen)
        return self._plan_template(target, params, world, seen)

    def _plan_template(self, target: Target, params: ResizeContainersParams, world: World, seen: WorkloadSeen) -> Plan:
        refuse_without_rollouts(seen)
        wait_to_be_seen(seen)
        container, before = params.container, _sizes_in(seen, params.container)
        after = _wanted(before, params)
        if same(before, after):
            raise CannotPlan(f"{container} has these sizes already: {text(before)}. Change at least one.")
        dry = world.cluster.sizing.set_resources(
            seen.ref, as_=world.person, container=container, sizes=after, execution="plan", seen=seen.resource_version, dry_run=True
        )  # fmt: skip
        guarded = guards(world, seen, seen.wanted, {container: after})
        forth, back = ({"container": container, **asdict(each)} for each in (after, before))
        return template_plan(
            self.id,
            target,
            seen,
            dry,
            world,
            what="the sizes",
            params=_given(params),
            summary=f"Resize {container} of {target.ref.name} to {text(after)}",
            forth=Step("resize", f"Set {text(after)}", "template", forth),
            back=Step("resize-back", f"Set {text(before)} again", "template", back),
            undo={"container": container, **{name: value or NONE for name, value in asdict(before).items()}},
            eject=(_eject(target, container, after),),
            numbers={**_growth(before, after), **guarded.numbers},
            impact=(
                availability(seen, world.cluster.budgets_of(seen)),
                Impact("Blast radius", f"1 container, {pods_of(seen)}", "All of them are replaced by new ones of this size."),
                *_shared_impact(world, seen, guarded),
            ),
        )  # fmt: skip

    def _plan_in_place(self, target: Target, params: ResizeContainersParams, world: World, seen: WorkloadSeen) -> Plan:
        container, there = params.container, _sizes_in(seen, params.container)
        pods = inplace.running(world, seen, container)
        wanted = [(pod, _settable(pod, _wanted(pod.asked, params))) for pod in pods]
        resized = [(pod, sizes) for pod, sizes in wanted if not same(pod.asked, sizes)]
        if not resized:
            raise CannotPlan(
                f"{container} has these sizes already in all {counted(len(pods), 'pod')}. Change at least one."
            )
        for pod, sizes in resized:
            world.cluster.sizing.resize_pod(
                pod.ref, as_=world.person, container=container, sizes=sizes, execution="plan", seen=pod.resource_version, dry_run=True
            )  # fmt: skip
        first, after = resized[0][0].asked, resized[0][1]
        alike = all(same(pod.asked, first) for pod, _ in resized)
        guarded = guards(world, seen, len(pods), {container: after})
        steps, revert = inplace.steps(resized, container)
        return Plan(
            action=self.id,
            target=target,
            params=_given(params),
            summary=f"Resize {container} of {target.ref.name} in place to {text(after)}",
            preconditions={"pods": len(pods)},
            changes=tuple(Change(str(pod.ref), lines(container, pod.asked, sizes)) for pod, sizes in resized),
            steps=steps,
            revert=revert,
            no_revert="",
            undo={"container": container, "how": "in-place", **_back(params, first)} if alike else None,
            no_undo="" if alike else "The pods had different sizes, so there is no one size to go back to.",
            irreversible=(),
            eject=_eject_pods(target, container, resized),
            soak_seconds=world.soak_seconds,
            deadline_seconds=DEADLINE_SECONDS,
            numbers={
                "pods": len(resized), "replicas_before": seen.wanted, "replicas_after": seen.wanted, "percent": 0, "unavailable": 0,
                **_growth(first, after), **guarded.numbers,
            },
            impact=(
                _restarts(resized),
                Impact("Blast radius", counted(len(resized), "pod"), "They stay, and their machines give them more or less."),
                Impact("Lasts", "until they are replaced", f"The template keeps {text(there)}, and whatever replaces a pod has that."),
                *_shared_impact(world, seen, guarded),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        if step.verb == "in-place":
            return inplace.resize(step, plan, world)

        def write(seen: WorkloadSeen) -> WorkloadSeen:
            sizes = Sizes(**{name: str(step.args[name]) for name in NAMES})
            return world.cluster.sizing.set_resources(
                seen.ref, as_=world.person, container=str(step.args["container"]), sizes=sizes, execution=world.current_run.id,
                seen=seen.resource_version,
            )  # fmt: skip

        return put_in_place(step, plan, world, write)

    def verify(self, plan: Plan, world: World) -> Verdict:
        if plan.steps[0].verb == "in-place":
            return inplace.verify(plan, world, plan.steps)
        return in_place(plan, world, "of the new size")

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        if plan.steps[0].verb == "in-place":
            return inplace.verify(plan, world, plan.revert)
        return back_in_place(plan, world)


def _sizes_in(seen: WorkloadSeen, container: str) -> Sizes:
    found = next((sizes_of(each) for each in seen.containers if each.name == container), None)
    if found is None:
        names = ", ".join(each.name for each in seen.containers)
        raise CannotPlan(f"It has no container {container[:63]}. There is {names}.")
    return found


def _wanted(before: Sizes, params: ResizeContainersParams) -> Sizes:
    """Raises `CannotPlan` when it would ask for more than it may use."""
    given = {name: value for name in NAMES if (value := getattr(params, name)) is not None}
    after = replace(before, **{name: "" if value == NONE else value for name, value in given.items()})
    for what, asks, most in (
        ("CPU", after.cpu_request, after.cpu_limit),
        ("memory", after.memory_request, after.memory_limit),
    ):
        if asks and most and amount(asks) > amount(most):
            raise CannotPlan(
                f"It would ask for {asks} of {what} and may use at most {most}. Raise the limit, or ask for less."
            )
    return after


def _settable(pod: SizedPod, after: Sizes) -> Sizes:
    """Raises `CannotPlan` for what could not be taken back from a pod that runs."""
    for name in NAMES:
        if bool(getattr(pod.asked, name)) != bool(getattr(after, name)):
            raise CannotPlan(
                f"In place only what is set can be changed, and nothing can be taken away: the {LABELS[name]} of {pod.ref.name} is "
                f"{getattr(pod.asked, name) or 'not set'}. Resize the template."
            )
    return after


def _given(params: ResizeContainersParams) -> dict[str, Any]:
    return {name: value for name, value in params.model_dump().items() if value is not None}


def _back(params: ResizeContainersParams, before: Sizes) -> dict[str, str]:
    return {name: getattr(before, name) for name in NAMES if getattr(params, name) is not None}


def _growth(before: Sizes, after: Sizes) -> dict[str, float]:
    """By how much what the scheduler counts changes. Where only a limit is set, it counts that."""

    def of(sizes: Sizes, what: str) -> Decimal:
        return amount(getattr(sizes, f"{what}_request") or getattr(sizes, f"{what}_limit") or "0")

    return {f"{what}_percent": percent(of(before, what), of(after, what)) for what in ("cpu", "memory")}


def _shared_impact(world: World, seen: WorkloadSeen, guarded: Guards) -> tuple[Impact, ...]:
    autoscaler = world.cluster.autoscaler_of(seen.ref)
    if autoscaler is None:
        return guarded.impact
    meaning = "It measures what pods use against what they ask for, so it may start or stop some after this."
    return (*guarded.impact, Impact("Autoscaler", autoscaler_text(autoscaler), meaning))


def _restarts(pods: Sequence[tuple[SizedPod, Sizes]]) -> Impact:
    """A container can say that it has to be restarted to notice."""
    restarted = [pod for pod, sizes in pods if pod.restarts_for & _changed(pod.asked, sizes)]
    if not restarted:
        return Impact("Availability", "No restart", "All pods go on while they are resized.")
    meaning = "Its resizePolicy restarts the container for this, in each pod as its machine gets to it."
    return Impact("Availability", f"{counted(len(restarted), 'container')} restart", meaning, worry=True)


def _changed(before: Sizes, after: Sizes) -> set[str]:
    """`cpu`, `memory`, or both."""
    return {name.partition("_")[0] for name in NAMES if getattr(before, name) != getattr(after, name)}


def _eject(target: Target, container: str, sizes: Sizes) -> str:
    patch = {"spec": {"template": {"spec": _patch(container, sizes)}}}
    return _patching(target, f"{target.ref.kind.lower()}/{target.ref.name}", patch)


def _eject_pods(target: Target, container: str, resized: Sequence[tuple[SizedPod, Sizes]]) -> tuple[str, ...]:
    """One command for all pods that get the same."""
    alike: dict[Sizes, list[str]] = {}
    for pod, sizes in resized:
        alike.setdefault(sizes, []).append(pod.ref.name)
    return tuple(
        f"for pod in {' '.join(names)}; do {_patching(target, 'pod/$pod --subresource resize', {'spec': _patch(container, sizes)})}; done"
        for sizes, names in alike.items()
    )


def _patch(container: str, sizes: Sizes) -> dict[str, Any]:
    requests = {"cpu": sizes.cpu_request or None, "memory": sizes.memory_request or None}
    limits = {"cpu": sizes.cpu_limit or None, "memory": sizes.memory_limit or None}
    return {"containers": [{"name": container, "resources": {"requests": requests, "limits": limits}}]}


def _patching(target: Target, what: str, patch: Mapping[str, Any]) -> str:
    return kubectl(target, "patch", what, f"--type strategic -p '{json.dumps(patch, separators=(',', ':'))}'")
