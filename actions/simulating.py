"""What would be answered if somebody else asked, or at another time. Nothing is asked for.

The plan is made as whoever looks, who sees of the outside what they may; the rules are asked about the person and the moment.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from approvals.rulings import Ruling
from inventory.models import Person
from inventory.queries import VIEW

from . import targets
from .admission import Preview
from .errors import NotFound
from .planning import make_plan, read_params, world_for
from .policies import current_policy
from .registry import UnknownAction, action_named
from .ruling import decide, facts_of
from .terms import Terms

ABOUT_SOMEBODY = ("actor.", "history.")


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
    ruling = _told(decide(facts, plan, policy, Terms()), viewer, person)
    return Preview(chosen, row, values, plan, ruling, took, facts)


def _told(ruling: Ruling, viewer: Person, person: Person) -> Ruling:
    """Without what a stranger is and did: which groups they are in and how much they asked for is for who works with them."""
    colleagues = person.groups.filter(pk__in=viewer.groups.values("pk")).exists()
    if colleagues or viewer == person or viewer.has_perm(f"inventory.{VIEW}"):
        return ruling
    answers = tuple(
        replace(answer, facts=tuple(fact for fact in answer.facts if not fact[0].startswith(ABOUT_SOMEBODY)))
        for answer in ruling.answers
    )
    return replace(ruling, answers=answers)
