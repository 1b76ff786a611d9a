"""Suspend auto-sync: for a while, whoever owns a workload in Git leaves it as people change it.

A change that Argo CD or Flux would take back seconds later can be made between this and its end. It ends by itself, by resuming; what
has drifted from Git by then is shown, and taken back. Older Argo CDs ignore `automated.enabled`, so all of `automated` goes and is put
back as it was.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import Field

from audit.canonical import canonical_text
from connectors.kubernetes import ReconcilerSeen
from connectors.kubernetes.seen import AUTO_SYNC

from ..autosync import Note, note_on
from ..owners import name_of, soon
from ..protocol import (
    Action,
    CannotPlan,
    Change,
    Ending,
    Impact,
    Outcome,
    Params,
    Plan,
    Risk,
    Step,
    Target,
    TargetKind,
    Verdict,
    World,
)
from ..reconcilers import evidence_of, owner_of, read, set_switch, switch_args
from ..registry import register
from ..suspensions import DECLARED, declared_now
from ..workloads import changed_lines, read_before_write, read_target

OFF = {"Application": None, "Kustomization": True, "HelmRelease": True}
"""What makes each of them do nothing by itself (`ReconcilerSeen.switch`)."""

NOTE_FIELD = f"metadata.annotations.{AUTO_SYNC}"
AT_RUN = "by whom, until when, and what to put back"
DEADLINE = timedelta(minutes=2)
MOST_MINUTES = 24 * 60


class SuspendParams(Params):
    for_minutes: int = Field(
        60,
        ge=5,
        le=MOST_MINUTES,
        title="For how many minutes",
        description="Then it resumes by itself, and what is not in Git is taken back.",
        json_schema_extra={"widget": "stepper", "proposed": True},
    )


@register
class SuspendGitOps(Action[SuspendParams]):
    id, title, icon, risk = "suspend-gitops", "Suspend auto-sync", "git-branch", Risk.MEDIUM
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet")
    preposition = "of"
    params = SuspendParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        owner_of(read_target(world.cluster, target))
        return {"for_minutes": 60}

    def plan(self, target: Target, params: SuspendParams, world: World) -> Plan:
        owner, seen = owner_of(read_target(world.cluster, target))
        former = _former(seen, target)
        off, note = OFF[seen.ref.kind], _note(seen, target, world, params.for_minutes)
        dry = world.cluster.reconciling.set_auto_sync(
            seen.ref, as_=world.person, switch=off, note=note.text, execution="plan", seen=seen.resource_version, dry_run=True
        )  # fmt: skip
        if not dry.suspended:
            raise CannotPlan(
                f"{seen.ref} would go on syncing. Its version may not know how to be suspended: ask who runs it."
            )
        step = Step(
            "suspend", f"Suspend auto-sync of {seen.ref.name}", "suspend",
            {**switch_args(seen, to=off), "minutes": params.for_minutes},
        )  # fmt: skip
        back = {**switch_args(dry, to=seen.switch, note=seen.note or None), "noted": None}
        title = f"Leave it suspended until {former.until:%H:%M} UTC" if former else "Switch it on again as it was"
        return Plan(
            action=self.id,
            target=target,
            params={"for_minutes": params.for_minutes},
            summary=f"Suspend auto-sync of {seen.ref.name} for {params.for_minutes} min",
            preconditions={"auto-sync": str(step.args["from"]), "note": seen.note},
            changes=(Change(str(seen.ref), changed_lines(seen.fields, dry.fields, {NOTE_FIELD: AT_RUN})),),
            steps=(step,),
            revert=(Step("resume", title, "resume", back, undoes=step.id),),
            no_revert="",
            undo={
                "owner_kind": seen.ref.kind, "owner_namespace": seen.ref.namespace, "owner_name": seen.ref.name, "owner_uid": seen.ref.uid,
            },
            undo_action="resume-gitops",
            no_undo="",
            irreversible=(f"What is committed meanwhile is not rolled out by {name_of(owner)} until it resumes.",),
            eject=(_eject(target, seen),),
            soak_seconds=min(world.soak_seconds, 10),
            deadline_seconds=int(DEADLINE.total_seconds()),
            lasts_seconds=params.for_minutes * 60,
            impact=(
                Impact("Owner", name_of(owner), f"It leaves the whole of {seen.ref.name} alone, not only {target.ref.name}."),
                Impact("At the end", f"after {params.for_minutes} min", f"What is not in Git is taken back {soon(owner)}."),
                Impact("Blast radius", "1 object, 0 pods", "No pod starts or stops by this."),
                *_written_by(seen),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        if step.verb == "resume":
            former = step.args["note"]
            return set_switch(step, world, note=None if former is None else str(former), back=True)
        workload, seen = read_before_write(world.cluster, plan.target), read(step, world)
        note = _note(seen, plan.target, world, int(step.args["minutes"] or 0))
        return {**set_switch(step, world, note=note.text, back=False), DECLARED: declared_now(workload)}

    def verify(self, plan: Plan, world: World) -> Verdict:
        seen = read(plan.steps[0], world)
        if seen.suspended and note_on(seen):
            return Verdict(Outcome.OK, f"{seen.ref.name} does nothing by itself", evidence_of(seen))
        who = f"{seen.written_by} or somebody" if seen.written_by else "Somebody"
        return Verdict(Outcome.FAILED, f"{who} switched auto-sync on again.", evidence_of(seen))

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        seen = read(plan.steps[0], world)
        if canonical_text(seen.switch) == plan.revert[0].args["to"]:
            return Verdict(Outcome.OK, "auto-sync is as it was", evidence_of(seen))
        return Verdict(Outcome.FAILED, "Somebody else changed auto-sync after this run did.", evidence_of(seen))

    def ending(self, plan: Plan, others: Sequence[Plan]) -> Ending | None:
        """Whoever asked for longer holds what this one held."""
        return None if any(other.action == self.id for other in others) else super().ending(plan, others)


def _former(seen: ReconcilerSeen, target: Target) -> Note | None:
    """The suspension that goes on and is made longer. Raises `CannotPlan` when it is not this target's."""
    if not seen.suspended:
        return None
    note = note_on(seen)
    if note is None:
        raise CannotPlan(
            f"Auto-sync of {seen.ref.name} is off already, so nothing takes a change back. Make it as it is."
        )
    if note.through != target.key:
        raise CannotPlan(f"{note.sentence} They did so through another workload; make the change while it lasts.")
    return note


def _note(seen: ReconcilerSeen, target: Target, world: World, minutes: int) -> Note:
    """One that is there already keeps what to put back, and never gets shorter."""
    former, until = note_on(seen), world.now + timedelta(minutes=minutes)
    return Note(
        switch=former.switch if former else seen.switch,
        by=world.person.user,
        through=target.key,
        until=max(until, former.until) if former else until,
    )


def _written_by(seen: ReconcilerSeen) -> tuple[Impact, ...]:
    if not seen.written_by:
        return ()
    return (Impact("Written by", seen.written_by, "It may switch auto-sync on again by itself.", worry=True),)


def _eject(target: Target, seen: ReconcilerSeen) -> str:
    ref, context = seen.ref, f"--context {target.cluster}"
    if ref.kind == "Application":
        patch = '{"spec":{"syncPolicy":{"automated":null}}}'
        return f"kubectl {context} -n {ref.namespace} patch application {ref.name} --type merge -p '{patch}'"
    return f"flux {context} -n {ref.namespace} suspend {ref.kind.lower()} {ref.name}"
