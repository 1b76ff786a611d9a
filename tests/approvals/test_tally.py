"""What a set of votes means, as a table and as properties that hold for every set."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.facts import Approver
from approvals.rulings import Requirement
from approvals.tally import CountedVote, Outcome, can_meet, tally

MIRA, JONAS, INES, LEILA = 1, 2, 3, 4
DIGEST, ANOTHER = "a" * 64, "b" * 64


def need(count: int, *identities: int) -> Requirement:
    people = tuple(Approver(identity, f"person-{identity}", f"Person {identity}") for identity in identities)
    return Requirement(f"needs-{count}", count, "owning-team-approvers", people)


def yes(identity: int, digest: str = DIGEST) -> CountedVote:
    return CountedVote(identity, True, digest)


def no(identity: int, digest: str = DIGEST) -> CountedVote:
    return CountedVote(identity, False, digest)


def instead(identity: int, of: int, approves: bool = True) -> CountedVote:
    return CountedVote(identity, approves, DIGEST, of)


ONE, TWO = need(1, JONAS, INES), need(2, JONAS, INES)


@pytest.mark.parametrize(
    ("requirements", "votes", "outcome"),
    [
        ([ONE], [], Outcome.WAITING),
        ([ONE], [yes(JONAS)], Outcome.APPROVED),
        ([ONE], [no(JONAS)], Outcome.REJECTED),
        ([ONE], [yes(JONAS), no(INES)], Outcome.REJECTED),
        ([ONE], [yes(LEILA)], Outcome.WAITING),  # nobody asked her
        ([ONE], [no(LEILA)], Outcome.WAITING),
        ([ONE], [yes(JONAS, ANOTHER)], Outcome.WAITING),
        ([ONE], [no(JONAS, ANOTHER)], Outcome.WAITING),
        ([TWO], [yes(JONAS)], Outcome.WAITING),
        ([TWO], [yes(JONAS), yes(JONAS)], Outcome.WAITING),  # one person twice is one person
        ([TWO], [yes(JONAS), yes(INES)], Outcome.APPROVED),
        ([need(1, MIRA, JONAS)], [yes(MIRA)], Outcome.WAITING),  # the requester, even when asked
        ([need(1, MIRA, JONAS)], [no(MIRA)], Outcome.WAITING),
        ([need(1, JONAS), need(1, INES)], [yes(JONAS)], Outcome.WAITING),  # requirements add up
        ([need(1, JONAS), need(1, INES)], [yes(JONAS), yes(INES)], Outcome.APPROVED),
        ([ONE, ONE], [yes(JONAS)], Outcome.WAITING),  # also of the same people: a vote counts once
        ([ONE, ONE], [yes(JONAS), yes(INES)], Outcome.APPROVED),
        ([need(1, JONAS), need(2, JONAS, INES)], [yes(JONAS), yes(INES)], Outcome.WAITING),
        (
            [need(1, JONAS, INES), need(1, JONAS)],
            [yes(JONAS), yes(INES)],
            Outcome.APPROVED,
        ),  # Jonas moves over for Ines
        (
            [need(1, JONAS, INES), need(1, JONAS, LEILA), need(1, JONAS)],
            [yes(JONAS), yes(INES), yes(LEILA)],
            Outcome.APPROVED,
        ),
        ([need(1, JONAS), need(1, JONAS), need(1, INES, LEILA)], [yes(JONAS), yes(INES), yes(LEILA)], Outcome.WAITING),
        ([ONE], [instead(LEILA, JONAS)], Outcome.APPROVED),  # she stands in for him
        ([ONE], [instead(LEILA, JONAS, approves=False)], Outcome.REJECTED),
        ([ONE], [instead(JONAS, LEILA)], Outcome.WAITING),  # nobody asked her, so nobody can answer for her
        ([ONE], [instead(MIRA, JONAS)], Outcome.WAITING),  # the requester, standing in for an approver
        ([need(1, MIRA, JONAS)], [instead(JONAS, MIRA)], Outcome.WAITING),  # an approver, standing in for the requester
        ([TWO], [instead(LEILA, JONAS), yes(JONAS)], Outcome.WAITING),  # whoever comes back does not count beside them
        ([TWO], [yes(JONAS), instead(JONAS, INES)], Outcome.WAITING),  # one human in two places
        ([TWO], [instead(LEILA, JONAS), instead(LEILA, INES)], Outcome.WAITING),
        ([TWO], [instead(JONAS, INES), instead(INES, JONAS)], Outcome.APPROVED),
        ([], [yes(JONAS)], Outcome.WAITING),  # what nobody was asked about is not approved by anybody
        ([], [], Outcome.WAITING),
    ],
)
def test_what_votes_mean(requirements: list[Requirement], votes: list[CountedVote], outcome: Outcome) -> None:
    assert decided(requirements, votes) is outcome


def decided(requirements: list[Requirement], votes: list[CountedVote]) -> Outcome:
    return tally(requirements, votes, requester=MIRA, digest=DIGEST)


identities = st.integers(1, 6)
ballots = st.lists(
    st.builds(
        CountedVote, identities, st.booleans(), st.sampled_from([DIGEST, DIGEST, ANOTHER]), st.none() | identities
    ),
    max_size=8,
)
needs = st.lists(
    st.builds(lambda n, who: need(n, *who), st.integers(1, 3), st.sets(identities, max_size=5)), max_size=3
)


@given(needs, ballots, st.randoms())
def test_the_order_of_votes_and_requirements_does_not_matter(
    requirements: list[Requirement], votes: list[CountedVote], random: object
) -> None:
    shuffled, turned = list(votes), list(requirements)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    random.shuffle(turned)  # type: ignore[attr-defined]
    assert decided(turned, shuffled) is decided(requirements, votes)


@given(needs, ballots, st.booleans(), identities)
def test_the_requester_never_counts_nor_whoever_stands_in_for_them_nor_they_for_anybody(
    requirements: list[Requirement], votes: list[CountedVote], answer: bool, another: int
) -> None:
    for vote in (CountedVote(MIRA, answer, DIGEST), instead(MIRA, another, answer), instead(another, MIRA, answer)):
        assert decided(requirements, [*votes, vote]) is decided(requirements, votes)


@given(needs, ballots)
def test_what_is_said_twice_is_said_once(requirements: list[Requirement], votes: list[CountedVote]) -> None:
    assert decided(requirements, [*votes, *votes]) is decided(requirements, votes)


@given(needs, ballots, identities, st.booleans())
def test_a_vote_on_another_digest_never_counts(
    requirements: list[Requirement], votes: list[CountedVote], identity: int, answer: bool
) -> None:
    assert decided(requirements, [*votes, CountedVote(identity, answer, ANOTHER)]) is decided(requirements, votes)


@given(needs, ballots, identities)
def test_another_no_never_approves(requirements: list[Requirement], votes: list[CountedVote], identity: int) -> None:
    before, after = decided(requirements, votes), decided(requirements, [*votes, no(identity)])
    assert after is before or after is Outcome.REJECTED


@given(needs, ballots, identities)
def test_another_yes_takes_no_approval_back(
    requirements: list[Requirement], votes: list[CountedVote], identity: int
) -> None:
    before = decided(requirements, votes)
    for vote in (yes(identity), *(instead(identity, of) for of in range(1, 7))):
        after = decided(requirements, [*votes, vote])
        assert after is before or (before, after) == (Outcome.WAITING, Outcome.APPROVED)


@given(needs, ballots)
def test_whoever_approved_was_asked_and_there_are_enough_of_them(
    requirements: list[Requirement], votes: list[CountedVote]
) -> None:
    if decided(requirements, votes) is Outcome.APPROVED:
        counting = [
            vote for vote in votes
            if vote.approves and vote.digest == DIGEST and MIRA not in (vote.identity, vote.authority)
        ]  # fmt: skip
        wanted = sum(requirement.count for requirement in requirements)
        assert requirements
        assert len({vote.identity for vote in counting}) >= wanted  # so many humans
        assert len({vote.authority for vote in counting}) >= wanted  # in so many places
        for requirement in requirements:
            asked = {person.identity for person in requirement.people}
            assert len({vote.identity for vote in counting if vote.authority in asked}) >= requirement.count


@given(needs, ballots, identities)
def test_asking_more_people_for_more_never_approves(
    requirements: list[Requirement], votes: list[CountedVote], identity: int
) -> None:
    if decided(requirements, votes) is not Outcome.APPROVED:
        assert decided([*requirements, need(1, identity)], votes) is not Outcome.APPROVED or not requirements


@given(needs, st.sets(identities))
def test_requirements_are_met_when_some_assignment_of_people_to_them_meets_them(
    requirements: list[Requirement], agreed: set[int]
) -> None:
    places = [{person.identity for person in each.people} for each in requirements for _ in range(each.count)]
    by_trying_all = len(places) <= len(agreed) and any(
        all(person in place for person, place in zip(people, places, strict=True))
        for people in permutations(agreed, len(places))
    )
    assert can_meet(requirements, agreed) is by_trying_all
