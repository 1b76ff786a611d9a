"""How one decision is counted, whatever it is about: under the lock of its round, as what whoever decides is at that moment.

`place_of` says beforehand what would come of it. What follows from it is for whoever asked.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from approvals import services as approvals
from approvals.models import Round
from approvals.services import Standing, Voter
from approvals.tally import Outcome
from inventory.models import Person, Service

from .eligibility import standing_of, voter_of

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


@dataclass(frozen=True)
class Counted:
    """What a decision made of its round, which stood so before. `instead_of`: the name of whose place it filled, empty for their own."""

    outcome: Outcome
    before: Standing
    instead_of: str
    at: datetime

    @property
    def aside(self) -> str:
        return f", instead of {self.instead_of}" if self.instead_of else ""


def place_of(person: Person, asked: Round, service: Service | None, now: datetime) -> Place:
    """The digest and the time are not looked at."""
    voter = voter_of(person, now)
    standing = standing_of(asked, service, voter)
    done = {standing.requester, voter.identity, *standing.voters, *(vote.authority for vote in standing.votes)}
    left = tuple(dict.fromkeys(name for human, name in standing.asked.items() if human not in done))
    try:
        place = approvals.place_of(standing, voter)
    except approvals.VoteRefused as refusal:
        return Place(refusal.rule, str(refusal), left=left)
    return Place(instead_of=_name(place, voter, standing), left=left)


def count(actor: Person, asked: Round, service: Service | None, ballot: approvals.Ballot) -> Counted:
    """Raises `approvals.VoteRefused`. Call it in the transaction that writes what follows."""
    mine, now = approvals.locked(asked), timezone.now()
    voter = voter_of(actor, now)
    standing = standing_of(mine, service, voter)
    outcome, place = approvals.cast_vote(mine, ballot, voter=voter, standing=standing, now=now)
    return Counted(outcome, standing, _name(place, voter, standing), now)


def _name(place: int, voter: Voter, standing: Standing) -> str:
    return "" if place == voter.identity else standing.asked[place]
