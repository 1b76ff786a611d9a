"""One address for a request: ticket, approval and run log, live while something happens; and the list of them.

Reading is a page and a fragment of it. Every decision is a POST to an address of its own, goes through the gate, and comes
back to the page; a refusal comes back as the same page with the refusal on top and nothing lost. Who comes to such an address by a link
or by loading it again is led to the request.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from actions import debts, granted, grants, queries, scheduled, services
from actions.errors import BadParams, Refused, VoteDoesNotCount
from actions.models import Request
from actions.states import ACTIVE, ENDED, ExecutionState, RequestState
from audit import queries as audit
from audit.models import EventRow
from inventory.models import Person
from portal import what_next

from . import paging
from .changes import Entry, entries_of
from .door import signed_in
from .looking import seconds_since
from .request_page import page_of, title_for
from .words import zoned

MOST_EVENTS = 500
PAGE = 50


@dataclass(frozen=True)
class Refusal:
    """Why what somebody just tried was refused, and what they had typed."""

    title: str
    text: str
    rule: str = ""
    note: str = ""


def request_or_404(person: Person, request_id: int) -> Request:
    """Raises `Http404`: also for what this person may not see."""
    found = queries.request_for(person, request_id) if request_id < 2**63 else None
    if found is None:
        raise Http404("There is no such request, or you may not see it.")
    return found


@never_cache
@signed_in
@require_safe
def show(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    return _page(request, person, request_or_404(person, request_id))


@never_cache
@signed_in
@require_safe
def live(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    """What changes while something happens. The bar comes along only when what can be done has changed."""
    page = page_of(person, request_or_404(person, request_id))
    context = {"page": page, "deck_changed": request.GET.get("deck", "") != page.deck.version, "live": True}
    return render(request, "_request_live.html", context)


@never_cache
@signed_in
@require_safe
def events(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    found = request_or_404(person, request_id)
    rows: list[EventRow] = list(audit.events_of_request(found.pk)[: MOST_EVENTS + 1])
    context = {
        "page": page_of(person, found),
        "events": rows[:MOST_EVENTS],
        "cut": len(rows) > MOST_EVENTS,
    }
    return render(request, "request_events.html", context)


def _page(
    request: HttpRequest, person: Person, found: Request, refusal: Refusal | None = None, status: int = 200
) -> HttpResponse:
    following = request.POST.get("next", "")
    context = {"page": page_of(person, found), "refusal": refusal, "next": following if _back(following) else ""}
    return render(request, "request.html", context, status=status)


def posted(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Does something about a request, and only when it is asked to."""

    @wraps(view)
    def only_posted(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
        if request.method == "POST":
            return view(request, person, request_id)
        return HttpResponseRedirect(reverse("request", args=[request_id]))

    return only_posted


def decide(
    request: HttpRequest, person: Person, request_id: int, act: Callable[[Request], str], back: str = ""
) -> HttpResponse:
    """Do one thing about a request and show what came of it. `act` returns what to say."""
    found = request_or_404(person, request_id)
    try:
        said = act(found)
    except Refused as problem:
        again = request_or_404(person, request_id)  # with the state that it has now
        text = (
            " ".join(" ".join(each) for each in problem.fields.values())
            if isinstance(problem, BadParams)
            else str(problem)
        )
        rule = problem.rule if isinstance(problem, VoteDoesNotCount) else ""
        refusal = Refusal(problem.title, text, rule, request.POST.get("note", ""))
        return _page(request, person, again, refusal, problem.status)
    if said:
        messages.success(request, said)
    return HttpResponseRedirect(back or reverse("request", args=[found.pk]))


@signed_in
@posted
def vote(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    approve = request.POST.get("decision") == "approve"

    def act(found: Request) -> str:
        if request.POST.get("decision") not in ("approve", "reject"):
            raise BadParams({"decision": ["Choose approve or reject."]})
        note = request.POST.get("note", "").replace("\x00", "")
        digest = request.POST.get("digest", "")
        looked = seconds_since(request.POST.get("looked", ""), person, digest)
        outcome = services.vote(
            actor=person, request=found, approve=approve, digest=digest, note=note, looked_seconds=looked
        )
        return _said_of_vote(request_or_404(person, found.pk), outcome.value)

    return decide(request, person, request_id, act, _back(request.POST.get("next", "")))


def _back(text: str) -> str:
    """Where a decision in the queue leads: to what was next in it. Nobody is sent anywhere else by what a form says."""
    where, _, then = text.partition(" ")
    if where != "queue":
        return ""
    return f"{reverse('queue')}?then={int(then)}" if re.fullmatch(r"[0-9]{1,18}", then) else reverse("queue")


def _said_of_vote(found: Request, outcome: str) -> str:
    """Of the request as it is after the vote."""
    what = found.summary
    return {
        "approved": f"You approved: {what}. {what_next.sentence(found, timezone.now(), zoned)}".rstrip(),
        "rejected": f"You rejected: {what}. {found.requester.name} sees your note.",
    }.get(outcome, f"You approved: {what}. It waits for others.")


@signed_in
@posted
def withdraw(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    def act(found: Request) -> str:
        services.withdraw(actor=person, request=found)
        return "Taken back. Nothing has run."

    return decide(request, person, request_id, act)


@signed_in
@posted
def cancel(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    def act(found: Request) -> str:
        services.cancel(actor=person, request=found)
        return "It stops at the next step."

    return decide(request, person, request_id, act)


@signed_in
@posted
def review(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    """Whether it was right to break glass for this."""

    def act(found: Request) -> str:
        if (decision := request.POST.get("decision")) not in ("accept", "object"):
            raise BadParams({"decision": ["Choose whether it was right or not."]})
        digest = request.POST.get("digest", "")
        debts.review(
            actor=person, request=found, accept=decision == "accept", digest=digest, note=request.POST.get("note", ""),
            looked_seconds=seconds_since(request.POST.get("looked", ""), person, digest),
        )  # fmt: skip
        return f"Reviewed. {found.requester.name} sees what you said."

    return decide(request, person, request_id, act, _back(request.POST.get("next", "")))


@signed_in
@posted
def resolve(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    def act(found: Request) -> str:
        services.resolve(
            actor=person, request=found, outcome=request.POST.get("outcome", ""), note=request.POST.get("note", "")
        )
        return "Recorded. The target is free again."

    return decide(request, person, request_id, act)


@signed_in
@posted
def start(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    def act(found: Request) -> str:
        grants.activate(actor=person, request=found)
        return "It begins now, and so does its time."

    return decide(request, person, request_id, act)


@signed_in
@posted
def start_now(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    def act(found: Request) -> str:
        scheduled.start_now(actor=person, request=found)
        return "It begins now."

    return decide(request, person, request_id, act)


@signed_in
@require_POST
def give_back(request: HttpRequest, person: Person, grant_id: int) -> HttpResponse:
    """End a grant before its time; from wherever it is shown, the answer is its request."""
    grant = granted.grant_for(person, grant_id)
    if grant is None:
        raise Http404("There is no such grant, or you may not see it.")

    def act(found: Request) -> str:
        grants.give_back(actor=person, grant=grant)
        return "Given back. It is being ended now."

    return decide(request, person, grant.request_id, act)


@dataclass(frozen=True)
class Row:
    title: str
    entry: Entry


@dataclass(frozen=True)
class Choice:
    """One way to look at the list, as an address."""

    label: str
    href: str
    current: bool


LATER = Q(execution__state=ExecutionState.QUEUED, execution__queued_at__gt=Now())
"""Agreed, and its time lies ahead."""

SHOWN: dict[str, tuple[str, Q]] = {
    "": ("All", Q()),
    "waiting": ("Waiting", Q(state=RequestState.AWAITING_APPROVAL)),
    "later": ("Later", LATER),
    "running": ("Running", Q(execution__state__in=[ExecutionState.QUEUED, *ACTIVE, ExecutionState.NEEDS_HUMAN]) & ~LATER),
    "ended": ("Ended", Q(execution__state__in=ENDED) | Q(state__in=[
        RequestState.REJECTED, RequestState.EXPIRED, RequestState.WITHDRAWN, RequestState.STALE, RequestState.DENIED,
    ])),
}  # fmt: skip
WHOSE = {"": "Everybody's", "mine": "Mine"}


@never_cache
@signed_in
@require_safe
def index(request: HttpRequest, person: Person) -> HttpResponse:
    whose = request.GET.get("by", "") if request.GET.get("by", "") in WHOSE else ""
    shown = request.GET.get("show", "") if request.GET.get("show", "") in SHOWN else ""
    rows: QuerySet[Request] = queries.requests_visible_to(person).filter(SHOWN[shown][1])
    if whose == "mine":
        rows = rows.filter(requester=person)
    before = paging.read(request.GET.get("before", ""))
    found = queries.page_of(rows.prefetch_related("round__votes__voter"), before=before, size=PAGE)
    context = {
        "rows": [Row(title_for(each.request), each) for each in entries_of(found[:PAGE])],
        "whose": [Choice(label, _address(by=key, show=shown), key == whose) for key, label in WHOSE.items()],
        "shown": [Choice(label, _address(by=whose, show=key), key == shown) for key, (label, _) in SHOWN.items()],
        "older": _address(by=whose, show=shown, before=paging.text_of(found[PAGE - 1].created_at, found[PAGE - 1].pk))
        if len(found) > PAGE
        else "",
        "newest": _address(by=whose, show=shown) if before else "",
    }
    return render(request, "requests.html", context)


def _address(**query: str) -> str:
    said = urlencode({name: value for name, value in query.items() if value})
    return f"{reverse('requests')}?{said}" if said else reverse("requests")


urlpatterns = [
    path("requests", index, name="requests"),
    path("requests/<int:request_id>", show, name="request"),
    path("requests/<int:request_id>/live", live, name="request-live"),
    path("requests/<int:request_id>/events", events, name="request-events"),
    path("requests/<int:request_id>/vote", vote, name="request-vote"),
    path("requests/<int:request_id>/withdraw", withdraw, name="request-withdraw"),
    path("requests/<int:request_id>/cancel", cancel, name="request-cancel"),
    path("requests/<int:request_id>/review", review, name="request-review"),
    path("requests/<int:request_id>/resolve", resolve, name="request-resolve"),
    path("requests/<int:request_id>/start", start, name="request-start"),
    path("requests/<int:request_id>/start-now", start_now, name="request-start-now"),
    path("grants/<int:grant_id>/give-back", give_back, name="grant-give-back"),
]
