"""What would be answered if somebody else asked, or at another time. Nothing is asked for.

The plan is made as whoever looks, who sees of the outside what they may; the rules are asked about the person and the moment.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from inventory.models import Person

from . import targets
from .admission import Preview
from .planning import make_plan, read_params, world_for
from .policies import current_policy
from .registry import action_named
from .ruling import decide, facts_of
from .terms import Terms


def simulate(
    *, viewer: Person, person: Person, at: datetime, action: str, target: int, params: Mapping[str, Any]
) -> Preview:
    """Raises `NotFound`, `BadParams`, `CannotPlanNow`."""
    chosen = action_named(action)
    row = targets.find(chosen.target, viewer, target)
    values = read_params(chosen, params, from_form=True)
    goal, started = targets.target_of(row), timezone.now()
    plan = make_plan(chosen, goal, values, world_for(goal, viewer, now=started))
    took = int((timezone.now() - started).total_seconds() * 1000)
    facts = facts_of(chosen, row, person, at, plan)
    return Preview(chosen, row, values, plan, decide(facts, plan, current_policy(), Terms()), took, facts)
