"""What the database does for a page of the approver's queue, against the barest way to read as many requests: by their primary keys."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from actions.models import Request
from actions.queue import HEAVY, LISTED, PAGE, Queue
from approvals.queries import Line
from benchmarks.arms import Arm
from inventory.models import Person

DEEP = 20
"""Pages down."""


def arms(person: Person) -> list[Arm]:
    """Statements only, as they were sent once: the same rows, found by their keys and found by their place in the queue."""
    first, deep = Queue(person).page(), _down(person, DEEP)
    keys = [each.request.pk for each in first.waiting]
    bare = Request.objects.filter(pk__in=keys).select_related(*LISTED).defer(*HEAVY)
    return [
        _arm("by key", _sent(lambda: list(bare))),
        _arm("first page", _page(person, None)),
        _arm("deep page", _page(person, deep)),
        _arm("counted", _sent(lambda: Queue(person).count)),
    ]


def _page(person: Person, after: Line | None) -> list[str]:
    """The walk along the index, and the rows it leads to. Votes and memberships are few, and read by their keys."""
    sent = _sent(lambda: Queue(person).page(after))
    return [text for text in sent if "approvals_asked" in text or 'FROM "actions_request"' in text]


def _down(person: Person, pages: int) -> Line | None:
    after = None
    for _ in range(pages):
        after = Queue(person).page(after, PAGE).after
    return after


def _sent(read: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connection) as seen:
        read()
    return [each["sql"] for each in seen.captured_queries]


def _arm(name: str, statements: Sequence[str]) -> Arm:
    def once() -> dict[str, float]:
        with connection.cursor() as cursor:
            began = time.perf_counter()
            for statement in statements:
                cursor.execute(statement)
                cursor.fetchall()
            return {name: time.perf_counter() - began}

    return once
