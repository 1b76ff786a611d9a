"""What the form of an action takes from the outside before there is a plan: what is true now, and what there is to choose from."""

from collections.abc import Mapping, Sequence
from typing import Any

from actions import planning, targets
from actions.errors import CannotPlanNow
from actions.protocol import Option, Params
from inventory.models import Person

from . import fields
from .goals import Goal


def now_of(person: Person, goal: Goal) -> tuple[Mapping[str, Any], Mapping[str, Sequence[Option]], str]:
    """What is true now, for the fields, what there is to choose from, and the reason why it is not known."""
    target = targets.target_of(goal.row)
    try:
        world = planning.world_for(target, person)
        now = planning.defaults_for(goal.action, target, world)
        return now, planning.options_for(goal.action, target, world), ""
    except CannotPlanNow as problem:
        return {}, {}, str(problem)


def inner_of(person: Person, goal: Goal, chosen: Mapping[str, Any]) -> Mapping[str, type[Params]]:
    """What belongs into the parameters that are mappings; nothing where that cannot be known, which the plan then says."""
    if not fields.has_inside(goal.action.params):
        return {}
    target = targets.target_of(goal.row)
    try:
        return planning.inner_for(goal.action, target, chosen, planning.world_for(target, person))
    except CannotPlanNow:
        return {}
