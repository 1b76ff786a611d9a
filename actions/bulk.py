"""Approving several at once: only what is the same change in other places, and of low risk. Each was shown with its diff, and each is
a vote of its own through the gate, on the digest that was shown: one that is refused keeps no other from being counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from approvals.tally import Outcome
from inventory.models import Person

from . import queries, recording, services
from .errors import BadParams, NotFound, Refused
from .models import Request
from .protocol import Risk

ENTRANCE = "bulk"
MOST = 50
WHAT = "approve several at once"
"""As the record calls it."""


@dataclass(frozen=True)
class Shown:
    """What somebody ticked: the digest that they saw, and how long they looked, where that is known."""

    digest: str
    looked_seconds: int | None = None


@dataclass(frozen=True)
class Result:
    """Of one of them. `request` is missing if there is none that they may see; `refusal` says why it does not count."""

    number: int
    request: Request | None
    outcome: Outcome | None = None
    refusal: Refused | None = None


def approve(
    *, actor: Person, shape: str, shown: Mapping[int, Shown], note: str = "", entrance: str = ENTRANCE
) -> tuple[Result, ...]:
    """One result for each, in the order given. Raises `BadParams` when there is nothing to decide, or too much."""
    if not shown:
        raise BadParams({"item": ["Tick at least one."]})
    if len(shown) > MOST:
        raise BadParams({"item": [f"At most {MOST} at once."]})
    return tuple(_approve(actor, shape, number, each, note, entrance) for number, each in shown.items())


def _approve(actor: Person, shape: str, number: int, shown: Shown, note: str, entrance: str) -> Result:
    request = queries.request_for(actor, number)
    if request is None:
        return Result(number, None, refusal=NotFound("There is no such request, or you may not see it."))
    try:
        if why := _not_alike(request, shape):
            raise recording.not_allowed(services.actor_of(actor), request, WHAT, why)
        outcome = services.vote(
            actor=actor, request=request, approve=True, digest=shown.digest, note=note, entrance=entrance,
            looked_seconds=shown.looked_seconds,
        )  # fmt: skip
    except Refused as refusal:
        return Result(number, request, refusal=refusal)
    return Result(number, request, outcome)


def _not_alike(request: Request, shape: str) -> str:
    if request.risk != Risk.LOW:
        return "Only what is of low risk is approved several at once. Decide this one by itself."
    if not request.shape or request.shape != shape:
        return "This is another change than the rest. Decide it by itself."
    return ""
