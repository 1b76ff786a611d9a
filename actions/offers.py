"""The nearest smaller ask that needs fewer people: what the policy would let through, found by planning it, not by reading rules.

Numbers that are true now are approached from what was asked; what has no present value, such as a time, gets smaller. Every value that
is offered was planned and ruled on, so it is never a guess; where there are more values than plans, round ones are tried.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic.fields import FieldInfo

from approvals.rulings import Effect, Ruling
from inventory.models import Person

from . import planning, services, targets
from .admission import Preview
from .errors import BadParams, CannotPlanNow
from .protocol import Params
from .terms import Terms

MOST_PLANS = 8
"""Of one offer, the one that was asked for among them: each is a read and a dry run outside."""
MOST_VALUES = 63
"""As many as the plans that are left tell apart: one for the smallest, and six halvings."""
ROUND = (1, 2, 5, 10, 15, 20, 50, 60, 100, 250, 500, 1000, 1440, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Offer:
    """One parameter with less. `now` is what is true at this moment, `None` when that is not known."""

    name: str
    value: int
    asked: int
    now: int | None
    seen: Preview


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
    seen: dict[tuple[str, int], Preview] = field(default_factory=dict)

    def plan(self, values: Mapping[str, Any]) -> Preview:
        self.left -= 1
        return services.preview(
            actor=self.actor, action=self.action, target=self.target, params={**self.params, **values}, from_form=self.from_form,
            terms=self.terms,
        )  # fmt: skip

    def is_better(self, name: str, value: int, than: Ruling) -> bool:
        """Also no when it cannot be planned: the next value may be."""
        try:
            found = self.plan({name: str(value) if self.from_form else value})
        except (BadParams, CannotPlanNow):
            return False
        self.seen[name, value] = found
        return price(found.ruling) < price(than)


def nearest(
    *,
    actor: Person,
    action: str,
    target: int,
    params: Mapping[str, Any],
    from_form: bool = False,
    terms: Terms = Terms(),  # noqa: B008  # frozen
) -> Offer | None:
    """What could be asked for instead, or `None`. Nothing is written. Raises what `services.preview` raises."""
    search = _Search(actor, action, target, params, from_form, terms)
    asked = search.plan({})
    if asked.ruling.effect is Effect.ALLOW:
        return None
    goal = targets.target_of(asked.row)
    now = planning.defaults_for(asked.action, goal, planning.world_for(goal, actor))
    for name, value, present, values in _smaller(asked.params, now):
        found = _nearest_of(search, name, values, asked.ruling)
        if found is not None:
            return Offer(name, found, value, present, search.seen[name, found])
    return None


def price(ruling: Ruling) -> tuple[bool, int]:
    """What it takes: to be denied is more than any number of approvals."""
    return ruling.effect is Effect.DENY, sum(need.count for need in ruling.requirements)


def has_sizes(params: type[Params]) -> bool:
    """Whether any of its parameters is a number that could be smaller."""
    schemas = params.model_json_schema().get("properties", {})
    return any(_is_int(info) and _is_a_size(schemas[name]) for name, info in params.model_fields.items())


def _smaller(params: Params, now: Mapping[str, Any]) -> Iterator[tuple[str, int, int | None, Sequence[int]]]:
    """Each number that can be smaller: its name, its value, what is true now, and what to try, the nearest to what was asked first.

    What is furthest from the present comes first: that is what the policy most likely minds.
    """
    schemas = type(params).model_json_schema()["properties"]
    found = []
    for name, info in type(params).model_fields.items():
        asked, schema = getattr(params, name), schemas[name]
        if not _is_int(info) or asked is None or not _is_a_size(schema):
            continue
        present = now.get(name)
        present = present if isinstance(present, int) and not schema.get("proposed") else None
        least = present if present is not None else _least(schema)
        if least is None or asked == least or (present is None and asked < least):
            continue
        last = (
            least + (1 if asked > least else -1) if present is not None else least
        )  # what is true now is nothing to ask for
        if values := _values(asked, last):
            found.append((name, asked, present, values))
    yield from sorted(
        found, key=lambda each: (each[2] is None, -abs(each[1] - (each[2] or 0)) / max(1, abs(each[2] or 0)))
    )


def _is_int(info: FieldInfo) -> bool:
    return int in (info.annotation, *get_args(info.annotation))


def _is_a_size(schema: Mapping[str, Any]) -> bool:
    """A number that is chosen from a list is a name: of a revision, of a version."""
    return bool(schema.get("widget", "stepper") == "stepper")


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


def _nearest_of(search: _Search, name: str, values: Sequence[int], than: Ruling) -> int | None:
    """By halving: the last one is tried first, because if that is no better, none is."""
    if search.left < 1 or not search.is_better(name, values[-1], than):
        return None
    worse, better = -1, len(values) - 1
    while better - worse > 1 and search.left > 0:
        middle = (worse + better) // 2
        if search.is_better(name, values[middle], than):
            better = middle
        else:
            worse = middle
    return values[better]
