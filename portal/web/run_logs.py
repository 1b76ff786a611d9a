"""What a run's task wrote, as the pages show it: the end of it in a fold that asks for itself, and all that was kept as text.

It came from a program that is not ours. Terminal sequences and credentials were taken out before it was kept; what is left is text,
and is only ever shown as that.
"""

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from actions import queries
from actions.models import Request, RunLog
from actions.states import ACTIVE
from inventory.models import Person

from . import progress
from .door import signed_in

LINES, CHARACTERS = 300, 40_000
"""How much of the end a page shows at most."""


@dataclass(frozen=True)
class Shown:
    """One container's log. `left_out` lines are kept and not shown here."""

    log: RunLog
    text: str
    left_out: int


@signed_in
@require_safe
def logs(request: HttpRequest, person: Person, request_id: int) -> HttpResponse:
    found = _request(person, request_id)
    run = progress.run_of(found)
    rows = RunLog.objects.filter(execution=run) if run is not None else ()
    context = {
        "found": found,
        "logs": [_shown(row) for row in rows],
        "running": run is not None and run.state in ACTIVE,
    }
    return render(request, "_run_log_lines.html", context)


@signed_in
@require_safe
def log_text(request: HttpRequest, person: Person, request_id: int, log_id: int) -> HttpResponse:
    """All that was kept of one, to save and to search."""
    row = RunLog.objects.filter(pk=log_id, execution__request=_request(person, request_id)).first()
    if row is None:
        raise Http404
    name = f"request-{request_id}-{row.pod}-{row.container}.log"
    return HttpResponse(
        row.text, content_type="text/plain; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )  # fmt: skip


def _request(person: Person, request_id: int) -> Request:
    found = queries.request_for(person, request_id)
    if found is None:
        raise Http404
    return found


def _shown(row: RunLog) -> Shown:
    lines = row.text.splitlines()
    text = "\n".join(lines[-LINES:])[-CHARACTERS:]
    return Shown(row, text, len(lines) - text.count("\n") - 1 if lines else 0)


urlpatterns = [
    path("requests/<int:request_id>/logs", logs, name="request-logs"),
    path("requests/<int:request_id>/logs/<int:log_id>.log", log_text, name="request-log-text"),
]
