"""The policy to read: what decides now, rule by rule, what is proposed instead, what decided before, and whether it passes its tests."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from actions import policies
from actions.errors import Refused
from approvals import groups, trials, versions
from approvals.loader import Policy, load_texts
from approvals.models import PolicyVersion, Vote
from approvals.reading import BadPolicy
from approvals.rules import Needs, Rule
from approvals.schedules import DAYS, Schedule
from approvals.trials import Trials
from inventory.models import Person

from . import looking
from .door import signed_in
from .words import dated

MOST_VERSIONS = 50

ASKED = {
    groups.OWNING_TEAM_APPROVERS: "the owning team's approvers",
    groups.OWNING_TEAM: "the owning team",
    groups.SERVICE_OWNERS: "the service's owners",
    groups.ON_CALL: "those on call for it",
    groups.ADMINISTRATORS: "the administrators",
}
"""As the page reads a rule; a group, team or person by name stays as it is written."""


@dataclass(frozen=True)
class RuleLine:
    """One rule as people read it. `state` gives it its colour; `does` is its effect in words; `tested` whether a test hits it."""

    rule: Rule
    state: str
    word: str
    does: str
    when: str
    time: str
    tested: bool


@dataclass(frozen=True)
class ScheduleLine:
    schedule: Schedule
    when: str
    holds: bool
    changes: str


@dataclass(frozen=True)
class FileDiff:
    """The lines of one file that differ between two versions, as unified text."""

    name: str
    rows: tuple["DiffRow", ...]


@dataclass(frozen=True)
class DiffRow:
    kind: str
    text: str


@dataclass(frozen=True)
class Tested:
    """What the tests beside the files say; `problem` when they cannot be read."""

    trials: Trials
    problem: str = ""


@never_cache
@signed_in
@require_safe
def index(request: HttpRequest, person: Person) -> HttpResponse:
    policy, now = policies.current_policy(), timezone.now()
    tested = tested_of(policy)
    rows = PolicyVersion.objects.defer("files").select_related("round")
    proposed = rows.filter(state=versions.State.PROPOSED).first()
    context = {
        "section": "policy",
        "policy": policy,
        "rules": [line_of(rule, tested.trials) for rule in policy.rules],
        "schedules": [
            ScheduleLine(each, _hours(each), each.holds(now), _by_its_clock(each, each.next_change(now)))
            for each in policy.schedules.values()
        ],
        "tested": tested,
        "adopted": rows.filter(state=versions.State.ADOPTED).first(),
        "proposed": proposed,
        "stuck": proposed is not None and not policies.is_asked(proposed, now),
        "refused": _refused(),
        "versions": rows[:MOST_VERSIONS],
        "doubts": policies.doubts_about(policy) if person.is_superuser else (),
        "agreeing": settings.CONFIGURATION.policy_approvals,
    }
    return render(request, "policy.html", context)


@never_cache
@signed_in
@require_safe
def version(request: HttpRequest, person: Person, digest: str) -> HttpResponse:
    return _version_page(request, person, _version_or_404(digest))


@signed_in
@require_POST
def decide(request: HttpRequest, person: Person, digest: str) -> HttpResponse:
    shown = _version_or_404(digest)
    approve = request.POST.get("decision") == "approve"
    note = request.POST.get("note", "")
    try:
        policies.decide(
            actor=person, version=shown, approve=approve, digest=request.POST.get("digest", ""), note=note,
            looked_seconds=looking.seconds_since(request.POST.get("looked", ""), person, digest),
        )  # fmt: skip
    except Refused as refused:
        return _version_page(request, person, _version_or_404(digest), refused, note)
    messages.success(request, "Agreed, and on the record." if approve else "Refused, and on the record.")
    return redirect("policy-version", digest)


@signed_in
@require_POST
def ask_again(request: HttpRequest, person: Person) -> HttpResponse:
    try:
        policies.ask_again(actor=person)
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("policy")


def _version_page(
    request: HttpRequest, person: Person, shown: PolicyVersion, refused: Refused | None = None, note: str = ""
) -> HttpResponse:
    before = _against(shown)
    asked = policies.asked_about(shown)
    people = [each for need in asked for each in need.people]
    votes = list(Vote.objects.filter(round=shown.round).select_related("voter")) if shown.round_id else []
    context = {
        "section": "policy",
        "version": shown,
        "before": before,
        "changes": _changes(before, shown),
        "diffs": diffs_between(before.files if before else {}, shown.files),
        "asked": people,
        "votes": votes,
        "wanted": sum(need.count for need in asked),
        "may_decide": bool(asked) and person.is_superuser and person.identity not in {vote.identity for vote in votes},
        "tested": tested_of(policies.on_disk()) if asked else None,
        "refused": refused,
        "note": note,
    }
    return render(request, "policy_version.html", context, status=refused.status if refused else 200)


def line_of(rule: Rule, tests: Trials) -> RuleLine:
    text = rule.text
    if text.deny:
        does = f"Unless {_asks(text.override)} set it aside" if text.override else ""
        state, word = "denied", "Denies"
    elif text.needs:
        does, state, word = "; and ".join(_asks(need) for need in text.needs), "awaiting_approval", "Asks"
    elif text.waives:
        does, state, word = f"Sets aside {', '.join(text.waives)}", "allowed", "Earned"
    elif text.break_glass:
        glass = text.break_glass
        does = f"Acts at once; {glass.count} of {_people([glass.of])} review it within {glass.within_hours} h"
        state, word = "degraded", "Break glass"
    else:
        does, state, word = "", "allowed", "Allows"
    time = f"during {text.during}" if text.during else f"outside {text.outside}" if text.outside else ""
    return RuleLine(rule, state, word, does, " ".join(text.when.split()), time, rule.id not in tests.never_hit)


def _asks(need: Needs) -> str:
    said = f"{need.count} of {_people(need.of)}"
    if need.each:
        said += f", at least {need.each} of each"
    if need.expires_minutes:
        said += f", within {need.expires_minutes} min"
    if need.escalate:
        said += f", after {need.escalate.after_minutes} min {_people([need.escalate.to])} too"
    return said


def _people(of: Sequence[str]) -> str:
    return " or ".join(ASKED.get(each, each) for each in of)


def _by_its_clock(schedule: Schedule, at: datetime | None) -> str:
    return dated(at.astimezone(schedule.zone)) if at else ""


def _hours(schedule: Schedule) -> str:
    parts = []
    if schedule.days:
        days = ", ".join(DAYS[day] for day in sorted(schedule.days))
        parts.append(f"{days} {schedule.start:%H:%M} to {schedule.end:%H:%M}")
    for begins, ends in schedule.spans:
        begun, ended = begins.astimezone(schedule.zone), ends.astimezone(schedule.zone)
        parts.append(f"{dated(begun)} to {dated(ended)}")
    return "; ".join(parts)


def tested_of(policy: Policy) -> Tested:
    try:
        return Tested(trials.try_out(policy, policies.tests_on_disk()))
    except BadPolicy as problem:
        return Tested(Trials((), ()), str(problem))


def diffs_between(before: Mapping[str, str], after: Mapping[str, str]) -> list[FileDiff]:
    found = []
    for name in sorted({*before, *after}):
        old, new = before.get(name, "").splitlines(), after.get(name, "").splitlines()
        lines = list(difflib.unified_diff(old, new, lineterm="", n=3))[2:]
        if lines:
            found.append(FileDiff(name, tuple(DiffRow(KINDS.get(line[:1], ""), line) for line in lines)))
    return found


KINDS = {"+": "ins", "-": "del"}


def _changes(before: PolicyVersion | None, after: PolicyVersion) -> str:
    try:
        old = load_texts(before.files) if before else None
        return versions.changes_between(old, load_texts(after.files)).sentence
    except BadPolicy:
        return ""


def _against(shown: PolicyVersion) -> PolicyVersion | None:
    """What decided before it, or what decides now where it never did."""
    others = PolicyVersion.objects.exclude(pk=shown.pk)
    if shown.state == versions.State.ADOPTED:
        return others.filter(retired_at__isnull=False, adopted_at__isnull=False).order_by("-retired_at").first()
    return others.filter(state=versions.State.ADOPTED).first()


def _refused() -> PolicyVersion | None:
    """What the files hold, where that was refused or taken back, and so may be asked about once more."""
    if not settings.CONFIGURATION.policy_approvals:
        return None
    waiting = (versions.State.REJECTED, versions.State.RETIRED)
    return PolicyVersion.objects.filter(digest=policies.on_disk().digest, state__in=waiting).first()


def _version_or_404(digest: str) -> PolicyVersion:
    found = PolicyVersion.objects.select_related("round").filter(digest=digest).first()
    if found is None:
        raise Http404("No such policy was ever read.")
    return found


urlpatterns = [
    path("policy", index, name="policy"),
    path("policy/ask-again", ask_again, name="policy-ask-again"),
    path("policy/versions/<slug:digest>", version, name="policy-version"),
    path("policy/versions/<slug:digest>/decide", decide, name="policy-decide"),
]
