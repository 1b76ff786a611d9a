"""Suspending and resuming a CronJob: one field of one object, set to what was planned, and put back as it was.

The two actions differ in the value, so all that they do is here; each is the other's undo.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from connectors.kubernetes.seen import CronJobSeen

from .cronjobs import next_run, read_before_write, read_cronjob, schedule
from .owners import ownership, self_heals
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
from .workloads import changed_lines, kubectl

LONGEST_SOAK = 10
"""Seconds: it is true at once, and an owner that takes it back does so within some."""
DEADLINE = 60


class SwitchParams(Params):
    """Nothing to choose."""


class CronJobSwitch(Action[SwitchParams]):
    suspends: ClassVar[bool]
    verb: ClassVar[str]
    opposite: ClassVar[str]
    """The id of the action that takes it back."""

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        read_cronjob(target, world)
        return {}

    def plan(self, target: Target, params: SwitchParams, world: World) -> Plan:
        seen = read_cronjob(target, world)
        if seen.suspended == self.suspends:
            raise CannotPlan(
                "It is suspended already." if self.suspends else "It is not suspended, so nothing is left to do."
            )
        dry = world.cluster.jobs.suspend(
            seen.ref, as_=world.person, suspended=self.suspends, execution="plan", seen=seen.resource_version, dry_run=True
        )  # fmt: skip
        active = world.cluster.jobs.active_of(seen.ref)
        changes = (Change(target.label, changed_lines(seen.fields, dry.fields)),)
        title = f"{self.verb} {target.ref.name}"
        value = str(self.suspends).lower()
        return Plan(
            action=self.id,
            target=target,
            params={},
            summary=title,
            preconditions={"suspended": seen.suspended, "schedule": seen.schedule},
            changes=changes,
            steps=(Step("switch", title, "switch", {"suspended": self.suspends}),),
            revert=(Step("back", "Put it back as it was", "switch back", {"suspended": seen.suspended}, undoes="switch"),),
            no_revert="",
            undo={},
            undo_action=self.opposite,
            no_undo="",
            irreversible=(self._missed(seen, world),),
            eject=(kubectl(target, "patch", f"cronjob/{target.ref.name}", "--type=merge", f"""-p '{{"spec":{{"suspend":{value}}}}}'"""),),
            soak_seconds=min(world.soak_seconds, LONGEST_SOAK),
            deadline_seconds=DEADLINE,
            numbers={"self_heals": self_heals(seen.owner, changes)},
            impact=(
                *schedule(seen, active, world.now), *ownership(seen.owner, "this", changes), *self._running(active)
            ),
        )  # fmt: skip

    def _missed(self, seen: CronJobSeen, world: World) -> str:
        if self.suspends:
            return "Runs that fall due meanwhile are not made up for, unless its deadline for starting them allows it."
        return "A run that was missed may start at once, if its deadline for starting allows it."

    def _running(self, active: Sequence[str]) -> tuple[Impact, ...]:
        if not (self.suspends and active):
            return ()
        return (Impact("What runs", "goes on", "Suspending stops nothing that has begun."),)

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        run, seen, wanted = world.current_run, read_before_write(plan.target, world), bool(step.args["suspended"])
        before = plan.preconditions["suspended"]
        if step.verb == "switch back":
            if seen.execution != run.id and seen.suspended != before:
                raise Drifted("Somebody else changed it after this run did, so it was left as it is.")
            if seen.execution == run.id and seen.suspended == wanted:
                return _switched(seen)  # by this very run, as nobody else leaves its mark
        elif seen.execution == run.id:  # whatever came after it: this step has happened, and must not a second time
            return _switched(seen)
        elif seen.suspended != before or seen.schedule != plan.preconditions["schedule"]:
            raise Drifted("The CronJob is no longer what was planned on. Nothing was changed.")
        world.hold()
        done = world.cluster.jobs.suspend(
            seen.ref, as_=world.person, suspended=wanted, execution=run.id, seen=seen.resource_version
        )
        return _switched(done)

    def verify(self, plan: Plan, world: World) -> Verdict:
        return self._is(self.suspends, plan, world)

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return self._is(bool(plan.preconditions["suspended"]), plan, world)

    def _is(self, suspended: bool, plan: Plan, world: World) -> Verdict:
        seen = read_before_write(plan.target, world)
        if seen.suspended != suspended:
            return Verdict(Outcome.FAILED, "Somebody else switched it back.", _switched(seen))
        due = next_run(seen, world.now)
        after = "suspended" if suspended else f"next run {due:%H:%M}" if due else "not suspended"
        return Verdict(Outcome.OK, f"It is as planned: {after}", _switched(seen))


def _switched(seen: CronJobSeen) -> dict[str, str | int]:
    return {"suspended": "yes" if seen.suspended else "no", "resourceVersion": seen.resource_version}
