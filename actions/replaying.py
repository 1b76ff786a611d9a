"""Asks another policy about what was asked for before, and lists where it answers otherwise than the one that decides now.

Each request kept the facts that were seen, so nothing is read from a cluster and nothing is guessed. Only whom a new policy asks by a
name that no policy used before was not kept: that is looked up as of now.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice

from django.db.models import QuerySet

from approvals.combining import STRICTEST_FIRST
from approvals.facts import Approver, Facts, facts_from
from approvals.loader import Policy
from approvals.rulings import Effect, Requirement, Ruling
from inventory import on_call

from .admission import stored_plan, terms_of
from .eligibility import people_for
from .models import Request
from .ruling import decide

CHUNK = 500
MOST_REQUESTS = 2000
SECONDS = 8.0
"""What is looked at while somebody waits for an answer."""


class Kind(StrEnum):
    LOOSER = "looser"
    STRICTER = "stricter"
    OTHERWISE = "otherwise"


@dataclass(frozen=True)
class Difference:
    """One request with what the present policy says to its facts, and what the other one does."""

    request: Request
    before: Ruling
    after: Ruling

    @property
    def kind(self) -> Kind:
        """More people who have to agree are stricter; other people, or other reasons, are otherwise."""
        before, after = _strictness(self.before), _strictness(self.after)
        return Kind.OTHERWISE if before == after else Kind.STRICTER if after > before else Kind.LOOSER


@dataclass(frozen=True)
class Replay:
    """`without`: requests from before their facts were kept. `cut`: there was no time for all of them."""

    looked_at: int
    without: int
    differences: tuple[Difference, ...]
    cut: bool = False

    def of(self, kind: Kind) -> tuple[Difference, ...]:
        return tuple(each for each in self.differences if each.kind is kind)


def replay(
    candidate: Policy, present: Policy, requests: QuerySet[Request], *, limit: int, seconds: float = float("inf")
) -> Replay:
    """Ask both about the newest of these requests, for so long. What ends access is never ruled, so it is left out."""
    until = time.monotonic() + seconds
    rows = requests.filter(ends=None).select_related("service__team", "requester").order_by("-created_at", "-id")
    looked_at, without, differences = 0, 0, list[Difference]()
    people = _People()
    for request in islice(rows.iterator(chunk_size=CHUNK), limit):
        if not request.facts:
            without += 1
            continue
        if time.monotonic() > until:
            return Replay(looked_at, without, tuple(differences), cut=True)
        looked_at += 1
        facts = [facts_from(each) for each in request.facts]
        difference = Difference(request, *_both(request, facts, present, candidate, people))
        if _said(difference.before) != _said(difference.after):
            differences.append(difference)
    return Replay(looked_at, without, tuple(differences))


def _both(
    request: Request, facts: Iterable[Facts], present: Policy, candidate: Policy, people: "_People"
) -> Iterator[Ruling]:
    plan = stored_plan(request) if len(request.facts) > 1 else None  # only a chain is told by its parts
    for policy in (present, candidate):
        yield decide([people.added(each, request, policy) for each in facts], plan, policy, terms_of(request))


class _People:
    """Whom a policy names that was not asked about then; looked up once for each service."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], tuple[Approver, ...]] = {}

    def added(self, facts: Facts, request: Request, policy: Policy) -> Facts:
        missing = policy.groups - facts.people.keys()
        return replace(facts, people={**facts.people, **self._of(request, missing)}) if missing else facts

    def _of(self, request: Request, names: Iterable[str]) -> dict[str, tuple[Approver, ...]]:
        service = request.service
        if unknown := [name for name in names if (service.pk, name) not in self._known]:
            shift = on_call.on_call_now(service.team, request.created_at) if service.team else []
            found = people_for(unknown, service, request.created_at, shift)
            self._known.update({(service.pk, name): group for name, group in found.items()})
        return {name: self._known[service.pk, name] for name in names}


def _strictness(ruling: Ruling) -> tuple[int, int, bool, bool]:
    """What can be overridden, or done first and reviewed afterwards, is looser than what cannot."""
    wanted = sum(need.count for need in ruling.requirements) if ruling.effect is Effect.NEEDS else 0
    return -STRICTEST_FIRST.index(ruling.effect), wanted, not ruling.override, ruling.break_glass is None


def _said(ruling: Ruling) -> object:
    glass = ruling.break_glass and (_asks(ruling.break_glass.review), ruling.break_glass.hours)
    return (
        ruling.effect, sorted(ruling.deciding_rules), sorted(map(_asks, ruling.requirements)), ruling.expires_minutes,
        sorted(map(_asks, ruling.override)), glass, ruling.opens_at,
    )  # fmt: skip


def _asks(need: Requirement) -> tuple[str, int, str, int, str]:
    later = need.escalation
    return need.rule, need.count, need.of, later.after_minutes if later else 0, later.of if later else ""
