"""Restart one pod: evict it, so that whoever made it makes another, and see that the successor gets ready.

The Eviction API asks the disruption budgets, which deleting a pod does not. What a budget keeps is asked again until it lets go, and
nothing has happened until then. A pod that went does not come back, so there is nothing to take back.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from connectors.errors import Held
from connectors.kubernetes import BudgetSeen, ObjectRef, PodSeen, WorkloadSeen

from ..protocol import (
    Action,
    CannotPlan,
    Change,
    Drifted,
    Impact,
    Line,
    Option,
    Outcome,
    Params,
    Plan,
    Risk,
    Run,
    Step,
    Target,
    TargetKind,
    Verdict,
    World,
)
from ..registry import register
from ..sizes import counted
from ..workloads import (
    evicted,
    hopeless,
    read_before_write,
    read_target,
    rollout_evidence,
    trouble_in_soak,
    wait_to_be_seen,
    warnings_in_soak,
)

DEADLINE = timedelta(minutes=10)
GONE = "A pod that went cannot be brought back: its successor is what there is."


class EvictPodParams(Params):
    """Which of its pods."""

    pod: str = Field(max_length=253, title="Pod", json_schema_extra={"widget": "choice"})


@register
class EvictPod(Action[EvictPodParams]):
    id, title, icon, risk = "evict-pod", "Restart one pod", "rotate-clockwise", Risk.LOW
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet")
    preposition = "of"
    params = EvictPodParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        _, pods = _pods(target, world)
        return {"pod": pods[0].name}

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        _, pods = _pods(target, world)
        return {"pod": [Option(pod.name, pod.name, _state(pod), pod.created_at) for pod in pods]}

    def plan(self, target: Target, params: EvictPodParams, world: World) -> Plan:
        seen, pods = _pods(target, world)
        pod = next((each for each in pods if each.name == params.pod), None)
        if pod is None:
            raise CannotPlan(
                f"It has no pod {params.pod[:80]} now. There is {', '.join(each.name for each in pods[:10])}."
            )
        held = ""
        try:
            world.cluster.evict(pod.ref, as_=world.person, dry_run=True)
        except Held as refusal:
            held = refusal.sentence
        after = seen.ready - int(pod.ready)
        return Plan(
            action=self.id,
            target=target,
            params={"pod": pod.name},
            summary=f"Restart pod {pod.name}",
            preconditions={"pod": pod.uid, "template": seen.template_hash},
            changes=(Change(f"Pod {pod.namespace}/{pod.name}", (Line("metadata.uid", pod.uid, ""),)),),
            steps=(Step("evict", f"Evict {pod.name}", "evict", {"pod": pod.name, "uid": pod.uid}),),
            revert=(),
            no_revert=GONE,
            undo=None,
            no_undo="There is nothing to undo: the same version runs before and after.",
            irreversible=("Work in flight on the pod: it gets its termination grace period to finish.",),
            eject=(_eject(target, pod),),
            soak_seconds=world.soak_seconds,
            deadline_seconds=int(DEADLINE.total_seconds()),
            numbers={
                "pods": 1, "replicas_before": seen.wanted, "replicas_after": seen.wanted, "percent": 0, "unavailable": int(pod.ready),
            },
            impact=(
                Impact("Availability", f"{after} of {seen.wanted} stay ready", _budgets(world.cluster.budgets_of(seen), held),
                       worry=bool(held) or after == 0),
                Impact("Blast radius", "1 pod", f"{pod.name} is {_state(pod)}. Another one takes its place."),
                *_successor(seen, pod),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        """A pod that is gone is what was wanted, whoever did it: evicting has no mark that could tell."""
        run, seen = world.current_run, read_before_write(world.cluster, plan.target)
        if seen.template_hash != plan.preconditions["template"]:
            raise Drifted("The pod template is no longer what was planned on: a successor would be another version.")
        wait_to_be_seen(seen)
        ref = ObjectRef("Pod", plan.target.ref.namespace, str(step.args["pod"]), str(step.args["uid"]))
        there = next((pod for pod in world.cluster.pods_of(seen) if pod.uid == ref.uid), None)
        if there is not None and not there.terminating:
            evicted(ref, world.cluster, world)
        return {"evicted": ref.name, "asked at": run.stamp}

    def verify(self, plan: Plan, world: World) -> Verdict:
        target, run = plan.target.ref, world.current_run
        seen = world.cluster.read_workload(target.kind, target.namespace, target.name)
        pods = world.cluster.pods_of(seen)
        evidence = rollout_evidence(seen, pods)
        if seen.ref.uid != target.uid or seen.template_hash != plan.preconditions["template"]:
            return Verdict(Outcome.FAILED, "Somebody else changed it after the pod was evicted.", evidence)
        old = next((pod for pod in pods if pod.uid == plan.preconditions["pod"]), None)
        if old is not None:
            return Verdict(Outcome.WAIT, f"{old.name} is still there, and is going", evidence)
        if problem := hopeless(pods, run, world.now):
            return Verdict(Outcome.FAILED, problem, evidence)
        young = _young(pods, plan, run)
        evidence = {**evidence, "successor": ", ".join(pod.name for pod in young) or "none"}
        unready = [pod.name for pod in young if not pod.ready]
        if unready and run.good_since is not None:
            return Verdict(Outcome.FAILED, f"The successor {unready[0]} turned unready during the soak.", evidence)
        if failed := trouble_in_soak(seen, pods, run, evidence, warnings_in_soak(world.cluster, seen, run)):
            return failed
        staying = sum(not pod.terminating for pod in pods)
        if unready or staying < seen.wanted:
            return Verdict(
                Outcome.WAIT,
                f"{staying} of {seen.wanted} pods, {', '.join(unready) or 'no successor'} not ready",
                evidence,
            )
        said = (
            f"{young[0].name} is ready" if young else f"{staying} of {seen.wanted} pods, so none was made in its place"
        )
        return Verdict(Outcome.OK, said, evidence)

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return Verdict(Outcome.FAILED, GONE)


def _pods(target: Target, world: World) -> tuple[WorkloadSeen, list[PodSeen]]:
    """The workload and its pods that are not going yet, the one in most trouble first. Raises `CannotPlan`."""
    seen = read_target(world.cluster, target)
    pods = [pod for pod in world.cluster.pods_of(seen) if not pod.terminating]
    if not pods:
        raise CannotPlan("It has no pods, so there is none to restart.")
    return seen, sorted(pods, key=lambda pod: (pod.ready, -pod.restarts, pod.name))


def _state(pod: PodSeen) -> str:
    state = "ready" if pod.ready else pod.trouble or "not ready"
    return f"{state}, {counted(pod.restarts, 'restart')}, on {pod.node or 'no node yet'}"


def _young(pods: Sequence[PodSeen], plan: Plan, run: Run) -> list[PodSeen]:
    """The successors: of a name that was taken over, that one; else what was made since the run was in line."""
    named = [pod for pod in pods if pod.name == plan.params["pod"]]
    since = datetime.fromisoformat(run.stamp) - timedelta(seconds=1)
    return named or [pod for pod in pods if not pod.terminating and pod.created_at and pod.created_at >= since]


def _budgets(budgets: Sequence[BudgetSeen], held: str) -> str:
    if held:
        return f"{held} It is asked again until it lets go, for up to {DEADLINE.seconds // 60} min; until then nothing happens."
    if not budgets:
        return "No disruption budget counts its pods."
    least = min(budget.disruptions_allowed for budget in budgets)
    return f"The disruption budget lets {counted(least, 'pod')} go now, and this asks it."


def _successor(seen: WorkloadSeen, pod: PodSeen) -> tuple[Impact, ...]:
    """A StatefulSet or DaemonSet may leave pods of an earlier template alone until somebody evicts them."""
    current = seen.update_revision or ""
    if not current or pod.template_hash in ("", current) or current.endswith(pod.template_hash):
        return ()
    meaning = f"The pod is of revision {pod.template_hash}; its successor is of the present template."
    return (Impact("Version", "another one", meaning, worry=True),)


def _eject(target: Target, pod: PodSeen) -> str:
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
    }
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction"
    return f"echo '{json.dumps(eviction)}' | kubectl --context {target.cluster} create --raw {path} -f -"
