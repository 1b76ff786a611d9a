"""A person's API tokens: made here, shown once, and taken back.

The page that shows a new token is the answer to the form itself: to show it after a redirect we would have to keep it somewhere.
"""

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from actions.errors import BadParams, NotFound
from inventory.models import Person
from portal.api.tokens import issue, revoke
from portal.models import ApiToken, Scope
from portal.web.door import signed_in

LIFETIMES = (7, 30, 90)
SHOWN = 50


@dataclass(frozen=True)
class Form:
    """What was typed, with what is wrong with it."""

    name: str = ""
    scopes: tuple[str, ...] = (Scope.READ.value,)
    days: int = 30
    problems: dict[str, list[str]] | None = None


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def index(request: HttpRequest, person: Person) -> HttpResponse:
    if request.method != "POST":
        return _page(request, person, Form())
    name, scopes, days = request.POST.get("name", ""), request.POST.getlist("scopes"), request.POST.get("days", "")
    lifetime = int(days) if days in map(str, LIFETIMES) else 0
    try:
        token, text = issue(actor=person, name=name, scopes=scopes, days=lifetime)
    except BadParams as wrong:
        return _page(request, person, Form(name[:200], tuple(scopes), lifetime, wrong.fields), status=422)
    return _page(request, person, Form(), made=token, text=text, status=201)


@require_POST
@signed_in
def take_back(request: HttpRequest, person: Person, pk: int) -> HttpResponse:
    try:
        token = revoke(actor=person, token_id=pk)
    except NotFound as missing:
        raise Http404(str(missing)) from missing
    messages.success(request, f"{token.name} is revoked. Whatever uses it is refused from now on.")
    return redirect("tokens")


def _page(
    request: HttpRequest, person: Person, form: Form, made: ApiToken | None = None, text: str = "", status: int = 200
) -> HttpResponse:
    now = timezone.now()
    tokens = list(ApiToken.objects.filter(person=person)[:SHOWN])
    context = {
        "form": form,
        "made": made,
        "text": text,
        "working": [token for token in tokens if _works(token, now)],
        "ended": [token for token in tokens if not _works(token, now)],
        "scopes": Scope.choices,
        "lifetimes": LIFETIMES,
    }
    return render(request, "tokens.html", context, status=status)


def _works(token: ApiToken, now: datetime) -> bool:
    return token.revoked_at is None and token.expires_at > now


urlpatterns = [
    path("profile/tokens", index, name="tokens"),
    path("profile/tokens/<int:pk>/revoke", take_back, name="token-revoke"),
]
