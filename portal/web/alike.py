"""Approving the same small change in several places at once: every one of them on the page with its diff, each with a tick of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_http_methods

from actions import admission, bulk
from actions.errors import BadParams
from actions.models import Request
from actions.queue import Queue
from inventory.models import Person

from . import plans
from .door import signed_in
from .looking import seconds_since
from .request_page import gist_of, title_for, view_of


@dataclass(frozen=True)
class Item:
    request: Request
    title: str
    gist: str
    plan: plans.PlanView


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
    items = [_item(each) for each in found]
    context = {"section": "queue", "shape": shape, "items": items, "problem": problem}
    return render(request, "alike.html", context, status=status)


def _item(request: Request) -> Item:
    return Item(request, title_for(request), gist_of(request), view_of(request, admission.stored_plan(request), None))


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
    done = sum(each.outcome is not None for each in results)
    context = {"section": "queue", "results": results, "done": done, "refused": len(results) - done}
    return render(request, "alike_done.html", context)


def _shown(request: HttpRequest, person: Person) -> dict[int, bulk.Shown]:
    """What was ticked. Every tick carries the request and the digest of the plan that stood beside it. Raises `BadParams`."""
    shown = {}
    for text in request.POST.getlist("item"):
        number, _, digest = text.partition(":")
        if not (number.isascii() and number.isdecimal() and len(number) < 19):
            raise BadParams({"item": ["Tick what stands on this page."]})
        looked = seconds_since(request.POST.get(f"looked-{number}", ""), person, digest)
        shown[int(number)] = bulk.Shown(digest[:64], looked)
    return shown


urlpatterns = [
    path("approvals/alike/<slug:shape>", alike, name="alike"),
]
