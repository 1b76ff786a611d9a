"""Resize: a number of replicas, or the bounds of the autoscaler that owns them.

Absolute numbers, so that doing it twice is doing it once. An autoscaler that owns the replicas would overwrite them within seconds,
so then its bounds are what changes. Zero is never reached by accident. What is asked for a while goes back by itself, by the same
action, if nobody else has changed it meanwhile.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import Field, model_validator

from connectors.kubernetes import AutoscalerSeen, BudgetSeen, GitOpsOwner, WorkloadSeen

from ..owners import ownership, self_heals
from ..protocol import (
    Action,
    CannotPlan,
    Change,
    Drifted,
    Ending,
    Impact,
    LeftAlone,
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
from ..sizes import counted, guards, lasting, percent, worst
from ..temporary import LEVEL, Base, Values, base_of, comes_back, of_same, values_of
from ..workloads import (
    autoscaler_text,
    changed_lines,
    hopeless,
    kubectl,
    read_before_write,
    read_target,
    rolling,
    rollout_evidence,
    trouble_in_soak,
    warnings_in_soak,
)

MOST = 1000
MOST_MINUTES = 7 * 24 * 60
REPLICAS, BOUNDS = ("replicas",), ("min_replicas", "max_replicas")
DEADLINE = timedelta(minutes=10)

LATE = """A step may have got no answer and not have happened yet when it is taken back. What is as before already is written once
more, in the name of this run: then a change that arrives late finds another version of the object, and is refused."""


class ResizeParams(Params):
    """Either replicas, or both bounds: whichever the workload has."""

    replicas: int | None = Field(None, ge=0, le=MOST, title="Replicas", json_schema_extra={"widget": "stepper"})
    min_replicas: int | None = Field(None, ge=1, le=MOST, title="Minimum", json_schema_extra={"widget": "stepper"})
    max_replicas: int | None = Field(None, ge=1, le=MOST, title="Maximum", json_schema_extra={"widget": "stepper"})
    for_minutes: int | None = Field(
        None,
        ge=1,
        le=MOST_MINUTES,
        title="For how many minutes",
        description="Then it goes back by itself. Leave it empty, and it stays.",
        json_schema_extra={"widget": "stepper"},
    )
    allow_zero: bool = Field(
        False,
        title="Yes, switch it off",
        description="Only with this may the number be 0.",
        json_schema_extra={"advanced": True},
    )
    only_from: str | None = Field(
        None,
        pattern=r"^[0-9]{1,4}( to [0-9]{1,4})?$",
        title="Only from",
        description="Refuse if it is not at this now, such as 4, or 2 to 6.",
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
    everyday = True
    params = ResizeParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        seen = read_target(world.cluster, target)
        autoscaler = world.cluster.autoscaler_of(seen.ref)
        if autoscaler is not None:
            return {"min_replicas": autoscaler.min_replicas, "max_replicas": autoscaler.max_replicas, "for_minutes": ""}
        return {"replicas": seen.wanted, "for_minutes": "", "allow_zero": False}

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
        now = {"replicas": before}
        if before == after and not _keeps(params, now, world):
            raise _nothing_to_do(params, f"It has {_replicas(before)} already.", "Choose another number.")
        if params.only_from not in (None, str(before)):
            raise LeftAlone(f"Somebody else has changed it since: it has {_replicas(before)}, not {params.only_from}.")
        if after == 0 and not params.allow_zero:
            raise CannotPlan("0 replicas switch it off. If that is meant, say so with “Yes, switch it off”.")
        base = _base(params, now, world)
        dry = world.cluster.scale(
            seen.ref, as_=world.person, replicas=after, execution="plan", seen=seen.resource_version, dry_run=True
        )
        args = {"replicas": after, "from": before}
        return self._assemble(
            target, world, seen, seen.owner, params, base,
            values={"replicas": after},
            summary=f"Resize {target.ref.name}, " + (f"replicas {before} to {after}" if before != after else f"keep {_replicas(after)}"),
            preconditions={"replicas": before},
            changes=(Change(target.label, changed_lines(seen.fields, dry.fields)),),
            steps=(Step("scale", f"Set {_replicas(after)}", "scale", args),),
            revert=(Step("scale-back", f"Set {_replicas(before)} again", "scale", {"replicas": before, "from": after}),),
            eject=kubectl(target, "scale", f"{target.ref.kind.lower()}/{target.ref.name}", f"--replicas={after}"),
            growth=percent(before, after),
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
        now = {"min_replicas": old_low, "max_replicas": old_high}
        if (low, high) == (old_low, old_high) and not _keeps(params, now, world):
            raise _nothing_to_do(params, f"The autoscaler has these bounds already: {autoscaler_text(autoscaler)}.")
        if params.only_from not in (None, autoscaler_text(autoscaler)):
            raise LeftAlone(
                f"Somebody else has changed it since: the autoscaler has {autoscaler_text(autoscaler)}, not {params.only_from}."
            )
        base = _base(params, now, world)
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
            target, world, seen, autoscaler.owner, params, base,
            values={"min_replicas": low, "max_replicas": high},
            summary=f"Resize {target.ref.name}, autoscaler {old_low}–{old_high} to {low}–{high}",
            preconditions={"minimum": old_low, "maximum": old_high},
            changes=(Change(label, changed_lines(autoscaler.fields, dry.fields)),),
            steps=(Step("bounds", f"Set the autoscaler to {low}–{high}", "bounds", forth),),
            revert=(Step("bounds-back", f"Set the autoscaler to {old_low}–{old_high} again", "bounds", back),),
            eject=kubectl(target, "patch hpa", name, "--type merge -p", f"'{{\"spec\":{{\"minReplicas\":{low},\"maxReplicas\":{high}}}}}'"),
            growth=worst(percent(old_low, low), percent(old_high, high)),
            replicas=(seen.wanted, min(max(seen.wanted, low), high)),
        )  # fmt: skip

    def _assemble(
        self, target: Target, world: World, seen: WorkloadSeen, owner: GitOpsOwner | None, params: ResizeParams, base: Base, *,
        values: Values, summary: str, preconditions: Mapping[str, int], changes: tuple[Change, ...], steps: tuple[Step, ...],
        revert: tuple[Step, ...], eject: str, growth: float, replicas: tuple[int, int],
    ) -> Plan:  # fmt: skip
        now, then = replicas
        minutes = params.for_minutes
        guarded = guards(world, seen, then)
        return Plan(
            action=self.id,
            target=target,
            params={name: value for name, value in params.model_dump().items() if value is not None},
            summary=f"{summary}, for {lasting(minutes)}" if minutes else summary,
            preconditions={**preconditions, LEVEL: base.level} if minutes else preconditions,
            changes=changes,
            steps=steps,
            revert=revert,
            no_revert="",
            undo=_params_of(base.values),
            no_undo="",
            irreversible=(
                ("Work in flight on the pods that stop: they get their termination grace period to finish.",) if then < now else ()
            ),
            eject=(eject,),
            soak_seconds=world.soak_seconds,
            deadline_seconds=int(DEADLINE.total_seconds()),
            lasts_seconds=minutes * 60 if minutes else None,
            numbers={
                "pods": abs(then - now), "replicas_before": now, "replicas_after": then, "percent": growth,
                "unavailable": max(0, now - then), "to_zero": int(then == 0 < now), "self_heals": self_heals(owner, changes),
                **guarded.numbers,
            },
            impact=(
                *_end_impact(values, base, minutes, of_same(values, world.temporary)),
                _size_impact(seen, now, then, world.cluster.budgets_of(seen)),
                Impact("Blast radius", f"1 object, {counted(abs(then - now), 'pod')}", _blast(now, then)),
                *guarded.impact,
                *ownership(owner, "the new size", changes),
            ),
        )  # fmt: skip

    def ending(self, plan: Plan, others: Sequence[Plan]) -> Ending | None:
        names = REPLICAS if "replicas" in plan.params else BOUNDS
        back = comes_back(plan, [other for other in others if other.action == self.id], names)
        if back is None:
            return None
        return Ending(self.id, {**_params_of(back), "only_from": _text({name: plan.params[name] for name in names})})

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
        if not back:
            if problem := hopeless(pods, run, world.now):
                return Verdict(Outcome.FAILED, problem, evidence)
            if failed := trouble_in_soak(seen, pods, run, evidence, warnings_in_soak(world.cluster, seen, run)):
                return failed
        if rolling(seen) or seen.ready < enough or seen.replicas != seen.wanted:
            return Verdict(Outcome.WAIT, ready, evidence)
        return Verdict(Outcome.OK, ready, evidence)


def _replicas(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"


def _params_of(values: Values) -> dict[str, Any]:
    return {**values, "allow_zero": values["replicas"] == 0} if "replicas" in values else dict(values)


def _text(values: Values) -> str:
    """As `only_from` and `autoscaler_text` say it."""
    return " to ".join(str(number) for number in values.values())


def _keeps(params: ResizeParams, now: Values, world: World) -> bool:
    """Whether what it is at is somebody's for a while, and is wanted for longer."""
    return params.for_minutes is not None and bool(of_same(now, world.temporary))


