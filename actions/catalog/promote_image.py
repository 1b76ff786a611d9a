"""Promote: let a workload run what was seen to run well in the environment before its own, by the very same digest.

Which images that are is read from there when the plan is made, and whether they were verified from our own record. The plan names the
digest, so what is approved is that image, whatever is deployed there meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from connectors.errors import Missing
from connectors.kubernetes import WorkloadSeen
from connectors.kubernetes.applying import Applied
from inventory.models import Workload

from ..origins import Origin, before, seen_good, workload_of
from ..proofs import digest, proof, repository
from ..protocol import Action, CannotPlan, Impact, Params, Plan, Risk, Step, Target, TargetKind, Verdict, World
from ..registry import register
from ..templates import (
    TakeOver,
    back_in_place,
    history,
    in_place,
    pods_of,
    put_in_place,
    refused_when_owned,
    template_plan,
)
from ..workloads import availability, kubectl
from .patch_image import short

IMAGE = "image of "
"""Before a container's name, in the arguments of a step."""


class PromoteImageParams(Params):
    """Nothing has to be chosen: it is what runs in the environment before."""

    unverified: bool = Field(
        False,
        title="Also unverified",
        description="Also when no run of ours has seen it run well in the environment before.",
        json_schema_extra={"advanced": True},
    )
    take_over: TakeOver = False


@dataclass(frozen=True)
class Found:
    """What there is to promote: container → image, those left out, and the run that verified it, if one did."""

    workload: Workload
    images: Mapping[str, str]
    left_out: tuple[str, ...]
    origin: Origin | None


