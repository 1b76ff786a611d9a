"""A decision about a request, and what follows from it. Only the gate comes here, in a transaction of its own."""

from approvals import services as approvals
from approvals.tally import Outcome
from audit import writer
from audit.events import SYSTEM, Actor, Event
from inventory.models import Person

from . import admission, counting, lifecycle
from .models import Request
from .states import RequestState


def cast(*, actor: Person, request: Request, ballot: approvals.Ballot, by: Actor) -> Outcome:
    """Count one decision. Raises `approvals.VoteRefused`, `lifecycle.Lost`, `lifecycle.Impossible`."""
    assert request.round is not None
    counted = counting.count(actor, request.round, request.service, ballot)
    outcome, before, now = counted.outcome, counted.before, counted.at
    word, digest = "approve" if ballot.approves else "reject", ballot.digest
    writer.record(Event(
        "vote.cast", by, f"{word}, digest {digest[:8]}{counted.aside}", lifecycle.about(request),
        {"digest": digest, "decision": word, "note": ballot.note, "entrance": ballot.entrance, "instead_of": counted.instead_of},
    ))  # fmt: skip
    if outcome is Outcome.APPROVED:
        wanted = sum(need.count for need in before.needs)
        lifecycle.move(
            request, to=RequestState.APPROVED, actor=SYSTEM, changes={"decided_at": now},
            summary=f"{len(before.votes) + 1} of {wanted} agreed", details={"digest": request.digest},
        )  # fmt: skip
        admission.queue(request, now)
    elif outcome is Outcome.REJECTED:
        lifecycle.move(
            request, to=RequestState.REJECTED, actor=by, changes={"decided_at": now}, summary=ballot.note.strip()[:200],
            details={"note": ballot.note},
        )  # fmt: skip
    return outcome
