"""How a decision is counted: under the lock of its round, as what whoever decides is at that moment, and with what follows from it.

Only the gate comes here, in a transaction of its own. `place_of` says beforehand what would come of it.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from approvals import services as approvals
from approvals.tally import Outcome
from audit import writer
from audit.events import SYSTEM, Actor, Event
from inventory.models import Person

from . import admission, lifecycle
from .eligibility import standing_of, voter_of
from .models import Request
from .states import RequestState

ONE_VOTE, STILL_AN_APPROVER = approvals.ONE_VOTE, approvals.STILL_AN_APPROVER
"""Rules that a page has words of its own for."""


@dataclass(frozen=True)
class Place:
    """What the vote of a person would be now. `refused`: the rule why it would not count, and `why` in words. `instead_of`: the name of
    whose place it fills, empty for their own. `left`: who can still decide, by name, without them.
    """

    refused: str = ""
    why: str = ""
    instead_of: str = ""
    left: tuple[str, ...] = ()


def place_of(person: Person, request: Request, now: datetime) -> Place:
    """For a request with a round. The digest and the time are not looked at."""
    assert request.round is not None
    voter = voter_of(person, now)
    standing = standing_of(request.round, request.service, voter)
    done = {standing.requester, voter.identity, *standing.voters, *(vote.authority for vote in standing.votes)}
    left = tuple(dict.fromkeys(name for human, name in standing.asked.items() if human not in done))
    try:
        place = approvals.place_of(standing, voter)
    except approvals.VoteRefused as refusal:
        return Place(refusal.rule, str(refusal), left=left)
    return Place(instead_of="" if place == voter.identity else standing.asked[place], left=left)


def cast(*, actor: Person, request: Request, ballot: approvals.Ballot, by: Actor) -> Outcome:
    """Count one decision. Raises `approvals.VoteRefused`, `lifecycle.Lost`, `lifecycle.Impossible`."""
    assert request.round is not None
    asked, now = approvals.locked(request.round), timezone.now()
    voter = voter_of(actor, now)
    standing = standing_of(asked, request.service, voter)
    outcome = approvals.cast_vote(asked, ballot, voter=voter, standing=standing, now=now)
    word, digest = "approve" if ballot.approves else "reject", ballot.digest
    place = approvals.place_of(standing, voter)
    instead_of = "" if place == voter.identity else standing.asked[place]
    aside = f", instead of {instead_of}" if instead_of else ""
    writer.record(Event(
        "vote.cast", by, f"{word}, digest {digest[:8]}{aside}", lifecycle.about(request),
        {"digest": digest, "decision": word, "note": ballot.note, "entrance": ballot.entrance, "instead_of": instead_of},
    ))  # fmt: skip
    if outcome is Outcome.APPROVED:
        wanted = sum(need.count for need in standing.needs)
        lifecycle.move(
            request, to=RequestState.APPROVED, actor=SYSTEM, changes={"decided_at": now},
            summary=f"{len(standing.votes) + 1} of {wanted} agreed", details={"digest": request.digest},
        )  # fmt: skip
        admission.queue(request, now)
    elif outcome is Outcome.REJECTED:
        lifecycle.move(
            request, to=RequestState.REJECTED, actor=by, changes={"decided_at": now}, summary=ballot.note.strip()[:200],
            details={"note": ballot.note},
        )  # fmt: skip
    return outcome
