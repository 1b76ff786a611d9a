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
from .errors import NotFound
from .planning import make_plan, read_params, world_for
from .policies import current_policy
from .registry import UnknownAction, action_named
from .ruling import decide, facts_of
from .terms import Terms


def simulate(
    *,
    viewer: Person,
    person: Person,
    at: datetime,
    action: str,
    target: int,
    params: Mapping[str, Any],
    from_form: bool = False,
) -> Preview:
    """Raises `NotFound`, `BadParams`, `CannotPlanNow`."""
    try:
        chosen = action_named(action)
    except UnknownAction as unknown:
        raise NotFound(str(unknown)) from unknown
    row = targets.find(chosen.target, viewer, target)
    values = read_params(chosen, params, from_form=from_form)
    goal, started = targets.target_of(row), timezone.now()
    plan = make_plan(chosen, goal, values, world_for(goal, viewer, now=started))
    took = int((timezone.now() - started).total_seconds() * 1000)
    policy = current_policy()
    facts = facts_of(chosen, row, person, at, plan, policy)
    return Preview(chosen, row, values, plan, decide(facts, plan, policy, Terms()), took, facts)
