"""Makes plans: finds the target, builds the world an action may see, and turns every way a plan can fail into one sentence.

Nothing here changes anything outside: actions read and dry-run through the connector.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, get_args

from django.conf import settings
from django.utils import timezone
from pydantic import ValidationError

from audit.canonical import storable
from connectors import registry as connectors
from connectors.errors import Conflict, ConnectorError, Missing, Transient
from connectors.kubernetes import OPERATORS, Identity, KubernetesCluster
from connectors.vault import VaultServer
from inventory.models import Person

from .errors import BadParams, CannotPlanNow
from .models import Grant
from .protocol import CannotPlan, LeftAlone, Option, Params, Plan, Run, Target, World, nobody_holds, plan_from
from .registry import AnyAction
from .states import GrantState

MOST_PROBLEMS = 20
"""Somebody who sends a thousand wrong values is not helped by a thousand sentences."""

CONFLICT_TRIES = 5


def identity_of(person: Person) -> Identity:
    """Whom the cluster sees: the person, in the one group that may act. Team membership is decided here, not there."""
    return Identity(person.username, (OPERATORS,))


def world_for(
    target: Target,
    person: Person,
    run: Run | None = None,
    now: datetime | None = None,
    hold: Callable[[], None] = nobody_holds,
) -> World:
    """Raises `CannotPlanNow` when the target's cluster or vault is not connected."""
    try:
        cluster = _cluster(target.cluster) if target.cluster else None
        vault = _vault(target.vault)
    except Missing as problem:
        raise CannotPlanNow(f"{problem.sentence} Ask an administrator to connect it again.") from problem
    soak = settings.CONFIGURATION.soak_seconds
    return World(
        cluster, identity_of(person), now or timezone.now(), soak, run, hold, bao=vault, elsewhere=_elsewhere,
        temporary=_temporary(target.key),
    )  # fmt: skip


def world_at(world: World, target: Target) -> World:
    """The same world, seen from another target. Raises `CannotPlanNow` when that one's cluster or vault is not connected."""
    try:
        cluster = world.cluster_named(target.cluster) if target.cluster else None
        there = world.bao is not None and target.vault in ("", world.bao.name)
        vault = world.bao if there else _vault(target.vault)
    except (CannotPlan, Missing) as problem:
        raise CannotPlanNow(str(problem)) from problem
    return replace(world, kubernetes=cluster, bao=vault, temporary=_temporary(target.key))


def _temporary(target_key: str) -> tuple[Plan, ...]:
    rows = Grant.objects.filter(target_key=target_key, kind=Grant.Kind.CHANGE, state=GrantState.ACTIVE)
    texts = rows.order_by("starts_at", "pk").values_list("request__plan_text", flat=True)
    return tuple(plan_from(json.loads(text)).granting for text in texts)


def _cluster(name: str) -> KubernetesCluster:
    return connectors.connection("kubernetes", name)


def _vault(name: str) -> VaultServer | None:
    """The target's; for what is in a cluster only, the one that is connected, to hand credentials over through."""
    connected = connectors.names("vault")
    if not name and not connected:
        return None
    return connectors.connection("vault", name or connected[0])


def _elsewhere(name: str) -> KubernetesCluster:
    try:
        return _cluster(name)
    except Missing as problem:
        raise CannotPlan(f"{problem.sentence} Ask an administrator to connect it again.") from problem


def read_params(action: AnyAction, raw: Mapping[str, Any], *, from_form: bool = False) -> Params:
    """Validate parameters. A form sends text only, so its text may stand for numbers; JSON must have the right types.

    Raises `BadParams` with the field and the reason.
    """
    return _validated(action.params, raw, from_form=from_form)


def read_values(name: str, model: type[Params], raw: Mapping[str, str]) -> Params:
    """Validate what is inside the parameter `name`, all of it text. Raises `BadParams` with `name.field` and the reason."""
    try:
        return _validated(model, raw, from_form=True)
    except BadParams as problem:
        raise BadParams(
            {name if field == "params" else f"{name}.{field}": said for field, said in problem.fields.items()}
        ) from problem


