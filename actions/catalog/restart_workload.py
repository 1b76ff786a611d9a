"""Restart: replace every pod by a new one of the same template, as `kubectl rollout restart` does, then watch it settle.

Reverting puts the old template back, so that a rollout whose pods do not come up returns to the pods that still run. A StatefulSet
waits for a pod that does not come up, whatever its template says by then, so there the pods of the bad revision are evicted. There
is no undo: after a good restart, the same version runs.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connectors.kubernetes import RESTARTED_AT, WorkloadSeen

from ..owners import ownership, self_heals
from ..protocol import (
    Action,
    Change,
    Drifted,
    Impact,
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
from ..workloads import (
    availability,
    changed_lines,
    evict_stuck,
    kubectl,
    read_before_write,
    read_target,
    refuse_unready_for_rollout,
    rolling,
    rollout_evidence,
    rollout_verdict,
    unavailable_at_once,
    warnings_in_soak,
)

STAMP_FIELD = f"spec.template.metadata.annotations.{RESTARTED_AT}"
AT_RUN = "the time it runs"
DEADLINE = timedelta(minutes=10)


class RestartParams(Params):
    """Nothing to choose: all pods are replaced, at the pace of the workload's own update strategy."""


@register
class RestartWorkload(Action[RestartParams]):
    id, title, icon, risk = "restart-workload", "Restart", "refresh", Risk.LOW
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet")
    everyday = True
    params = RestartParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        read_target(world.cluster, target)
        return {}

    def plan(self, target: Target, params: RestartParams, world: World) -> Plan:
        seen = read_target(world.cluster, target)
        refuse_unready_for_rollout(seen)
        dry = world.cluster.restart(
            seen.ref, as_=world.person, stamp=world.now.isoformat(timespec="seconds"), execution="plan",
            seen=seen.resource_version, dry_run=True,
        )  # fmt: skip
        before = seen.restarted_at
        budgets = world.cluster.budgets_of(seen)
        pods = "1 pod" if seen.wanted == 1 else f"{seen.wanted} pods"
        changes = (Change(target.label, changed_lines(seen.fields, dry.fields, {STAMP_FIELD: AT_RUN})),)
        return Plan(
            action=self.id,
            target=target,
            params={},
            summary=f"Restart {target.ref.name}",
            preconditions={"template": seen.template_hash},
            changes=changes,
            steps=(Step("restart", f"Patch {target.ref.kind} {target.ref.name}", "restart", {"template": seen.template_hash}),),
            revert=_way_back(target, before),
            no_revert="",
            undo=None,
            no_undo="A restart has nothing to undo: the same version runs before and after.",
            irreversible=("Work in flight on the pods that stop: they get their termination grace period to finish.",),
            eject=(kubectl(target, "rollout restart", f"{target.ref.kind.lower()}/{target.ref.name}"),),
            soak_seconds=world.soak_seconds,
            deadline_seconds=int(DEADLINE.total_seconds()),
            numbers={
                "pods": seen.wanted, "replicas_before": seen.wanted, "replicas_after": seen.wanted, "percent": 0,
                "unavailable": unavailable_at_once(seen), "self_heals": self_heals(seen.owner, changes),
            },
            impact=(
                availability(seen, budgets),
                Impact("Blast radius", f"1 object, {pods}", "All of them are replaced by new ones of the same version."),
                *ownership(seen.owner, "the restart", changes),
                *_health(seen),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        run = world.current_run
        seen = read_before_write(world.cluster, plan.target)
        if step.verb == "restore":
            return self._restore(step, plan, world, seen, run)
        if step.verb == "evict":
            return self._evict(plan, world, seen)
        if seen.execution == run.id:  # whatever came after it: this step has happened, and must not a second time
            return _patched(seen)
        if seen.template_hash != step.args["template"]:
            raise Drifted("The pod template is no longer what was planned on. Nothing was changed.")
        world.hold()
        done = world.cluster.restart(
            seen.ref, as_=world.person, stamp=run.stamp, execution=run.id, seen=seen.resource_version
        )
        return {**_patched(done), "ready before": seen.ready}

    def _restore(self, step: Step, plan: Plan, world: World, seen: WorkloadSeen, run: Run) -> Mapping[str, str | int]:
        as_before = seen.template_hash == plan.preconditions["template"]
        if as_before and seen.execution == run.id:
            return _patched(seen)
        # As before, but not by this run: our patch may be late. Writing makes another version, which a late patch does not fit.
        if not as_before and (seen.execution != run.id or seen.restarted_at != run.stamp):
            raise Drifted(
                "Somebody else changed it after this run did, so the old template was not put back over their change."
            )
        stamp = step.args["stamp"]
        world.hold()
        done = world.cluster.restart(
            seen.ref,
            as_=world.person,
            stamp=None if stamp is None else str(stamp),
            execution=run.id,
            seen=seen.resource_version,
        )
        return _patched(done)

    def _evict(self, plan: Plan, world: World, seen: WorkloadSeen) -> Mapping[str, str | int]:
        if seen.template_hash != plan.preconditions["template"]:
            raise Drifted("Somebody else changed it after it was put back, so no pod was evicted.")
        return evict_stuck(seen, world)

    def verify(self, plan: Plan, world: World) -> Verdict:
        run = world.current_run
        seen = world.cluster.read_workload(plan.target.ref.kind, plan.target.ref.namespace, plan.target.ref.name)
        if seen.ref.uid != plan.target.ref.uid or seen.restarted_at != run.stamp:
            return Verdict(
                Outcome.FAILED,
                "Somebody else changed it after the restart.",
                {"restartedAt": seen.restarted_at or "none"},
            )
        pods, warnings = world.cluster.pods_of(seen), warnings_in_soak(world.cluster, seen, run)
        return rollout_verdict(seen, pods, run, world.now, "restarted", warnings)

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        run = world.current_run
        seen = world.cluster.read_workload(plan.target.ref.kind, plan.target.ref.namespace, plan.target.ref.name)
        evidence = rollout_evidence(seen, world.cluster.pods_of(seen))
        if seen.template_hash != plan.preconditions["template"]:
            return Verdict(Outcome.FAILED, "Somebody else changed it after it was put back.", evidence)
        as_before = min(seen.wanted, int(run.evidence.get("ready before", seen.wanted)))
        ready = f"{seen.ready} of {seen.wanted} ready"
        if rolling(seen) or seen.ready < as_before:
            return Verdict(Outcome.WAIT, ready, evidence)
        return Verdict(Outcome.OK, f"{ready}, as before", evidence)


def _way_back(target: Target, stamp: str | None) -> tuple[Step, ...]:
    restore = Step("restore", "Put the old template back", "restore", {"stamp": stamp})
    if target.ref.kind != "StatefulSet":
        return (restore,)
    return (restore, Step("evict", "Evict the pods that did not come up", "evict"))


def _patched(seen: WorkloadSeen) -> dict[str, str | int]:
    return {
        "generation": seen.generation,
        "template": seen.template_hash[:12],
        "restartedAt": seen.restarted_at or "none",
        "resourceVersion": seen.resource_version,
    }


def _health(seen: WorkloadSeen) -> tuple[Impact, ...]:
    if seen.ready >= seen.wanted:
        return ()
    return (
        Impact(
            "Now",
            f"{seen.ready} of {seen.wanted} ready",
            "It is verified against all of them being ready afterwards.",
            worry=True,
        ),
    )
