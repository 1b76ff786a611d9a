"""Refusals from below the gate in the gate's own words, so that pages and the API show them as they show every other."""

from collections.abc import Iterator
from contextlib import contextmanager

from actions.errors import BadParams, NotAllowed
from approvals.absences import AbsenceRefused
from inventory.errors import NotYours, Unfit


@contextmanager
def as_the_gate_says() -> Iterator[None]:
    try:
        yield
    except (Unfit, AbsenceRefused) as wrong:
        raise BadParams({wrong.field: [str(wrong)]}) from wrong
    except NotYours as refusal:
        raise NotAllowed(str(refusal)) from refusal
