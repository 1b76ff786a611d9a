"""The steps of a rotation on a KV secret: write the new version, log in with it, put the old value back, destroy the old version.

Every write names the version that it follows, so that it cannot land on somebody else's, and a late one lands nowhere.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.errors import Missing
from connectors.postgres import Login, address_of, try_login
from connectors.vault.seen import KV, SecretSeen

from ..protocol import Drifted, NotYet, Outcome, Plan, Step, StepFailed, Verdict, World
from .values import GENERATORS, Evidence, Mark, mark_from, problems_of
from .vaulting import place, rotating

NEW, BACK = "new", "back"


def read(plan: Plan, world: World) -> SecretSeen:
    return world.vault.read_secret(KV, *place(plan))


def keys_in(step: Step) -> tuple[str, ...]:
    return tuple(str(step.args["keys"]).split(","))


def supplied_keys(plan: Plan) -> tuple[str, ...]:
    """The keys whose values a person types in; none where nobody has to."""
    asked = (step for step in plan.steps if step.verb == "write" and step.args["source"] == "supply")
    return next((keys_in(step) for step in asked), ())


def write(step: Step, plan: Plan, world: World) -> Evidence:
    seen, before = read(plan, world), int(step.args["from"] or 0)
    mark = mark_from(seen.note)
    ours = mark.is_of(world.current_run.id, NEW, before + 1)
    if seen.version == before + 1 and ours:
        return _recognised(mark, keys_in(step), plan, world)
    if seen.version != before or seen.deleted:
        raise Drifted(
            f"Somebody wrote version {seen.version} meanwhile; this was planned on version {before}. Nothing was changed."
        )
    values = _new_values(step, plan, world, sent_before=ours)
    mount, path = place(plan)
    marked = (mark if ours else Mark(world.current_run.id, NEW, before + 1)).about_to_write(values)
    world.hold()
    with rotating(world) as rotation:
        rotation.note(mount, path, marked.text)
        rotation.merge(mount, path, values, seen=before)
        rotation.note(mount, path, marked.settled.text)
    return {"version": before + 1, "keys": ", ".join(keys_in(step))}


def put_back(step: Step, plan: Plan, world: World) -> Evidence:
    """Write the old value as one more version. Also when ours was not seen to arrive: then a late one meets another version."""
    seen, before, run = read(plan, world), int(step.args["from"] or 0), world.current_run
    mount, path = place(plan)
    current, mark = seen.version or 0, mark_from(seen.note)
    if mark.run != run.id:
        mark = Mark(run.id)
    done: Evidence = {"version": current, "value": f"that of version {before}"}
    with rotating(world) as rotation:
        if mark.is_of(run.id, BACK, current) and not mark.prints:
            return done
        there = rotation.values(mount, path, current)
        if mark.is_of(run.id, BACK, current) and mark.sent_last(there):  # the old version may be pruned by it
            rotation.note(mount, path, mark.settled.text)
            return done
        judged = mark.is_of(run.id, BACK, current + 1)  # by this run, just before it was about to write
        if current != before and not judged and not _sent_by(mark, keys_in(step), there, current):
            raise Drifted(f"Somebody wrote version {current} meanwhile, so the old value was not put over it.")
        old = rotation.values(mount, path, before)
        marked = replace(mark, verb=BACK, version=current + 1).about_to_write(old)  # with what a late write is known by
        world.hold()
        rotation.note(mount, path, marked.text)
        rotation.replace(mount, path, old, seen=current)
        rotation.note(mount, path, marked.settled.text)
    return {**done, "version": current + 1}


def put_back_as(plan: Plan, world: World) -> int:
    """The version that has the old value now: the old one itself may be pruned by the one that put it back."""
    mark, old = mark_from(read(plan, world).note), int(plan.preconditions["version"] or 0)
    return mark.version if (mark.run, mark.verb) == (world.current_run.id, BACK) else old


def log_in(step: Step, plan: Plan, world: World) -> Evidence:
    """Before anybody is restarted: whether the new credential opens what the old one did."""
    at = address_of(str(step.args["at"]))
    if at is None:
        raise StepFailed(f"{step.args['at']} is no address of a PostgreSQL database.")
    with rotating(world) as rotation:
        values = rotation.values(*place(plan), int(step.args["version"] or 0))
    tried = try_login(at, str(values.get("username", "")), str(values.get("password", "")))
    if tried.login is Login.REFUSED:
        raise StepFailed(f"{tried.sentence} The new credential does not log in.")
    if tried.login is Login.NOT_TRIED:
        raise NotYet(tried.sentence)
    return {"login": tried.sentence}


def destroy(step: Step, plan: Plan, world: World) -> Evidence:
    """The point of no return, after the proof that the new version is in use."""
    seen, old = read(plan, world), int(step.args["version"] or 0)
    if seen.version != old + 1 or mark_from(seen.note).run != world.current_run.id:
        raise Drifted(f"Somebody wrote version {seen.version} meanwhile, so version {old} was not destroyed.")
    if not any(each.number == old and each.gone for each in seen.kept):
        world.hold()
        with rotating(world) as rotation:
            rotation.destroy(*place(plan), old)
    return {"destroyed": f"version {old}"}


def verify(plan: Plan, world: World) -> Verdict:
    """Whether the new version is the current one, and the old one refused, if it was to be."""
    seen, old = read(plan, world), int(plan.preconditions["version"] or 0)
    evidence: Evidence = {"version": seen.version or 0}
    if seen.version != old + 1 or seen.deleted or mark_from(seen.note).run != world.current_run.id:
        return Verdict(Outcome.FAILED, f"Somebody else wrote version {seen.version} after the rotation.", evidence)
    if any(step.verb == "destroy" for step in plan.steps):
        if not any(each.number == old and each.gone for each in seen.kept):
            return Verdict(Outcome.FAILED, f"Version {old} can still be read.", evidence)
        if world.current_run.good_since is None and _can_be_read(plan, world, old):
            return Verdict(Outcome.FAILED, f"Version {old} can still be read.", evidence)
        evidence["old version"] = f"version {old} is refused: destroyed"
    return Verdict(Outcome.OK, f"Version {seen.version} is the current one", evidence)


def verify_back(plan: Plan, world: World) -> Verdict:
    """Whether what is read now is the old value, compared in memory, unless the vault had to drop the old version for it."""
    seen, old = read(plan, world), int(plan.preconditions["version"] or 0)
    evidence: Evidence = {"version": seen.version or 0}
    mark = mark_from(seen.note)
    if not mark.is_of(world.current_run.id, BACK, seen.version or 0):
        untouched = seen.version == old
        said = (
            f"Version {old} is untouched"
            if untouched
            else f"Somebody else wrote version {seen.version} after it was put back."
        )
        return Verdict(Outcome.OK if untouched else Outcome.FAILED, said, evidence)
    if mark.prints:
        return Verdict(Outcome.FAILED, f"Nobody saw what version {seen.version} holds.", evidence)
    if world.current_run.good_since is None and any(each.number == old and not each.gone for each in seen.kept):
        with rotating(world) as rotation:
            same = rotation.values(*place(plan), seen.version or 0) == rotation.values(*place(plan), old)
        if not same:
            return Verdict(Outcome.FAILED, f"Version {seen.version} does not hold what version {old} held.", evidence)
    return Verdict(Outcome.OK, f"Version {seen.version} holds the old value", evidence)


def _new_values(step: Step, plan: Plan, world: World, *, sent_before: bool) -> Mapping[str, Any]:
    keys = keys_in(step)
    if step.args["source"] == "earlier":
        with rotating(world) as rotation:
            kept = rotation.values(*place(plan), int(step.args["version"] or 0))
        return {key: kept[key] for key in keys if key in kept}
    if step.args["source"] == "supply":
        if world.supplied is None:
            why = "The value went with the process that was handed it, and is kept nowhere. Ask again and hand it in once more."
            raise StepFailed(why) if sent_before else Drifted(why)
        if wrong := problems_of(keys, world.supplied):
            raise Drifted(f"What was handed in does not fit the plan: {', '.join(sorted(wrong))}. Nothing was changed.")
        return {key: world.supplied[key] for key in keys}
    make = GENERATORS[str(step.args["generator"])].make
    return {key: make() for key in keys}


def _recognised(mark: Mark, keys: tuple[str, ...], plan: Plan, world: World) -> Evidence:
    """The version after ours is there. If nobody saw it arrive, look whether it holds what this run sent."""
    if mark.prints:
        mount, path = place(plan)
        with rotating(world) as rotation:
            if not _sent_by(mark, keys, rotation.values(mount, path, mark.version), mark.version):
                raise Drifted(f"Somebody else wrote version {mark.version} at the same moment.")
            rotation.note(mount, path, mark.settled.text)
    return {"version": mark.version, "keys": ", ".join(keys)}


def _sent_by(mark: Mark, keys: tuple[str, ...], there: Mapping[str, Any], version: int) -> bool:
    """Whether the run behind a mark of its own wrote this version, which it knows for certain once the prints are gone."""
    if mark.version != version:
        return False
    settled = mark.verb == NEW and not mark.prints
    return settled or mark.recognises({key: there[key] for key in keys if key in there})


def _can_be_read(plan: Plan, world: World, version: int) -> bool:
    try:
        with rotating(world) as rotation:
            rotation.values(*place(plan), version)
    except Missing:
        return False
    return True
