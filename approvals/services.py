"""Writes of approvals: opening a round, and casting a vote.

A vote is refused loudly, with the rule that refuses it and what to do instead. Two approvers at once are put in a row by the lock
on the round.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction

from .facts import Approver, Requirement
from .models import Round, Vote
from .tally import CountedVote, Outcome, tally

NEVER_THE_REQUESTER = "four-eyes"
ONLY_WHO_WAS_ASKED = "only-who-was-asked"
ONE_DIGEST = "one-digest"
ONE_VOTE = "one-vote"
ROUND_CLOSED = "round-closed"
ROUND_EXPIRED = "round-expired"
STILL_AN_APPROVER = "still-an-approver"


class VoteRefused(Exception):
    """The vote does not count. `rule` is stable; the text says what to do next."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule


@dataclass(frozen=True)
class Voter:
    """Who votes, as values: the account, the human behind it, and whether they are an approver at this moment."""

    account: int
    identity: int
    name: str
    is_approver_now: bool


def open_round(
    *, digest: str, requester_identity: int, requirements: Iterable[Requirement], now: datetime, expires_at: datetime
) -> Round:
    needs = tuple(requirements)
    candidates = sorted({person.identity for need in needs for person in need.people})
    return Round.objects.create(
        digest=digest,
        requester_identity=requester_identity,
        requirements=[asdict(need) for need in needs],
        candidates=candidates,
        opened_at=now,
        expires_at=expires_at,
    )


def requirements_of(asked: Round) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(need["rule"], need["count"], need["of"], tuple(Approver(**person) for person in need["people"]))
        for need in asked.requirements
    )


def cast_vote(
    asked: Round, *, voter: Voter, requester_now: int, approve: bool, digest: str, note: str, now: datetime
) -> Outcome:
    """Count one decision and return what the round now means. Raises `VoteRefused`. Call it in the caller's transaction.

    `requester_now` is the requester's identity at this moment: accounts may have been joined since the round was opened.
    """
    with transaction.atomic():
        locked = Round.objects.select_for_update().get(pk=asked.pk)
        needs = requirements_of(locked)
        _check(locked, needs, voter, requester_now, digest, note, approve, now)
        Vote.objects.create(
            round=locked, voter_id=voter.account, identity=voter.identity, digest=digest, note=note, at=now,
            decision=Vote.Decision.APPROVE if approve else Vote.Decision.REJECT,
        )  # fmt: skip
        outcome = outcome_of(locked, lambda vote: vote.voter.identity != requester_now)
        if outcome is not Outcome.WAITING:
            locked.state = Round.State.APPROVED if outcome is Outcome.APPROVED else Round.State.REJECTED
            locked.closed_at = now
            locked.save(update_fields=["state", "closed_at"])
        return outcome


def close_round(asked: Round, *, now: datetime) -> None:
    """Nobody is asked any more: the request was withdrawn or expired.

    Call it before the request is moved: a vote locks the round first and the request second, so whoever does it the other way
    round would meet it in a deadlock.
    """
    Round.objects.filter(pk=asked.pk, state=Round.State.OPEN).update(state=Round.State.CLOSED, closed_at=now)


def outcome_of(asked: Round, counts: Callable[[Vote], bool]) -> Outcome:
    """What those votes of a round mean that count at this moment: people leave, and accounts are joined."""
    votes = [
        CountedVote(vote.identity, vote.decision == Vote.Decision.APPROVE, vote.digest)
        for vote in asked.votes.select_related("voter__same_person_as")
        if counts(vote)
    ]
    return tally(requirements_of(asked), votes, requester=asked.requester_identity, digest=asked.digest)


def would_satisfy(asked: Round, requirements: Iterable[Requirement]) -> bool:
    """Whether the votes of a round are also what these other requirements ask for."""
    votes = [CountedVote(v.identity, v.decision == Vote.Decision.APPROVE, v.digest) for v in asked.votes.all()]
    return tally(requirements, votes, requester=asked.requester_identity, digest=asked.digest) is Outcome.APPROVED


def _check(
    asked: Round,
    needs: tuple[Requirement, ...],
    voter: Voter,
    requester_now: int,
    digest: str,
    note: str,
    approve: bool,
    now: datetime,
) -> None:
    people = {person.identity: person.name for need in needs for person in need.people}
    oneself = {voter.identity, requester_now}
    others = [name for identity, name in people.items() if identity not in oneself and name != voter.name]
    if voter.identity in (asked.requester_identity, requester_now):
        raise VoteRefused(NEVER_THE_REQUESTER, f"You cannot approve this: you asked for it. {_can(others)}")
    if voter.identity not in people:
        raise VoteRefused(ONLY_WHO_WAS_ASKED, f"You are not an approver of this request. {_can(others)}")
    if not voter.is_approver_now:
        raise VoteRefused(
            STILL_AN_APPROVER, f"This account is not an approver of the team, or no longer. {_can(others)}"
        )
    if asked.state != Round.State.OPEN:
        raise VoteRefused(ROUND_CLOSED, "This was decided already. Reload the page to see how.")
    if now >= asked.expires_at:  # whether or not a sweeper has come by to say so
        raise VoteRefused(ROUND_EXPIRED, "The time to decide is over. The requester can ask again.")
    if digest != asked.digest:
        raise VoteRefused(
            ONE_DIGEST, "You looked at another plan than the one that is asked for. Reload, look at the change, decide."
        )
    if asked.votes.filter(identity=voter.identity).exists():
        raise VoteRefused(ONE_VOTE, f"You have decided already. {_can(others)}")
    if not approve and not note.strip():
        raise VoteRefused("a-no-has-a-reason", "Say why in the note, so that the requester knows what to change.")


def _can(names: list[str]) -> str:
    if not names:
        return "Nobody else was asked."
    if len(names) == 1:
        return f"{names[0]} can."
    return f"{', '.join(names[:-1])} and {names[-1]} can."
