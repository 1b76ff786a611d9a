"""What the actions that put another pod template in place share, be it an earlier one or the same with one field changed.

Each says by a hash which template it makes (`becomes`), and differs only in how that is written. A StatefulSet waits for a pod that
does not come up, whatever its template says by then, so such pods are evicted. It may run while a bad rollout is stuck, which is when
it is needed most; then "as before" is good enough for the way back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from connectors.errors import Transient
from connectors.kubernetes import RevisionSeen, WorkloadSeen
from connectors.kubernetes.claims import Claim, Claimed

from .owners import ownership, self_heals
from .plans import Change, Impact, Plan, Step, Target
from .protocol import CannotPlan, Drifted, Outcome, Verdict, World
from .workloads import (
    changed_lines,
    evict_stuck,
    read_before_write,
    read_target,
    refuse_without_rollouts,
    rolling,
    rollout_evidence,
    rollout_verdict,
    unavailable_at_once,
    wait_to_be_seen,
    warnings_in_soak,
)

DEADLINE_SECONDS = int(timedelta(minutes=10).total_seconds())
FORGETS = (
    "It keeps no earlier revisions (revisionHistoryLimit is 0), so the present one is gone once the pods have moved."
)
TakeOver = Annotated[
    bool,
    Field(
        title="Take it over",
        description="Also when somebody else has declared it by server-side apply. Their next apply of another value is then refused.",
        json_schema_extra={"advanced": True},
    ),
]
AsInRevision = Annotated[
    int | None,
    Field(
        ge=1,
        le=2**31 - 1,
        title="As in revision",
        description="As the cluster numbers them. An undo asks so for what was there before.",
        json_schema_extra={"advanced": True},
    ),
]
IN_FLIGHT = "Work in flight on the pods that stop: they get their termination grace period to finish."


def history(target: Target, world: World) -> tuple[WorkloadSeen, RevisionSeen, list[RevisionSeen]]:
    """The workload, the revision of its template, and the others that are kept, newest first. Raises `CannotPlan`, and `Transient` while
    the cluster has not numbered the present one.
    """
    seen = read_target(world.cluster, target)
    refuse_without_rollouts(seen)
    wait_to_be_seen(seen)
    kept = world.cluster.revisions_of(seen)
    current = next((each for each in kept if each.template_hash == seen.template_hash), None)
    if current is None:
        raise Transient("The cluster has not numbered its present template yet. Look again in a moment.")
    return seen, current, [each for each in kept if each.template_hash != current.template_hash]


def chosen(number: int, current: RevisionSeen, others: Sequence[RevisionSeen]) -> RevisionSeen:
    """The revision of that number. Raises `CannotPlan` when it is the present one, or not kept."""
    if number == current.number:
        raise CannotPlan(f"Revision {number} is what it has already. Choose another one.")
    found = next((each for each in others if each.number == number), None)
    if found is None:
        kept = ", ".join(str(each.number) for each in others) or "no others"
        raise CannotPlan(
            f"There is no revision {number} any more, or there never was; a revision gets a new number when it becomes current again. "
            f"Kept are {kept}."
        )
    return found


def template_plan(
    action: str,
    target: Target,
    seen: WorkloadSeen,
    dry: WorkloadSeen,
    world: World,
    *,
    what: str,
    params: Mapping[str, Any],
    summary: str,
    forth: Step,
    back: Step,
    undo: Mapping[str, Any] | None,
    eject: tuple[str, ...],
    impact: tuple[Impact, ...],
    preconditions: Mapping[str, str] | None = None,
    undo_action: str = "",
    irreversible: tuple[str, ...] = (),
    numbers: Mapping[str, int | float] | None = None,
    claims: Sequence[Claim] | None = None,
) -> Plan:
    """The plan that puts the template of a dry run in place of the one that was seen.

    `what`: "the image", of what its owner decides about. `forth` and `back` are told here what they make. `undo` is none where the
    cluster forgets what there was. `claims`: of an action that can take fields over, those that it takes.
    """
    changes = (Change(target.label, changed_lines(seen.fields, dry.fields)),)
    takes_over = {} if claims is None else {"takes_over": sum(claim.declared for claim in claims)}
    return Plan(
        action=action,
        target=target,
        params=params,
        summary=summary,
        preconditions={"template": seen.template_hash, **(preconditions or {})},
        changes=changes,
        steps=(_making(forth, dry), *unstick("evict", seen, when=unsettled(seen))),
        revert=(_making(back, seen), *unstick("evict-back", seen, when=True)),
        no_revert="",
        undo=undo,
        undo_action="" if undo is None else undo_action,
        no_undo=FORGETS if undo is None else "",
        irreversible=(*irreversible, IN_FLIGHT),
        eject=eject,
        soak_seconds=world.soak_seconds,
        deadline_seconds=DEADLINE_SECONDS,
        numbers={**rollout_numbers(seen), **(numbers or {}), "self_heals": self_heals(seen.owner, changes), **takes_over},
        impact=(*impact, *taken(claims or ()), *ownership(seen.owner, what, changes), *memory(seen), *health(seen)),
    )  # fmt: skip


def _making(step: Step, template: WorkloadSeen) -> Step:
    return replace(step, args={**step.args, "becomes": template.template_hash})


def unstick(id: str, seen: WorkloadSeen, *, when: bool) -> tuple[Step, ...]:
    """A StatefulSet waits for a pod that does not come up, whatever its template says by then."""
    if seen.ref.kind != "StatefulSet" or not when:
        return ()
    return (Step(id, "Evict the pods that did not come up", "evict"),)


def unsettled(seen: WorkloadSeen) -> bool:
    return rolling(seen) or seen.ready < seen.wanted


def rollout_numbers(seen: WorkloadSeen) -> dict[str, int | float]:
    """For the policy: all pods are replaced, and there are as many afterwards."""
    return {
        "pods": seen.wanted, "replicas_before": seen.wanted, "replicas_after": seen.wanted, "percent": 0,
        "unavailable": unavailable_at_once(seen),
    }  # fmt: skip


def put_in_place(
    step: Step, plan: Plan, world: World, write: Callable[[WorkloadSeen], WorkloadSeen]
) -> Mapping[str, str | int]:
    """Apply a step of such a plan: evict, or `write` the template unless it is there by this run. Raises `Drifted`."""
    run, back = world.current_run, step in plan.revert
    seen = read_before_write(world.cluster, plan.target)
    if step.verb == "evict":
        return _evict(step, plan, world, seen)
    ours = seen.execution == run.id
    if ours and (not back or seen.template_hash == step.args["becomes"]):
        return written(seen)
    if not _may_write(step, plan, seen, ours=ours, back=back):
        if back:
            raise Drifted("Somebody else changed it after this run did, so the old template was not put back.")
        raise Drifted("The pod template is no longer what was planned on. Nothing was changed.")
    world.hold()
    try:
        done = write(seen)
    except Claimed as refusal:
        raise Drifted(f"{owned_by_somebody(refusal.claims)} Nothing was changed.") from refusal
    before = {"ready before": seen.ready, "in flight before": "yes" if rolling(seen) else "no"}
    return written(done) | ({} if back else before)


def _may_write(step: Step, plan: Plan, seen: WorkloadSeen, *, ours: bool, back: bool) -> bool:
    """Whether the template is the one this step leaves.

    Back also writes over what is as before already: our patch may be late. Writing makes another version, which a late patch does
    not fit.
    """
    if not back:
        return seen.template_hash == plan.preconditions["template"]
    as_before = seen.template_hash == step.args["becomes"]
    return as_before or (ours and seen.template_hash == plan.steps[0].args["becomes"])


def _evict(step: Step, plan: Plan, world: World, seen: WorkloadSeen) -> Mapping[str, str | int]:
    restored = plan.revert[0] if step in plan.revert else plan.steps[0]
    if seen.template_hash != restored.args["becomes"]:
        raise Drifted("Somebody else changed the template after this run did, so no pod was evicted.")
    return evict_stuck(seen, world)


def written(seen: WorkloadSeen) -> dict[str, str | int]:
    return {
        "generation": seen.generation,
        "template": seen.template_hash[:12],
        "resourceVersion": seen.resource_version,
    }


def in_place(plan: Plan, world: World, what: str) -> Verdict:
    """Whether all pods run the template that was put there. `what`: "of the chosen revision", of pods that do."""
    seen = world.cluster.read_workload(plan.target.ref.kind, plan.target.ref.namespace, plan.target.ref.name)
    pods = world.cluster.pods_of(seen)
    if seen.ref.uid != plan.target.ref.uid or seen.template_hash != plan.steps[0].args["becomes"]:
        return Verdict(Outcome.FAILED, "Somebody else changed it after this run did.", rollout_evidence(seen, pods))
    run = world.current_run
    warnings = warnings_in_soak(world.cluster, seen, run)
    return rollout_verdict(seen, pods, run, world.now, what, warnings)


def back_in_place(plan: Plan, world: World) -> Verdict:
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


def owned_by_somebody(claims: Sequence[Claim]) -> str:
    """Who has declared which fields, in a sentence."""
    said = [f"{claim.field} is owned by {claim.manager}" for claim in claims[:3]]
    more = f" and {len(claims) - 3} more are owned" if len(claims) > 3 else ""
    return f"{', '.join(said)}{more}, by server-side apply."


@contextmanager
def refused_when_owned() -> Iterator[None]:
    """Around a dry run of what may be somebody else's. Raises `CannotPlan` when it is, and nobody said to take it over."""
    try:
        yield
    except Claimed as refusal:
        raise CannotPlan(
            f"{owned_by_somebody(refusal.claims)} Change it where that is declared; or, if it cannot wait, say so with “Take it over”."
        ) from refusal


