"""What a person sets for themselves: the time zone their pages speak in, and light or dark.

The theme is a cookie, so that the first byte of every page already has it and nothing flashes; it belongs to the machine, not to the
account.
"""

import zoneinfo
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from inventory.models import Person, Team
from portal.web.door import signed_in
from portal.web.shell import THEME_COOKIE, THEMES

YEAR = 365 * 24 * 3600


@dataclass(frozen=True)
class Membership:
    team: str
    approves: bool


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def profile(request: HttpRequest, person: Person) -> HttpResponse:
    refused = ""
    if request.method == "POST":
        chosen = request.POST.get("time_zone", "")
        if chosen in zoneinfo.available_timezones():
            person.time_zone = chosen
            person.save(update_fields=["time_zone"])
            messages.success(request, f"Times are now in {chosen}.")
            return redirect("profile")
        refused = "Choose one of the time zones in the list; their names are like Europe/Berlin."
    context = {
        "person": person,
        "teams": _memberships(person),
        "zones": sorted(zoneinfo.available_timezones()),
        "refused": refused,
    }
    return render(request, "profile.html", context, status=422 if refused else 200)


def _memberships(person: Person) -> list[Membership]:
    groups = set(person.groups.values_list("pk", flat=True))
    teams = Team.objects.filter(group__in=groups) | Team.objects.filter(approvers__in=groups)
    return [Membership(team.name, team.approvers_id in groups) for team in teams.distinct()]


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = reverse("home")
    response = HttpResponseRedirect(back)
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        response.set_cookie(
            THEME_COOKIE, chosen, max_age=YEAR, samesite="Lax", httponly=True, secure=request.is_secure()
        )
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response


urlpatterns = [
    path("profile", profile, name="profile"),
    path("profile/theme", theme, name="theme"),
]
