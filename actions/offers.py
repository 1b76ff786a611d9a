"""The nearest smaller ask that needs fewer people: what the policy would let through, found by planning it, not by reading rules.

Numbers that are true now are approached from what was asked; what has no present value, such as a time, gets smaller. Every value that
is offered was planned and ruled on, so it is never a guess; where there are more values than plans, round ones are tried.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, get_args

from django.db import connection
from pydantic.fields import FieldInfo

from approvals.rulings import Effect, Ruling
from inventory.models import Person

from . import planning, services, targets
from .admission import Preview
from .errors import BadParams, CannotPlanNow, OneAtATime
from .protocol import Params
from .terms import AS_USUAL, Terms

MOST_PLANS = 8
"""Of one offer, the one that was asked for among them: each is a read and a dry run outside."""
LOCK = 0x0FFE2
"""With whoever asks: any number that nobody else locks in a pair."""
MOST_VALUES = 63
"""As many as the plans that are left tell apart: one for the smallest, and six halvings."""
ROUND = (1, 2, 5, 10, 15, 20, 50, 60, 100, 250, 500, 1000, 1440, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Less:
    """One parameter with less. `now` is what is true at this moment, `None` when that is not known."""

    name: str
    value: int
    asked: int
    now: int | None


@dataclass(frozen=True)
class Offer:
    """What to ask for instead: mostly one parameter, and several where one alone is not enough."""

    less: tuple[Less, ...]
    seen: Preview


Ladder = Sequence[Mapping[str, int]]
"""What to try for one or several parameters, the nearest to what was asked first."""


@dataclass
class _Search:
    """Plans values of one ask, as long as there are plans left."""

    actor: Person
    action: str
    target: int
    params: Mapping[str, Any]
    from_form: bool
    terms: Terms
    left: int = MOST_PLANS

    def plan(self, values: Mapping[str, int]) -> Preview:
        self.left -= 1
        typed = {name: str(value) if self.from_form else value for name, value in values.items()}
        return services.preview(
            actor=self.actor, action=self.action, target=self.target, params={**self.params, **typed}, from_form=self.from_form,
            terms=self.terms,
        )  # fmt: skip

    def better(self, values: Mapping[str, int], than: Ruling) -> Preview | None:
        """Also nothing when it cannot be planned: the next values may be."""
        if self.left < 1:
            return None
        try:
            found = self.plan(values)
        except (BadParams, CannotPlanNow):
            return None
        return found if price(found.ruling) < price(than) else None

    def nearest(self, ladder: Ladder, than: Ruling) -> tuple[Mapping[str, int], Preview] | None:
        """By halving: the last rung is tried first, because if that is no better, none is."""
        best = self.better(ladder[-1], than)
        if best is None:
            return None
        worse, better = -1, len(ladder) - 1
        while better - worse > 1 and self.left > 0:
            middle = (worse + better) // 2
            found = self.better(ladder[middle], than)
            if found is not None:
                better, best = middle, found
            else:
                worse = middle
        return ladder[better], best


def nearest(
    *,
    actor: Person,
    action: str,
    target: int,
    params: Mapping[str, Any],
    from_form: bool = False,
    terms: Terms = AS_USUAL,
) -> Offer | None:
    """What could be asked for instead, or `None`. Nothing is written. Raises `OneAtATime`, and what `services.preview` raises."""
    with _alone(actor):
        return _nearest(_Search(actor, action, target, params, from_form, terms))


def _nearest(search: _Search) -> Offer | None:
    asked = search.plan({})
    if asked.ruling.effect is Effect.ALLOW:
        return None
    goal = targets.target_of(asked.row)
    now = planning.defaults_for(asked.action, goal, planning.world_for(goal, search.actor))
    sizes = _sizes(asked.params, now)
    for ladder in _ladders(sizes):
        if (found := search.nearest(ladder, asked.ruling)) is not None:
            values, seen = found
            return Offer(tuple(replace(size, value=values[size.name]) for size in sizes if size.name in values), seen)
    return None


@contextmanager
def _alone(actor: Person) -> Iterator[None]:
    """One search per human at a time: each is many reads of a cluster, whatever is asked. Raises `OneAtATime`."""
    whose = [LOCK, actor.identity % 2**31]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", whose)
        if not cursor.fetchone()[0]:
            raise OneAtATime("Less is looked for already, for something else that you asked. Try again in a moment.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", whose)


def price(ruling: Ruling) -> tuple[bool, int]:
    """What it takes: to be denied is more than any number of approvals."""
    return ruling.effect is Effect.DENY, sum(need.count for need in ruling.requirements)


def has_sizes(params: type[Params]) -> bool:
    """Whether any of its parameters is a number that could be smaller."""
    schemas = params.model_json_schema().get("properties", {})
    return any(_is_int(info) and _is_a_size(schemas[name]) for name, info in params.model_fields.items())


def _sizes(params: Params, now: Mapping[str, Any]) -> Sequence[Less]:
    """Each number that can be smaller; what is furthest from the present first: that is what the policy most likely minds.

    `value` is the smallest there is to ask for: beside what is true now, or the least that the schema lets through.
    """
    schemas = type(params).model_json_schema()["properties"]
    found = []
    for name, info in type(params).model_fields.items():
        asked, schema = getattr(params, name), schemas[name]
        if not _is_int(info) or asked is None or not _is_a_size(schema):
            continue
        present = now.get(name)
        if isinstance(present, int) and not schema.get("proposed"):
            if asked != present:
                found.append(Less(name, present + (1 if asked > present else -1), asked, present))
        elif (least := _least(schema)) is not None and asked > least:
            found.append(Less(name, least, asked, None))
    return sorted(
        found, key=lambda each: (each.now is None, -abs(each.asked - (each.now or 0)) / max(1, abs(each.now or 0)))
    )


def _ladders(sizes: Sequence[Less]) -> Iterator[Ladder]:
    """Each alone, and then those that move away from the present together."""
    for size in sizes:
        if values := _values(size.asked, size.value):
            yield [{size.name: value} for value in values]
    moved = [size for size in sizes if size.now is not None]
    if len(moved) > 1:
        rungs = min(MOST_VALUES, max(abs(size.asked - size.value) for size in moved))
        if rungs:
            yield [{size.name: _between(size, rung, rungs) for size in moved} for rung in range(1, rungs + 1)]


def _between(size: Less, rung: int, rungs: int) -> int:
    """So far on the way to the least."""
    return size.asked + round((size.value - size.asked) * rung / rungs)


def _is_int(info: FieldInfo) -> bool:
    return int in (info.annotation, *get_args(info.annotation))


def _is_a_size(schema: Mapping[str, Any]) -> bool:
    """What can be stepped up and down. Any other number is a name: of a revision, of a version."""
    return bool(schema.get("widget") == "stepper")


def _least(schema: Mapping[str, Any]) -> int | None:
    bounds = [schema, *schema.get("anyOf", [])]
    return next((int(each["minimum"]) for each in bounds if "minimum" in each), None)


def _values(asked: int, last: int) -> Sequence[int]:
    """From beside `asked` to `last`, which is always among them; round ones where there are too many."""
    step = 1 if last > asked else -1
    every = range(asked + step, last + step, step)
    if not every:
        return ()
    apart = next((size for size in ROUND if len(every) // size < MOST_VALUES), ROUND[-1])
    return [value for value in every if value % apart == 0 or value == last] if apart > 1 else every
