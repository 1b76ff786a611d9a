"""Writes of approvals: opening a round, asking more people later, saying that one looks at it, and casting a vote.

A vote is refused loudly, with the rule that refuses it and what to do instead. Two approvers at once are put in a row by the lock
on the round.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from .models import Asked, Round, Vote
from .queries import by_now, requirements_of
from .rulings import Requirement
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
    """Who votes, as values: the account, the human behind it, and whom they stand in for now: each account that is away, and its human."""

    account: int
    identity: int
    name: str
    instead_of: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """How a round stands at one moment. `asked` is everybody who was asked, by name; `needs` are of those among them whose answer still
    counts, `votes` are those that do, and `voters` is whoever voted. Humans go by what they are known as now: `known` has, for what they
    were known as when the round was opened, what that is, because accounts are joined.
    """

    requester: int
    asked: Mapping[int, str]
    needs: tuple[Requirement, ...]
    votes: tuple[CountedVote, ...]
    voters: frozenset[int]
    known: Mapping[int, int]


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
    _ask(asked, needs, risk)
    return asked


def locked(asked: Round) -> Round:
    """The round as it is now, which nobody else changes until the caller's transaction ends."""
    return Round.objects.select_for_update().get(pk=asked.pk)


def escalate(asked: Round, *, risk: int, now: datetime, never: Set[int] = frozenset()) -> tuple[Requirement, ...]:
    """Ask those who are asked when nobody has answered in time, but none of `never`; what is frozen about them stays so.

    Returns the requirements that changed. Call it in the caller's transaction.
    """
    with transaction.atomic():
        mine = locked(asked)
        due = mine.escalates_at is not None and mine.escalates_at <= now < mine.expires_at
        if mine.state != Round.State.OPEN or not due:
            return ()
        before = requirements_of(mine)
        minutes = sorted({need.escalation.after_minutes for need in before if need.escalation})
        passed = int((now - mine.opened_at).total_seconds() // 60)
        mine.escalated_minutes = max((each for each in minutes if each <= passed), default=mine.escalated_minutes)
        left = [each for each in minutes if each > mine.escalated_minutes]
        mine.escalates_at = mine.opened_at + timedelta(minutes=left[0]) if left else None
        mine.save(update_fields=["escalated_minutes", "escalates_at"])
        needs = requirements_of(mine)
        _ask(mine, needs, risk, never)
        return tuple(new for old, new in zip(before, needs, strict=True) if new.people != old.people)


def claim(asked: Round, *, account: int, now: datetime) -> bool:
    """Say that somebody looks at it, unless somebody else just has. Nobody is kept from deciding by it."""
    free = Q(claimed_by=None) | Q(claimed_by=account) | Q(claimed_at__lte=now - CLAIM_HOLDS)
    rows = Round.objects.filter(free, pk=asked.pk, state=Round.State.OPEN, expires_at__gt=now)
    return rows.update(claimed_by=account, claimed_at=now) == 1


def release(asked: Round, *, account: int) -> bool:
    """Say that one does not look at it any more."""
    return Round.objects.filter(pk=asked.pk, claimed_by=account).update(claimed_by=None, claimed_at=None) == 1


def place_of(standing: Standing, voter: Voter) -> int:
    """Whose place a vote would fill: the voter's own, or that of somebody they stand in for. Raises `VoteRefused`."""
    return _free(_places(standing, voter), standing, voter)


def cast_vote(asked: Round, ballot: Ballot, *, voter: Voter, standing: Standing, now: datetime) -> tuple[Outcome, int]:
    """Count one decision; return what the round now means, and whose place it filled. Raises `VoteRefused`.

    Call it in the transaction that has locked the round, with its standing of after that.
    """
    with transaction.atomic():
        mine = locked(asked)
        authority = _check(mine, standing, voter, ballot, now)
        instead_of = authority if authority != voter.identity else None
        away = [account for account, human in voter.instead_of.items() if human == instead_of]
        Vote.objects.create(
            round=mine, voter_id=voter.account, identity=voter.identity, digest=ballot.digest, note=ballot.note, at=now,
            instead_of=instead_of, accounts_away=away, entrance=ballot.entrance, looked_seconds=ballot.looked_seconds,
            decision=Vote.Decision.APPROVE if ballot.approves else Vote.Decision.REJECT,
        )  # fmt: skip
        votes = (*standing.votes, CountedVote(voter.identity, ballot.approves, ballot.digest, instead_of))
        outcome = tally(standing.needs, votes, requester=standing.requester, digest=mine.digest)
        done = Asked.objects.filter(round=mine)
        if outcome is not Outcome.WAITING:
            mine.state = Round.State.APPROVED if outcome is Outcome.APPROVED else Round.State.REJECTED
            mine.closed_at = now
            mine.save(update_fields=["state", "closed_at"])
        else:
            done = done.filter(identity__in=_known_as({voter.identity, authority}, standing))
            release(mine, account=voter.account)
        done.update(open=False)
        return outcome, authority


def close_round(asked: Round, *, now: datetime) -> None:
    """Nobody is asked any more: the request was withdrawn or expired.

    Call it before the request is moved: a vote locks the round first and the request second, so whoever does it the other way
    round would meet it in a deadlock.
    """
    Round.objects.filter(pk=asked.pk, state=Round.State.OPEN).update(state=Round.State.CLOSED, closed_at=now)
    Asked.objects.filter(round=asked).update(open=False)


def outcome_of(asked: Round, standing: Standing) -> Outcome:
    """What the votes of a round mean that count at this moment: people leave, and accounts are joined."""
    return tally(standing.needs, standing.votes, requester=standing.requester, digest=asked.digest)


def would_satisfy(asked: Round, standing: Standing, requirements: Iterable[Requirement]) -> bool:
    """Whether the votes that count are also what these other requirements ask for.

    Of the same group, whoever was asked in it and could decide still can: a shift that ends takes no approval back.
    """
    needs = []
    for need in (by_now(each, asked.escalated_minutes) for each in requirements):
        there = [person for each in standing.needs if _whom(each) == _whom(need) for person in each.people]
        needs.append(replace(need, people=(*need.people, *there)))
    return tally(needs, standing.votes, requester=standing.requester, digest=asked.digest) is Outcome.APPROVED


def _whom(need: Requirement) -> tuple[str, str]:
    return need.of, need.escalation.of if need.escalation else ""


def counted(vote: Vote) -> CountedVote:
    return CountedVote(vote.identity, vote.decision == Vote.Decision.APPROVE, vote.digest, vote.instead_of)


def _ask(asked: Round, needs: Sequence[Requirement], risk: int, never: Set[int] = frozenset()) -> None:
    identities = sorted({person.identity for need in needs for person in need.people} - never)
    rows = [Asked(round=asked, identity=each, kind=asked.kind, risk=risk, at=asked.opened_at) for each in identities]
    Asked.objects.bulk_create(rows, ignore_conflicts=True)


def _check(asked: Round, standing: Standing, voter: Voter, ballot: Ballot, now: datetime) -> int:
    places = _places(standing, voter)
    if asked.state != Round.State.OPEN:
        raise VoteRefused(ROUND_CLOSED, "This was decided already. The page of the request says how.")
    if now >= asked.expires_at:  # whether or not a sweeper has come by to say so
        raise VoteRefused(ROUND_EXPIRED, "The time to decide is over. The requester can ask again.")
    if ballot.digest != asked.digest:
        raise VoteRefused(
            ONE_DIGEST,
            "You looked at another plan than the one that is asked for. Look at the present one, then decide.",
        )
    place = _free(places, standing, voter)
    if not ballot.approves and not ballot.note.strip():
        raise VoteRefused(NO_HAS_A_REASON, "Say why in the note, so that the requester knows what to change.")
    return place


def _places(standing: Standing, voter: Voter) -> list[int]:
    """Those that the voter could fill, their own first. Nobody stands in for the requester, nor the requester for anybody."""
    if voter.identity == standing.requester:
        raise VoteRefused(NEVER_THE_REQUESTER, f"You cannot approve this: you asked for it. {_can(standing, voter)}")
    holding = {person.identity for need in standing.needs for person in need.people} - {standing.requester}
    places = [each for each in (voter.identity, *sorted(set(voter.instead_of.values()))) if each in holding]
    if places:
        return places
    if voter.identity in standing.asked:
        raise VoteRefused(
            STILL_AN_APPROVER, f"This account is not an approver of the team, or no longer. {_can(standing, voter)}"
        )
    raise VoteRefused(ONLY_WHO_WAS_ASKED, f"You are not an approver of this request. {_can(standing, voter)}")


def _free(places: Sequence[int], standing: Standing, voter: Voter) -> int:
    taken = {vote.authority for vote in standing.votes}
    free = [place for place in places if place not in taken]
    if voter.identity in standing.voters or not free:
        text = f"You have decided already, or whoever stands in for you has. {_can(standing, voter)}"
        raise VoteRefused(ONE_VOTE, text)
    return free[0]


def _known_as(humans: Set[int], standing: Standing) -> Set[int]:
    """What these humans were known as when the round was opened."""
    return {then for then, now in standing.known.items() if now in humans} | humans


def _can(standing: Standing, voter: Voter) -> str:
    out = {voter.identity, standing.requester, *standing.voters}
    names = [name for identity, name in standing.asked.items() if identity not in out]
    if not names:
        return "Nobody else was asked."
    if len(names) == 1:
        return f"{names[0]} can."
    return f"{', '.join(names[:-1])} and {names[-1]} can."
