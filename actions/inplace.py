"""Other sizes for pods that run, without replacing them: the steps, their effect, and what their machines make of it.

The template stays as it is, so whatever replaces a pod has the old sizes. A pod takes no mark of ours with such a change, so a step
knows by the sizes themselves whether it is done; and only what is set already is changed, because the server lets nobody take a
request or a limit away from a pod that runs.
"""

from collections.abc import Mapping, Sequence

from connectors.errors import Missing
from connectors.kubernetes import ObjectRef, WorkloadSeen
from connectors.kubernetes.capacity import amount
from connectors.kubernetes.sizing import SizedPod, Sizes

from .protocol import CannotPlan, Drifted, Line, Outcome, Plan, Step, Verdict, World
from .sizes import counted
from .workloads import rollout_evidence, trouble_in_soak, warnings_in_soak

MOST_PODS = 50
"""One step each, and one look each while it is verified."""

NAMES = ("cpu_request", "cpu_limit", "memory_request", "memory_limit")
FIELDS = {name: f"{name.partition('_')[2]}s.{name.partition('_')[0]}" for name in NAMES}
"""`cpu_request` is `requests.cpu` to Kubernetes."""


def running(world: World, seen: WorkloadSeen, container: str) -> list[SizedPod]:
    """The pods that can be resized where they run. Raises `CannotPlan` when there are none, or too many."""
    there = [pod for pod in world.cluster.pods_of(seen) if pod.phase == "Running" and not pod.terminating]
    if not there:
        raise CannotPlan("None of its pods runs, so there is none to resize in place. Resize the template.")
    if len(there) > MOST_PODS:
        raise CannotPlan(f"{len(there)} pods run, and at most {MOST_PODS} are resized in place. Resize the template.")
    return world.cluster.sizing.pods(seen, there, container)


def same(one: Sizes, other: Sizes) -> bool:
    """Whether they come to the same: the server writes 1000m as 1."""
    return all(amount(getattr(one, name) or "-1") == amount(getattr(other, name) or "-1") for name in NAMES)


def lines(container: str, before: Sizes, after: Sizes) -> tuple[Line, ...]:
    path = f"spec.containers[{container}].resources"
    changed = [name for name in NAMES if getattr(before, name) != getattr(after, name)]
    return tuple(Line(f"{path}.{FIELDS[name]}", getattr(before, name), getattr(after, name)) for name in changed)


def steps(pods: Sequence[tuple[SizedPod, Sizes]], container: str) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """One step for each pod, and one for each way back, in reverse order."""
    forth, back = [], []
    for number, (pod, sizes) in enumerate(pods, 1):
        name = pod.ref.name
        common = {"pod": name, "uid": pod.ref.uid, "container": container}
        there, wanted = _args("from", pod.asked), _args("to", sizes)
        forth.append(Step(f"resize-{number}", f"Resize {name}", "in-place", {**common, **there, **wanted}))
        again = {**common, **_args("from", sizes), **_args("to", pod.asked)}
        back.append(Step(f"back-{number}", f"Resize {name} back", "in-place", again, undoes=f"resize-{number}"))
    return tuple(forth), tuple(reversed(back))


def resize(step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
    """Raises `Drifted` when the pod is gone or has other sizes than planned on. On the way back, a pod that is gone needs nothing."""
    run, ref, container = world.current_run, _ref(step, plan), str(step.args["container"])
    before, wanted = _sizes("from", step), _sizes("to", step)
    try:
        seen = world.cluster.sizing.read_pod(ref, container)
    except Missing:
        seen = None
    if seen is None or seen.ref.uid != ref.uid:
        if step in plan.revert:
            return {ref.name: "gone"}
        raise Drifted(f"Pod {ref.name} is gone, and its successor was not planned on. It was not changed.")
    if not same(seen.asked, wanted):
        if not same(seen.asked, before):
            raise Drifted(f"Somebody else has resized pod {ref.name}. It was left as it is.")
        world.hold()
        seen = world.cluster.sizing.resize_pod(
            ref, as_=world.person, container=container, sizes=wanted, execution=run.id, seen=seen.resource_version
        )
    return {ref.name: text(seen.asked)}


def verify(plan: Plan, world: World, done: Sequence[Step]) -> Verdict:
    """Whether every pod has what its step asked for, as its machine says."""
    target = plan.target.ref
    seen = world.cluster.read_workload(target.kind, target.namespace, target.name)
    pods = world.cluster.pods_of(seen)
    container = str(done[0].args["container"])
    there = {pod.ref.uid: pod for pod in world.cluster.sizing.pods(seen, pods, container)}
    found = [(step, there.get(str(step.args["uid"]))) for step in done]
    got = sum(pod is not None and _has(pod, _sizes("to", step)) for step, pod in found)
    evidence = {**rollout_evidence(seen, pods), "resized": f"{got} of {len(done)}"}
    back = done[0] in plan.revert
    for step, pod in found:
        if problem := _problem(step, pod, plan, seen.wanted):
            return Verdict(Outcome.FAILED, problem, evidence)
    run = world.current_run
    if not back and (failed := trouble_in_soak(seen, pods, run, evidence, warnings_in_soak(world.cluster, seen, run))):
        return failed
    said = f"{got} of {counted(len(done), 'pod')} resized"
    waits = next((pod for step, pod in found if pod and not _has(pod, _sizes("to", step))), None)
    if waits is None:
        return Verdict(Outcome.OK, said, evidence)
    why = f", {waits.ref.name} {'is put off' if waits.pending else 'is under way'}"
    return Verdict(Outcome.WAIT, f"{said}{why}{f': {waits.message}' if waits.message else ''}", evidence)


def text(sizes: Sizes) -> str:
    """`CPU 100m to 200m, memory 64Mi`: what is asked for, and the most that may be used where that is more."""
    parts = []
    for what, asks, most in (
        ("CPU", sizes.cpu_request, sizes.cpu_limit),
        ("memory", sizes.memory_request, sizes.memory_limit),
    ):
        if asks or most:
            low = asks or most
            parts.append(f"{what} {low}" if low == most else f"{what} {low} to {most or 'no limit'}")
    return ", ".join(parts) or "nothing set"


def _problem(step: Step, pod: SizedPod | None, plan: Plan, wanted: int) -> str:
    name = str(step.args["pod"])
    if pod is None:  # whoever shrinks the workload takes pods away, and that says nothing about the others
        fewer = step in plan.revert or wanted < int(plan.preconditions["pods"] or 0)
        return "" if fewer else f"Pod {name} was replaced, and its successor has the sizes of the template."
    if not same(pod.asked, _sizes("to", step)):
        return f"Somebody else resized pod {name} after this run did."
    if pod.pending == "Infeasible":
        return f"The machine of pod {name} refuses: {pod.message.rstrip('.') or 'it can never have that much'}."
    return ""


def _has(pod: SizedPod, wanted: Sizes) -> bool:
    return pod.observed and not pod.pending and not pod.in_progress and pod.has is not None and same(pod.has, wanted)


def _ref(step: Step, plan: Plan) -> ObjectRef:
    return ObjectRef("Pod", plan.target.ref.namespace, str(step.args["pod"]), str(step.args["uid"]))


def _args(which: str, sizes: Sizes) -> dict[str, str]:
    return {f"{which}_{name}": getattr(sizes, name) for name in NAMES}


def _sizes(which: str, step: Step) -> Sizes:
    return Sizes(**{name: str(step.args[f"{which}_{name}"]) for name in NAMES})
