"""The nearest smaller ask that needs fewer people: what the policy would let through, found by planning it, not by reading rules.

Amounts that are true now are approached from what was asked; what has no present value, such as a time, gets smaller. Every value that
is offered was planned and ruled on, so it is never a guess; where there are more values than plans, round ones are tried.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection

from approvals.rulings import Effect, Ruling
from inventory.models import Person

from . import planning, services, targets
from .admission import Preview
from .amounts import Amount, Kind, kinds_in, number_of, numbers_towards, quantities_towards
from .errors import BadParams, CannotPlanNow, OneAtATime
from .protocol import Params
from .terms import AS_USUAL, Terms

MOST_PLANS = 8
"""Of one offer, the one that was asked for among them: each is a read and a dry run outside."""
LOCK = 0x0FFE2
"""With whoever asks: any number that nobody else locks in a pair."""


@dataclass(frozen=True)
class Less:
    """One parameter with less. `now` is what is true at this moment, `None` when that is not known."""

    name: str
    value: Amount
    asked: Amount
    now: Amount | None

    @property
    def percent(self) -> int | None:
        """How far that is from the present; `None` when that is nothing, or not known."""
        value, now = number_of(self.value), number_of(self.now)
        return round((value - now) * 100 / now) if value is not None and now else None


@dataclass(frozen=True)
class Offer:
    """What to ask for instead: mostly one parameter, and several where one alone is not enough."""

    less: tuple[Less, ...]
    seen: Preview


Ladder = Sequence[Mapping[str, Amount]]
"""What to try for one or several parameters, the nearest to what was asked first."""


@dataclass(frozen=True)
class _Size:
    """One amount that was asked for, and what lies between it and what is true now, the nearest to it first."""

    name: str
    asked: Amount
    now: Amount | None
    values: Sequence[Amount]

    @property
    def how_far(self) -> tuple[bool, Decimal]:
        """What is furthest from the present comes first: that is what the policy most likely minds."""
        asked, now = (number_of(each) or Decimal(0) for each in (self.asked, self.now))
        return self.now is None, -abs(asked - now) / (now or 1)


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

    def plan(self, values: Mapping[str, Amount]) -> Preview:
        self.left -= 1
        typed = {name: str(value) if self.from_form else value for name, value in values.items()}
        return services.preview(
            actor=self.actor, action=self.action, target=self.target, params={**self.params, **typed}, from_form=self.from_form,
            terms=self.terms,
        )  # fmt: skip

    def better(self, values: Mapping[str, Amount], than: Ruling) -> Preview | None:
        """Also nothing when it cannot be planned: the next values may be."""
        if self.left < 1:
            return None
        try:
            found = self.plan(values)
        except (BadParams, CannotPlanNow):
            return None
        return found if price(found.ruling) < price(than) else None

    def nearest(self, ladder: Ladder, than: Ruling) -> tuple[Mapping[str, Amount], Preview] | None:
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
    world = planning.world_for(goal, search.actor)
    sizes = _sizes(asked.params, planning.present_for(asked.action, goal, asked.params, world))
    for ladder in _ladders(sizes):
        if (found := search.nearest(ladder, asked.ruling)) is not None:
            values, seen = found
            less = (Less(each.name, values[each.name], each.asked, each.now) for each in sizes if each.name in values)
            return Offer(tuple(less), seen)
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
    """Whether any of its parameters could be smaller."""
    return bool(kinds_in(params))


def _sizes(params: Params, now: Mapping[str, Any]) -> Sequence[_Size]:
    """Each amount that can be smaller."""
    kinds = kinds_in(type(params))
    found = (_size(name, kind, getattr(params, name), now.get(name)) for name, kind in kinds.items())
    return sorted((size for size in found if size is not None), key=lambda size: size.how_far)


def _size(name: str, kind: Kind, asked: Amount | None, now: Any) -> _Size | None:
    """`None` for what was not asked, is as it is now, or is as little as can be."""
    wanted, there = number_of(asked), number_of(now)
    if asked is None or wanted is None or wanted == there:
        return None
    if not kind.whole:
        return _Size(name, asked, now, quantities_towards(str(asked), now)) if there is not None else None
    if isinstance(now, int) and not kind.proposed:
        return _Size(name, asked, now, numbers_towards(int(asked), now + (1 if int(asked) > now else -1)))
    if kind.least is not None and int(asked) > kind.least:
        return _Size(name, asked, None, numbers_towards(int(asked), kind.least))
    return None


def _ladders(sizes: Sequence[_Size]) -> Iterator[Ladder]:
    """Each alone, and then those that move away from the present together."""
    for size in sizes:
        if size.values:
            yield [{size.name: value} for value in size.values]
    moved = [size for size in sizes if size.now is not None and size.values]
    if len(moved) > 1:
        rungs = max(len(size.values) for size in moved)
        yield [{size.name: _at(size, rung, rungs) for size in moved} for rung in range(1, rungs + 1)]


def _at(size: _Size, rung: int, rungs: int) -> Amount:
    """So far on the way to the present."""
    return size.values[-(-len(size.values) * rung // rungs) - 1]
