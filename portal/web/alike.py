"""Approving the same small change in several places at once: every one of them on the page with its diff, each with a tick of its own.

What came of it is another page, read from one's votes: it can be loaded again, and stays true.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from actions import admission, bulk, queries
from actions.errors import BadParams
from actions.models import Request
from actions.queue import Queue
from actions.registry import title_of
from approvals.models import Round, Vote
from inventory.models import Person

from . import plans
from .door import signed_in
from .looking import seconds_since
from .request_page import Need, gist_of, needs_of, title_for, view_of
from .shell import shell_of
from .there import Away, away_among

MOST_CRITICAL = 3
"""Production, as environments are ordered."""

WHY = "alike_refused"
"""In the session: why those of the last time were not counted, which no vote says."""


@dataclass(frozen=True)
class Item:
    request: Request
    title: str
    gist: str
    plan: plans.PlanView
    value: str
    ticked: bool
    needs: tuple[Need, ...]


@dataclass(frozen=True)
class Done:
    """What came of one that was ticked. `request` is missing if there is none that they may see; `why` it is not approved."""

    number: int
    request: Request | None
    title: str
    approved: bool
    says: str
    why: str


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def alike(request: HttpRequest, person: Person, shape: str) -> HttpResponse:
    if request.method == "POST":
        return _approve(request, person, shape)
    found = Queue(person).alike(shape, bulk.MOST)
    if not found:
        raise Http404("Nothing of that kind waits for you any more.")
    return _page(request, shape, found)


def _page(
    request: HttpRequest, shape: str, found: Sequence[Request], problem: str = "", status: int = 200
) -> HttpResponse:
    """After a problem with what was typed: a tick stays off, and is for the plan that was there."""
    ticked, away = set(request.POST.getlist("item")) if problem else None, away_among(found, timezone.now())
    items = [_item(each, ticked, away) for each in found]
    what = title_of(found[0].action) if found else ""
    context = {
        "section": "queue",
        "items": items,
        "what": what,
        "problem": problem,
        "note": request.POST.get("note", ""),
    }
    return render(request, "alike.html", context, status=status)


def _item(request: Request, ticked: Collection[str] | None, away: Away) -> Item:
    """What is on the most critical environments is for somebody to tick themself."""
    plan, value = view_of(request, admission.stored_plan(request), None), f"{request.pk}:{request.digest}"
    on = value in ticked if ticked is not None else request.environment.criticality < MOST_CRITICAL
    return Item(request, title_for(request), gist_of(request), plan, value, on, needs_of(request, away))


def _approve(request: HttpRequest, person: Person, shape: str) -> HttpResponse:
    try:
        results = bulk.approve(
            actor=person,
            shape=shape,
            shown=_shown(request, person),
            note=request.POST.get("note", "").replace("\x00", ""),
        )
    except BadParams as problem:
        found = Queue(person).alike(shape, bulk.MOST)
        return _page(request, shape, found, " ".join(problem.fields["item"]), problem.status)
    request.session[WHY] = {str(each.number): str(each.refusal) for each in results if each.refusal}
    query = urlencode({"item": [each.number for each in results]}, doseq=True)
    return redirect(f"{reverse('alike-done', args=[shape])}?{query}")


@never_cache
@signed_in
@require_safe
def done(request: HttpRequest, person: Person, shape: str) -> HttpResponse:
    numbers = [int(text) for text in request.GET.getlist("item")[: bulk.MOST] if _is_number(text)]
    rows = (
        queries.requests_visible_to(person)
        .filter(pk__in=numbers)
        .select_related("environment", "round", "service", "workload", "secret", "node")
    )
    found = {row.pk: row for row in rows.prefetch_related("round__votes")}
    if not numbers:
        raise Http404("Nothing was approved here.")
    why = request.session.get(WHY, {})
    results = [_done(number, found.get(number), person, why.get(str(number), "")) for number in numbers]
    count = sum(each.approved for each in results)
    context = {
        "section": "queue",
        "results": results,
        "done": count,
        "refused": len(results) - count,
        **_next(request, person),
    }
    return render(request, "alike_done.html", context)


def _next(request: HttpRequest, person: Person) -> dict[str, str]:
    waiting = shell_of(request, person).queue.page(size=1).waiting
    return {"next": title_for(waiting[0].request)} if waiting else {}


def _done(number: int, request: Request | None, person: Person, why: str) -> Done:
    asked, title = (request.round, title_for(request)) if request is not None else (None, f"Request {number}")
    votes = asked.votes.all() if asked is not None else ()
    mine = next((vote for vote in votes if vote.identity == person.identity), None)
    if asked is None or mine is None:
        return Done(number, request, title, False, "Not approved", why)
    if mine.decision != Vote.Decision.APPROVE:
        return Done(number, request, title, False, "Rejected", "You rejected it before.")
    waits = asked.state == Round.State.OPEN
    return Done(number, request, title, True, "Approved. It waits for others." if waits else "Approved", "")


def _shown(request: HttpRequest, person: Person) -> dict[int, bulk.Shown]:
    """What was ticked. Every tick carries the request and the digest of the plan that stood beside it. Raises `BadParams`."""
    shown = {}
    for text in request.POST.getlist("item"):
        number, _, digest = text.partition(":")
        if not _is_number(number):
            raise BadParams({"item": ["Tick what stands on this page."]})
        looked = seconds_since(request.POST.get(f"looked-{number}", ""), person, digest)
        shown[int(number)] = bulk.Shown(digest[:64], looked)
    return shown


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


urlpatterns = [
    path("approvals/alike/<slug:shape>", alike, name="alike"),
    path("approvals/alike/<slug:shape>/done", done, name="alike-done"),
]
