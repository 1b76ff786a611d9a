"""The form in which a person types a new value once, for the one step that writes it.

What is typed goes from the request's body to the vault inside this process. It is on no page: also after a mistake the fields come back
empty, because to show it again we would have to send it around once more.
"""

from dataclasses import dataclass, field

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from actions import supplying
from actions.admission import stored_plan
from actions.errors import BadParams, Refused
from actions.models import Request
from actions.rotation.keyvalue import supplied_keys
from actions.rotation.values import LONGEST_SUPPLIED, problems_of
from actions.states import ExecutionState
from inventory import queries as inventory
from inventory.models import Person

from .door import signed_in
from .requests import request_or_404

PREFIX = "value-"
"""Of the fields' names, so that a key called `csrfmiddlewaretoken` is a key."""


@dataclass(frozen=True)
class Key:
    """One field. There is no room for what was typed."""

    name: str
    problems: list[str] = field(default_factory=list)


@sensitive_post_parameters()
@never_cache
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def supply(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    found = request_or_404(person, request_id)
    keys = supplied_keys(stored_plan(found))
    if not keys or (request.method != "POST" and not _may(person, found)):
        return HttpResponseRedirect(reverse("request", args=[found.pk]))
    if request.method != "POST":
        return _page(request, found, keys)
    # A browser sends every line's end as two characters; a key file has one.
    values = {key: request.POST.get(f"{PREFIX}{key}", "").replace("\r\n", "\n") for key in keys}
    try:
        if wrong := problems_of(keys, values):
            raise BadParams(wrong)
        supplying.supply(actor=person, request=found, values=values)
    except Refused as problem:
        return _page(request, found, keys, problem)
    messages.success(request, "Handed in, and kept nowhere here.")
    return HttpResponseRedirect(reverse("request", args=[found.pk]))


def _may(person: Person, found: Request) -> bool:
    """Whether there is anything to type in for this person. What comes in anyway is the gate's to refuse."""
    run = getattr(found, "execution", None)
    waits = run is not None and run.state == ExecutionState.QUEUED and run.waits_for == "value"
    return waits and (person.identity == found.requester.identity or inventory.is_owner(person, found.service))


def _page(request: HttpRequest, found: Request, keys: tuple[str, ...], problem: Refused | None = None) -> HttpResponse:
    wrong = problem.fields if isinstance(problem, BadParams) else {}
    context = {
        "section": "services",
        "asked": found,
        "keys": [Key(key, wrong.get(key, [])) for key in keys],
        "prefix": PREFIX,
        "longest": LONGEST_SUPPLIED,
        "refusal": None if isinstance(problem, BadParams) else problem,
    }
    return render(request, "supply.html", context, status=problem.status if problem else 200)


urlpatterns = [path("requests/<int:request_id>/value", supply, name="request-supply")]
