"""What waits for a decision: the list by risk and then age, and beside it what one needs in order to sign, diff first."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from actions import queries
from actions.models import Request
from actions.protocol import Risk
from approvals.models import Vote
from inventory.models import Person

from .changes import Entry, entry_of, request_votes
from .door import signed_in
from .progress import asked_names
from .request_page import RequestPage, gist_of, page_of, title_for
from .requests import request_or_404
from .words import people

MOST_PAST = 20


@dataclass(frozen=True)
class Item:
    """One line of the list. `says` is what changes, or whom it waits for."""

    request: Request
    title: str
    says: str
    risk: str
    href: str
    current: bool


@dataclass(frozen=True)
class Past:
    """A decision that this person took."""

    vote: Vote
    request: Request
    title: str
    gist: str


@dataclass(frozen=True)
class Queue:
    mine: tuple[Item, ...]
    unclear: tuple[Item, ...]
    others: tuple[Item, ...]
    past: tuple[Past, ...]
    oldest_seconds: float | None
    usual_seconds: float | None

    @property
    def count(self) -> int:
        return len(self.mine)


@dataclass(frozen=True)
class Detail:
    page: RequestPage
    before: tuple[Entry, ...]
    before_says: str


@never_cache
@signed_in
@require_safe
def queue(request: HttpRequest, person: Person) -> HttpResponse:
    mine = list(queries.to_decide(person))
    wanted = request.GET.get("request", "")
    chosen = mine[0] if mine else None
    if wanted:
        chosen = request_or_404(
            person, int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 19 else 0
        )
    context = {
        "section": "queue",
        "queue": _queue(person, mine, chosen),
        "detail": _detail(person, chosen) if chosen is not None else None,
        "chosen": bool(wanted),
        "next": "queue",
    }
    return render(request, "queue.html", context)


def _queue(person: Person, mine: Sequence[Request], chosen: Request | None) -> Queue:
    votes = queries.decided_by(person, MOST_PAST)
    now = timezone.now()
    took = [(vote.at - vote.round.opened_at).total_seconds() for vote in votes]
    return Queue(
        mine=tuple(_item(each, gist_of(each), chosen) for each in mine),
        unclear=tuple(
            _item(each, "A person has to look", None, reverse("request", args=[each.pk]))
            for each in queries.unclear_for(person)
        ),
        others=tuple(_item(each, _waits_for(each), chosen) for each in queries.others_decide(person)),
        past=tuple(
            Past(vote, vote.round.request, title_for(vote.round.request), gist_of(vote.round.request)) for vote in votes
        ),
        oldest_seconds=max(((now - each.created_at).total_seconds() for each in mine), default=None),
        usual_seconds=statistics.median(took) if took else None,
    )


def _item(request: Request, says: str, chosen: Request | None, href: str = "") -> Item:
    here = f"{reverse('queue')}?request={request.pk}"
    return Item(request, title_for(request), says, Risk(request.risk).name.lower(), href or here, request == chosen)


def _waits_for(request: Request) -> str:
    names = asked_names(request.round) if request.round is not None else []
    return f"Waits for {people(names, 'or')}" if names else "Waits"


def _detail(person: Person, request: Request) -> Detail:
    before = tuple(entry_of(each, request_votes(each)) for each in queries.like_this_before(request))
    counts: dict[str, int] = {}
    for entry in before:
        counts[entry.state] = counts.get(entry.state, 0) + 1
    said = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items())
    return Detail(page_of(person, request), before, said)


urlpatterns = [
    path("approvals", queue, name="queue"),
]
