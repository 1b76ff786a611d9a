"""Changes that hold for a while and overlap: which value is in force, and what comes back when one of them ends.

Each is planned on top of those in force, and remembers two things of that: the value from before the first of them, and how many it
lies on. So the last one to end brings back what was there before all of them, one that others lie on ends without a change, and the
uppermost gives way to the next below.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .protocol import CannotPlan, Plan

LEVEL = "temporary changes"
"""Precondition of a temporary change: how many there are with it. Of two in force, the higher one came later."""

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Base:
    """What a temporary change is planned on: what comes back after the last of them, and how many there are with this one."""

    values: Values
    level: int


def base_of(present: Values, in_force: Sequence[Plan]) -> Base:
    """`in_force` are temporary changes of the same target, oldest first. Raises `CannotPlan` when what is there is not theirs."""
    below = of_same(present, in_force)
    if not below:
        return Base(present, 1)
    if values_of(below[-1], present) != present or below[-1].undo is None:
        raise CannotPlan(
            "A temporary change is in force, and somebody else has changed the size since, so there is no telling what should come back. "
            "Give the temporary one back first, or ask without an end."
        )
    return Base({name: below[-1].undo[name] for name in present}, level_of(below[-1]) + 1)


def comes_back(plan: Plan, others: Sequence[Plan], names: Sequence[str]) -> Values | None:
    """The values of the parameters `names` to set when `plan` ends and `others`, oldest first, stay in force.

    `None`: none, because the value is one of theirs.
    """
    if plan.undo is None:
        return None
    own = {name: plan.params[name] for name in names}
    left = of_same(own, others)
    if any(level_of(other) > level_of(plan) for other in left):
        return None
    back = values_of(left[-1], own) if left else {name: plan.undo[name] for name in names}
    return None if back == own else back


def of_same(values: Values, plans: Sequence[Plan]) -> list[Plan]:
    """Those that change the very same things: bounds of an autoscaler do not lie on a number of replicas."""
    return [plan for plan in plans if plan.lasts_seconds is not None and values.keys() <= plan.params.keys()]


def values_of(plan: Plan, like: Values) -> Values:
    return {name: plan.params[name] for name in like}


def level_of(plan: Plan) -> int:
    return int(plan.preconditions.get(LEVEL) or 0)
