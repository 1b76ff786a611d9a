"""A first day in the demo, made by real requests that real people make and real workers run. Never by inserting rows.

Everything that does not touch the same workload runs at the same time.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from actions import services
from actions.admission import Preview
from actions.errors import CannotPlanNow, Denied, NotFound, VoteDoesNotCount
from actions.models import Execution, Request
from actions.states import ENDED, ExecutionState
from actions.terms import AS_USUAL, Terms
from inventory.models import Person, Secret, Workload
from sandbox.inhabitants import look
from sandbox.people import INCIDENT, SECOND_ACCOUNT

Say = Callable[[str], None]

ENTRANCE = "demo"
PLANNABLE_WITHIN = 45.0  # seconds; the world may still be starting
ENDED_WITHIN = 90.0  # all of it
RESTART, RESIZE = "restart-workload", "resize-workload"


@dataclass(frozen=True)
class Wish:
    """Who asks for what, and why. On the service's workload there, if it is not on what a vault has at `path`."""

    who: str
    action: str
    service: str
    environment: str
    reason: str
    params: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""


AT_ONCE = (
    Wish("mira", RESTART, "checkout-api", "staging", "Pick up the rotated session signing key"),
    Wish("leila", RESTART, "search-gateway", "staging", "Connection pool to the index is stuck since the failover"),
    Wish("priya", RESTART, "edge-proxy", "staging", "Load the renewed certificate before it goes to production"),
    Wish("tomas", RESTART, "fraud-scoring", "staging", "Model 0.20.0 was replaced in the bucket; load it again"),
)
"""In environments where owners act at once."""

TAKEN_BACK = Wish("tomas", RESIZE, "payment-gateway", "staging", "Room for tonight's load test", {"replicas": 3})
"""Runs at once, and is undone once it is there."""

AGREED = (
    (
        Wish("mira", RESTART, "payment-gateway", "production", "Memory grows since the 2.31.4 rollout; PAY-2231"),
        "jonas",
        "Off-peak, one at a time, fine.",
    ),
    (
        Wish("tomas", RESIZE, "checkout-api", "production", "Campaign starts at 18:00, twice the usual traffic",
             {"min_replicas": 10, "max_replicas": 24}),
        "ines",
        "Agreed in the campaign meeting.",
    ),
    (
        Wish("leila", RESIZE, "product-catalog", "production", "p95 went over 400 ms at noon", {"replicas": 5}),
        "zoe",
        "Seen it on the dashboard too.",
    ),
    (
        Wish("mira", RESTART, "invoice-renderer", "production", "Fonts were updated on the volume"),
        "jonas",
        "Go ahead.",
    ),
)  # fmt: skip
"""In production, each with who agrees. The last one cannot succeed: the image has left the registry."""

REJECTED = Wish(
    "tomas", RESIZE, "fraud-scoring", "production", "Queue is growing, try one more replica", {"replicas": 3}
)
WITHDRAWN = Wish("mira", RESTART, "checkout-api", "production", "Pick up the rotated session signing key")
DENIED = Wish("mira", RESIZE, "payment-gateway", "production", "Save costs over the weekend", {"replicas": 1})
WAITING = (
    Wish("tomas", "resize-containers", "fraud-scoring", "production", "Killed for memory twice since model 0.20.0",
         {"container": "fraud-scoring", "memory_request": "2Gi", "memory_limit": "2Gi"}),
    Wish("mira", "promote-image", "checkout-api", "production", "4.13.0 has run in staging since yesterday; CHK-918"),
    Wish("tomas", "run-task", "checkout-api", "production", "Three orders from DE are missing in search",
         {"template": "reindex-orders", "values": {"MODE": "check", "ORDER_PREFIX": "DE-2026"}}),
    Wish("mira", "get-database-access", "checkout-api", "production", "Why does order DE-20261 show up twice? CHK-921",
         {"minutes": 120}, path="orders-support"),
    Wish("mira", RESTART, "invoice-renderer", "production", "The fonts are back on the volume"),
    Wish("leila", RESTART, "checkout-api", "dev", "Our search tests need the new feature flags"),
    Wish("leila", RESTART, "product-catalog", "production", "It holds on to the old price list"),
)  # fmt: skip
"""Left in the queue, so that an approver has something to decide."""

LATER = Wish("leila", RESTART, "search-gateway", "production", "Load the rotated Algolia key, when nobody shops")
LATER_HOURS = 9
GLASS = Wish(
    "tomas", RESTART, "ledger", "production", "Payments fail: two of three hold connections to the old primary"
)
"""Acted first, because an incident is open; whoever would have been asked reviews it."""


