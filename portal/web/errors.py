"""Pages for what went wrong: they say what happened, that nothing else did, and what to do next.

A fragment gets a box that fits where it is put; the API's errors are made in `portal.api.errors` and never come here, except
for an address that does not exist.
"""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader

from audit.writer import correlation
from portal.web.door import is_fragment
from portal.web.shell import theme_of


@dataclass(frozen=True)
class Problem:
    title: str
    why: str
    next: str


PROBLEMS = {
    400: Problem(
        "This request could not be read",
        "Something in the address or the form is not what this page expects. Nothing has changed.",
        "Go back, reload the page and try again.",
    ),
    403: Problem(
        "You may not see or do this",
        "It belongs to another team, or needs a right that you do not have. Nothing has changed.",
        "Ask the team that owns it. If you should have this right, an administrator can give it to you.",
    ),
    404: Problem(
        "There is nothing here that you can see",
        "The address is wrong, or it belongs to another team. Which of the two is not told.",
        "Search with Ctrl K, or ask whoever sent you the link.",
    ),
    500: Problem(
        "Afterdeck made a mistake",
        "This page failed on our side. What was agreed and what runs is in the database and goes on.",
        "Try again. If it stays, tell an administrator the id below: it finds the log.",
    ),
}
STALE_FORM = Problem(
    "This form was too old to be trusted",
    "The page was open too long, you signed in again in another tab, or the browser keeps no cookies. Nothing has changed.",
    "Go back, reload the page and send it again.",
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 400, PROBLEMS[400])


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 403, PROBLEMS[403])


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 404, PROBLEMS[404])


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(request, 403, STALE_FORM)


def server_error(request: HttpRequest) -> HttpResponse:
    """Without context processors: whatever broke, they may need it too."""
    context = {
        "problem": PROBLEMS[500], "status": 500, "identifier": correlation.get(), "theme": theme_of(request),
        "version": settings.VERSION,
    }  # fmt: skip
    name = "_problem.html" if is_fragment(request) else "problem_plain.html"
    return HttpResponse(loader.get_template(name).render(context), status=500)


def _page(request: HttpRequest, status: int, problem: Problem) -> HttpResponse:
    signed_in = getattr(getattr(request, "user", None), "is_authenticated", False)
    name = "_problem.html" if is_fragment(request) else "problem.html" if signed_in else "problem_plain.html"
    return render(request, name, {"problem": problem, "status": status, "version": settings.VERSION}, status=status)
