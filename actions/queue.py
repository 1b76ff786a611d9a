"""What waits for one person's decision. A page costs the same number of queries, and the same time, however many requests wait.

Who is asked is frozen, and people change: what is fetched is looked through once more, so that nobody is offered what would be refused
by now, and whoever stands in for somebody sees what they are asked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from approvals import absences
from approvals.facts import Approver
from approvals.models import Asked, PolicyVersion, Round
from approvals.queries import START, Line, asked_of
from approvals.rulings import requirement_from
from approvals.services import counted
from inventory.models import Person, Service

from .eligibility import Eligibility, eligibility_of
from .following import proposed_instead
from .models import Debt, Proposal, Request
from .protocol import Risk
from .queries import requests_visible_to
from .states import RequestState

PAGE = 50
COUNTED = 100
"""From so many on, how many wait is not counted any more."""
WALKS = 5
"""When a whole page may not be decided any more by whoever was asked, the next is looked at, so many times."""
LOOKED_AT = 2000
"""Of everything that waits, so many are looked through for what others decide."""

LISTED = (
    "service__team", "environment", "secret", "node", "requester__same_person_as", "round__claimed_by", "execution",
)  # fmt: skip
"""What a line says, and no more: to plan a dozen joins takes longer than to make them."""
LIGHT = ("service__team", "requester__same_person_as", "round")
LIGHTLY = (
    "id", "round", "service__team__group", "service__team__approvers", "requester__same_person_as",
    "round__requirements", "round__escalated_minutes", "round__requester_identity",
)  # fmt: skip
HEAVY = ("plan_text", "stale_plan_text", "facts")


@dataclass(frozen=True)
class Waiting:
    """A request that this person can decide; `instead_of` is whom they would do it for, if not as themself; `proposed` what its
    requester has to answer first.
    """

    request: Request
    instead_of: Person | None
    proposed: Proposal | None


@dataclass(frozen=True)
class Page:
    """`lost`: they were asked about it, and it is not for them any more. `after`: where the next page begins, if there is one."""

    waiting: tuple[Waiting, ...]
    lost: tuple[Request, ...]
    after: Line | None


@dataclass(frozen=True)
class _Place:
    """Of one human among those who are asked. Accounts are joined: what was asked of one of them stands under its own number."""

    person: Person
    known_as: frozenset[int]

    @cached_property
    def _eligible(self) -> Eligibility:
        return eligibility_of(self.person)

    def holds(self, asked: Round, service: Service) -> bool:
        """Whether they are still what they were asked as."""
        mine = (of for of, people in _groups(asked) if any(each.identity in self.known_as for each in people))
        return any(self._eligible.fits(of, service) for of in mine)


class Queue:
    """Of one account at this moment. Nothing is read before it is asked for."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self._now = timezone.now()
        self._offered: dict[int, bool] = {}
        """Of each round that was looked through: whether this person can decide it."""

    @cached_property
    def _places(self) -> tuple[_Place, ...]:
        """As whom the account may decide: as itself, and as everybody it stands in for."""
        absent = absences.stand_in_for([self.person.pk], self._now)
        others = Person.objects.filter(pk__in=absent).select_related("same_person_as") if absent else ()
        return tuple(_Place(person, frozenset({person.pk, person.identity})) for person in (self.person, *others))

    @property
    def _known_as(self) -> set[int]:
        return {number for place in self._places for number in place.known_as}

    @cached_property
    def _first(self) -> dict[Round.Kind, list[Line]]:
        """Where the queue begins, for its first page and for how many wait."""
        return asked_of(self._known_as, tuple(Round.Kind), limit=COUNTED)

    def page(self, after: Line | None = None, size: int = PAGE) -> Page:
        """Riskiest first, then oldest, and last on each page what its requester has to answer first. Own requests are never among them."""
        lost: list[Request] = []
        for _ in range(WALKS):
            known = self._first[Round.Kind.APPROVAL] if after is None and size < COUNTED else None
            lines = known[: size + 1] if known is not None else self._asked(after, size + 1)
            rows = _open(lines[:size]).select_related(*LISTED).defer(*HEAVY)
            seen = [(request, self._place_in(request, request.round)) for request in _in_order(lines, rows)]
            self._offered |= {line.round: False for line in lines[:size]}
            self._offered |= {request.round_id: place is not None for request, place in seen if request.round_id}
            waiting = self._waiting(seen)
            lost += [request for request, place in seen if place is None]
            after = lines[size - 1] if len(lines) > size else None
            if waiting or after is None:
                break
        return Page(waiting, tuple(lost), after)

    def _waiting(self, seen: Sequence[tuple[Request, Person | None]]) -> tuple[Waiting, ...]:
        proposed = proposed_instead([request for request, place in seen if place])
        mine = (
            Waiting(request, _other(place, self.person), proposed.get(request.pk)) for request, place in seen if place
        )
        return tuple(sorted(mine, key=lambda each: each.proposed is not None))

    @cached_property
    def reviews(self) -> list[Debt]:
        """Glass that was broken and that this person may find right or wrong, in the same order."""
        lines = self._first[Round.Kind.REVIEW]
        if not lines:
            return []
        related = [f"request__{name}" for name in LISTED]
        rows = Debt.objects.filter(round__in=[line.round for line in lines], settled_at=None)
        rows = rows.select_related("round", *related).prefetch_related("round__votes")
        found = {debt.round_id: debt for debt in rows}
        debts = [found[line.round] for line in lines if line.round in found]
        return [debt for debt in debts if self._place_in(debt.request, debt.round)]

    @cached_property
    def policies(self) -> list[PolicyVersion]:
        """New policies that the person may agree to, as an administrator."""
        rounds = [line.round for line in self._first[Round.Kind.POLICY]] if self.person.is_superuser else []
        proposed = PolicyVersion.objects.filter(round__in=rounds, state=PolicyVersion.State.PROPOSED)
        return list(proposed.defer("files")) if rounds else []

    def alike(self, shape: str, size: int = PAGE) -> list[Request]:
        """Of low risk and to be decided by this person: those that are the same change in different places, the oldest first."""
        lines = self._asked(Line(Risk.LOW, *START), LOOKED_AT)
        rows = _open(lines).filter(shape=shape, risk=Risk.LOW) if shape else Request.objects.none()
        found = _in_order(lines, rows.select_related(*LISTED)[:size])
        return [request for request in found if self._place_in(request, request.round)]

    @cached_property
    def count(self) -> int:
        """How many wait, broken glass and policies included, or `COUNTED` when at least that many were asked of this person."""
        lines = self._first[Round.Kind.APPROVAL]
        others = len(self.reviews) + len(self.policies)
        if len(lines) + others >= COUNTED:
            return COUNTED
        unknown = [line for line in lines if line.round not in self._offered]
        rows = _open(unknown).select_related(*LIGHT).only(*LIGHTLY) if unknown else ()
        known = sum(self._offered.get(line.round, False) for line in lines)
        return known + others + sum(self._place_in(row, row.round) is not None for row in rows)

    def others(self, size: int = PAGE) -> list[Request]:
        """Open requests that the person sees and was not asked about, or has answered. `LOOKED_AT` are looked through."""
        order = ("-risk", "created_at", "pk")
        open_now = Request.objects.filter(state=RequestState.AWAITING_APPROVAL).order_by(*order)
        mine = Asked.objects.filter(round=OuterRef("round"), identity__in=self._known_as, open=True)
        first = Request.objects.filter(pk__in=open_now.values("pk")[:LOOKED_AT])
        rest = list(first.exclude(Exists(mine)).values_list("pk", flat=True))
        if not rest:
            return []
        visible = requests_visible_to(self.person).filter(pk__in=rest)
        seen = list(visible.order_by(*order).values_list("pk", flat=True)[:size])
        rows = Request.objects.filter(pk__in=seen).select_related(*LISTED).defer(*HEAVY)
        return list(rows.order_by(*order))

    def _asked(self, after: Line | None, limit: int) -> list[Line]:
        return asked_of(self._known_as, [Round.Kind.APPROVAL], after=after, limit=limit)[Round.Kind.APPROVAL]

    def _place_in(self, request: Request, asked: Round | None) -> Person | None:
        """As whom the person can decide it, if at all: what `voting` will say about their vote."""
        if asked is None:
            return None
        votes = list(asked.votes.all())
        oneself, requesters = self._places[0].known_as, {asked.requester_identity, request.requester.identity}
        if oneself & requesters or any(vote.identity in oneself for vote in votes):
            return None
        taken = requesters | {counted(vote).authority for vote in votes}
        free = (place for place in self._places if not place.known_as & taken)
        return next((place.person for place in free if place.holds(asked, request.service)), None)


def _groups(asked: Round) -> Iterator[tuple[str, Sequence[Approver]]]:
    """Who is asked by now, as what."""
    for need in map(requirement_from, asked.requirements):
        yield need.of, need.people
        if (later := need.escalation) is not None and later.after_minutes <= asked.escalated_minutes:
            yield later.of, later.people


def _open(lines: Sequence[Line]) -> QuerySet[Request]:
    rows = Request.objects.filter(round__in=[line.round for line in lines], state=RequestState.AWAITING_APPROVAL)
    return rows.filter(round__state=Round.State.OPEN, round__expires_at__gt=timezone.now()).prefetch_related(
        "round__votes"
    )


def _in_order(lines: Sequence[Line], rows: Iterable[Request]) -> list[Request]:
    found = {request.round_id: request for request in rows}
    return [found[line.round] for line in lines if line.round in found]


def _other(place: Person, person: Person) -> Person | None:
    return place if place.pk != person.pk else None