def _validated(model: type[Params], raw: Mapping[str, Any], *, from_form: bool) -> Params:
    if from_form and (odd := _odd_numbers(model, raw)):
        raise BadParams(odd)
    try:
        return model.model_validate_strings(raw) if from_form else model.model_validate(raw)
    except (ValidationError, RecursionError) as problem:
        if isinstance(problem, RecursionError):
            raise BadParams({"params": ["Nested too deeply."]}) from problem
        fields: dict[str, list[str]] = {}
        for error in problem.errors(include_url=False, include_input=False)[:MOST_PROBLEMS]:
            name = storable(".".join(str(part)[:100] for part in error["loc"])) or "params"
            fields.setdefault(name, []).append(error["msg"].removeprefix("Value error, "))
        raise BadParams(fields) from problem


def _odd_numbers(model: type[Params], form: Mapping[str, str]) -> dict[str, list[str]]:
    """Pydantic would also read 1_0, 1.0 and the digits of other scripts."""
    return {
        name: ["Write a whole number in digits, such as 4"]
        for name, field in model.model_fields.items()
        if name in form and int in (field.annotation, *get_args(field.annotation))
        and not re.fullmatch(r" *-?[0-9]{1,18} *", form[name])
    }  # fmt: skip


def make_plan(action: AnyAction, target: Target, params: Params, world: World) -> Plan:
    """Ask the action for its plan. Raises `CannotPlanNow` with one sentence, whatever went wrong outside."""
    if target.ref.kind not in action.kinds:
        raise CannotPlanNow(
            f"{action.title} works on {', '.join(action.kinds)}. {target.label} is a {target.ref.kind}."
        )
    try:
        return _tidy(_plan(action, target, params, world))
    except CannotPlan as refusal:
        raise CannotPlanNow(str(refusal), left_alone=isinstance(refusal, LeftAlone)) from refusal
    except ConnectorError as problem:
        detail = (
            f" The server said: {problem.detail}" if problem.detail and problem.detail not in problem.sentence else ""
        )
        raise CannotPlanNow(f"{problem.sentence}{detail}", temporary=isinstance(problem, Transient)) from problem


def _plan(action: AnyAction, target: Target, params: Params, world: World) -> Plan:
    """A status that moves between the read and the dry run is a conflict that says nothing about the plan: read again."""
    for _ in range(CONFLICT_TRIES - 1):
        with suppress(Conflict):
            return action.plan(target, params, world)
    return action.plan(target, params, world)


def defaults_for(action: AnyAction, target: Target, world: World) -> Mapping[str, Any]:
    """Values for the form from what is true now. Raises `CannotPlanNow`."""
    with _looking():
        return action.defaults(target, world)


def present_for(action: AnyAction, target: Target, params: Params, world: World) -> Mapping[str, Any]:
    """What is true now of what these parameters are about. Raises `CannotPlanNow`."""
    with _looking():
        return action.present(target, params, world)


def inner_for(action: AnyAction, target: Target, chosen: Mapping[str, Any], world: World) -> Mapping[str, type[Params]]:
    """What belongs into the parameters that are mappings. Raises `CannotPlanNow`."""
    with _looking():
        return action.inner(target, chosen, world)


def options_for(action: AnyAction, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
    """What the form offers to choose from. Raises `CannotPlanNow`."""
    with _looking():
        return action.options(target, world)


@contextmanager
def _looking() -> Iterator[None]:
    try:
        yield
    except CannotPlan as refusal:
        raise CannotPlanNow(str(refusal)) from refusal
    except ConnectorError as problem:
        raise CannotPlanNow(problem.sentence, temporary=isinstance(problem, Transient)) from problem


def _tidy(plan: Plan) -> Plan:
    return replace(plan, summary=plan.summary[:400])
