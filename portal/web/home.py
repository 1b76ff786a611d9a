"""What needs me, what runs now, and my services: the page a person starts the day with.

The upper half is one fragment that asks again whenever something changed; the services keep themselves fresh more slowly.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from actions import following, granted
from actions import queries as actions
from actions.models import Debt, Execution, Proposal, Request
from actions.queue import COUNTED, Queue
from actions.states import ExecutionState, RequestState
from approvals.models import Vote
from approvals.queries import requirements_of
from inventory import incidents
from inventory import queries as inventory
from inventory.models import Incident, Person

from .access import Row, rows_of
from .board import Board, board_of
from .door import signed_in
from .progress import ending_of
from .shell import shell_of
from .there import Away, away_among, who_can

MOST_SERVICES = 50
MOST_NEEDS, MOST_INCIDENTS = 20, 5


@dataclass(frozen=True)
class Need:
    """One thing that waits for the person. `kind`: decide, review (broken glass), look (a run that cannot know), or mine."""

    kind: str
    request: Request
    state: str
    since: datetime
    people: tuple[str, ...] = ()
    wanted: int = 1
    cause: str = ""
    by: str = ""
    proposal: Proposal | None = None
    """Less than what was asked for, to confirm or not."""


@dataclass(frozen=True)
class Running:
    """A run in progress. `percent` is of the usual time and stops short of the end when it takes longer; None when nobody knows."""

    request: Request
    run: Execution
    began: datetime
    sentence: str
    soak_left: int | None
    usual: float | None
    percent: int | None


@dataclass(frozen=True)
class Now:
    """The upper half of the page."""

    needs: tuple[Need, ...]
    more: int
    at_least: bool
    running: tuple[Running, ...]
    ended_today: int
    later: tuple[Request, ...] = ()
    to_start: tuple[Request, ...] = ()
    access: tuple[Row, ...] = ()
    """What holds for the person for a while, the next to end first."""
    incidents: tuple[Incident, ...] = ()
    more_incidents: bool = False

    @property
    def count(self) -> int:
        return len(self.needs) + self.more

    @property
    def to_decide(self) -> int:
        return sum(need.kind in ("decide", "review") for need in self.needs) + self.more

    @property
    def mine(self) -> int:
        return sum(need.kind == "mine" for need in self.needs)

    @property
    def unclear(self) -> int:
        return sum(need.kind == "look" for need in self.needs)


@signed_in
@require_safe
def home(request: HttpRequest, person: Person) -> HttpResponse:
    return render(
        request,
        "home.html",
        {"section": "home", "now": now_of(person, shell_of(request, person).queue), **_services(request, person)},
    )


@signed_in
@require_safe
def home_now(request: HttpRequest, person: Person) -> HttpResponse:
    return render(request, "_home_now.html", {"now": now_of(person, shell_of(request, person).queue)})


@signed_in
@require_safe
def home_services(request: HttpRequest, person: Person) -> HttpResponse:
    return render(request, "_home_services.html", _services(request, person))


@signed_in
@require_safe
def queue_count(request: HttpRequest, person: Person) -> HttpResponse:
    return render(request, "_queue_count.html")


def now_of(person: Person, queue: Queue) -> Now:
    now = timezone.now()
    deciding, reviews, all_to_decide = queue.page(size=MOST_NEEDS), queue.reviews, queue.count
    mine = list(actions.need_requester(person).prefetch_related("round__votes__voter"))
    proposed = following.proposed_instead(mine)
    away = away_among([*(each.request for each in deciding.waiting), *mine], now)
    needs = [
        *(_look(request) for request in actions.unclear_for(person)),
        *(_decide(each.request, person, away) for each in deciding.waiting),
        *(_review(debt) for debt in reviews),
        *(_answer(request, proposed[request.pk]) for request in mine if request.pk in proposed),
        *(_mine(request, away) for request in mine if request.pk not in proposed),
    ]
    running = list(actions.running_now(person, limit=10))
    usual = actions.usual_seconds(running)
    opened = list(incidents.incidents_visible_to(person).filter(closed_at=None)[: MOST_INCIDENTS + 1])
    return Now(
        needs=tuple(needs),
        more=max(0, all_to_decide - len(deciding.waiting) - len(reviews)),
        at_least=all_to_decide >= COUNTED,
        running=tuple(running_of(request, usual.get(request.pk), now) for request in running),
        ended_today=actions.ended_today(person),
        later=tuple(actions.runs_later(person)),
        to_start=tuple(granted.to_start(person)),
        access=rows_of(granted.open_grants(person, mine=True, limit=MOST_NEEDS), person, now),
        incidents=tuple(opened[:MOST_INCIDENTS]),
        more_incidents=len(opened) > MOST_INCIDENTS,
    )


def running_of(request: Request, usual: float | None, now: datetime) -> Running:
    run = request.execution
    began = run.started_at or run.queued_at
    percent = min(95, round((now - began).total_seconds() * 100 / usual)) if usual else None
    sentence = (
        run.cause if run.state in (ExecutionState.WAITING, ExecutionState.QUEUED) else run.observed.get("sentence", "")
    )
    return Running(request, run, began, sentence.rstrip("."), _soak_left(run.observed, now), usual, percent)


def _soak_left(observed: dict[str, Any], now: datetime) -> int | None:
    """Seconds until what is good now has been good for long enough."""
    since = observed.get("good_since")
    if not since:
        return None
    good_for = (now - datetime.fromisoformat(since)).total_seconds()
    return max(0, round(float(observed.get("soak", 0)) - good_for))


def _decide(request: Request, person: Person, away: Away) -> Need:
    needs = requirements_of(request.round) if request.round else ()
    oneself = {person.name, *(who.name for need in needs for who in need.people if who.identity == person.identity)}
    names = [name for name in who_can(request, away) if name not in oneself]
    return Need("decide", request, request.state, request.created_at, ("you", *names), _wanted(request))


def _review(debt: Debt) -> Need:
    return Need("review", debt.request, debt.request.state, debt.due_at)


def _look(request: Request) -> Need:
    run = request.execution
    return Need("look", request, run.state, run.started_at or run.queued_at, cause=run.cause)


def _answer(request: Request, proposal: Proposal) -> Need:
    return Need("mine", request, "to_confirm", proposal.at, proposal=proposal)


def _mine(request: Request, away: Away) -> Need:
    run: Execution | None = getattr(request, "execution", None)
    if run is not None and request.state != RequestState.STALE:
        return Need(
            "mine", request, ending_of(request, run), run.ended_at or run.started_at or run.queued_at, cause=run.cause
        )
    names = tuple(who_can(request, away))
    no = _refusal(request)
    return Need(
        "mine", request, request.state, request.decided_at or request.created_at, names, _wanted(request),
        cause=no.note if no else "", by=no.voter.name if no else "",
    )  # fmt: skip


def _wanted(request: Request) -> int:
    return max((need["count"] for need in request.round.requirements), default=1) if request.round else 1


def _refusal(request: Request) -> Vote | None:
    if request.round is None:
        return None
    return next((vote for vote in request.round.votes.all() if vote.decision == Vote.Decision.REJECT), None)


def _services(request: HttpRequest, person: Person) -> dict[str, object]:
    text = request.GET.get("q", "")[:100].replace("\x00", "")
    mine = inventory.my_services(person)
    found = list(inventory.trouble_first(inventory.named_like(mine, text))[: MOST_SERVICES + 1])
    board: Board = board_of(found[:MOST_SERVICES])
    return {"board": board, "more": len(found) > MOST_SERVICES, "q": text}


urlpatterns = [
    path("", home, name="home"),
    path("fragments/home/now", home_now, name="home-now"),
    path("fragments/home/services", home_services, name="home-services"),
    path("fragments/to-decide", queue_count, name="queue-count"),
]