def taken(claims: Sequence[Claim]) -> tuple[Impact, ...]:
    """From whom a field is taken, and what that means for their next deployment."""
    owners = sorted({claim.manager for claim in claims if claim.declared})
    writers = sorted({claim.manager for claim in claims if not claim.declared})
    found = []
    if owners:
        meaning = (
            "It declares this field. Its next server-side apply of another value is refused, unless it insists (--force-conflicts), as "
            "Argo CD and Flux always do."
        )
        found.append(Impact("Taken over from", ", ".join(owners), meaning, worry=True))
    if writers:
        found.append(
            Impact("Set by", ", ".join(writers), "It wrote this field last, and its next write decides again.")
        )
    return tuple(found)


def memory(seen: WorkloadSeen) -> tuple[Impact, ...]:
    if seen.revision_history_limit:
        return ()
    return (Impact("History", "None kept", f"{FORGETS} From then on it cannot be taken back either.", worry=True),)


def health(seen: WorkloadSeen) -> tuple[Impact, ...]:
    if not unsettled(seen):
        return ()
    what = "A rollout is in flight and is given up. " if rolling(seen) else ""
    meaning = f"{what}It is verified against all of them being ready afterwards."
    return (Impact("Now", f"{seen.ready} of {seen.wanted} ready", meaning, worry=True),)


def pods_of(seen: WorkloadSeen) -> str:
    return "1 pod" if seen.wanted == 1 else f"{seen.wanted} pods"
