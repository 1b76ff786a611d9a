"""Resume auto-sync: whoever owns the workload in Git acts by itself again, as it did before it was suspended.

It is the end of a suspension, by time or by hand, and never offered alone. What has drifted from Git meanwhile is in the plan, because
that is what the owner takes back now.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from audit.canonical import canonical_text
from connectors.errors import Missing
from connectors.kubernetes import GitOpsOwner, ObjectRef, ReconcilerSeen
from connectors.kubernetes.seen import AUTO_SYNC

from ..autosync import Note, note_on
from ..owners import listed, name_of, soon
from ..protocol import (
    Action,
    CannotPlan,
    Change,
    Impact,
    LeftAlone,
    Line,
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
from ..reconcilers import evidence_of, read, set_switch, switch_args
from ..registry import register
from ..suspensions import suspensions_of
from ..workloads import changed_lines, read_target

NOTE_FIELD = f"metadata.annotations.{AUTO_SYNC}"
DEADLINE = timedelta(minutes=2)
SOON = 10
"""Seconds up to which it is waited for, that the owner takes the drift back. One that comes later is only said to."""


class ResumeParams(Params):
    """Of which owner. Named, because an owner must not stay suspended when the workload that it was suspended for is gone."""

    owner_kind: Literal["Application", "Kustomization", "HelmRelease"] = Field(title="Kind")
    owner_namespace: str = Field(max_length=63, title="Namespace")
    owner_name: str = Field(max_length=253, title="Name")
    owner_uid: str = Field(max_length=64, title="UID")


@register
class ResumeGitOps(Action[ResumeParams]):
    id, title, icon, risk = "resume-gitops", "Resume auto-sync", "git-compare", Risk.LOW
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet")
    preposition = "of"
    listed = False
    params = ResumeParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        return {}

    def plan(self, target: Target, params: ResumeParams, world: World) -> Plan:
        seen = _reconciler(params, world)
        note, owner = _note(seen), _owner(seen)
        dry = world.cluster.reconciling.set_auto_sync(
            seen.ref, as_=world.person, switch=note.switch, note=None, execution="plan", seen=seen.resource_version, dry_run=True
        )  # fmt: skip
        return Plan(
            action=self.id,
            target=target,
            params=params.model_dump(mode="json"),
            summary=f"Resume auto-sync of {seen.ref.name}",
            preconditions={"auto-sync": canonical_text(seen.switch), "note": seen.note},
            changes=(Change(str(seen.ref), changed_lines(seen.fields, dry.fields)),),
            steps=(Step("resume", f"Switch auto-sync of {seen.ref.name} on", "resume", switch_args(seen, to=note.switch)),),
            revert=(),
            no_revert="Once it acts by itself, nothing of that is taken back: Git decides.",
            undo=None,
            no_undo="Suspend it again if you need it for longer.",
            irreversible=("What was changed meanwhile and is not in Git goes, as soon as the owner acts.",),
            eject=(_eject(target, seen, note),),
            soak_seconds=min(world.soak_seconds, 5),
            deadline_seconds=int(DEADLINE.total_seconds()),
            impact=(
                _drift_impact(owner, _drift(target, world)),
                Impact("Owner", name_of(owner), f"It decides about the whole of {seen.ref.name} again."),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        drift = _drift(plan.target, world)
        return {**set_switch(step, world, note=None, back=False), "drift": listed(drift, most=10) or "none"}

    def verify(self, plan: Plan, world: World) -> Verdict:
        seen, run = read(plan.steps[0], world), world.current_run
        evidence = evidence_of(seen)
        if seen.suspended:
            return Verdict(Outcome.FAILED, "Somebody suspended it again.", evidence)
        drifted = str(run.evidence.get("drift", "none"))
        if drifted == "none":
            return Verdict(Outcome.OK, "Auto-sync is on, and nothing had drifted", evidence)
        left, passed = _drift(plan.target, world), run.applied_at and world.now - run.applied_at
        if not left:
            return Verdict(Outcome.OK, f"Auto-sync is on, and took back {drifted}", {**evidence, "taken back": drifted})
        when = soon(_owner(seen))
        if seen.within_seconds <= SOON and not (passed and passed > timedelta(seconds=3 * SOON)):
            return Verdict(Outcome.WAIT, f"It takes back {listed(left)} {when}", evidence)
        return Verdict(
            Outcome.OK, f"Auto-sync is on. It takes back {listed(left)} {when}", {**evidence, "drift": listed(left)}
        )

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return Verdict(Outcome.FAILED, plan.no_revert, evidence_of(read(plan.steps[0], world)))


def _reconciler(params: ResumeParams, world: World) -> ReconcilerSeen:
    """Raises `LeftAlone` when it is gone, by whatever has its name now."""
    ref = ObjectRef(params.owner_kind, params.owner_namespace, params.owner_name, params.owner_uid)
    try:
        seen = world.cluster.reconciling.read(ref)
    except Missing as gone:
        raise LeftAlone(f"{ref} is gone, so nothing is left to resume.") from gone
    if seen.ref.uid != ref.uid:
        raise LeftAlone(f"{ref} was replaced by another object of the same name, which nobody suspended here.")
    return seen


def _owner(seen: ReconcilerSeen) -> GitOpsOwner:
    """As it would be read from a workload, which may be gone."""
    kind = "argocd" if seen.ref.kind == "Application" else "flux"
    return GitOpsOwner(kind, seen.ref.name, resource=seen.ref.kind, within_seconds=seen.within_seconds)


def _note(seen: ReconcilerSeen) -> Note:
    """What to put back. Raises `LeftAlone` when that is not ours to do any more."""
    if not seen.suspended:
        raise LeftAlone(f"Auto-sync of {seen.ref.name} is on already: somebody else has resumed it.")
    note = note_on(seen)
    if note is None:
        raise LeftAlone(
            f"Auto-sync of {seen.ref.name} was not suspended here, so what it was is not known. Whoever did, resumes it."
        )
    return note


def _drift(target: Target, world: World) -> tuple[Line, ...]:
    """What of the workload is not as its owner had declared it. Of one that is gone, nothing."""
    suspension = suspensions_of(target.key).get(target.key)
    if suspension is None:
        return ()
    try:
        return suspension.drift(read_target(world.cluster, target))
    except CannotPlan:
        return ()


def _drift_impact(owner: GitOpsOwner, drift: Sequence[Line]) -> Impact:
    if not drift:
        return Impact("Drift", "none", "What it has declared of this workload is as it was when it was suspended.")
    moves = "; ".join(f"{line.path} from {line.before or 'nothing'} to {line.after}" for line in drift[:5])
    more = f"; and {len(drift) - 5} more" if len(drift) > 5 else ""
    fields = "1 field" if len(drift) == 1 else f"{len(drift)} fields"
    return Impact("Drift", fields, f"{name_of(owner)} takes back {soon(owner)}: {moves}{more}.", worry=True)


def _eject(target: Target, seen: ReconcilerSeen, note: Note) -> str:
    ref, context = seen.ref, f"--context {target.cluster}"
    if ref.kind == "Application":
        patch = f'{{"spec":{{"syncPolicy":{{"automated":{canonical_text(note.switch)}}}}}}}'
        return f"kubectl {context} -n {ref.namespace} patch application {ref.name} --type merge -p '{patch}'"
    return f"flux {context} -n {ref.namespace} resume {ref.kind.lower()} {ref.name}"