@register
class PromoteImage(Action[PromoteImageParams]):
    id, title, icon, risk = "promote-image", "Promote", "arrow-big-up-lines", Risk.MEDIUM
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet")
    everyday = True
    params = PromoteImageParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        return {"unverified": False, "take_over": False}

    def plan(self, target: Target, params: PromoteImageParams, world: World) -> Plan:
        seen, current, _ = history(target, world)
        found = _find(target, seen, world)
        there = found.workload.environment.slug
        if found.origin is None and not params.unverified:
            raise CannotPlan(
                f"No run of ours has seen {_named(found.images)} run well in {there}. Restart it there, which verifies it; or, if it "
                "cannot wait, say so with “Also unverified”."
            )
        with refused_when_owned():
            dry = self._write(world, seen, found.images, execution="plan", take_over=params.take_over, dry_run=True)
        old = {each.name: each.image for each in seen.containers if each.name in found.images}
        undo_action, undo = _undo(old, current.number)
        what = _named(found.images)
        return template_plan(
            self.id,
            target,
            seen,
            dry.seen,
            world,
            what="the image",
            params={"unverified": params.unverified, "take_over": params.take_over},
            summary=f"Promote {what} from {there} to {target.environment}",
            preconditions={"from": f"{found.workload} in {there}"},
            forth=Step("promote", f"Set the image to {what}", "images", _args(found.images)),
            back=Step("promote-back", f"Set the image to {_named(old)} again", "images", _args(old)),
            undo=undo if seen.revision_history_limit else None,
            undo_action=undo_action,
            irreversible=("What the new version changes outside its pods, such as a database's schema, stays as it is.",),
            eject=(
                kubectl(
                    target,
                    "set image",
                    f"{target.ref.kind.lower()}/{target.ref.name}",
                    *(f"{name}={image}" for name, image in sorted(found.images.items())),
                ),
            ),
            numbers={"unverified": int(found.origin is None)},
            claims=dry.taken_from,
            impact=(
                _verified(found, there),
                availability(seen, world.cluster.budgets_of(seen)),
                Impact("Blast radius", f"{_containers(len(found.images))}, {pods_of(seen)}", _blast(found)),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        def write(seen: WorkloadSeen) -> WorkloadSeen:
            images = {
                name.removeprefix(IMAGE): str(image) for name, image in step.args.items() if name.startswith(IMAGE)
            }
            run, take_over = world.current_run.id, bool(plan.params.get("take_over"))
            return self._write(world, seen, images, execution=run, take_over=take_over).seen

        return put_in_place(step, plan, world, write)

    def _write(
        self,
        world: World,
        seen: WorkloadSeen,
        images: Mapping[str, str],
        *,
        execution: str,
        take_over: bool,
        dry_run: bool = False,
    ) -> Applied[WorkloadSeen]:
        return world.cluster.applying.set_images(
            seen.ref, as_=world.person, images=images, execution=execution, seen=seen.resource_version, take_over=take_over,
            dry_run=dry_run,
        )  # fmt: skip

    def verify(self, plan: Plan, world: World) -> Verdict:
        return in_place(plan, world, "with the promoted image")

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return back_in_place(plan, world)


def _find(target: Target, seen: WorkloadSeen, world: World) -> Found:
    """What runs in the environment before and differs from what runs here. Raises `CannotPlan`."""
    row = workload_of(target)
    source = before(row) if row else None
    if source is None:
        raise CannotPlan(
            f"There is no {target.ref.kind} {target.ref.name} of {target.service} in an environment before {target.environment}. Deploy "
            "it there first."
        )
    there = _running(source, world)
    same = {
        each.name: each.image
        for each in seen.containers
        if repository(there.get(each.name, "")) == repository(each.image)
    }
    if not same:
        raise CannotPlan(
            f"No container runs an image of the same repository in {source.environment} and here, so there is nothing to promote."
        )
    vague = [name for name, image in same.items() if not digest(there[name]) and there[name] != image]
    if vague:
        raise CannotPlan(
            f"{vague[0]} runs {short(there[vague[0]])} in {source.environment}, and its pods do not agree on a digest. A tag can mean "
            "another image tomorrow, so deploy it there by digest, or wait until its rollout is done."
        )
    here = proof(seen, world.cluster.pods_of(seen))["images"]
    images = {name: there[name] for name in same if digest(there[name]) not in ("", digest(here[name]))}
    if not images:
        raise CannotPlan(
            f"It runs the same here as in {source.environment} already: {_named({n: there[n] for n in same})}."
        )
    left_out = tuple(each.name for each in seen.containers if each.name not in same)
    return Found(source, images, left_out, seen_good(source, images))


def _running(source: Workload, world: World) -> dict[str, str]:
    """Container → image of another workload, by digest where the cluster says it."""
    cluster = world.cluster_named(source.cluster.name)
    try:
        there = cluster.read_workload(source.kind, source.namespace, source.name)
    except Missing as gone:
        raise CannotPlan(f"{source} is gone from {source.environment}. Deploy it there first.") from gone
    found: dict[str, str] = dict(proof(there, cluster.pods_of(there))["images"])
    return found


def _undo(old: Mapping[str, str], revision: int) -> tuple[str, dict[str, Any]]:
    """One container goes back by itself; several do together, and that is a roll back."""
    if len(old) == 1:
        return "patch-image", {"container": next(iter(old)), "as_in_revision": revision}
    return "rollback-workload", {"revision": revision}


def _args(images: Mapping[str, str]) -> dict[str, str]:
    return {f"{IMAGE}{name}": image for name, image in sorted(images.items())}


def _named(images: Mapping[str, str]) -> str:
    return ", ".join(dict.fromkeys(short(image) for _, image in sorted(images.items())))


def _verified(found: Found, there: str) -> Impact:
    origin = found.origin
    if origin is None:
        return Impact("Verified", f"Not in {there}", "It runs there, but no run of ours has seen it run well.", worry=True)  # fmt: skip
    meaning = f"Request {origin.request} by {origin.by}: {origin.summary}. It stayed good for {origin.soak_seconds} s."
    return Impact("Verified", f"In {there}, {origin.at:%-d %b %H:%M} UTC", meaning)


def _containers(count: int) -> str:
    return "1 container" if count == 1 else f"{count} containers"


def _blast(found: Found) -> str:
    if not found.left_out:
        return "All pods are replaced by new ones."
    return f"All pods are replaced by new ones. {', '.join(found.left_out)} stays as it is: it runs from another repository there."
