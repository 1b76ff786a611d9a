"""Writes of approvals: opening a round, asking more people later, saying that one looks at it, and casting a vote.

A vote is refused loudly, with the rule that refuses it and what to do instead. Two approvers at once are put in a row by the lock
on the round.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import transaction

from .models import Asked, Round, Vote
from .rulings import Requirement, requirement_from
from .tally import CountedVote, Outcome, tally

NEVER_THE_REQUESTER = "four-eyes"
ONLY_WHO_WAS_ASKED = "only-who-was-asked"
ONE_DIGEST = "one-digest"
ONE_VOTE = "one-vote"
ROUND_CLOSED = "round-closed"
ROUND_EXPIRED = "round-expired"
STILL_AN_APPROVER = "still-an-approver"
NO_HAS_A_REASON = "a-no-has-a-reason"

CLAIM_HOLDS = timedelta(minutes=15)
"""How long "I am looking at it" is shown. It keeps nobody from deciding."""


class VoteRefused(Exception):
    """The vote does not count. `rule` is stable; the text says what to do next."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule


@dataclass(frozen=True)
class Voter:
    """Who votes, as values: the account, the human behind it, whether what they were asked as still holds, and whom they stand in for
    now, if these may still decide.
    """

    account: int
    identity: int
    name: str
    is_approver_now: bool
    instead_of: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Ballot:
    """What is said, about which digest, where, and how long the plan was on the screen before."""

    approves: bool
    digest: str
    note: str = ""
    entrance: str = "browser"
    looked_seconds: int | None = None


def open_round(
    *,
    digest: str,
    requester_identity: int,
    requirements: Iterable[Requirement],
    now: datetime,
    expires_at: datetime,
    risk: int = 1,
    kind: Round.Kind = Round.Kind.APPROVAL,
) -> Round:
    needs = tuple(requirements)
    later = [need.escalation.after_minutes for need in needs if need.escalation]
    asked = Round.objects.create(
        kind=kind,
        digest=digest,
        requester_identity=requester_identity,
        requirements=[asdict(need) for need in needs],
        opened_at=now,
        expires_at=expires_at,
        escalates_at=now + timedelta(minutes=min(later)) if later else None,
    )
    _ask(asked, needs, risk, now)
    return asked


def requirements_of(asked: Round) -> tuple[Requirement, ...]:
    """What it needs, with those among the people who are asked by now because nobody had answered."""
    return tuple(_by_now(requirement_from(need), asked.escalated_minutes) for need in asked.requirements)


