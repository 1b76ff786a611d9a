"""How much and how long: which parameters say that, and what a person would write for a bit less of it.

A whole number is of something, such as replicas or minutes. A quantity is text as Kubernetes has it: 250m, 2, 512Mi.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from math import ceil, floor
from typing import Any, get_args

from connectors.errors import InvalidName
from connectors.names import quantity

from .protocol import QUANTITY, Params

Amount = int | str

MOST_VALUES = 63
"""Of whole numbers: as many as seven plans tell apart, one for the smallest, and six halvings."""
PARTS = 16
"""Of a quantity: into how many parts at least the larger of two is divided. People do not write 1984Mi."""
ROUND = (1, 2, 5, 10, 15, 20, 50, 60, 100, 250, 500, 1000, 1440, 10_000, 100_000, 1_000_000)
UNITS = (("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), ("n", "u", "m", ""), ("k", "M", "G", "T", "P", "E"))
FINER = {"Gi": "Mi", "Ti": "Gi", "": "m", "G": "M", "T": "G"}
"""What people go on in when a unit is too large: 1536Mi of 2Gi, 1500m of 2."""


@dataclass(frozen=True)
class Kind:
    """What is known of such a parameter: `proposed`, its default is no fact; `least`, what its schema lets through."""

    whole: bool
    proposed: bool = False
    least: int | None = None


def kinds_in(params: type[Params]) -> Mapping[str, Kind]:
    """The parameters that say how much or how long. A number that is chosen from a list is a name, as of a revision."""
    schemas, found = params.model_json_schema().get("properties", {}), {}
    for name, field in params.model_fields.items():
        schema = schemas[name]
        if schema.get("format") == QUANTITY:
            found[name] = Kind(whole=False)
        elif int in (field.annotation, *get_args(field.annotation)) and (
            schema.get("widget") == "stepper" or schema.get("proposed")
        ):
            found[name] = Kind(True, bool(schema.get("proposed")), _least(schema))
    return found


def number_of(value: object) -> Decimal | None:
    """What two amounts are compared by; `None` for what is none: not given, not set, no limit."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return Decimal(value) if isinstance(value, int) else quantity(value)
    except InvalidName:
        return None


def numbers_towards(asked: int, last: int) -> Sequence[int]:
    """From beside `asked` to `last`, which is always among them; round ones where there are too many."""
    step = 1 if last > asked else -1
    every = range(asked + step, last + step, step)
    apart = next((size for size in ROUND if len(every) // size < MOST_VALUES), ROUND[-1])
    return [value for value in every if value % apart == 0 or value == last] if apart > 1 else every


def quantities_towards(asked: str, now: str) -> Sequence[str]:
    """Between the two, the nearest to `asked` first, each in the unit that was asked in, or in the next smaller one."""
    start, end = quantity(asked), quantity(now)
    unit = asked.lstrip("0123456789.")
    units = next(each for each in UNITS if unit in each)
    step = _step(FINER.get(unit, unit), max(start, end) / PARTS)
    first, last = sorted((start, end))
    multiples = range(floor(first / step) + 1, ceil(last / step))
    return [_written(number * step, units) for number in (reversed(multiples) if start > end else multiples)]


def _step(unit: str, least: Decimal) -> Decimal:
    """The least round number of a unit that is not less than `least`."""
    one = quantity(f"1{unit}")
    return next(one * each for each in _round(binary=unit.endswith("i")) if one * each >= least)


def _round(*, binary: bool) -> Iterator[int]:
    for power in count():
        yield from (2**power,) if binary else (10**power, 2 * 10**power, 5 * 10**power)


def _written(number: Decimal, units: Sequence[str]) -> str:
    """In the largest of the units in which it is whole."""
    sizes = ((unit, quantity(f"1{unit}")) for unit in reversed(units))
    return next(f"{int(number / size)}{unit}" for unit, size in sizes if number % size == 0)


def _least(schema: Mapping[str, Any]) -> int | None:
    bounds = [schema, *schema.get("anyOf", [])]
    return next((int(each["minimum"]) for each in bounds if "minimum" in each), None)
