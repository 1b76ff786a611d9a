"""What suspending and resuming an owner's auto-sync share: finding the owner's own object, and setting its switch once."""

import json
from collections.abc import Mapping
from typing import Any

from audit.canonical import canonical_text
from connectors.kubernetes import GitOpsOwner, ObjectRef, ReconcilerSeen, WorkloadSeen

from .owners import name_of
from .protocol import CannotPlan, Drifted, Step, World

Args = dict[str, str | int | bool | None]


def owner_of(seen: WorkloadSeen) -> tuple[GitOpsOwner, ReconcilerSeen]:
    """Who brings the workload to the state in Git by itself. Raises `CannotPlan` when nobody does, or we cannot tell."""
    owner = seen.owner
    if owner is None:
        raise CannotPlan("Nothing says that it is kept in Git, so there is no auto-sync. Change it as it is.")
    if owner.kind == "helm":
        raise CannotPlan("Helm acts only when somebody runs it, so there is no auto-sync. Change it as it is.")
    if owner.reconciler is None:
        raise CannotPlan(
            f"{name_of(owner)} owns it, but that object cannot be read: it is gone, or the portal may not look at it. Ask whoever "
            "administers the cluster for `deploy/kubernetes/gitops.yaml`."
        )
    return owner, owner.reconciler


def switch_args(seen: ReconcilerSeen, *, to: Any, note: str | None = None) -> Args:
    """Arguments of a step that sets the switch `to` something, from what it is now. `note` is what to leave there, if that is known."""
    ref = seen.ref
    return {
        "kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "uid": ref.uid, "to": canonical_text(to),
        "from": canonical_text(seen.switch), "noted": seen.note, "note": note,
    }  # fmt: skip


def read(step: Step, world: World) -> ReconcilerSeen:
    """Raises `Drifted` when it is another object of that name, and the connector's errors."""
    args = step.args
    ref = ObjectRef(str(args["kind"]), str(args["namespace"]), str(args["name"]), str(args["uid"]))
    seen = world.cluster.reconciling.read(ref)
    if seen.ref.uid != ref.uid:
        raise Drifted(f"{ref} was replaced by another object of the same name. Nothing was changed.")
    return seen


def set_switch(step: Step, world: World, *, note: str | None, back: bool) -> Mapping[str, str | int]:
    """Set it at most once.

    What is as before already, is written once more on the way back: a step that got no answer may arrive late, and then finds
    another version of the object. Raises `Drifted`, and the connector's errors.
    """
    run, seen = world.current_run, read(step, world)
    present, ours = canonical_text(seen.switch), seen.execution == run.id
    there = present == step.args["to"] and seen.note == (note or "")
    if ours and (there or not back):
        return evidence_of(seen)
    expected = (there or ours) if back else (present, seen.note) == (step.args["from"], step.args["noted"])
    if not expected:
        raise Drifted(f"Somebody else changed how {seen.ref.name} syncs. Nothing was changed.")
    world.hold()
    done = world.cluster.reconciling.set_auto_sync(
        seen.ref, as_=world.person, switch=json.loads(str(step.args["to"])), note=note, execution=run.id, seen=seen.resource_version
    )  # fmt: skip
    return evidence_of(done)


def evidence_of(seen: ReconcilerSeen) -> dict[str, str | int]:
    known = {"Git": seen.sync_status} if seen.sync_status else {}
    return {"auto-sync": "suspended" if seen.suspended else "on", **known}