def escalate(asked: Round, *, risk: int, now: datetime) -> tuple[Requirement, ...]:
    """Ask those who are asked when nobody has answered in time; what is frozen about them stays so. Returns the requirements that changed.

    Call it in the caller's transaction.
    """
    with transaction.atomic():
        locked = Round.objects.select_for_update().get(pk=asked.pk)
        if locked.state != Round.State.OPEN or locked.escalates_at is None or locked.escalates_at > now:
            return ()
        stored = [requirement_from(need) for need in locked.requirements]
        minutes = sorted({need.escalation.after_minutes for need in stored if need.escalation})
        passed = int((now - locked.opened_at).total_seconds() // 60)
        locked.escalated_minutes = max((each for each in minutes if each <= passed), default=locked.escalated_minutes)
        left = [each for each in minutes if each > locked.escalated_minutes]
        locked.escalates_at = locked.opened_at + timedelta(minutes=left[0]) if left else None
        locked.save(update_fields=["escalated_minutes", "escalates_at"])
        needs = requirements_of(locked)
        _ask(locked, needs, risk, now)
        return tuple(new for old, new in zip(stored, needs, strict=True) if new.people != old.people)


def claim(asked: Round, *, account: int | None, now: datetime) -> None:
    """Say that somebody looks at it, or with `None` that nobody does any more. Nobody is kept from deciding by it."""
    Round.objects.filter(pk=asked.pk, state=Round.State.OPEN).update(
        claimed_by=account, claimed_at=now if account is not None else None
    )


def cast_vote(asked: Round, ballot: Ballot, *, voter: Voter, requester_now: int, now: datetime) -> Outcome:
    """Count one decision and return what the round now means. Raises `VoteRefused`. Call it in the caller's transaction.

    `requester_now` is the requester's identity at this moment: accounts may have been joined since the round was opened.
    """
    with transaction.atomic():
        locked = Round.objects.select_for_update().get(pk=asked.pk)
        needs = requirements_of(locked)
        authority = _check(locked, needs, voter, requester_now, ballot, now)
        Vote.objects.create(
            round=locked, voter_id=voter.account, identity=voter.identity, digest=ballot.digest, note=ballot.note, at=now,
            instead_of=authority if authority != voter.identity else None, entrance=ballot.entrance,
            looked_seconds=ballot.looked_seconds,
            decision=Vote.Decision.APPROVE if ballot.approves else Vote.Decision.REJECT,
        )  # fmt: skip
        outcome = outcome_of(locked, lambda vote: vote.voter.identity != requester_now)
        if outcome is not Outcome.WAITING:
            locked.state = Round.State.APPROVED if outcome is Outcome.APPROVED else Round.State.REJECTED
            locked.closed_at = now
            locked.save(update_fields=["state", "closed_at"])
            Asked.objects.filter(round=locked).update(open=False)
        else:
            Asked.objects.filter(round=locked, identity__in={voter.identity, authority}).update(open=False)
        return outcome


def close_round(asked: Round, *, now: datetime) -> None:
    """Nobody is asked any more: the request was withdrawn or expired.

    Call it before the request is moved: a vote locks the round first and the request second, so whoever does it the other way
    round would meet it in a deadlock.
    """
    Round.objects.filter(pk=asked.pk, state=Round.State.OPEN).update(state=Round.State.CLOSED, closed_at=now)
    Asked.objects.filter(round=asked).update(open=False)


def outcome_of(asked: Round, counts: Callable[[Vote], bool]) -> Outcome:
    """What those votes of a round mean that count at this moment: people leave, and accounts are joined."""
    votes = [counted(vote) for vote in asked.votes.select_related("voter__same_person_as") if counts(vote)]
    return tally(requirements_of(asked), votes, requester=asked.requester_identity, digest=asked.digest)


def would_satisfy(asked: Round, requirements: Iterable[Requirement]) -> bool:
    """Whether the votes of a round are also what these other requirements ask for."""
    votes = [counted(vote) for vote in asked.votes.all()]
    needs = [_by_now(need, asked.escalated_minutes) for need in requirements]
    return tally(needs, votes, requester=asked.requester_identity, digest=asked.digest) is Outcome.APPROVED


def counted(vote: Vote) -> CountedVote:
    return CountedVote(vote.identity, vote.decision == Vote.Decision.APPROVE, vote.digest, vote.instead_of)


def _by_now(need: Requirement, minutes: int) -> Requirement:
    later = need.escalation
    if later is None or later.after_minutes > minutes:
        return need
    people = {person.identity: person for person in (*need.people, *later.people)}
    return Requirement(need.rule, need.count, need.of, tuple(people.values()), later)


def _ask(asked: Round, needs: Sequence[Requirement], risk: int, now: datetime) -> None:
    identities = sorted({person.identity for need in needs for person in need.people})
    rows = [Asked(round=asked, identity=each, kind=asked.kind, risk=risk, at=asked.opened_at) for each in identities]
    Asked.objects.bulk_create(rows, ignore_conflicts=True)


def _check(
    asked: Round, needs: tuple[Requirement, ...], voter: Voter, requester_now: int, ballot: Ballot, now: datetime
) -> int:
    """Whose place the vote fills: the voter's own, or that of somebody they stand in for. Raises `VoteRefused`."""
    people = {person.identity: person.name for need in needs for person in need.people}
    oneself = {voter.identity, requester_now}
    others = [name for identity, name in people.items() if identity not in oneself and name != voter.name]
    if voter.identity in (asked.requester_identity, requester_now):
        raise VoteRefused(NEVER_THE_REQUESTER, f"You cannot approve this: you asked for it. {_can(others)}")
    never = {asked.requester_identity, requester_now}
    places = (
        [voter.identity, *sorted(voter.instead_of - never)]
        if voter.is_approver_now
        else sorted(voter.instead_of - never)
    )
    voted = {counted(vote).authority for vote in asked.votes.all()}
    mine = [each for each in places if each in people]
    if not mine and voter.identity in people:
        raise VoteRefused(
            STILL_AN_APPROVER, f"This account is not an approver of the team, or no longer. {_can(others)}"
        )
    if not mine:
        raise VoteRefused(ONLY_WHO_WAS_ASKED, f"You are not an approver of this request. {_can(others)}")
    if asked.state != Round.State.OPEN:
        raise VoteRefused(ROUND_CLOSED, "This was decided already. Reload the page to see how.")
    if now >= asked.expires_at:  # whether or not a sweeper has come by to say so
        raise VoteRefused(ROUND_EXPIRED, "The time to decide is over. The requester can ask again.")
    if ballot.digest != asked.digest:
        raise VoteRefused(
            ONE_DIGEST, "You looked at another plan than the one that is asked for. Reload, look at the change, decide."
        )
    free = [each for each in mine if each not in voted]
    if not free or asked.votes.filter(identity=voter.identity).exists():
        raise VoteRefused(ONE_VOTE, f"You have decided already, or whoever stands in for you has. {_can(others)}")
    if not ballot.approves and not ballot.note.strip():
        raise VoteRefused(NO_HAS_A_REASON, "Say why in the note, so that the requester knows what to change.")
    return free[0]


def _can(names: list[str]) -> str:
    if not names:
        return "Nobody else was asked."
    if len(names) == 1:
        return f"{names[0]} can."
    return f"{', '.join(names[:-1])} and {names[-1]} can."
