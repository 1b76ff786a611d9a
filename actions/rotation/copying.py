"""Copies of a secret in the cluster that no operator keeps: the run writes them itself, where a reader's annotation says which they are.

Each is looked up and written as the person, by a right to patch that one Secret and not to read it. A workload of another team can
name what it likes: only where the secret itself names that place, in the vault, does its value go there.
"""

import json
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.errors import Missing
from connectors.kubernetes import ObjectRef
from connectors.kubernetes.copies import CopySeen
from connectors.kubernetes.synced import SyncedSeen

from ..protocol import CannotPlan, Plan, Step, StepFailed, World
from . import keyvalue
from .readers import Consumer, step_id
from .values import Evidence
from .vaulting import place, rotating

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
    secret: str,
    readers: Iterable[Consumer],
    synced: Iterable[tuple[str, SyncedSeen]],
    world: World,
    places: Container[str],
) -> tuple[list[Copy], list[str]]:
    """Those that the readers name and no operator keeps; and what is not written, in words, because only another team names it.

    `places`: where the secret itself says that it is copied to. Raises `CannotPlan`, and `Forbidden` when the person may not write one.
    """
    kept = {(cluster, seen.ref.namespace, seen.target) for cluster, seen in synced}
    ours: set[tuple[str, str, str]] = set()
    theirs: dict[tuple[str, str, str], str] = {}
    for each in readers:
        if not (name := _named_by(each, secret)):
            continue
        place = each.cluster, each.ref.namespace, name
        if each.other_team and "/".join(place) not in places:
            theirs[place] = each.other_team
        else:
            ours.add(place)
    written = [
        Copy(cluster, _look(cluster, namespace, name, world).ref) for cluster, namespace, name in sorted(ours - kept)
    ]
    return written, [f"{'/'.join(place)} ({theirs[place]})" for place in sorted(theirs.keys() - ours - kept)]


def _named_by(reader: Consumer, secret: str) -> str:
    text = reader.seen.annotations.get(ANNOTATION, "") if reader.seen else ""
    try:
        said = json.loads(text) if text else {}
        name = said.get(secret, "")
    except (ValueError, AttributeError, RecursionError):
        name = None
    if isinstance(name, str):
        return name
    if reader.other_team:  # which must not be able to keep this team from rotating
        return ""
    raise CannotPlan(f"The annotation {ANNOTATION} of {reader.ref} is no JSON object of paths to names.")


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
    if step.undoes:
        version = str(keyvalue.put_back_as(plan, world))
    cluster, seen = world.cluster_named(str(step.args["cluster"])), _read(step, world)
    if seen.execution != run.id or seen.version != version:
        with rotating(world) as rotation:
            values = rotation.values(*place(plan), int(version))
        if odd := [key for key, value in values.items() if not isinstance(value, str)]:
            raise StepFailed(f"The value of {odd[0]} is no text, so it cannot be copied to a Secret.")
        world.hold()
        seen = cluster.copies.write(
            seen.ref, as_=world.person, values=values, version=version, execution=run.id, seen=seen.resource_version
        )
    return {f"Secret {seen.ref.namespace}/{seen.ref.name} in {step.args['cluster']}": f"version {version}, written"}


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
