"""The inbox: what somebody was told, newest first. Opening one says that it was read, so it is a button and not a link."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from actions.errors import NotFound
from inventory.models import Person
from portal.notices import queries, services
from portal.notices.models import Kind

from . import paging
from .door import signed_in

PAGE = 50

ICONS = {
    Kind.DECIDE: "user-check",
    Kind.ANSWER: "file-certificate",
    Kind.PROPOSAL: "git-compare",
    Kind.ENDED: "circle-check",
    Kind.TROUBLE: "alert-triangle",
    Kind.BREAK_GLASS: "hand-stop",
    Kind.DEBT: "hourglass",
    Kind.STAND_IN: "users",
    Kind.POLICY: "book-2",
}


@never_cache
@signed_in
@require_safe
def index(request: HttpRequest, person: Person) -> HttpResponse:
    before = paging.read(request.GET.get("before", ""))
    found = queries.page(person, before=before, size=PAGE)
    shown = found[:PAGE]
    older = urlencode({"before": paging.text_of(shown[-1].at, shown[-1].pk)}) if len(found) > PAGE else ""
    context = {
        "notices": [(notice, ICONS[Kind(notice.kind)]) for notice in shown],
        "unread": any(notice.read_at is None for notice in shown),
        "newest": max((notice.pk for notice in shown), default=0),
        "older": f"{reverse('notices')}?{older}" if older else "",
        "later": before is not None,
        "given_up": queries.given_up(person),
    }
    return render(request, "notices.html", context)


@signed_in
@require_safe
def count(request: HttpRequest, person: Person) -> HttpResponse:
    return render(request, "_notice_count.html")


@signed_in
@require_POST
def read(request: HttpRequest, person: Person, pk: int) -> HttpResponse:
    try:
        notice = services.mark_read(actor=person, notice_id=pk)
    except NotFound as missing:
        raise Http404(str(missing)) from missing
    return HttpResponseRedirect(notice.path)


@signed_in
@require_POST
def read_all(request: HttpRequest, person: Person) -> HttpResponse:
    newest = request.POST.get("newest", "")
    if newest.isascii() and newest.isdigit() and len(newest) < 19:
        services.mark_all_read(actor=person, up_to=int(newest))
    return redirect("notices")


urlpatterns = [
    path("notices", index, name="notices"),
    path("notices/count", count, name="notice-count"),
    path("notices/read", read_all, name="notices-read"),
    path("notices/<int:pk>/read", read, name="notice-read"),
]
