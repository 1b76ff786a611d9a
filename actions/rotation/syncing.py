"""The Kubernetes Secrets that an operator copies out of the vault: told to look again, and waited for until they have moved.

Where nothing copies, there is nothing to do: consumers read the vault themselves when they start.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from connectors.errors import Missing
from connectors.kubernetes import KubernetesCluster, ObjectRef
from connectors.kubernetes.synced import EXTERNAL_SECRETS, SyncedSeen

from ..protocol import CannotPlan, Drifted, NotYet, Plan, Step, StepFailed, World
from .readers import step_id
from .values import Evidence

FAILING_FOR = timedelta(seconds=30)
"""How long an operator may say that it cannot, after it was told, before it is believed."""

BACK_LATER = timedelta(seconds=1)
"""The way back tells it once more, so it needs another time; one that whoever takes over arrives at, too."""


def synced_from(secret: str, places: Iterable[tuple[str, str]], world: World) -> list[tuple[str, SyncedSeen]]:
    """What is copied from `secret` ("mount/path") into the namespaces where it is read, with its cluster. `places`: cluster, namespace."""
    return [
        (cluster, seen)
        for cluster, namespace in sorted(set(places))
        for seen in world.cluster_named(cluster).synced_secrets(namespace)
        if seen.takes_from(secret)
    ]


def steps_for(found: Iterable[tuple[str, SyncedSeen]], *, back: bool = False) -> tuple[Step, ...]:
    return tuple(_step(cluster, seen, back) for cluster, seen in found)


def _step(cluster: str, seen: SyncedSeen, back: bool) -> Step:
    if seen.fixed:
        raise CannotPlan(f"{seen.ref} would not bring a new version to the pods: {seen.fixed}.")
    id = step_id("sync", cluster, seen.ref.kind, seen.ref.namespace, seen.ref.name)
    return Step(
        f"back-{id}" if back else id,
        f"Copy {'the old' if back else 'the new'} version to Secret {seen.ref.namespace}/{seen.target}",
        "sync",
        {
            "cluster": cluster, "kind": seen.ref.kind, "namespace": seen.ref.namespace, "name": seen.ref.name, "uid": seen.ref.uid,
            # Vault Secrets marks what it wrote and not that it looked, so what it had must be known.
            "had": "" if seen.operator == EXTERNAL_SECRETS else seen.synced_version, "back": back,
        },
        undoes=id if back else "",
    )  # fmt: skip


def sync(step: Step, plan: Plan, world: World) -> Evidence:
    """Tell the operator once, and be done when it has written since."""
    run, cluster, ref = world.current_run, world.cluster_named(str(step.args["cluster"])), _ref(step)
    seen = _read(cluster, ref)
    at = datetime.fromisoformat(run.stamp).astimezone(UTC) + (BACK_LATER if step.args["back"] else timedelta())
    stamp = at.isoformat(timespec="seconds")
    if seen.execution == run.id and seen.stamp == stamp:
        if seen.moved:
            return _evidence(step, seen)
        name = _name(step, seen)
        if step.args["back"] and not seen.ready and name not in run.evidence:
            return {name: f"never had the new version. {seen.message}".strip()}
        if (
            not seen.ready
            and seen.refreshed_at
            and world.now - seen.refreshed_at > FAILING_FOR
            and world.now - at > FAILING_FOR
        ):
            raise StepFailed(f"{ref} cannot copy it. {seen.message}".strip())
        raise NotYet(f"{ref} was told to look again. {seen.message}".strip())
    if seen.fixed:
        raise Drifted(f"{ref} would not bring a new version to the pods any more: {seen.fixed}.")
    had = str(step.args["had"] or "")
    if step.args["back"] and had and had == seen.synced_version and seen.ready:
        return _evidence(step, seen)  # it noticed by itself, and marks the old value as it did before
    world.hold()
    before = seen.synced_version if step.args["back"] else had or seen.synced_version
    cluster.force_sync(seen, as_=world.person, stamp=stamp, execution=run.id, before=before)
    raise NotYet(f"{ref} was told to look again.")


def _read(cluster: KubernetesCluster, ref: ObjectRef) -> SyncedSeen:
    try:
        seen = cluster.read_synced(ref)
    except Missing as gone:
        raise StepFailed(f"{ref} is gone, so nothing copies the new version.") from gone
    if seen.ref.uid != ref.uid:
        raise StepFailed(f"{ref} was replaced by another object of the same name.")
    return seen


def copied_at(plan: Plan, world: World, cluster: str, namespace: str) -> list[datetime]:
    """When the Secrets of a namespace were last copied."""
    there = [
        s for s in plan.revert if s.verb == "sync" and (s.args["cluster"], s.args["namespace"]) == (cluster, namespace)
    ]
    seen = [_read(world.cluster_named(cluster), _ref(step)) for step in there]
    return [each.refreshed_at for each in seen if each.refreshed_at]


def _ref(step: Step) -> ObjectRef:
    return ObjectRef(str(step.args["kind"]), str(step.args["namespace"]), str(step.args["name"]), str(step.args["uid"]))


def _evidence(step: Step, seen: SyncedSeen) -> Evidence:
    at = seen.refreshed_at.isoformat(timespec="seconds") if seen.refreshed_at else "not said"
    return {_name(step, seen): f"copied at {at}"}


def _name(step: Step, seen: SyncedSeen) -> str:
    return f"Secret {seen.ref.namespace}/{seen.target} in {step.args['cluster']}"
