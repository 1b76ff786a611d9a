"""Starts several callers at the same moment, each with a database connection of its own, and says what each of them got."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections

from actions.errors import Refused

PATIENCE = 30
"""Seconds; for a defect, such as a deadlock that nobody resolves."""


def together(*callers: Callable[[], object]) -> list[object]:
    """What each caller returned, or the refusal it met. Any other exception, a deadlock for instance, is raised here."""
    gate = Barrier(len(callers))

    def call(caller: Callable[[], object]) -> object:
        try:
            connections["default"].ensure_connection()  # so that nobody is late for having to connect
            gate.wait(PATIENCE)
            return caller()
        except Refused as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(callers)) as threads:
        return [each.result(PATIENCE) for each in [threads.submit(call, caller) for caller in callers]]


def refusals(answers: list[object]) -> list[str]:
    return [type(answer).__name__ for answer in answers if isinstance(answer, Refused)]
