"""Patch variable: set one environment variable of one container, by server-side apply of just that field.

For what may be read by everybody who reads the request: a level, a limit, a switch. Not for credentials, by whatever name. What a
variable had before is not kept here either, because nobody knows what it was; the cluster keeps it, in the revision that had it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from connectors.kubernetes import RevisionSeen, WorkloadSeen
from connectors.kubernetes.applying import Applied
from connectors.kubernetes.template import VariableSeen, variables

from ..credentials import names_a_credential, refuse_credentials
from ..protocol import (
    Action,
    CannotPlan,
    Drifted,
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

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
SHOWN = 60


class PatchVariableParams(Params):
    """Which value; or, to go back, what it was in a revision."""

    container: str = Field(max_length=63, title="Container", json_schema_extra={"widget": "choice"})
    name: str = Field(max_length=253, title="Variable", description="One that is there, or a new one.")
    value: str | None = Field(
        None, max_length=400, pattern=r"^[^\x00-\x1f\x7f]*$", title="Value", description="No credential: it is shown and kept."
    )  # fmt: skip
    as_in_revision: AsInRevision = None
    take_over: TakeOver = False

    @model_validator(mode="after")
    def one_or_the_other(self) -> "PatchVariableParams":
        if (self.value is None) == (self.as_in_revision is None):
            raise ValueError("give either value or as_in_revision")
        return self


@register
class PatchVariable(Action[PatchVariableParams]):
    id, title, icon, risk = "patch-variable", "Patch variable", "variable", Risk.MEDIUM
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet")
    preposition = "of"
    params = PatchVariableParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        seen, _, _ = history(target, world)
        return {"container": seen.containers[0].name, "name": "", "value": "", "take_over": False}

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        seen, current, _ = history(target, world)
        return {"container": [Option(each.name, each.name, _known(current, each.name)) for each in seen.containers]}

    def plan(self, target: Target, params: PatchVariableParams, world: World) -> Plan:
        seen, current, others = history(target, world)
        container, name = params.container, params.name
        _refuse(params, seen, current)
        revision = None if params.as_in_revision is None else chosen(params.as_in_revision, current, others)
        value = params.value if revision is None else _plain(revision, container, name)
        with refused_when_owned():
            dry = self._write(
                world, seen, container, name, value, execution="plan", take_over=params.take_over, dry_run=True
            )
        if dry.seen.template_hash == seen.template_hash:
            raise CannotPlan(
                f"{name} would stay as it is: somebody else declares it too. Change it there."
                if value is None
                else f"{name} has this value already. Give another one."
            )
        given = {"value": value} if revision is None else {"as in": revision.template_hash}
        what = f"to “{_cut(value or '')}”" if revision is None else f"as in revision {revision.number}"
        forth = {"container": container, "name": name, **given}
        back = {"container": container, "name": name, "as in": seen.template_hash}
        return template_plan(
            self.id,
            target,
            seen,
            dry.seen,
            world,
            what="the variable",
            params={
                "container": container, "name": name, "take_over": params.take_over,
                **({"value": value} if revision is None else {"as_in_revision": revision.number}),
            },
            summary=f"Patch variable of {target.ref.name}, {name} {what}",
            forth=Step("patch", f"Set {name} of {container} {what}", "variable", forth),
            back=Step("patch-back", f"Put {name} of {container} back as it was", "variable", back),
            undo={"container": container, "name": name, "as_in_revision": current.number} if seen.revision_history_limit else None,
            eject=(_eject(target, current, container, name, value, hidden=revision is not None),),
            claims=dry.taken_from,
            impact=(
                availability(seen, world.cluster.budgets_of(seen)),
                Impact("Blast radius", f"1 field, {pods_of(seen)}", "A process reads its environment when it starts, so all are replaced."),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        def write(seen: WorkloadSeen) -> WorkloadSeen:
            container, name, value = str(step.args["container"]), str(step.args["name"]), _value(step, seen, world)
            run, take_over = world.current_run.id, bool(plan.params.get("take_over"))
            return self._write(world, seen, container, name, value, execution=run, take_over=take_over).seen

        return put_in_place(step, plan, world, write)

    def _write(
        self,
        world: World,
        seen: WorkloadSeen,
        container: str,
        name: str,
        value: str | None,
        *,
        execution: str,
        take_over: bool,
        dry_run: bool = False,
    ) -> Applied[WorkloadSeen]:
        return world.cluster.applying.set_variable(
            seen.ref, as_=world.person, container=container, name=name, value=value, execution=execution, seen=seen.resource_version,
            take_over=take_over, dry_run=dry_run,
        )  # fmt: skip

    def verify(self, plan: Plan, world: World) -> Verdict:
        return in_place(plan, world, "with the new value")

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return back_in_place(plan, world)


def _refuse(params: PatchVariableParams, seen: WorkloadSeen, current: RevisionSeen) -> None:
    """Raises `CannotPlan` for what is not a plain variable of this workload."""
    if params.container not in {each.name for each in seen.containers}:
        names = ", ".join(each.name for each in seen.containers)
        raise CannotPlan(f"It has no container {params.container}. There is {names}.")
    if not NAME.fullmatch(params.name):
        raise CannotPlan("Name a variable: letters, digits and _, not beginning with a digit.")
    refuse_credentials(params.name, params.value or "")
    there = _declared(current, params.container, params.name)
    if there is not None and there.source:
        way = "Use “Rotate secret”." if there.source.startswith("Secret") else "Change it there."
        raise CannotPlan(f"{params.name} comes from {there.source}, and what is plain here would hide that. {way}")


def _declared(revision: RevisionSeen, container: str, name: str) -> VariableSeen | None:
    found = [each for each in variables(revision) if (each.container, each.name) == (container, name)]
    return found[-1] if found else None  # of two by one name, a container gets the last


def _plain(revision: RevisionSeen, container: str, name: str) -> str | None:
    """What it was in that revision, `None` when it was not there."""
    found = _declared(revision, container, name)
    if found is not None and found.source:
        raise CannotPlan(f"In revision {revision.number} {name} came from {found.source}. Roll back to it instead.")
    return found.value if found else None


def _value(step: Step, seen: WorkloadSeen, world: World) -> str | None:
    if "value" in step.args:
        return str(step.args["value"])
    kept = {each.template_hash: each for each in world.cluster.revisions_of(seen)}
    revision = kept.get(str(step.args["as in"]))
    if revision is None:
        raise Drifted("The cluster does not keep that revision any more, so nobody knows what the variable was.")
    return _plain(revision, str(step.args["container"]), str(step.args["name"]))


def _known(current: RevisionSeen, container: str) -> str:
    """What can be patched, by name."""
    names = [each.name for each in variables(current) if each.container == container and not each.source]
    plain = [name for name in dict.fromkeys(names) if not names_a_credential(name)]
    return ", ".join(plain[:8]) + (f" and {len(plain) - 8} more" if len(plain) > 8 else "") or "no plain variables yet"


def _cut(value: str) -> str:
    return value if len(value) <= SHOWN else f"{value[: SHOWN - 1]}…"


def _eject(target: Target, current: RevisionSeen, container: str, name: str, value: str | None, *, hidden: bool) -> str:
    """The command says the value only if the request does."""
    quoted = (value or "").replace("'", "'\\''")
    setting = f"{name}-" if value is None else f"{name}=… (as it was)" if hidden else f"'{name}={quoted}'"
    return kubectl(target, "set env", f"{target.ref.kind.lower()}/{target.ref.name}", f"--containers={container}", setting)  # fmt: skip
