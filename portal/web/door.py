"""Who is at a page's door: signed-in people only, with the person handed to the view as a typed argument.

A fragment must not answer with the sign-in page inside a box of another page, so for htmx the way to the sign-in page is a header
that moves the whole window.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from inventory.models import Person

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def signed_in(view: Callable[Concatenate[HttpRequest, Person, P], HttpResponseBase]) -> View[P]:
    """Call `view(request, person, …)`, or send whoever is not signed in to the sign-in page and back again."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if isinstance(request.user, Person) and request.user.is_active:
            answer = view(request, request.user, *args, **kwargs)
            add_never_cache_headers(answer)  # else the Back button shows it after signing out
            return answer
        return to_sign_in(request)

    return guarded


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks, and only a piece of a page is wanted."""
    return request.headers.get("HX-Request") == "true"


def to_sign_in(request: HttpRequest) -> HttpResponse:
    if not is_fragment(request):
        return HttpResponseRedirect(f"{reverse('sign-in')}?{urlencode({'next': request.get_full_path()})}")
    here = urlsplit(request.headers.get("HX-Current-URL", "/"))
    back = f"{here.path}?{here.query}" if here.query else here.path
    return HttpResponse(status=401, headers={"HX-Redirect": f"{reverse('sign-in')}?{urlencode({'next': back})}"})
