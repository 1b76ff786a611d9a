"""One that cannot be done must not keep the others waiting: what is done again and again to many is done to each of them apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog
from django.db import connection
from django.db.models import Model, QuerySet

log = structlog.get_logger(__name__)

MOST = 200
"""So many at a time; there are other things that time does."""

Row = TypeVar("Row", bound=Model)

_reached: dict[str, int] = {}
"""Of this process: for each kind of work, the last row whose turn it was."""


def in_turn(what: str, rows: QuerySet[Row]) -> list[Row]:
    """Some of the rows, and the next time those behind them: however many fail again and again, everybody's turn comes."""
    after, ordered = _reached.get(what, 0), rows.order_by("pk")
    found = list(ordered.filter(pk__gt=after)[:MOST])
    if after and len(found) < MOST:
        found += ordered.filter(pk__lte=after)[: MOST - len(found)]
    _reached[what] = found[-1].pk if found else 0
    return found


@contextmanager
def apart(event: str, **about: object) -> Iterator[None]:
    """Log what goes wrong inside, under `event`, and go on. Without a database nothing can go on."""
    try:
        yield
    except Exception:
        if not connection.is_usable():
            raise
        log.exception(event, **about)
