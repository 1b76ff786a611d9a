"""Several changes as one: one plan, one approval, one run; what fails takes back what was done before it, in reverse order.

To stabilise a service is to get access to it, restart one workload and roll another one back; to rotate across services is to rotate
the secrets of several. Every part is planned, gated and verified as if it were asked for alone (`ruling` asks the policy for each): a
chain never gets more than its parts would.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from connectors.kubernetes.jobs import LogSeen
from inventory.models import Person

from .. import targets
from ..chaining import compose, mine, of_part, part_of
from ..errors import BadParams, CannotPlanNow, NotFound
from ..planning import make_plan, read_params, world_at
from ..protocol import Action, CannotPlan, NotYet, Outcome, Params, Plan, Risk, Step, Target, TargetKind, Verdict, World
from ..registry import AnyAction, UnknownAction, action_named, register

MOST_PARTS = 10


class Part(Params):
    action: str = Field(max_length=64, title="Action")
    target: int = Field(ge=1, le=2**63 - 1, title="Target", description="The id of a target of the action's kind.")
    params: dict[str, Any] = Field(default_factory=dict, title="Parameters", description="Those of the action.")


class ChainParams(Params):
    parts: list[Part] = Field(
        min_length=2,
        max_length=MOST_PARTS,
        title="Parts",
        description="In the order in which they are done. All in one environment, of one team, and no two on the same object.",
    )


@register
class Chain(Action[ChainParams]):
    id, title, icon, risk = "chain", "Do several as one", "layers-subtract", Risk.MEDIUM
    target, kinds, preposition = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet", "CronJob"), "for"
    params = ChainParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        return {}

    def plan(self, target: Target, params: ChainParams, world: World) -> Plan:
        person = Person.objects.get(username=world.person.user)
        rows = [self._row(number, part, person) for number, part in enumerate(params.parts, start=1)]
        _belong_together(target, rows)
        plans = [
            self._part(number, part, row, world)
            for number, (part, row) in enumerate(zip(params.parts, rows, strict=True), start=1)
        ]
        asked = [
            {"action": plan.action, "target": row.pk, "params": dict(plan.params)}
            for plan, row in zip(plans, rows, strict=True)
        ]
        undo = [
            {"action": plan.undo_action or plan.action, "target": row.pk, "params": dict(plan.undo or {})}
            for plan, row in zip(reversed(plans), reversed(rows), strict=True)
        ]
        undone = all(plan.undo is not None and plan.lasts_seconds is None for plan in plans)
        return compose(self.id, "undo-chain", target, plans, params={"parts": asked}, undo=undo if undone else ())

    def _row(self, number: int, part: Part, person: Person) -> targets.Row:
        action = self._action(number, part)
        try:
            row = targets.find(action.target, person, part.target)
            targets.service_of(row)
        except NotFound as refusal:
            raise CannotPlan(f"Part {number}: {refusal}") from refusal
        return row

    def _action(self, number: int, part: Part) -> AnyAction:
        try:
            action = action_named(part.action)
        except UnknownAction as unknown:
            raise CannotPlan(f"Part {number}: {unknown}") from unknown
        if isinstance(action, Chain):
            raise CannotPlan(f"Part {number} is a chain itself. Name its parts instead.")
        if not action.listed and self.listed:
            raise CannotPlan(
                f"Part {number}: {action.title} is only done as the end of something else. Give that back, or undo it."
            )
        return action

    def _part(self, number: int, part: Part, row: targets.Row, world: World) -> Plan:
        action, goal = self._action(number, part), targets.target_of(row)
        try:
            plan = make_plan(action, goal, read_params(action, part.params), world_at(world, goal))
        except CannotPlanNow as refusal:
            about = f"Part {number}, {action.title.lower()} {goal.ref.name}"
            raise CannotPlanNow(f"{about}: {refusal}", temporary=refusal.temporary) from refusal
        except BadParams as problem:
            fields = {f"parts.{number - 1}.params.{name}": said for name, said in problem.fields.items()}
            raise BadParams(fields) from problem
        if action.waits_for(plan) == "value":
            raise CannotPlan(f"Part {number} waits for a value that is typed in when it runs. Ask for it alone.")
        return plan

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        number, part, own = part_of(step, plan)
        try:
            done = action_named(part.action).apply(own, part, _world_of(number, part, world))
        except NotYet as pending:
            raise NotYet(str(pending), of_part(number, pending.evidence)) from pending
        return of_part(number, done)

    def verify(self, plan: Plan, world: World) -> Verdict:
        return _together(plan, [
            (number, part, action_named(part.action).verify(part, _world_of(number, part, world)))
            for number, part in enumerate(plan.parts, start=1)
        ])  # fmt: skip

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        """Of what was begun: a part that never was, is as it was."""
        return _together(plan, [
            (number, part, action_named(part.action).verify_revert(part, _world_of(number, part, world)))
            for number, part in enumerate(plan.parts, start=1)
            if _began(number, part, world)
        ])  # fmt: skip

    def logs(self, plan: Plan, world: World) -> Sequence[LogSeen]:
        return [
            log
            for number, part in enumerate(plan.parts, start=1)
            for log in action_named(part.action).logs(part, _world_of(number, part, world))
        ]

    def waits_for(self, plan: Plan) -> Literal["", "start", "value"]:
        """Access that is agreed begins when who asked for it says so, and with it all the rest."""
        starts = any(action_named(part.action).waits_for(part) == "start" for part in plan.parts)
        return "start" if starts else ""


@register
class UndoChain(Chain):
    """Its parts are the undos of a chain's parts, and some of those are never offered alone."""

    id, title, icon = "undo-chain", "Undo several as one", "arrow-back-up"
    listed = False
    params = ChainParams


def _belong_together(target: Target, rows: list[targets.Row]) -> None:
    """One environment and one team, so that who agrees to one part may agree to each, and it is asked for where it is seen."""
    services = [targets.service_of(row) for row in rows]
    if len({service.team_id for service in services}) > 1:
        raise CannotPlan("The parts belong to several teams. Ask each team for its own.")
    if {targets.environment_of(row).slug for row in rows} != {target.environment}:
        raise CannotPlan(f"All parts have to be in {target.environment}, where this is asked for.")
    if target.service not in {service.slug for service in services}:
        raise CannotPlan(
            f"None of the parts is about {target.service}. Ask for it from one of the services that it changes."
        )


def _world_of(number: int, part: Plan, world: World) -> World:
    """As the part would see it if it ran alone."""
    there, run = world_at(world, part.target), world.run
    if run is None:
        return there
    return replace(there, run=replace(run, evidence=mine(number, run.evidence), baseline=mine(number, run.baseline)))


def _began(number: int, part: Plan, world: World) -> bool:
    began = world.current_run.began
    return began is None or any(f"{number}/{step.id}" in began for step in part.steps)


def _together(whole: Plan, verdicts: list[tuple[int, Plan, Verdict]]) -> Verdict:
    """As bad as the worst; what a workload runs is proved for the one that this was asked from."""
    evidence = {name: value for number, _, seen in verdicts for name, value in of_part(number, seen.evidence).items()}
    for outcome in (Outcome.FAILED, Outcome.WAIT):
        for number, part, seen in verdicts:
            if seen.outcome is outcome:
                return Verdict(outcome, f"Part {number}, {part.summary}: {seen.sentence}", evidence)
    said = "; ".join(f"{number}. {seen.sentence}" for number, _, seen in verdicts)
    proof = next((seen.proof for _, part, seen in verdicts if seen.proof and part.target.key == whole.target.key), None)
    return Verdict(Outcome.OK, said, evidence, proof)
