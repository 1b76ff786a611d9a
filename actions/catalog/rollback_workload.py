"""Roll back: make a pod template that the cluster still keeps current again, as `kubectl rollout undo --to-revision` does.

The revision is named by its number, never as "the previous one": doing it twice is doing it once. What is written is found by the hash
of its template, because Kubernetes gives a revision a new number when it becomes current again, and so an undo names the number that
was current before: that one stays. It may run while a bad rollout is stuck, which is when it is needed most.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import Field

from connectors.errors import Forbidden
from connectors.kubernetes import RevisionSeen, WorkloadSeen
from connectors.kubernetes.fields import fields

from ..origins import Origin, origins
from ..protocol import (
    Action,
    CannotPlan,
    Drifted,
    Impact,
    Line,
    Option,
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
from ..states import ExecutionState
from ..templates import (
    back_in_place,
    chosen,
    history,
    in_place,
    pods_of,
    put_in_place,
    template_plan,
    unsettled,
    unstick,
)
from ..workloads import availability, changed_lines, kubectl


class RollbackParams(Params):
    """Where to go back to, by number: "the previous one" would be another one the second time."""

    revision: int = Field(
        ge=1, le=2**31 - 1, title="Revision", description="As the cluster numbers them.", json_schema_extra={"widget": "choice"}
    )  # fmt: skip


@register
class RollbackWorkload(Action[RollbackParams]):
    id, title, icon, risk = "rollback-workload", "Roll back", "arrow-back-up", Risk.MEDIUM
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet")
    everyday = True
    params = RollbackParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        """The newest that was seen to be good, or else the newest that no run of ours had to take back."""
        _, _, others = _history(target, world)
        known = origins(target, [each.template_hash for each in others])
        bad = {template for template, origin in known.items() if origin.state == ExecutionState.REVERTED}
        good = [each for each in others if each.template_hash in known and known[each.template_hash].verified]
        hopeful = [each for each in others if each.template_hash not in bad]
        return {"revision": (good or hopeful or others)[0].number}

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        _, current, others = _history(target, world)
        known = origins(target, [each.template_hash for each in others])
        return {"revision": [_option(each, current, known.get(each.template_hash)) for each in others]}

    def plan(self, target: Target, params: RollbackParams, world: World) -> Plan:
        seen, current, others = _history(target, world)
        revision = chosen(params.revision, current, others)
        references = _references(target, revision, current, world)
        dry = world.cluster.restore_template(
            seen.ref, as_=world.person, revision=revision, execution="plan", seen=seen.resource_version, dry_run=True
        )
        name, way = target.ref.name, f"revision {current.number} to {revision.number}"
        forth, back = ({"template": each.template_hash} for each in (revision, current))
        return template_plan(
            self.id,
            target,
            seen,
            dry,
            world,
            what="the roll back",
            params={"revision": revision.number},
            summary=f"Roll back {name}, {way}",
            preconditions={"revision": revision.template_hash},
            forth=Step("restore", f"Put the template of revision {revision.number} back", "restore", forth),
            back=Step("restore-back", f"Put the template of revision {current.number} back", "restore", back),
            undo={"revision": current.number} if seen.revision_history_limit else None,
            irreversible=("What the newer version has changed outside its pods, such as a database's schema, stays as it is.",),
            eject=_eject(target, seen, current, revision),
            impact=(
                availability(seen, world.cluster.budgets_of(seen)),
                Impact("Blast radius", f"1 object, {pods_of(seen)}", f"They go from {way}."),
                *_provenance(target, revision),
                *references,
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        def write(seen: WorkloadSeen) -> WorkloadSeen:
            kept = {revision.template_hash: revision for revision in world.cluster.revisions_of(seen)}
            revision = kept.get(str(step.args["template"]))
            if revision is None:
                raise Drifted("The cluster does not keep that template any more, so it cannot be put back.")
            return world.cluster.restore_template(
                seen.ref,
                as_=world.person,
                revision=revision,
                execution=world.current_run.id,
                seen=seen.resource_version,
            )

        return put_in_place(step, plan, world, write)

    def verify(self, plan: Plan, world: World) -> Verdict:
        return in_place(plan, world, "of the chosen revision")

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return back_in_place(plan, world)


def _history(target: Target, world: World) -> tuple[WorkloadSeen, RevisionSeen, list[RevisionSeen]]:
    seen, current, others = history(target, world)
    if not others:
        raise CannotPlan(
            f"Revision {current.number} is the only one that the cluster keeps, so there is nothing to roll back to. Deploy the version "
            "that you want."
        )
    return seen, current, others


def _option(revision: RevisionSeen, current: RevisionSeen, origin: Origin | None) -> Option:
    return Option(
        value=revision.number,
        label=f"Revision {revision.number}",
        meaning=" · ".join(
            filter(None, (", ".join(revision.images), revision.change_cause, origin.sentence if origin else ""))
        ),
        at=revision.created_at,
        lines=_difference(current, revision),
    )


def _difference(current: RevisionSeen, revision: RevisionSeen) -> tuple[Line, ...]:
    """What a roll back would change in the template, without the values of the environment."""
    before, after = (fields({"spec": {"template": each.template}}) for each in (current, revision))
    return changed_lines(before, after)


def _eject(target: Target, seen: WorkloadSeen, current: RevisionSeen, revision: RevisionSeen) -> tuple[str, ...]:
    undo = kubectl(
        target, "rollout undo", f"{target.ref.kind.lower()}/{target.ref.name}", f"--to-revision={revision.number}"
    )
    if not unstick("evict", seen, when=unsettled(seen)):
        return (undo,)
    stuck = f"{seen.selector_query},controller-revision-hash={current.name}"
    return (undo, kubectl(target, "delete pods -l", f"'{stuck}'"))


def _references(target: Target, revision: RevisionSeen, current: RevisionSeen, world: World) -> tuple[Impact, ...]:
    """Whether what the revision names is still there. Raises `CannotPlan` when some of it is not: the pods would never start."""
    names = [each.partition(" ") for each in revision.references]
    there = {f"{kind} {name}": world.cluster.exists(kind, target.ref.namespace, name) for kind, _, name in names}
    if None in there.values():  # whoever keeps a Secret equal to a vault's says whether it is there
        with suppress(Forbidden):
            kept = {
                f"Secret {each.target}" for each in world.cluster.synced_secrets(target.ref.namespace) if each.ready
            }
            there |= dict.fromkeys(kept & there.keys(), True)
    gone = [each for each, is_there in there.items() if is_there is False]
    if gone:
        raise CannotPlan(
            f"Revision {revision.number} needs {' and '.join(gone)}, which {'is' if len(gone) == 1 else 'are'} not there any more, so its "
            "pods would not start. Put that back first, or choose another revision."
        )
    if not there:
        return ()
    seen = [each for each, is_there in there.items() if is_there]
    hidden = [each for each, is_there in there.items() if is_there is None]
    unused = [each for each in hidden if each not in current.references]
    said = []
    if seen:
        said.append(f"{', '.join(seen)}: there.")
    if hidden:
        said.append(f"{', '.join(hidden)}: not looked at, because the portal may not read them.")
    if unused:
        said.append(
            f"Revision {current.number} does not use {', '.join(unused)}: make sure that nobody has deleted what nothing used."
        )
    elif hidden:
        said.append(f"Revision {current.number} uses {'it' if len(hidden) == 1 else 'them'} too.")
    return (Impact("References", f"{len(seen)} of {len(there)} seen to be there", " ".join(said), worry=bool(unused)),)


def _provenance(target: Target, revision: RevisionSeen) -> tuple[Impact, ...]:
    origin = origins(target, [revision.template_hash]).get(revision.template_hash)
    if origin is None:
        return (Impact("Where it is from", "Not from here", "No run of ours has made or verified that revision."),)
    figure = "Verified here" if origin.verified else "Made here"
    meaning = f"{origin.summary}: {origin.sentence}, {origin.at:%-d %b %H:%M} UTC."
    return (Impact("Where it is from", figure, meaning, worry=origin.state == ExecutionState.REVERTED),)
