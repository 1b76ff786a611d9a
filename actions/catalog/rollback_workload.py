"""Roll back: make a pod template that the cluster still keeps current again, as `kubectl rollout undo --to-revision` does.

The revision is named by its number, never as "the previous one": doing it twice is doing it once. What is written is found by the hash
of its template, because Kubernetes gives a revision a new number when it becomes current again, and so an undo names the number that
was current before: that one stays. It may run while a bad rollout is stuck, which is when it is needed most.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import Field

from connectors.kubernetes import RevisionSeen, WorkloadSeen

from ..owners import ownership, self_heals
from ..protocol import (
    Action,
    CannotPlan,
    Change,
    Drifted,
    Impact,
    Option,
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
from ..registry import register
from ..workloads import (
    availability,
    changed_lines,
    evict_stuck,
    kubectl,
    read_before_write,
    read_target,
    refuse_without_rollouts,
    rolling,
    rollout_evidence,
    rollout_verdict,
    unavailable_at_once,
    warnings_in_soak,
)

DEADLINE = timedelta(minutes=10)
FORGETS = (
    "It keeps no earlier revisions (revisionHistoryLimit is 0), so the present one is gone once the pods have moved."
)


class RollbackParams(Params):
    """Where to go back to, by number: "the previous one" would be another one the second time."""

    revision: int = Field(
        ge=1, le=2**31 - 1, title="Revision", description="As the cluster numbers them.", json_schema_extra={"widget": "choice"}
    )  # fmt: skip


@register
class RollbackWorkload(Action[RollbackParams]):
    id, title, icon, risk = "rollback-workload", "Roll back", "arrow-back-up", Risk.MEDIUM
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet")
    params = RollbackParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        _, _, others = _history(target, world)
        return {"revision": others[0].number}

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        _, _, others = _history(target, world)
        return {"revision": [_option(revision) for revision in others]}

    def plan(self, target: Target, params: RollbackParams, world: World) -> Plan:
        seen, current, others = _history(target, world)
        chosen = _chosen(params.revision, current, others)
        dry = world.cluster.restore_template(
            seen.ref, as_=world.person, revision=chosen, execution="plan", seen=seen.resource_version, dry_run=True
        )
        name, way = target.ref.name, f"revision {current.number} to {chosen.number}"
        forth = {"template": chosen.template_hash, "becomes": dry.template_hash}
        back = {"template": current.template_hash, "becomes": seen.template_hash}
        changes = (Change(target.label, changed_lines(seen.fields, dry.fields)),)
        return Plan(
            action=self.id,
            target=target,
            params={"revision": chosen.number},
            summary=f"Roll back {name}, {way}",
            preconditions={"template": seen.template_hash, "revision": chosen.template_hash},
            changes=changes,
            steps=(
                Step("restore", f"Put the template of revision {chosen.number} back", "restore", forth),
                *_unstick("evict", seen, when=_unsettled(seen)),
            ),
            revert=(
                Step("restore-back", f"Put the template of revision {current.number} back", "restore", back),
                *_unstick("evict-back", seen, when=True),
            ),
            no_revert="",
            undo={"revision": current.number} if seen.revision_history_limit else None,
            no_undo="" if seen.revision_history_limit else FORGETS,
            irreversible=(
                "What the newer version has changed outside its pods, such as a database's schema, stays as it is.",
                "Work in flight on the pods that stop: they get their termination grace period to finish.",
            ),
            eject=_eject(target, seen, current, chosen),
            soak_seconds=world.soak_seconds,
            deadline_seconds=int(DEADLINE.total_seconds()),
            numbers={
                "pods": seen.wanted, "replicas_before": seen.wanted, "replicas_after": seen.wanted, "percent": 0,
                "unavailable": unavailable_at_once(seen), "self_heals": self_heals(seen.owner, changes),
            },
            impact=(
                availability(seen, world.cluster.budgets_of(seen)),
                Impact("Blast radius", f"1 object, {_counted(seen.wanted, 'pod')}", f"They go from {way}."),
                *_references(chosen, current),
                *ownership(seen.owner, "the roll back", changes),
                *_memory(seen),
                *_health(seen),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        run, back = world.current_run, step in plan.revert
        seen = read_before_write(world.cluster, plan.target)
        if step.verb == "evict":
            return self._evict(step, plan, world, seen)
        ours = seen.execution == run.id
        if ours and (not back or seen.template_hash == step.args["becomes"]):
            return _patched(seen)
        if not _may_write(step, plan, seen, ours=ours, back=back):
            if back:
                raise Drifted("Somebody else changed it after this run did, so the old template was not put back.")
            raise Drifted("The pod template is no longer what was planned on. Nothing was changed.")
        kept = {revision.template_hash: revision for revision in world.cluster.revisions_of(seen)}
        revision = kept.get(str(step.args["template"]))
        if revision is None:
            raise Drifted("The cluster does not keep that template any more, so it cannot be put back.")
        world.hold()
        done = world.cluster.restore_template(
            seen.ref, as_=world.person, revision=revision, execution=run.id, seen=seen.resource_version
        )
        before = {"ready before": seen.ready, "in flight before": "yes" if rolling(seen) else "no"}
        return _patched(done) | ({} if back else before)

    def _evict(self, step: Step, plan: Plan, world: World, seen: WorkloadSeen) -> Mapping[str, str | int]:
        restored = plan.revert[0] if step in plan.revert else plan.steps[0]
        if seen.template_hash != restored.args["becomes"]:
            raise Drifted("Somebody else changed the template after this run did, so no pod was evicted.")
        return evict_stuck(seen, world)

    def verify(self, plan: Plan, world: World) -> Verdict:
        seen = world.cluster.read_workload(plan.target.ref.kind, plan.target.ref.namespace, plan.target.ref.name)
        pods = world.cluster.pods_of(seen)
        if seen.ref.uid != plan.target.ref.uid or seen.template_hash != plan.steps[0].args["becomes"]:
            return Verdict(
                Outcome.FAILED, "Somebody else changed it after the roll back.", rollout_evidence(seen, pods)
            )
        run = world.current_run
        warnings = warnings_in_soak(world.cluster, seen, run)
        return rollout_verdict(seen, pods, run, world.now, "of the chosen revision", warnings)

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        """As before is enough: a rollout that was stuck then may be stuck again, and that is what was asked back."""
        run = world.current_run
        seen = world.cluster.read_workload(plan.target.ref.kind, plan.target.ref.namespace, plan.target.ref.name)
        evidence = rollout_evidence(seen, world.cluster.pods_of(seen))
        if seen.template_hash != plan.revert[0].args["becomes"]:
            return Verdict(Outcome.FAILED, "Somebody else changed it after it was put back.", evidence)
        as_before = min(seen.wanted, int(run.evidence.get("ready before", seen.wanted)))
        ready = f"{seen.ready} of {seen.wanted} ready"
        settled = seen.observed_generation >= seen.generation and (
            run.evidence.get("in flight before") == "yes" or not rolling(seen)
        )
        if not settled or seen.ready < as_before:
            return Verdict(Outcome.WAIT, ready, evidence)
        return Verdict(Outcome.OK, f"{ready}, as before", evidence)


def _history(target: Target, world: World) -> tuple[WorkloadSeen, RevisionSeen, list[RevisionSeen]]:
    """The workload, the revision of its template, and the others that are kept, newest first. Raises `CannotPlan`."""
    seen = read_target(world.cluster, target)
    refuse_without_rollouts(seen)
    kept = world.cluster.revisions_of(seen)
    current = next((each for each in kept if each.template_hash == seen.template_hash), None)
    if current is None:
        raise CannotPlan("The cluster has not numbered its present template yet. Try again in a moment.")
    others = [each for each in kept if each.template_hash != current.template_hash]
    if not others:
        raise CannotPlan(
            f"Revision {current.number} is the only one that the cluster keeps, so there is nothing to roll back to. Deploy the version "
            "that you want."
        )
    return seen, current, others


def _chosen(number: int, current: RevisionSeen, others: Sequence[RevisionSeen]) -> RevisionSeen:
    if number == current.number:
        raise CannotPlan(f"Revision {number} is what it has already. Choose another one.")
    chosen = next((each for each in others if each.number == number), None)
    if chosen is None:
        raise CannotPlan(
            f"There is no revision {number} any more, or there never was; a revision gets a new number when it becomes current again. "
            f"Kept are {', '.join(str(each.number) for each in others)}."
        )
    return chosen


def _may_write(step: Step, plan: Plan, seen: WorkloadSeen, *, ours: bool, back: bool) -> bool:
    """Whether the template is the one this step leaves.

    Back also writes over what is as before already: our patch may be late. Writing makes another version, which a late patch does
    not fit.
    """
    if not back:
        return seen.template_hash == plan.preconditions["template"]
    as_before = seen.template_hash == step.args["becomes"]
    return as_before or (ours and seen.template_hash == plan.steps[0].args["becomes"])


def _unstick(id: str, seen: WorkloadSeen, *, when: bool) -> tuple[Step, ...]:
    """A StatefulSet waits for a pod that does not come up, whatever its template says by then."""
    if seen.ref.kind != "StatefulSet" or not when:
        return ()
    return (Step(id, "Evict the pods that did not come up", "evict"),)


def _unsettled(seen: WorkloadSeen) -> bool:
    return rolling(seen) or seen.ready < seen.wanted


def _option(revision: RevisionSeen) -> Option:
    return Option(
        value=revision.number,
        label=f"Revision {revision.number}",
        meaning=", ".join((*revision.images, *filter(None, [revision.change_cause]))),
        at=revision.created_at,
    )


def _eject(target: Target, seen: WorkloadSeen, current: RevisionSeen, chosen: RevisionSeen) -> tuple[str, ...]:
    undo = kubectl(
        target, "rollout undo", f"{target.ref.kind.lower()}/{target.ref.name}", f"--to-revision={chosen.number}"
    )
    if not _unstick("evict", seen, when=_unsettled(seen)):
        return (undo,)
    stuck = f"{seen.selector_query},controller-revision-hash={current.name}"
    return (undo, kubectl(target, "delete pods -l", f"'{stuck}'"))


def _memory(seen: WorkloadSeen) -> tuple[Impact, ...]:
    if seen.revision_history_limit:
        return ()
    return (Impact("History", "None kept", f"{FORGETS} From then on it cannot be taken back either.", worry=True),)


def _references(chosen: RevisionSeen, current: RevisionSeen) -> tuple[Impact, ...]:
    """The portal may not read what a template refers to, so it says what it has not looked at, and what is more likely to be gone."""
    if not chosen.references:
        return ()
    kinds = [each.partition(" ")[0] for each in chosen.references]
    figure = ", ".join(_counted(kinds.count(kind), kind) for kind in dict.fromkeys(kinds))
    unused = [each for each in chosen.references if each not in current.references]
    meaning = "Not looked at, because the portal may not read them. "
    meaning += (
        f"Revision {current.number} does not use {', '.join(unused)}: make sure that nobody has deleted what nothing used."
        if unused
        else f"Revision {current.number} uses them too."
    )
    return (Impact("References", figure, meaning, worry=bool(unused)),)


def _health(seen: WorkloadSeen) -> tuple[Impact, ...]:
    if not _unsettled(seen):
        return ()
    what = "A rollout is in flight and is given up. " if rolling(seen) else ""
    return (
        Impact(
            "Now",
            f"{seen.ready} of {seen.wanted} ready",
            f"{what}It is verified against all of them being ready afterwards.",
            worry=True,
        ),
    )


def _patched(seen: WorkloadSeen) -> dict[str, str | int]:
    return {
        "generation": seen.generation,
        "template": seen.template_hash[:12],
        "resourceVersion": seen.resource_version,
    }


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
