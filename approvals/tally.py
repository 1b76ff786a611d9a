"""What a set of votes means. Pure: the same votes always give the same outcome, in whatever order they came."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from .rulings import Requirement


class Outcome(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class CountedVote:
    """One human's decision. `identity` is the human, not the account; `instead_of` is the human they stood in for."""

    identity: int
    approves: bool
    digest: str
    instead_of: int | None = None

    @property
    def authority(self) -> int:
        """Whose place it fills: somebody who comes back does not count beside their own stand-in."""
        return self.identity if self.instead_of is None else self.instead_of


def tally(requirements: Iterable[Requirement], votes: Iterable[CountedVote], *, requester: int, digest: str) -> Outcome:
    """Decide a round. Votes of the requester, on another digest, or by people nobody asked never count; one no is a no.

    Requirements add up: a person's vote counts for one of them, and a human fills one place, whoever they stand in for.
    """
    needs = tuple(requirements)
    asked = {person.identity for need in needs for person in need.people}
    counted = [
        vote
        for vote in votes
        if vote.digest == digest and vote.authority in asked and requester not in (vote.identity, vote.authority)
    ]
    if any(not vote.approves for vote in counted):
        return Outcome.REJECTED
    met = any(can_meet(needs, agreed) for agreed in _one_place_each(counted))
    return Outcome.APPROVED if needs and met else Outcome.WAITING


def _one_place_each(votes: Iterable[CountedVote]) -> Iterator[Set[int]]:
    """Whose places may be filled together. There is one way, except where accounts turned out to be one human's after both had voted."""
    places: dict[int, set[int]] = {}
    for vote in votes:
        places.setdefault(vote.identity, set()).add(vote.authority)
    return (set(chosen) for chosen in product(*places.values()))


def can_meet(requirements: Iterable[Requirement], agreed: Set[int]) -> bool:
    """Whether these people meet all requirements when each of them counts for one only: a matching of places and people."""
    places = [agreed & {person.identity for person in need.people} for need in requirements for _ in range(need.count)]
    if len(places) > len(agreed):
        return False
    taken: dict[int, int] = {}
    return all(_seat(place, places, taken) for place in range(len(places)))


def _seat(place: int, places: Sequence[Set[int]], taken: dict[int, int]) -> bool:
    """Fill one more place; whoever sits elsewhere may move for it. `taken` is the place of each person, and is changed."""
    wanted_by: dict[int, int] = {}
    open_places = [place]
    for each in open_places:  # grows while it is walked
        for person in places[each] - wanted_by.keys():
            wanted_by[person] = each
            if person in taken:
                open_places.append(taken[person])
            else:
                _move_up(person, wanted_by, taken)
                return True
    return False


def _move_up(free: int, wanted_by: dict[int, int], taken: dict[int, int]) -> None:
    seated = {place: person for person, place in taken.items()}
    person: int | None = free
    while person is not None:
        place = wanted_by[person]
        taken[person] = place
        person = seated.get(place)
