"""What each gate costs and what it catches, over a window that the reader chooses."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from actions import ledger
from actions.ledger import Gate
from actions.policies import current_policy
from inventory.models import Person
from inventory.queries import VIEW

from .door import signed_in

WINDOWS = {"7": "7 days", "30": "30 days", "90": "90 days"}
USUAL = "30"
FILLED_IN = re.compile(r"\{[^}]*\}")
"""What a reason says of a single request."""


@dataclass(frozen=True)
class Line:
    """One gate. `because` and `where` are empty when the policy has no such rule any more."""

    gate: Gate
    because: str
    where: str
    suggestions: Sequence[str]


@dataclass(frozen=True)
class Choice:
    label: str
    href: str
    current: bool


@never_cache
@signed_in
@require_safe
def index(request: HttpRequest, person: Person) -> HttpResponse:
    days = request.GET.get("days", "")
    days = days if days in WINDOWS else USUAL
    until = timezone.now()
    since = until - timedelta(days=int(days))
    lines = lines_of(ledger.gates(person, since, until))
    answered = ledger.answered(person, since, until)
    context = {
        "section": "insights",
        "windows": [Choice(label, f"{reverse('insights')}?days={key}", key == days) for key, label in WINDOWS.items()],
        "window": WINDOWS[days],
        "lines": lines,
        "denied": [each for each in answered if each.effect == "deny" and not each.set_aside],
        "set_aside": [each for each in answered if each.set_aside],
        "sees_all": person.has_perm(f"inventory.{VIEW}"),
        "quiet_after": ledger.QUIET_AFTER,
        "incident_hours": ledger.INCIDENT_HOURS,
    }
    return render(request, "insights.html", context)


def lines_of(gates: Sequence[Gate]) -> list[Line]:
    rules = {rule.id: rule for rule in current_policy().rules}
    found = []
    for gate in gates:
        rule = rules.get(gate.rule)
        because, where = (FILLED_IN.sub("…", rule.because), rule.where) if rule else ("", "")
        found.append(Line(gate, because, where, ledger.suggestions(gate)))
    return found


urlpatterns = [
    path("insights", index, name="insights"),
]
