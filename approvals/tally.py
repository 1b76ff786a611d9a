"""What a set of votes means. Pure: the same votes always give the same outcome, in whatever order they came."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .facts import Requirement


class Outcome(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class CountedVote:
    """One human's decision. `identity` is the human, not the account."""

    identity: int
    approves: bool
    digest: str


def tally(requirements: Iterable[Requirement], votes: Iterable[CountedVote], *, requester: int, digest: str) -> Outcome:
    """Decide a round. Votes of the requester, on another digest, or by people nobody asked never count; one no is a no."""
    needs = tuple(requirements)
    asked = {person.identity for need in needs for person in need.people}
    counted = [v for v in votes if v.identity != requester and v.digest == digest and v.identity in asked]
    if any(not vote.approves for vote in counted):
        return Outcome.REJECTED
    agreed = {vote.identity for vote in counted}
    missing = any(len(agreed & {person.identity for person in need.people}) < need.count for need in needs)
    return Outcome.WAITING if missing or not needs else Outcome.APPROVED
