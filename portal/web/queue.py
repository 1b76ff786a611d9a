"""What waits for a decision: the list by risk and then age, and beside it what one needs in order to sign, diff first."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from actions import claims, queries
from actions import queue as waiting
from actions.models import Debt, Request
from actions.protocol import Risk
from actions.registry import title_of
from approvals.models import PolicyVersion, Vote
from approvals.queries import Line
from inventory.models import Person

from . import paging
from .changes import Entry, entries_of
from .decided import Past, past_of
from .door import signed_in
from .request_page import RequestPage, gist_of, page_of, target_of, title_for
from .requests import request_or_404
from .shell import shell_of
from .there import Away, away_among, who_can
from .words import people

LEARNED_FROM, MOST_PAST = 20, 5
"""Decisions: so many say how long somebody usually takes, and so many of them are shown."""

OLD = timedelta(hours=1)
"""After that, what was read when something was asked may well have changed."""

HABIT = 5
"""Decisions, of which the usual time says something."""

NAMED = 4
"""Of places that can be decided together, so many are named."""


@dataclass(frozen=True)
class Item:
    """One line of the list. `says` is what changes, or whom it waits for; `notes` what else there is to it; `due` instead of its age."""

    request: Request
    title: str
    says: str
    risk: str
    href: str
    current: bool
    notes: tuple[str, ...] = ()
    due: datetime | None = None


@dataclass(frozen=True)
class Alike:
    """Several of low risk that are the same change in different places."""

    count: int
    title: str
    where: str
    shape: str


@dataclass(frozen=True)
class List:
    mine: tuple[Item, ...]
    alike: tuple[Alike, ...]
    reviews: tuple[Item, ...]
    policies: tuple[PolicyVersion, ...]
    unclear: tuple[Item, ...]
    others: tuple[Item, ...]
    past: tuple[Past, ...]
    count: int
    at_least: bool
    oldest_at: datetime | None
    usual_seconds: float | None
    first: str
    more: str

    @property
    def empty(self) -> bool:
        return not (self.mine or self.reviews or self.policies or self.unclear or self.others or self.past)


@dataclass(frozen=True)
class Before:
    """The same there, that has come to something."""

    title: str
    gist: str
    entry: Entry


@dataclass(frozen=True)
class Detail:
    page: RequestPage
    before: tuple[Before, ...]

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How many of them came to what."""
        return list(Counter(each.entry.state for each in self.before).items())

    @property
    def is_old(self) -> bool:
        return timezone.now() - self.page.request.created_at > OLD


@dataclass(frozen=True)
class Place:
    """Where somebody is: the page of the list, and the request beside it. Both stand in the address."""

    after: Line | None
    chosen: int | None

    def address_of(self, number: int) -> str:
        return _address(after=self.after, request=number)

    @property
    def address(self) -> str:
        return _address(after=self.after, request=self.chosen)

    @property
    def list_address(self) -> str:
        return _address(after=self.after, request=self.chosen, name="queue-list")

    @property
    def detail_address(self) -> str:
        return _address(after=self.after, request=self.chosen, name="queue-detail")


@never_cache
@signed_in
@require_safe
def queue(request: HttpRequest, person: Person) -> HttpResponse:
    mine = shell_of(request, person).queue
    after = _after(request.GET.get("after", ""))
    page = mine.page(after)
    wanted = _wanted(request, person, page)
    chosen = wanted or (page.waiting[0].request if page.waiting else None)
    place = Place(after, chosen.pk if chosen else None)
    context = {
        "section": "queue",
        "queue": _list(mine, page, place),
        "here": place,
        "detail": _detail(person, request_or_404(person, chosen.pk)) if chosen is not None else None,
        "chosen": bool(wanted),
        "next": _next(page, place),
    }
    return render(request, "queue.html", context)


@never_cache
@signed_in
@require_safe
def queue_list(request: HttpRequest, person: Person) -> HttpResponse:
    """The list alone, which asks again whenever something changed."""
    mine = shell_of(request, person).queue
    place = Place(_after(request.GET.get("after", "")), _number(request.GET.get("request", "")))
    return render(request, "_queue_list.html", {"queue": _list(mine, mine.page(place.after), place), "here": place})


@never_cache
@signed_in
@require_safe
def queue_detail(request: HttpRequest, person: Person) -> HttpResponse:
    """What is beside the list alone, for whoever goes through it by keyboard."""
    page = shell_of(request, person).queue.page(_after(request.GET.get("after", "")))
    found = request_or_404(person, _number(request.GET.get("request", "")) or 0)
    place = Place(_after(request.GET.get("after", "")), found.pk)
    context = {"here": place, "detail": _detail(person, found), "next": _next(page, place)}
    return render(request, "_queue_detail.html", context)


def _wanted(request: HttpRequest, person: Person, page: waiting.Page) -> Request | None:
    """`request` is what somebody chose; `then` what was next when they decided, if it still waits. Raises `Http404`."""
    if text := request.GET.get("request", ""):
        return request_or_404(person, _number(text) or 0)
    then = _number(request.GET.get("then", ""))
    return next((each.request for each in page.waiting if each.request.pk == then), None)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _after(text: str) -> Line | None:
    """Raises `Http404` for a place that no page of ours links to."""
    if not text:
        return None
    risk, _, place = text.partition(",")
    found = paging.read(place)
    if found is None or risk not in [str(each.value) for each in Risk]:
        raise Http404("There is no such place in this list.")
    return Line(int(risk), *found)


