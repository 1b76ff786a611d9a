"""Resize: a number of replicas, or the bounds of the autoscaler that owns them.

Absolute numbers, so that doing it twice is doing it once. An autoscaler that owns the replicas would overwrite them within seconds,
so then its bounds are what changes. Zero is never reached by accident.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field, model_validator

from connectors.kubernetes import AutoscalerSeen, BudgetSeen, GitOpsOwner, QuotaSeen, WorkloadSeen

from ..owners import ownership, self_heals
from ..protocol import (
    Action,
    CannotPlan,
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
    autoscaler_text,
    changed_lines,
    hopeless,
    kubectl,
    read_before_write,
    read_target,
    rolling,
    rollout_evidence,
)

MOST = 1000
DEADLINE = timedelta(minutes=10)

LATE = """A step may have got no answer and not have happened yet when it is taken back. What is as before already is written once
more, in the name of this run: then a change that arrives late finds another version of the object, and is refused."""


class ResizeParams(Params):
    """Either replicas, or both bounds: whichever the workload has."""

    replicas: int | None = Field(None, ge=0, le=MOST, title="Replicas", json_schema_extra={"widget": "stepper"})
    min_replicas: int | None = Field(None, ge=1, le=MOST, title="Minimum", json_schema_extra={"widget": "stepper"})
    max_replicas: int | None = Field(None, ge=1, le=MOST, title="Maximum", json_schema_extra={"widget": "stepper"})
    allow_zero: bool = Field(
        False,
        title="Yes, switch it off",
        description="Only with this may the number be 0.",
        json_schema_extra={"advanced": True},
    )

    @model_validator(mode="after")
    def one_or_the_other(self) -> "ResizeParams":
        bounds = (self.min_replicas, self.max_replicas)
        if (self.replicas is None) == (bounds == (None, None)):
            raise ValueError("give either replicas, or min_replicas and max_replicas")
        if self.replicas is None and None in bounds:
            raise ValueError("give both min_replicas and max_replicas")
        if self.min_replicas and self.max_replicas and self.min_replicas > self.max_replicas:
            raise ValueError("the minimum is larger than the maximum")
        return self


@register
class ResizeWorkload(Action[ResizeParams]):
    id, title, icon, risk = "resize-workload", "Resize", "arrows-diagonal", Risk.MEDIUM
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet")
    params = ResizeParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        seen = read_target(world.cluster, target)
        autoscaler = world.cluster.autoscaler_of(seen.ref)
        if autoscaler is not None:
            return {"min_replicas": autoscaler.min_replicas, "max_replicas": autoscaler.max_replicas}
        return {"replicas": seen.wanted, "allow_zero": False}

    def plan(self, target: Target, params: ResizeParams, world: World) -> Plan:
        seen = read_target(world.cluster, target)
        autoscaler = world.cluster.autoscaler_of(seen.ref)
        if autoscaler is not None:
            return self._plan_bounds(target, params, world, seen, autoscaler)
        return self._plan_replicas(target, params, world, seen)

    def _plan_replicas(self, target: Target, params: ResizeParams, world: World, seen: WorkloadSeen) -> Plan:
        if params.replicas is None:
            raise CannotPlan("No autoscaler owns the replicas of this workload. Ask for a number of replicas.")
        before, after = seen.wanted, params.replicas
        if before == after:
            raise CannotPlan(f"It has {_replicas(before)} already. Choose another number.")
        if after == 0 and not params.allow_zero:
            raise CannotPlan("0 replicas switch it off. If that is meant, say so with “Yes, switch it off”.")
        _fits(world.cluster.quotas(target.ref.namespace), after - before)
        dry = world.cluster.scale(
            seen.ref, as_=world.person, replicas=after, execution="plan", seen=seen.resource_version, dry_run=True
        )
        args = {"replicas": after, "from": before}
        return self._assemble(
            target, world, seen, seen.owner,
            params={"replicas": after, "allow_zero": params.allow_zero},
            summary=f"Resize {target.ref.name}, replicas {before} to {after}",
            preconditions={"replicas": before},
            changes=(Change(target.label, changed_lines(seen.fields, dry.fields)),),
            steps=(Step("scale", f"Set {_replicas(after)}", "scale", args),),
            revert=(Step("scale-back", f"Set {_replicas(before)} again", "scale", {"replicas": before, "from": after}),),
            undo={"replicas": before, "allow_zero": before == 0},
            eject=kubectl(target, "scale", f"{target.ref.kind.lower()}/{target.ref.name}", f"--replicas={after}"),
            percent=_percent(before, after),
            replicas=(before, after),
        )  # fmt: skip

    def _plan_bounds(
        self, target: Target, params: ResizeParams, world: World, seen: WorkloadSeen, autoscaler: AutoscalerSeen
    ) -> Plan:
        low, high = params.min_replicas, params.max_replicas
        if low is None or high is None:
            raise CannotPlan(
                f"The autoscaler {autoscaler.ref.name} sets the replicas ({autoscaler_text(autoscaler)}) and would overwrite a number "
                "set by hand. Ask for its minimum and maximum."
            )
        old_low, old_high = autoscaler.min_replicas, autoscaler.max_replicas
        if (low, high) == (old_low, old_high):
            raise CannotPlan(f"The autoscaler has these bounds already: {autoscaler_text(autoscaler)}.")
        after = min(max(seen.wanted, low), high)
        _fits(world.cluster.quotas(target.ref.namespace), after - seen.wanted)
        dry = world.cluster.set_autoscaler_bounds(
            autoscaler.ref, as_=world.person, min_replicas=low, max_replicas=high, execution="plan",
            seen=autoscaler.resource_version, dry_run=True,
        )  # fmt: skip
        name = autoscaler.ref.name
        forth: dict[str, str | int | bool | None] = {
            "autoscaler": name,
            "uid": autoscaler.ref.uid,
            "min": low,
            "max": high,
            "from_min": old_low,
            "from_max": old_high,
        }
        back = {**forth, "min": old_low, "max": old_high, "from_min": low, "from_max": high}
        label = f"HorizontalPodAutoscaler {autoscaler.ref.namespace}/{name}"
        return self._assemble(
            target, world, seen, autoscaler.owner,
            params={"min_replicas": low, "max_replicas": high},
            summary=f"Resize {target.ref.name}, autoscaler {old_low}–{old_high} to {low}–{high}",
            preconditions={"minimum": old_low, "maximum": old_high},
            changes=(Change(label, changed_lines(autoscaler.fields, dry.fields)),),
            steps=(Step("bounds", f"Set the autoscaler to {low}–{high}", "bounds", forth),),
            revert=(Step("bounds-back", f"Set the autoscaler to {old_low}–{old_high} again", "bounds", back),),
            undo={"min_replicas": old_low, "max_replicas": old_high},
            eject=kubectl(target, "patch hpa", name, "--type merge -p", f"'{{\"spec\":{{\"minReplicas\":{low},\"maxReplicas\":{high}}}}}'"),
            percent=_worst(_percent(old_low, low), _percent(old_high, high)),
            replicas=(seen.wanted, after),
        )  # fmt: skip

    def _assemble(
        self, target: Target, world: World, seen: WorkloadSeen, owner: GitOpsOwner | None, *, params: Mapping[str, Any], summary: str,
        preconditions: Mapping[str, int], changes: tuple[Change, ...], steps: tuple[Step, ...], revert: tuple[Step, ...],
        undo: Mapping[str, Any], eject: str, percent: float, replicas: tuple[int, int],
    ) -> Plan:  # fmt: skip
        now, then = replicas
        return Plan(
            action=self.id,
            target=target,
            params=params,
            summary=summary,
            preconditions=preconditions,
            changes=changes,
            steps=steps,
            revert=revert,
            no_revert="",
            undo=undo,
            no_undo="",
            irreversible=(
                ("Work in flight on the pods that stop: they get their termination grace period to finish.",) if then < now else ()
            ),
            eject=(eject,),
            soak_seconds=world.soak_seconds,
            deadline_seconds=int(DEADLINE.total_seconds()),
            numbers={
                "pods": abs(then - now), "replicas_before": now, "replicas_after": then, "percent": percent,
                "unavailable": max(0, now - then), "self_heals": self_heals(owner, changes),
            },
            impact=(
                _size_impact(seen, now, then, world.cluster.budgets_of(seen)),
                Impact("Blast radius", f"1 object, {_pods(abs(then - now))}", _blast(now, then)),
                *_quota_impact(world.cluster.quotas(target.ref.namespace), then - now),
                *ownership(owner, "the new size", changes),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        run = world.current_run
        if step.verb == "bounds":
            return self._apply_bounds(step, plan, world, run)
        seen = read_before_write(world.cluster, plan.target)
        wanted, before = int(step.args["replicas"] or 0), int(step.args["from"] or 0)
        back = step in plan.revert
        if seen.execution == run.id and (not back or seen.wanted == wanted):
            return {"replicas": seen.wanted, "generation": seen.generation}
        if seen.wanted != before and not (back and seen.wanted == wanted):  # see LATE
            raise Drifted(f"It has {_replicas(seen.wanted)}, not {before} as planned. Nothing was changed.")
        world.hold()
        done = world.cluster.scale(
            seen.ref, as_=world.person, replicas=wanted, execution=run.id, seen=seen.resource_version
        )
        return {
            "replicas": done.wanted, "generation": done.generation, "resourceVersion": done.resource_version,
            "ready before": seen.ready,
        }  # fmt: skip

    def _apply_bounds(self, step: Step, plan: Plan, world: World, run: Run) -> Mapping[str, str | int]:
        args = step.args
        seen = world.cluster.read_autoscaler(plan.target.ref.namespace, str(args["autoscaler"]))
        if seen.ref.uid != args["uid"]:
            raise Drifted("The autoscaler was replaced by another one of the same name. Nothing was changed.")
        wanted = (int(args["min"] or 0), int(args["max"] or 0))
        bounds = (seen.min_replicas, seen.max_replicas)
        back = step in plan.revert
        if seen.execution == run.id and (not back or bounds == wanted):
            return {"minimum": bounds[0], "maximum": bounds[1]}
        if bounds != (args["from_min"], args["from_max"]) and not (back and bounds == wanted):  # see LATE
            raise Drifted(f"The autoscaler has {autoscaler_text(seen)}, not what was planned on. Nothing was changed.")
        world.hold()
        done = world.cluster.set_autoscaler_bounds(
            seen.ref,
            as_=world.person,
            min_replicas=wanted[0],
            max_replicas=wanted[1],
            execution=run.id,
            seen=seen.resource_version,
        )
        return {"minimum": done.min_replicas, "maximum": done.max_replicas, "resourceVersion": done.resource_version}

    def verify(self, plan: Plan, world: World) -> Verdict:
        return self._verify(plan, world, plan.steps[0])

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        """As before is enough: what was not ready then need not be now, and pods that failed are still on their way out."""
        return self._verify(plan, world, plan.revert[0])

    def _verify(self, plan: Plan, world: World, step: Step) -> Verdict:
        seen = world.cluster.read_workload(plan.target.ref.kind, plan.target.ref.namespace, plan.target.ref.name)
        pods = world.cluster.pods_of(seen)
        evidence = rollout_evidence(seen, pods)
        if seen.ref.uid != plan.target.ref.uid:
            return Verdict(Outcome.FAILED, "It was replaced by another object of the same name.", evidence)
        ready = f"{seen.ready} of {seen.wanted} ready"
        if step.verb == "bounds":
            bounds = world.cluster.read_autoscaler(plan.target.ref.namespace, str(step.args["autoscaler"]))
            evidence = {**evidence, "bounds": autoscaler_text(bounds)}
            low, high = bounds.min_replicas, bounds.max_replicas
            if (low, high) != (step.args["min"], step.args["max"]):
                return Verdict(Outcome.FAILED, "Somebody else changed the autoscaler after this run did.", evidence)
            if not low <= seen.wanted <= high:
                return Verdict(Outcome.WAIT, f"{ready}, the autoscaler has not moved into {low}–{high} yet", evidence)
        elif seen.wanted != step.args["replicas"]:
            return Verdict(Outcome.FAILED, f"Somebody else set {_replicas(seen.wanted)} after this run did.", evidence)
        run, back, enough = world.current_run, step in plan.revert, seen.wanted
        if back:
            enough = min(enough, int(run.evidence.get("ready before", enough)))
        problem = "" if back else hopeless(pods, run, world.now)
        if problem:
            return Verdict(Outcome.FAILED, problem, evidence)
        if rolling(seen) or seen.ready < enough or seen.replicas != seen.wanted:
            return Verdict(Outcome.WAIT, ready, evidence)
        return Verdict(Outcome.OK, ready, evidence)


def _replicas(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"


def _pods(number: int) -> str:
    return "1 pod" if number == 1 else f"{number} pods"


def _percent(before: int, after: int) -> float:
    return (after - before) * 100 / before if before else (100.0 if after else 0.0)


def _worst(*changes: float) -> float:
    """Of two bounds the one that takes away most; otherwise the one that adds most."""
    return min(changes) if min(changes) < 0 else max(changes)


def _blast(now: int, then: int) -> str:
    if now == then:
        return "No pod starts or stops at once; the bounds decide later."
    return f"{_pods(abs(then - now))} {'start' if then > now else 'stop'}."


def _size_impact(seen: WorkloadSeen, now: int, then: int, budgets: list[BudgetSeen]) -> Impact:
    least = max((budget.desired_healthy for budget in budgets), default=0)
    budget = f" The disruption budget wants at least {least}." if least else ""
    meaning = f"{seen.ready} of {seen.wanted} are ready now.{budget}"
    return Impact(
        "Availability", f"{now} to {then} {'pod' if then == 1 else 'pods'}", meaning, worry=then < max(least, 1)
    )


def _pod_quota(quotas: list[QuotaSeen]) -> list[tuple[int, int]]:
    """(used, hard) of every quota on pods. Quantities of pods are plain integers."""
    found = []
    for quota in quotas:
        for name in ("pods", "count/pods"):
            hard, used = quota.hard.get(name, ""), quota.used.get(name, "0")
            if hard.isdecimal() and used.isdecimal():
                found.append((int(used), int(hard)))
    return found


def _fits(quotas: list[QuotaSeen], more: int) -> None:
    """A quota binds pods, not replicas: the server would accept the number and then never start the pods. Raises `CannotPlan`."""
    for used, hard in _pod_quota(quotas):
        if more > 0 and used + more > hard:
            room = max(0, hard - used)
            raise CannotPlan(
                f"The quota of the namespace has room for {room} more {'pod' if room == 1 else 'pods'} ({used} of {hard} used), and "
                f"{more} more are asked for. Ask for fewer, or ask the platform team for quota."
            )


def _quota_impact(quotas: list[QuotaSeen], more: int) -> tuple[Impact, ...]:
    return tuple(
        Impact("Quota", f"{used} to {used + more} of {hard} pods", "Counted in the namespace.")
        for used, hard in _pod_quota(quotas)
    )
