"""What reaches a person where and how often, and the two ways out that they set up themselves: Slack and a webhook.

The page that shows the secret of a webhook is the answer to the form itself: it is kept nowhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from actions.errors import BadParams, NotFound, TooLate
from inventory.models import Person
from portal.notices import channels, queries, services
from portal.notices.models import Channel, Kind

from .door import signed_in

MINUTES = ((0, "each at once"), (5, "at most one in 5 min"), (15, "at most one in 15 min"), (60, "at most one an hour"))


@dataclass(frozen=True)
class Way:
    """A column of the table: `goes_to` is empty when it leads nowhere."""

    channel: Channel
    is_set_up: bool
    goes_to: str


@dataclass(frozen=True)
class Line:
    """A row: a kind, and for each way that leads somewhere whether it is wanted."""

    kind: Kind
    wanted: tuple[tuple[Channel, bool], ...]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def index(request: HttpRequest, person: Person) -> HttpResponse:
    if request.method != "POST":
        return _page(request, person)
    ways = {way.channel for way in _ways(person) if way.goes_to}
    kept = channels.preference_of(person)
    wanted = {
        channel: request.POST.getlist(channel.value) if channel in ways else getattr(kept, channel)
        for channel in Channel
    }
    minutes = request.POST.get("every_minutes", "")
    try:
        offered = {str(each): each for each, _ in _offered(kept.every_minutes)}
        services.choose(actor=person, wanted=wanted, every_minutes=offered.get(minutes, -1))
    except BadParams as wrong:
        return _page(request, person, problems=wrong.fields, status=wrong.status)
    messages.success(request, "Saved.")
    return redirect("notice-settings")


@never_cache
@signed_in
@require_POST
def webhook(request: HttpRequest, person: Person) -> HttpResponse:
    if request.POST.get("do") == "remove":
        services.remove_webhook(actor=person)
        messages.success(request, "Nothing is posted anywhere any more.")
        return redirect("notice-settings")
    url = request.POST.get("url", "")
    try:
        secret = services.set_webhook(actor=person, url=url)
    except BadParams as wrong:
        return _page(request, person, problems=wrong.fields, typed=url[:500], status=wrong.status)
    return _page(request, Person.objects.get(pk=person.pk), secret=secret, status=201)


@signed_in
@require_POST
def slack(request: HttpRequest, person: Person) -> HttpResponse:
    if request.POST.get("do") == "unlink":
        services.unlink_slack(actor=person)
        messages.success(request, "Slack is not linked any more.")
        return redirect("notice-settings")
    try:
        name = services.ask_slack(actor=person)
    except BadParams as wrong:
        return _page(request, person, problems=wrong.fields, status=wrong.status)
    messages.success(request, f"Afterdeck wrote to {name} in Slack. Open the link there, in this browser, and say yes.")
    return redirect("notice-settings")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def slack_link(request: HttpRequest, person: Person) -> HttpResponse:
    """Where the link in Slack leads. Looking links nothing."""
    token = (request.POST if request.method == "POST" else request.GET).get("token", "")
    try:
        if request.method != "POST":
            return render(request, "slack_link.html", {"link": services.read_link(person, token), "token": token})
        link = services.link_slack(actor=person, token=token)
    except (NotFound, TooLate) as refusal:
        return render(request, "slack_link.html", {"refused": str(refusal)}, status=refusal.status)
    messages.success(request, f"{link.name} in Slack is you. What you are asked reaches you there, too.")
    return redirect("notice-settings")


@signed_in
@require_POST
def again(request: HttpRequest, person: Person, pk: int) -> HttpResponse:
    return _about_lost(request, lambda: services.try_again(actor=person, delivery_id=pk), "It is sent again.")


@signed_in
@require_POST
def dismiss(request: HttpRequest, person: Person, pk: int) -> HttpResponse:
    return _about_lost(request, lambda: services.dismiss(actor=person, delivery_id=pk), "Dismissed.")


def _about_lost(request: HttpRequest, act: Callable[[], None], said: str) -> HttpResponse:
    try:
        act()
    except NotFound as missing:
        raise Http404(str(missing)) from missing
    except TooLate as late:
        messages.warning(request, str(late))
    else:
        messages.success(request, said)
    return redirect("notices")


def _page(
    request: HttpRequest,
    person: Person,
    *,
    problems: dict[str, list[str]] | None = None,
    typed: str = "",
    secret: str = "",
    status: int = 200,
) -> HttpResponse:
    preference, ways = channels.preference_of(person), _ways(person)
    context = {
        "ways": ways,
        "any": any(way.goes_to for way in ways),
        "lines": [_line(kind, preference, ways) for kind in Kind],
        "minutes": _offered(preference.every_minutes),
        "every": preference.every_minutes,
        "email": person.email,
        "hosts": [pinned.host for pinned in channels.pinned_hosts()],
        "typed": typed,
        "secret": secret,
        "problems": problems or {},
        "given_up": queries.given_up(person),
    }
    return render(request, "notice_settings.html", context, status=status)


def _ways(person: Person) -> list[Way]:
    return [Way(channel, channels.is_set_up(channel), channels.leads_to(person, channel)) for channel in Channel]


def _line(kind: Kind, preference: object, ways: list[Way]) -> Line:
    open_ways = [way.channel for way in ways if way.goes_to]
    return Line(kind, tuple((channel, kind.value in getattr(preference, channel)) for channel in open_ways))


def _offered(kept: int) -> list[tuple[int, str]]:
    """With what they have now: a program may have chosen any number."""
    return sorted({kept: f"at most one in {kept} min", **dict(MINUTES)}.items())


urlpatterns = [
    path("notices/settings", index, name="notice-settings"),
    path("notices/settings/webhook", webhook, name="notice-webhook"),
    path("notices/settings/slack", slack, name="notice-slack"),
    path("notices/settings/slack/link", slack_link, name="slack-link"),
    path("notices/deliveries/<int:pk>/again", again, name="notice-again"),
    path("notices/deliveries/<int:pk>/dismiss", dismiss, name="notice-dismiss"),
]