def make(*, say: Say) -> None:
    """Live through the day, once."""
    if Request.objects.exists():
        say("There is history already")
        return
    say("Making some history")
    deadline = time.monotonic() + ENDED_WITHIN
    running: list[Request] = []
    for wish in AT_ONCE:
        with _as_far_as_it_goes(say):
            running.append(_ask(wish, say))
    for tell in (_denied, _withdrawn, _rejected):
        with _as_far_as_it_goes(say):
            tell(say)
    for wish, approver, note in AGREED:
        with _as_far_as_it_goes(say):
            running.append(_agreed(wish, approver, note, say))
    with _as_far_as_it_goes(say):
        running.append(_undone(deadline, say))
    with _as_far_as_it_goes(say):
        running.append(_ask(GLASS, say, terms=Terms(ticket=INCIDENT[0], break_glass=True)))
    _wait(running, deadline, say)
    look()
    for wish in WAITING:  # after all that would change what they plan
        with _as_far_as_it_goes(say):
            _ask(wish, say)
    with _as_far_as_it_goes(say):
        _agreed(
            LATER,
            "zoe",
            "At night is fine.",
            say,
            terms=Terms(not_before=timezone.now() + timedelta(hours=LATER_HOURS)),
        )


@contextmanager
def _as_far_as_it_goes(say: Say) -> Iterator[None]:
    """A world that is not as it was shipped need not stop the demo."""
    try:
        yield
    except (CannotPlanNow, NotFound) as problem:
        say(f"  Left out, because it cannot be planned: {problem}")


def _ask(wish: Wish, say: Say, *, terms: Terms = AS_USUAL) -> Request:
    person, target = _person(wish.who), _target(wish)
    seen = _as_soon_as_plannable(person, target, wish, terms)
    request = services.submit(
        actor=person, action=wish.action, target=target, params=wish.params, reason=wish.reason, entrance=ENTRANCE,
        digest=seen.plan.digest if terms.break_glass else None, terms=terms,
    )  # fmt: skip
    place = f"{wish.path or wish.service} in {wish.environment}"
    say(f"  {wish.who} asks for {wish.action} of {place}: {request.get_state_display().lower()}")
    return request


def _as_soon_as_plannable(person: Person, target: int, wish: Wish, terms: Terms) -> Preview:
    """A preview leaves no trace; a submission that cannot be planned would."""
    deadline = time.monotonic() + PLANNABLE_WITHIN
    while True:
        try:
            return services.preview(actor=person, action=wish.action, target=target, params=wish.params, terms=terms)
        except CannotPlanNow:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _denied(say: Say) -> None:
    try:
        _ask(DENIED, say)
    except Denied as denied:
        say(f"  {DENIED.who} is denied: {denied}")


def _withdrawn(say: Say) -> None:
    services.withdraw(actor=_person(WITHDRAWN.who), request=_ask(WITHDRAWN, say))
    say(f"  {WITHDRAWN.who} takes it back")


def _rejected(say: Say) -> None:
    note = "One more will not help: the model server behind it is saturated. Look at its dashboard first."
    _vote("ines", _ask(REJECTED, say), approve=False, note=note)
    say("  ines says no")


def _agreed(wish: Wish, approver: str, note: str, say: Say, *, terms: Terms = AS_USUAL) -> Request:
    request = _ask(wish, say, terms=terms)
    if wish is AGREED[0][0]:
        _does_not_count(request, say)
    _vote(approver, request, approve=True, note=note)
    say(f"  {approver} agrees")
    return request


def _undone(deadline: float, say: Say) -> Request:
    """What was done in the morning is taken back on purpose; the run of the latter is returned."""
    grown = _ask(TAKEN_BACK, say)
    if not _wait([grown], deadline, say):
        return grown
    undone = services.undo(actor=grown.requester, request=grown, reason="Load test is over", entrance=ENTRANCE)
    say(f"  {grown.requester.username} undoes it")
    return undone


def _does_not_count(request: Request, say: Say) -> None:
    try:
        _vote(SECOND_ACCOUNT, request, approve=True)
    except VoteDoesNotCount as refusal:
        say(f"  {SECOND_ACCOUNT} votes: {refusal}")


def _vote(who: str, request: Request, *, approve: bool, note: str = "") -> None:
    fresh = Request.objects.select_related("round", "service__team").get(pk=request.pk)
    services.vote(actor=_person(who), request=fresh, approve=approve, digest=fresh.digest, note=note)


def _wait(requests: list[Request], deadline: float, say: Say) -> bool:
    """Until the workers have ended these runs. A late one is not waited for: it ends by itself."""
    open_runs = {request.pk for request in requests}
    while open_runs and time.monotonic() < deadline:
        for run in Execution.objects.filter(request__in=open_runs, state__in=[*ENDED, ExecutionState.NEEDS_HUMAN]):
            open_runs.discard(run.request_id)
            say(f"  request {run.request_id}: {run.get_state_display().lower()}")
        time.sleep(0.3)
    if open_runs:
        say(f"  Still running, and left to the workers: {', '.join(map(str, sorted(open_runs)))}")
    return not open_runs


def _person(username: str) -> Person:
    return Person.objects.get(username=username)


def _target(wish: Wish) -> int:
    if wish.path:
        return Secret.objects.get(path=wish.path, gone_at=None).pk
    return Workload.objects.get(service__slug=wish.service, environment__slug=wish.environment, gone_at=None).pk