def _base(params: ResizeParams, now: Values, world: World) -> Base:
    return base_of(now, world.temporary) if params.for_minutes else Base(now, 0)


def _end_impact(values: Values, base: Base, minutes: int | None, in_force: Sequence[Plan]) -> tuple[Impact, ...]:
    if minutes is None:
        if not in_force or values_of(in_force[-1], values) == values:
            return ()
        meaning = "This has no end. When the temporary one ends, it finds this and leaves it alone."
        return (Impact("Temporary", f"{counted(len(in_force), 'change')} in force", meaning, worry=True),)
    when = "When the last of them is over" if in_force else "Then"
    others = f"{counted(len(in_force), 'other temporary change')} in force. " if in_force else ""
    return (
        Impact("Ends", f"After {lasting(minutes)}", f"{others}{when} it goes back to {_text(base.values)} by itself."),
    )


def _blast(now: int, then: int) -> str:
    if now == then:
        return "No pod starts or stops at once."
    return f"{counted(abs(then - now), 'pod')} {'start' if then > now else 'stop'}."


def _size_impact(seen: WorkloadSeen, now: int, then: int, budgets: list[BudgetSeen]) -> Impact:
    least = max((budget.desired_healthy for budget in budgets), default=0)
    budget = f" The disruption budget wants at least {least}." if least else ""
    meaning = f"{seen.ready} of {seen.wanted} are ready now.{budget}"
    figure = f"{now} to {counted(then, 'pod')}" if now != then else f"{counted(then, 'pod')}, as now"
    return Impact("Availability", figure, meaning, worry=then < max(least, 1))


def _nothing_to_do(params: ResizeParams, why: str, otherwise: str = "") -> CannotPlan:
    """For a person a reason to choose something else; for the end of a change the reason why it is over."""
    return LeftAlone(why) if params.only_from is not None else CannotPlan(f"{why} {otherwise}".strip())
