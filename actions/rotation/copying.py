"""Copies of a secret in the cluster that no operator keeps: the run writes them itself, where a reader's annotation says which they are.

Each is looked up and written as the person, by a right to patch that one Secret and not to read it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.errors import Missing
from connectors.kubernetes import ObjectRef
from connectors.kubernetes.copies import CopySeen
from connectors.kubernetes.synced import SyncedSeen

from ..protocol import CannotPlan, Plan, Step, StepFailed, World
from .readers import Consumer, step_id
from .values import Evidence

ANNOTATION = "afterdeck.dev/secret-copies"
"""Of a workload: a JSON object of "mount/path" to the name of a Secret in its namespace."""


@dataclass(frozen=True)
class Copy:
    cluster: str
    ref: ObjectRef

    @property
    def name(self) -> str:
        return f"Secret {self.ref.namespace}/{self.ref.name}"


def copies_of(
    secret: str, readers: Iterable[Consumer], synced: Iterable[tuple[str, SyncedSeen]], world: World
) -> list[Copy]:
    """Those that the readers name and no operator keeps. Raises `CannotPlan`, and `Forbidden` when the person may not write one."""
    kept = {(cluster, seen.ref.namespace, seen.target) for cluster, seen in synced}
    named = {(each.cluster, each.ref.namespace, name) for each in readers if (name := _named_by(each, secret))}
    return [
        Copy(cluster, _look(cluster, namespace, name, world).ref) for cluster, namespace, name in sorted(named - kept)
    ]


def _named_by(reader: Consumer, secret: str) -> str:
    text = reader.seen.annotations.get(ANNOTATION, "") if reader.seen else ""
    try:
        said = json.loads(text) if text else {}
        name = said.get(secret, "")
    except (ValueError, AttributeError, RecursionError):
        name = None
    if not isinstance(name, str):
        raise CannotPlan(f"The annotation {ANNOTATION} of {reader.ref} is no JSON object of paths to names.")
    return name


def _look(cluster: str, namespace: str, name: str, world: World) -> CopySeen:
    try:
        seen = world.cluster_named(cluster).copies.look(namespace, name, as_=world.person)
    except Missing as gone:
        raise CannotPlan(f"Secret {namespace}/{name}, which a reader says is a copy of this, is not there.") from gone
    if seen.owned:
        raise CannotPlan(f"Secret {namespace}/{name} belongs to something that would take back what is written to it.")
    return seen


def steps_for(found: Sequence[Copy], *, version: int) -> tuple[Step, ...]:
    return tuple(
        Step(step_id("copy", each.cluster, each.ref.namespace, each.ref.name), f"Write the new version to {each.name}", "copy",
             {"cluster": each.cluster, "namespace": each.ref.namespace, "name": each.ref.name, "uid": each.ref.uid, "version": version})
        for each in found
    )  # fmt: skip


def way_back(steps: Sequence[Step], *, version: int) -> tuple[Step, ...]:
    return tuple(
        Step(f"back-{step.id}", f"Write the old version to Secret {step.args['namespace']}/{step.args['name']}", "copy",
             {**step.args, "version": version}, undoes=step.id)
        for step in steps
    )  # fmt: skip


def copy(step: Step, plan: Plan, world: World) -> Evidence:
    """Write what the vault has of a version, all of its keys, once."""
    run, version = world.current_run, str(step.args["version"])
    cluster, seen = world.cluster_named(str(step.args["cluster"])), _read(step, world)
    if seen.execution != run.id or seen.version != version:
        with world.vault.rotating(as_=world.person.user, execution=run.id) as rotation:
            values = rotation.values(plan.target.ref.namespace, plan.target.ref.name, int(version))
        if odd := [key for key, value in values.items() if not isinstance(value, str)]:
            raise StepFailed(f"The value of {odd[0]} is no text, so it cannot be copied to a Secret.")
        world.hold()
        seen = cluster.copies.write(
            seen.ref, as_=world.person, values=values, version=version, execution=run.id, seen=seen.resource_version
        )
    return {f"Secret {seen.ref.namespace}/{seen.ref.name}": f"version {version}, written"}


def written_at(plan: Plan, world: World, cluster: str, namespace: str) -> list[datetime]:
    """When the copies of a namespace were last written."""
    there = [
        step for step in plan.steps if step.verb == "copy" and (step.args["cluster"], step.args["namespace"]) == (cluster, namespace)
    ]  # fmt: skip
    return [at for step in there if (at := _read(step, world).written_at)]


def _read(step: Step, world: World) -> CopySeen:
    namespace, name = str(step.args["namespace"]), str(step.args["name"])
    try:
        seen = world.cluster_named(str(step.args["cluster"])).copies.look(namespace, name, as_=world.person)
    except Missing as gone:
        raise StepFailed(f"Secret {namespace}/{name} is gone.") from gone
    if seen.ref.uid != step.args["uid"]:
        raise StepFailed(f"Secret {namespace}/{name} was replaced by another one of the same name.")
    return seen
