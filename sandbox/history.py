"""A first day in the demo, made by real requests that real people make and real workers run. Never by inserting rows.

Everything that does not touch the same workload runs at the same time.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actions import services
from actions.errors import CannotPlanNow, Denied, VoteDoesNotCount
from actions.models import Execution, Request
from actions.states import ENDED, ExecutionState
from inventory.models import Person, Workload
from sandbox.inhabitants import SECOND_ACCOUNT, look

Say = Callable[[str], None]

ENTRANCE = "demo"
PLANNABLE_WITHIN = 60.0  # seconds; the world may still be starting
ENDED_WITHIN = 90.0  # all of it
RESTART, RESIZE = "restart-workload", "resize-workload"


@dataclass(frozen=True)
class Wish:
    """Who asks for what, and why."""

    who: str
    action: str
    service: str
    environment: str
    reason: str
    params: Mapping[str, Any] = field(default_factory=dict)


AT_ONCE = (
    Wish("mira", RESTART, "checkout-api", "staging", "Pick up the rotated session signing key"),
    Wish("leila", RESTART, "search-gateway", "staging", "Connection pool to the index is stuck since the failover"),
    Wish("priya", RESTART, "edge-proxy", "staging", "Load the renewed certificate before it goes to production"),
    Wish("tomas", RESTART, "fraud-scoring", "staging", "Model 0.20.0 was replaced in the bucket; load it again"),
)
"""In environments where owners act at once."""

TAKEN_BACK = Wish("tomas", RESIZE, "payment-gateway", "staging", "Room for tonight's load test", {"replicas": 3})
"""Runs at once, and is undone when the load test is over."""

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
    Wish("tomas", RESTART, "ledger", "production", "Two of three hold connections to the old database primary"),
    Wish("leila", RESTART, "checkout-api", "dev", "Our search tests need the new feature flags"),
)
"""Left in the queue, so that an approver has something to decide."""


def make(*, say: Say) -> None:
    """Live through the day, once."""
    if Request.objects.exists():
        say("There is history already")
        return
    say("Making some history")
    deadline = time.monotonic() + ENDED_WITHIN
    running = [_ask(wish, say) for wish in AT_ONCE]
    grown = _ask(TAKEN_BACK, say)
    _denied(DENIED, say)
    _withdrawn(WITHDRAWN, say)
    _rejected(REJECTED, say)
    for wish, approver, note in AGREED:
        request = _ask(wish, say)
        if wish is AGREED[0][0]:
            _does_not_count(request, say)
        _vote(approver, request, approve=True, note=note)
        say(f"  {approver} agrees")
        running.append(request)
    for wish in WAITING:
        _ask(wish, say)
    if _wait([grown], deadline, say):
        look()
        undone = services.undo(actor=_person("tomas"), request=grown, reason="Load test is over", entrance=ENTRANCE)
        say("  tomas undoes the resize of payment-gateway in staging")
        running.append(undone)
    _wait(running, deadline, say)
    look()


def _ask(wish: Wish, say: Say) -> Request:
    place = f"{wish.service} in {wish.environment}"
    person, workload = _person(wish.who), _workload(wish)
    _wait_until_plannable(person, workload, wish)
    request = services.submit(
        actor=person, action=wish.action, target=workload.pk, params=wish.params, reason=wish.reason, entrance=ENTRANCE
    )
    say(f"  {wish.who} asks for {wish.action} of {place}: {request.get_state_display().lower()}")
    return request


def _wait_until_plannable(person: Person, workload: Workload, wish: Wish) -> None:
    """A preview leaves no trace; a submission that cannot be planned would."""
    deadline = time.monotonic() + PLANNABLE_WITHIN
    while True:
        try:
            services.preview(actor=person, action=wish.action, target=workload.pk, params=wish.params)
        except CannotPlanNow:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _denied(wish: Wish, say: Say) -> None:
    try:
        _ask(wish, say)
    except Denied as denied:
        say(f"  {wish.who} is denied: {denied}")


def _withdrawn(wish: Wish, say: Say) -> None:
    services.withdraw(actor=_person(wish.who), request=_ask(wish, say))
    say(f"  {wish.who} takes it back")


def _rejected(wish: Wish, say: Say) -> None:
    note = "One more will not help: the model server behind it is saturated. Look at its dashboard first."
    _vote("ines", _ask(wish, say), approve=False, note=note)
    say("  ines says no")


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


def _workload(wish: Wish) -> Workload:
    return Workload.objects.get(service__slug=wish.service, environment__slug=wish.environment, gone_at=None)
