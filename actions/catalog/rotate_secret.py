"""Rotate secret: a new version, copied and read by everybody who uses the old one, proved to be in use, and only then the old one refused.

A saga of three kinds. A KV secret gets one more version, which can be taken back until the old one is destroyed. A static role of a
database has one password, so changing it is refusing the old one, first of all. A dynamic role makes users: readers get new ones when
they restart, and the leases of before are ended after that. Values are in memory for one call each, and in no plan, journal or record.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from connectors.errors import Missing
from connectors.postgres import address_of
from connectors.vault.seen import DYNAMIC_ROLE, KV, STATIC_ROLE, SecretSeen

from ..protocol import (
    Action,
    CannotPlan,
    Change,
    Impact,
    Line,
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
from ..rotation import affected, consumers, copying, keyvalue, roles, syncing, words
from ..rotation.affected import Affected
from ..rotation.values import GENERATORS, Evidence

DEADLINE = timedelta(minutes=10)
KINDS = {"kv2": KV, "static-role": STATIC_ROLE, "dynamic-role": DYNAMIC_ROLE}

APPLY: dict[str, Callable[[Step, Plan, World], Evidence]] = {
    "write": keyvalue.write,
    "log-in": keyvalue.log_in,
    "check": roles.check,
    "note": roles.note,
    "rotate": roles.rotate,
    "sync": syncing.sync,
    "copy": copying.copy,
    "restart": consumers.restart,
    "prove": consumers.prove,
    "destroy": keyvalue.destroy,
    "revoke": roles.revoke,
    "put-back": keyvalue.put_back,
    "restart-back": consumers.restart_back,
}
VERIFY: dict[str, Callable[[Plan, World], Verdict]] = {
    "kv2": keyvalue.verify,
    "static-role": roles.verify_static,
    "dynamic-role": roles.verify_dynamic,
}


class RotateParams(Params):
    """No value is among them: one that a person supplies is typed in after it is agreed, for the one step that writes it."""

    source: Literal["generate", "supply", "earlier"] = Field(
        "generate", title="New value", json_schema_extra={"widget": "choice"}
    )
    generator: Literal["password", "hex", "base64", "uuid"] = Field(
        "password", title="Make", description="What is generated, for each key.", json_schema_extra={"widget": "choice"}
    )
    keys: str = Field(
        "", title="Keys", max_length=1000, description="Which get a new value, separated by commas. None: all of them."
    )
    version: int | None = Field(
        None, title="Earlier version", ge=1, le=2**31 - 1, description="Only with “an earlier version”.",
        json_schema_extra={"widget": "choice", "advanced": True},
    )  # fmt: skip
    order: Literal["least-critical-first", "together"] = Field(
        "least-critical-first", title="Restart consumers", json_schema_extra={"widget": "choice"}
    )
    revoke_old: bool = Field(
        True, title="Refuse the old one in the end", description="Only after the new one is proved to be in use."
    )

    @model_validator(mode="after")
    def version_of_what(self) -> "RotateParams":
        if self.source == "earlier" and self.version is None:
            raise ValueError("say which version")
        return self


@register
class RotateSecret(Action[RotateParams]):
    id, title, icon, risk = "rotate-secret", "Rotate", "rotate-clockwise", Risk.MEDIUM
    target, kinds = TargetKind.SECRET, tuple(KINDS)
    params = RotateParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        seen = _read(target, world)
        if seen.kind == STATIC_ROLE:
            return {"order": "together"}
        if seen.kind == DYNAMIC_ROLE:
            return {"order": "least-critical-first", "revoke_old": True}
        earlier = _earlier(seen)
        return {
            "source": "generate", "generator": "password",
            "keys": ", ".join(world.vault.keys_of(target.ref.namespace, target.ref.name)),
            **({"version": earlier[0].value} if earlier else {}),
            "order": "least-critical-first", "revoke_old": True,
        }  # fmt: skip

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        earlier = _earlier(_read(target, world))
        return {
            "source": [
                Option("generate", "Generate it", "Nobody sees it."),
                Option("supply", "Type it in", "When it is agreed, in a form that works once."),
                *([Option("earlier", "An earlier version", "What the vault still has.")] if earlier else []),
            ],
            "generator": [Option(name, each.label) for name, each in GENERATORS.items()],
            "version": earlier,
            "order": [
                Option("least-critical-first", "One by one", "The least critical environment first."),
                Option("together", "Together", "All at once: the shortest time in which some have the old one."),
            ],
        }

    def plan(self, target: Target, params: RotateParams, world: World) -> Plan:
        seen = _read(target, world)
        if not world.vault.can_rotate():
            raise CannotPlan(words.CANNOT_ROTATE.format(vault=target.vault))
        make = {KV: self._plan_kv, STATIC_ROLE: self._plan_static, DYNAMIC_ROLE: self._plan_dynamic}[seen.kind]
        return make(target, params, world, seen, affected.look(target, world, seen.copies))

    def _plan_kv(self, target: Target, params: RotateParams, world: World, seen: SecretSeen, on: Affected) -> Plan:
        there, old = world.vault.keys_of(target.ref.namespace, target.ref.name), seen.version or 0
        keys = _keys(there, params)
        _refuse_kv(seen, params)
        written: dict[str, str | int | bool | None] = {
            "keys": ",".join(keys), "from": old, "source": params.source,
            "generator": params.generator if params.source == "generate" else "",
            "version": params.version if params.source == "earlier" else None,
        }  # fmt: skip
        at = address_of(seen.login) if {"username", "password"} <= set(there) else None
        spread = affected.steps(on, params.order, old + 1)
        steps = [Step("write", f"Write version {old + 1} of {target.ref.name}", "write", written)]
        if at is not None:
            steps.append(
                Step("log-in", f"Log in to {at} with it", "log-in", {"at": at.url, "version": old + 1}, looks=True)
            )
        steps += spread
        if params.revoke_old:
            steps.append(Step("destroy", f"Destroy version {old}", "destroy", {"version": old}, final=True))
        put_back = Step("put-back", f"Write the value of version {old} again", "put-back", written, undoes="write")
        undo = {"source": "earlier", "version": old, "keys": ",".join(keys), "order": params.order, "revoke_old": False}
        value, gone = words.NEW_VALUE[params.source].format(version=params.version), words.DESTROYED.format(version=old)
        return self._assemble(
            target, params, world, on,
            summary=f"Rotate {target.ref.name}, version {old} to {old + 1}",
            preconditions={"version": old},
            changed=(
                Line("version", str(old), str(old + 1)),
                *(Line(f"data.{key}", "not read", value) for key in keys),
                *([Line(f"version {old}", "kept", "destroyed")] if params.revoke_old else []),
            ),
            steps=steps,
            revert=(put_back, *affected.way_back(on, spread, old)),
            no_revert=gone if params.revoke_old else "",
            undo=None if params.revoke_old else undo,
            no_undo=gone if params.revoke_old else "",
            irreversible=(f"Version {old} is destroyed in the end: nobody can read it again.",) if params.revoke_old else (),
            eject=words.eject_kv(target, keys, old, params.revoke_old),
            impact=(words.login_of_kv(at), *words.age(seen)),
        )  # fmt: skip

    def _plan_static(self, target: Target, params: RotateParams, world: World, seen: SecretSeen, on: Affected) -> Plan:
        last, at = roles.last_rotation(seen), world.vault.database_of(target.ref.namespace, seen.connection)
        return self._assemble(
            target, params, world, on,
            summary=f"Rotate the password of {seen.username} ({target.ref.name})",
            preconditions={"last rotation": last, "user": seen.username},
            changed=(Line("password", "not read", "made by the vault"), Line("last rotation", last, words.AT_RUN)),
            steps=[
                Step("check", f"Log in as {seen.username} with the present password", "check", {"last": last}, looks=True),
                Step("rotate", "Change the password, and see that only the new one logs in", "rotate", {"last": last}, final=True),
                *affected.steps(on, params.order),
            ],
            revert=(),
            no_revert=words.ONE_PASSWORD,
            undo=None, no_undo=words.ONE_PASSWORD, irreversible=(words.ONE_PASSWORD,),
            eject=words.eject_static(target),
            impact=(*words.gap(on), words.login_of_role(at, words.ONE_LOGS_IN), *words.age(seen)),
        )  # fmt: skip

    def _plan_dynamic(self, target: Target, params: RotateParams, world: World, seen: SecretSeen, on: Affected) -> Plan:
        leases = len(world.vault.lease_ids(target.ref.namespace, target.ref.name))
        at = world.vault.database_of(target.ref.namespace, seen.connection)
        spread = affected.steps(on, params.order)
        if params.revoke_old and leases > roles.MOST_LEASES:
            raise CannotPlan(roles.TOO_MANY)
        note = Step("note", "Write down which leases there are", "note", looks=True)
        end = Step("revoke", "End the leases of before, and see that their users are gone", "revoke", final=True)
        revert = affected.way_back(on, spread)
        return self._assemble(
            target, params, world, on,
            summary=f"Rotate the users of {target.ref.name}",
            preconditions={"database": seen.connection},
            changed=(Line("leases of before the restarts", "valid", "ended" if params.revoke_old else "left to run out"),),
            steps=[note, *spread, end] if params.revoke_old else spread,
            revert=revert,
            no_revert=words.DROPPED if params.revoke_old else "" if revert else words.NEW_USERS,
            undo=None, no_undo=words.NEW_USERS, irreversible=(words.DROPPED,) if params.revoke_old else (),
            eject=words.eject_dynamic(target, params.revoke_old),
            impact=(words.leases(leases, params.revoke_old), words.login_of_role(at, words.NEW_LOG_IN)),
        )  # fmt: skip

    def _assemble(
        self, target: Target, params: RotateParams, world: World, on: Affected, *, summary: str,
        preconditions: Mapping[str, str | int | bool | None], changed: tuple[Line, ...], steps: Sequence[Step],
        revert: tuple[Step, ...], no_revert: str, undo: Mapping[str, Any] | None, no_undo: str, irreversible: tuple[str, ...],
        eject: tuple[str, ...], impact: tuple[Impact, ...],
    ) -> Plan:  # fmt: skip
        return Plan(
            action=self.id,
            target=target,
            params=params.model_dump(mode="json"),
            summary=summary,
            preconditions=preconditions,
            changes=(Change(target.label, changed), *words.changes(on)),
            steps=tuple(steps),
            revert=revert,
            no_revert=no_revert,
            undo=undo,
            no_undo=no_undo,
            irreversible=irreversible,
            eject=(*eject, *words.eject_consumers(on)),
            soak_seconds=world.soak_seconds,
            deadline_seconds=int(DEADLINE.total_seconds()),
            numbers=words.numbers(on),
            holds=tuple(sorted(f"workload:{each.ref.uid}" for each in on.restarted)),
            impact=(
                words.readers(on, params.order),
                words.copied(on),
                *impact,
                *words.other_teams(on),
                *words.not_copied(on),
            ),
        )

    def waits_for(self, plan: Plan) -> Literal["", "start", "value"]:
        return "value" if plan.params.get("source") == "supply" and plan.target.ref.kind == "kv2" else ""

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        world.refuse_while_planning()
        return APPLY[step.verb](step, plan, world)

    def verify(self, plan: Plan, world: World) -> Verdict:
        return _together(VERIFY[plan.target.ref.kind](plan, world), consumers.verify(plan, world))

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        readers = consumers.verify_back(plan, world)
        return _together(keyvalue.verify_back(plan, world), readers) if plan.target.ref.kind == "kv2" else readers


def _together(secret: Verdict, readers: Verdict) -> Verdict:
    """The worse of the two decides; both are evidence."""
    evidence = {**secret.evidence, **readers.evidence}
    for outcome in (Outcome.FAILED, Outcome.WAIT):
        for each in (secret, readers):
            if each.outcome is outcome:
                return Verdict(outcome, each.sentence, evidence)
    return Verdict(Outcome.OK, f"{secret.sentence}, {readers.sentence}", evidence)


def _read(target: Target, world: World) -> SecretSeen:
    try:
        seen = world.vault.read_secret(KINDS[target.ref.kind], target.ref.namespace, target.ref.name)
    except Missing as gone:
        raise CannotPlan(f"{target.label} is gone from the vault {target.vault}. Nothing is left to rotate.") from gone
    if seen.deleted:
        raise CannotPlan(f"The current version of {target.label} is deleted. Write one first.")
    return seen


def _earlier(seen: SecretSeen) -> list[Option]:
    """The versions before the current one that can still be read, the latest first."""
    kept = [each for each in reversed(seen.kept) if not each.gone and each.number != seen.version]
    return [Option(each.number, f"Version {each.number}", "", each.created_at) for each in kept]


def _limit(seen: SecretSeen) -> int:
    """How many versions are kept: as it says itself, or as its engine has shown by dropping some. 0: not known."""
    dropped = len(seen.kept) < (seen.version or 0)
    return seen.keeps or (len(seen.kept) if dropped else 0)


def _refuse_kv(seen: SecretSeen, params: RotateParams) -> None:
    if _limit(seen) == 1:
        raise CannotPlan(
            "The vault keeps 1 version of it, so the old value could not be put back. Let it keep at least 2."
        )
    if params.source == "earlier" and params.version not in [each.value for each in _earlier(seen)]:
        raise CannotPlan(f"Version {params.version} is the current one, or cannot be read any more. Choose another.")


def _keys(there: Sequence[str], params: RotateParams) -> list[str]:
    asked = list(dict.fromkeys(filter(None, (key.strip() for key in params.keys.split(","))))) or list(there)
    if unknown := [key for key in asked if key not in there]:
        raise CannotPlan(f"It has no key {unknown[0][:100]!r}. It has: {', '.join(there)}.")
    if not asked:
        raise CannotPlan("It has no keys, so there is nothing to rotate.")
    if odd := [key for key in asked if "," in key]:
        raise CannotPlan(
            f"The key {odd[0][:100]!r} contains a comma, which separates keys here. Rotate it in the vault."
        )
    return sorted(asked)