def _address(*, after: Line | None = None, request: int | None = None, name: str = "queue") -> str:
    said = {"after": f"{after.risk},{paging.text_of(after.at, after.round)}" if after else "", "request": request}
    query = urlencode({key: value for key, value in said.items() if value})
    return f"{reverse(name)}?{query}" if query else reverse(name)


def _next(page: waiting.Page, place: Place) -> str:
    """What comes after the chosen one has been decided, as the form says it: the queue, and what was next in it."""
    ids = [each.request.pk for each in page.waiting]
    later = ids[ids.index(place.chosen) + 1 :] if place.chosen in ids else []
    return f"queue {later[0]}" if later else "queue"


def _list(mine: waiting.Queue, page: waiting.Page, place: Place) -> List:
    now = timezone.now()
    reviews = mine.reviews if place.after is None else []
    past = past_of(mine.person, limit=LEARNED_FROM) if place.after is None else []
    took = [(each.vote.at - each.vote.round.opened_at).total_seconds() for each in past]
    policies = mine.policies if place.after is None else []
    here = len(page.waiting) + len(reviews) + len(policies)
    count = here if place.after is None and page.after is None else max(here, mine.count)
    others = (*page.lost, *mine.others()) if place.after is None else ()
    away = away_among(others, now)
    unclear = queries.unclear_for(mine.person) if place.after is None else ()
    return List(
        mine=tuple(_mine(each, mine.person, place, now) for each in page.waiting),
        alike=_alike(page.waiting),
        reviews=tuple(_review(debt, place) for debt in reviews),
        policies=tuple(policies),
        unclear=tuple(
            _item(each, "A person has to look", place, reverse("request", args=[each.pk])) for each in unclear
        ),
        others=tuple(_item(each, _waits_for(each, away), place) for each in others),
        past=tuple(past[:MOST_PAST]),
        count=count,
        at_least=count >= waiting.COUNTED,
        oldest_at=min((each.request.created_at for each in page.waiting), default=None),
        usual_seconds=statistics.median(took) if len(took) >= HABIT else None,
        first=_address() if place.after else "",
        more=_address(after=page.after) if page.after else "",
    )


def _item(
    request: Request, says: str, place: Place, href: str = "", notes: tuple[str, ...] = (), due: datetime | None = None
) -> Item:
    risk = Risk(request.risk).name.lower()
    here = href or place.address_of(request.pk)
    return Item(request, title_for(request), says, risk, here, request.pk == place.chosen, notes, due)


def _mine(each: waiting.Waiting, person: Person, place: Place, now: datetime) -> Item:
    return _item(each.request, gist_of(each.request), place, notes=tuple(_notes(each, person, now)))


def _notes(each: waiting.Waiting, person: Person, now: datetime) -> list[str]:
    """What an approver would like to know before they open it."""
    asked, request, notes = each.request.round, each.request, []
    if each.instead_of is not None:
        notes.append(f"for {each.instead_of.name}, who is away")
    if (claimer := claims.claimer_of(asked, now)) is not None:
        notes.append("you are on it" if claimer == person else f"{claimer.name} is on it")
    if asked is not None and (agreed := sum(vote.decision == Vote.Decision.APPROVE for vote in asked.votes.all())):
        notes.append(f"{agreed} agreed")
    if (proposal := each.proposed) is not None:
        notes.append(
            f"{'you' if proposal.proposer.identity == person.identity else proposal.proposer.name} proposed less"
        )
    if request.overrides:
        notes.append("sets a denial aside")
    return notes


def _review(debt: Debt, place: Place) -> Item:
    request = debt.request
    run = getattr(request, "execution", None)
    says = str(run.observed.get("sentence", "") or run.cause) if run is not None else ""
    return _item(request, says or gist_of(request), place, due=debt.due_at)


def _alike(mine: Sequence[waiting.Waiting]) -> tuple[Alike, ...]:
    """Among those on this page; the page that decides them together looks for more."""
    low = [each.request for each in mine if each.request.risk == Risk.LOW and each.request.shape]
    counts = Counter(request.shape for request in low)
    return tuple(_group([each for each in low if each.shape == shape]) for shape, count in counts.items() if count > 1)


def _group(alike: Sequence[Request]) -> Alike:
    named = [f"{target_of(each)} {each.environment}" for each in alike[:NAMED]]
    more = [f"{len(alike) - NAMED} more"] if len(alike) > NAMED else []
    return Alike(len(alike), title_of(alike[0].action), people([*named, *more]), alike[0].shape)


def _waits_for(request: Request, away: Away) -> str:
    names = who_can(request, away)
    return f"Waits for {people(names, 'or')}" if names else "Waits"


def _detail(person: Person, request: Request) -> Detail:
    before = entries_of(list(queries.like_this_before(request)))
    rows = (Before(title_for(each.request), gist_of(each.request), each) for each in before)
    return Detail(page_of(person, request), tuple(rows))


urlpatterns = [
    path("approvals", queue, name="queue"),
    path("fragments/approvals", queue_list, name="queue-list"),
    path("fragments/approvals/detail", queue_detail, name="queue-detail"),
]
