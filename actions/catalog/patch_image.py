"""Patch image: let one container run another image, named by digest, by server-side apply of just that field.

A tag can mean another image tomorrow, so none is taken. The way back is the exact text that was there; to undo it later, the request
names the revision that had it, because that may well have been a tag.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from connectors.kubernetes import RevisionSeen, WorkloadSeen
from connectors.kubernetes.applying import Applied

from ..proofs import digest, repository
from ..protocol import (
    Action,
    CannotPlan,
    Impact,
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
from ..templates import (
    AsInRevision,
    TakeOver,
    back_in_place,
    chosen,
    history,
    in_place,
    pods_of,
    put_in_place,
    refused_when_owned,
    template_plan,
)
from ..workloads import availability, kubectl

IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*@sha256:[0-9a-f]{64}")


class PatchImageParams(Params):
    """Which image, by digest; or, to go back, the one of a revision."""

    container: str = Field(max_length=63, title="Container", json_schema_extra={"widget": "choice"})
    image: str | None = Field(
        None, max_length=500, title="Image", description="By digest, as repository@sha256:… A tag can mean another image tomorrow."
    )  # fmt: skip
    as_in_revision: AsInRevision = None
    other_repository: bool = Field(
        False,
        title="Yes, from another repository",
        description="Only with this may the image come from elsewhere than the present one.",
        json_schema_extra={"advanced": True},
    )
    take_over: TakeOver = False

    @model_validator(mode="after")
    def one_or_the_other(self) -> "PatchImageParams":
        if (self.image is None) == (self.as_in_revision is None):
            raise ValueError("give either image or as_in_revision")
        return self


@register
class PatchImage(Action[PatchImageParams]):
    id, title, icon, risk = "patch-image", "Patch image", "stack-2", Risk.MEDIUM
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet")
    preposition = "of"
    params = PatchImageParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        seen, _, _ = history(target, world)
        first = seen.containers[0]
        return {"container": first.name, "image": first.image, "other_repository": False, "take_over": False}

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        seen, _, _ = history(target, world)
        return {"container": [Option(each.name, each.name, each.image) for each in seen.containers]}

    def plan(self, target: Target, params: PatchImageParams, world: World) -> Plan:
        seen, current, others = history(target, world)
        container, before = params.container, _image_of(seen, params.container)
        image = _wanted(params, current, others)
        if image == before:
            raise CannotPlan(f"{container} has this image already. Give another one.")
        elsewhere = params.as_in_revision is None and repository(image) != repository(before)
        if elsewhere and not params.other_repository:
            raise CannotPlan(
                f"{container} runs {repository(before)}, and this is {repository(image)}. If that is meant, say so with “Yes, from another "
                "repository”."
            )
        with refused_when_owned():
            dry = self._write(world, seen, container, image, execution="plan", take_over=params.take_over, dry_run=True)
        forth, back = ({"container": container, "image": each} for each in (image, before))
        return template_plan(
            self.id,
            target,
            seen,
            dry.seen,
            world,
            what="the image",
            params={
                "container": container, "other_repository": params.other_repository, "take_over": params.take_over,
                **({"image": image} if params.as_in_revision is None else {"as_in_revision": params.as_in_revision}),
            },
            summary=f"Patch image of {target.ref.name}, {container} to {short(image)}",
            forth=Step("patch", f"Set the image of {container} to {short(image)}", "image", forth),
            back=Step("patch-back", f"Set the image of {container} to {short(before)} again", "image", back),
            undo={"container": container, "as_in_revision": current.number} if seen.revision_history_limit else None,
            irreversible=("What the new version changes outside its pods, such as a database's schema, stays as it is.",),
            eject=(kubectl(target, "set image", f"{target.ref.kind.lower()}/{target.ref.name}", f"{container}={image}"),),
            numbers={"other_repository": int(elsewhere)},
            claims=dry.taken_from,
            impact=(
                availability(seen, world.cluster.budgets_of(seen)),
                Impact("Blast radius", f"1 field, {pods_of(seen)}", "All of them are replaced by new ones with this image."),
                *_origin(image, before, elsewhere=elsewhere),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        def write(seen: WorkloadSeen) -> WorkloadSeen:
            container, image = str(step.args["container"]), str(step.args["image"])
            run, take_over = world.current_run.id, bool(plan.params.get("take_over"))
            return self._write(world, seen, container, image, execution=run, take_over=take_over).seen

        return put_in_place(step, plan, world, write)

    def _write(
        self,
        world: World,
        seen: WorkloadSeen,
        container: str,
        image: str,
        *,
        execution: str,
        take_over: bool,
        dry_run: bool = False,
    ) -> Applied[WorkloadSeen]:
        return world.cluster.applying.set_images(
            seen.ref, as_=world.person, images={container: image}, execution=execution, seen=seen.resource_version,
            take_over=take_over, dry_run=dry_run,
        )  # fmt: skip

    def verify(self, plan: Plan, world: World) -> Verdict:
        return in_place(plan, world, "with the new image")

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return back_in_place(plan, world)


def short(image: str) -> str:
    """Of an image by digest, as much as tells it from others: `checkout@sha256:ab12cd34ef56`."""
    found = digest(image)
    return f"{repository(image).rpartition('/')[2]}@{found[:19]}" if found else image.rpartition("/")[2]


def _image_of(workload: WorkloadSeen, container: str) -> str:
    found = next((each.image for each in workload.containers if each.name == container), None)
    if found is None:
        names = ", ".join(each.name for each in workload.containers)
        raise CannotPlan(f"It has no container {container}. There is {names}.")
    return found


def _wanted(params: PatchImageParams, current: RevisionSeen, others: Sequence[RevisionSeen]) -> str:
    if params.as_in_revision is not None:
        revision = chosen(params.as_in_revision, current, others)
        images = images_in(revision)
        if params.container not in images:
            raise CannotPlan(
                f"Revision {revision.number} had no container {params.container}. Roll back to it instead."
            )
        return images[params.container]
    image = params.image or ""
    if not IMAGE.fullmatch(image):
        raise CannotPlan(
            "Give the image by digest, as repository@sha256:… and 64 digits: a tag can mean another image tomorrow. Your registry or "
            "pipeline says which one it is."
        )
    return image


def images_in(revision: RevisionSeen) -> dict[str, str]:
    """Container → image, as the revision's template has it."""
    spec = revision.template.get("spec") or {}
    return {each["name"]: each.get("image", "") for each in spec.get("containers") or ()}


def _origin(image: str, before: str, *, elsewhere: bool) -> tuple[Impact, ...]:
    if elsewhere:
        meaning = f"Until now it ran {repository(before)}. Whether there is such an image is seen when it is pulled."
        return (Impact("Repository", repository(image), meaning, worry=True),)
    if not digest(image):
        return (Impact("Image", short(image), "Named by a tag, as it was then: it may mean another image by now."),)
    meaning = "From the same repository. Whether there is such an image is seen when it is pulled."
    return (Impact("Image", short(image), meaning),)
