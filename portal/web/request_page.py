"""Everything that one request says to one person, gathered once for its page, its live fragment and the queue."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from actions import admission, compare, following, queries, targets
from actions.errors import Difference
from actions.models import Grant, JournalEntry, Request
from actions.protocol import Impact, Line, Plan, plan_from
from actions.queries import Estimate
from actions.registry import headline_of, writes_logs
from actions.states import ACTIVE, ENDED, ExecutionState, RequestState
from approvals.models import Vote
from approvals.rulings import OVERRIDE, Requirement, requirement_from, ruling_from
from audit import queries as audit
from inventory.models import Person

from . import causes, decisions, plans, progress
from .glass import Broken, broken_of
from .proposed import Proposed, proposed_of
from .there import Away, away_among, who_can
from .verdict import Verdict, asked_as, verdict_of
from .words import moment, people, short_digest, some_of

OVER = (
    RequestState.REJECTED, RequestState.EXPIRED, RequestState.WITHDRAWN, RequestState.STALE, RequestState.DENIED, *ENDED,
)  # fmt: skip


@dataclass(frozen=True)
class Need:
    """How many of whom have to agree; `later` is who is asked too, and when, as long as it is not decided."""

    count: int
    people: list[str]
    later: str = ""
    away: str = ""
    """Who of them is out of office, as long as it is not decided."""

    @property
    def who(self) -> str:
        if not self.people:
            return "Those who are asked later"
        said = some_of(self.count, self.people)
        return f"{said[:1].upper()}{said[1:]}"

    @property
    def enough(self) -> str:
        if self.count == 1 < len(self.people):
            return f"{self.who} is enough{self.away and f'; {self.away}'}."
        alone = self.count == len(self.people) == 1
        return f"{self.who} {'has' if alone else 'have'} to agree{self.away and f'; {self.away}'}."


@dataclass(frozen=True)
class Observed:
    """What was seen last of a run: a sentence, when, and pods as (ready, wanted, not yet) where they were counted."""

    sentence: str
    at: datetime
    pods: tuple[int, int, int] | None


@dataclass(frozen=True)
class Stage:
    """One step of the plan with what has come of it. `final`: nothing is taken back once it has begun."""

    title: str
    state: str
    text: str
    final: bool
    evidence: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Since:
    """What was done to the same target while this waited. `breaks`: this plan starts from what is no longer so."""

    request: Request
    title: str
    at: datetime
    breaks: bool


@dataclass(frozen=True)
class RequestPage:
    request: Request
    title: str
    gist: str
    state: str
    steps: tuple[progress.Step, ...]
    cause: causes.Cause | None
    diary: tuple[progress.Line, ...]
    votes: tuple[Vote, ...]
    needs: tuple[Need, ...]
    rules: tuple[str, ...]
    plan: plans.PlanView
    revert: str
    no_revert: str
    no_undo: str
    observed: Observed | None
    differences: tuple[Difference, ...]
    now_diffs: tuple[plans.Diff, ...]
    estimate: Estimate | None
    deck: decisions.Deck
    event_count: int
    stages: tuple[Stage, ...]
    grant: Grant | None
    broken: Broken | None
    proposed: Proposed | None
    superseded_by: Request | None
    """What takes its place, because its requester wants less."""
    undone_by: Request | None
    since: Since | None

    @property
    def is_undone(self) -> bool:
        """Whether the way back has been gone; else it is on its way."""
        return self.undone_by is not None and following.has_undone(self.undone_by)

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def overridden(self) -> list[dict[str, Any]]:
        """The denials that are set aside because somebody who may agrees to it."""
        return [each for each in self.request.ruling.get("answers", ()) if each.get("set_aside") == OVERRIDE]

    @property
    def verdict(self) -> Verdict | None:
        """What the rules said when it was asked for."""
        return verdict_of(ruling_from(self.request.ruling)) if self.request.ruling.get("answers") else None

    @property
    def was_agreed(self) -> bool:
        """Whether it came to an agreement: by people, or by the policy."""
        return self.request.state in (RequestState.APPROVED, RequestState.STALE)

    @property
    def is_running(self) -> bool:
        return self.state in (ExecutionState.QUEUED, *ACTIVE)

    @property
    def now_digest(self) -> str:
        """Of the plan that was made just before acting, when it differed."""
        text = self.request.stale_plan_text
        return hashlib.sha256(text.encode()).hexdigest() if text else ""

    @property
    def has_run(self) -> bool:
        return progress.run_of(self.request) is not None

    @property
    def writes_logs(self) -> bool:
        return writes_logs(self.request.action)

    @property
    def short(self) -> str:
        return short_digest(self.request.digest)

    @property
    def signers(self) -> list[str]:
        return [vote.voter.name for vote in self.votes if vote.decision == Vote.Decision.APPROVE]

    @property
    def began(self) -> datetime | None:
        run = progress.run_of(self.request)
        return run.started_at if run is not None and run.state in ACTIVE else None

    @property
    def deadline(self) -> datetime | None:
        run = progress.run_of(self.request)
        return run.deadline if run is not None and run.state == ExecutionState.VERIFYING else None


def page_of(person: Person, request: Request) -> RequestPage:
    """A constant number of queries, whatever happened to the request."""
    run = progress.run_of(request)
    asked = request.round
    votes = tuple(asked.votes.select_related("voter")) if asked is not None else ()
    journal = list(run.journal.all()) if run is not None else []
    stored = admission.stored_plan(request)
    estimate = queries.estimate(request.action, request.service_id, request.environment_id)
    differences, now = _compared(request)
    ruling, away = request.ruling, away_among([request], timezone.now())
    replaced: Request | None = getattr(request, "superseded_by", None)
    back = following.undoing([request]).get(request.pk) if run is not None else None
    broken, proposed = broken_of(person, request), proposed_of(person, request) if asked is not None else None
    return RequestPage(
        request=request,
        title=title_for(request),
        gist=gist_of(request),
        state=progress.state_of(request),
        steps=progress.steps_of(request, journal, estimate, _whose_turn(request, proposed, away)),
        cause=causes.cause_of(request, votes, stored, differences),
        diary=progress.diary(request, votes, journal, replaced.pk if replaced is not None else None),
        votes=votes,
        needs=needs_of(request, away),
        rules=tuple(each["rule"] for each in ruling["answers"] if each["effect"] == ruling["effect"]),
        plan=view_of(request, stored, estimate),
        revert=", then ".join(step.title for step in stored.revert),
        no_revert=stored.no_revert,
        no_undo="" if stored.undo is not None else stored.no_undo,
        observed=_observed(run.observed) if run is not None else None,
        differences=differences,
        now_diffs=now,
        estimate=estimate,
        deck=decisions.deck_for(person, request, stored, away, proposed, broken),
        event_count=audit.events_of_request(request.pk).count(),
        stages=_stages(stored, journal, progress.state_of(request) in OVER),
        grant=Grant.objects.filter(request=request).select_related("ended_by").first() if run is not None else None,
        broken=broken,
        proposed=proposed,
        superseded_by=replaced,
        undone_by=back,
        since=_since(request, stored) if request.state == RequestState.AWAITING_APPROVAL else None,
    )


def _since(request: Request, stored: Plan) -> Since | None:
    done = queries.run_since(request)
    if done is None:
        return None
    left, here = _lines(admission.stored_plan(done)), _lines(stored)
    breaks = any(left[place].after != line.before for place, line in here.items() if place in left)
    return Since(done, title_for(done), done.execution.ended_at or done.created_at, breaks)


def _lines(plan: Plan) -> dict[tuple[str, str], Line]:
    return {(change.object, line.path): line for change in plan.changes for line in change.lines}


def _whose_turn(request: Request, proposed: Proposed | None, away: Away) -> list[str]:
    return [request.requester.name] if proposed is not None and proposed.open else who_can(request, away)


def needs_of(request: Request, away: Away) -> tuple[Need, ...]:
    return tuple(_need(request, requirement_from(need), away) for need in request.ruling["requirements"])


def _need(request: Request, need: Requirement, away: Away) -> Need:
    names, later, asked = [who.name for who in need.people], need.escalation, request.round
    out = people([f"{name} is out until {moment(away[name].ends_at)}" for name in names if name in away])
    if later is None or asked is None or request.state != RequestState.AWAITING_APPROVAL:
        return Need(need.count, names, away=out)
    who = asked_as(later.of, request.service)
    at = moment(asked.opened_at + timedelta(minutes=later.after_minutes))
    since = f"since {at}" if asked.escalated_minutes >= later.after_minutes else f"if it is not decided by {at}"
    return Need(need.count, names, f"{who[:1].upper()}{who[1:]}, {since}", out)


STAGES = {
    JournalEntry.Status.DONE: "succeeded",
    JournalEntry.Status.FAILED: "failed",
    JournalEntry.Status.UNKNOWN: "stale",
    JournalEntry.Status.INTENDED: "running",
}


def _stages(plan: Plan, journal: Sequence[JournalEntry], over: bool) -> tuple[Stage, ...]:
    """What a run of several steps does, in order, from what it will do to what it did. A single step needs no list."""
    if len(plan.steps) < 2:
        return ()
    entries = {entry.step: entry for entry in journal if entry.phase == JournalEntry.Phase.APPLY}
    stages = []
    for step in plan.steps:
        entry = entries.get(step.id)
        state = "" if entry is None else STAGES[JournalEntry.Status(entry.status)]
        if over and state in ("", "running"):
            state = "cancelled"
        evidence = progress.shown(entry.evidence) if entry is not None else ()
        text = "" if entry is None or (evidence and state == "succeeded") else entry.detail
        stages.append(Stage(step.title, state, text, step.final, evidence))
    return tuple(stages)


def title_for(request: Request) -> str:
    return headline_of(request.action, target_of(request))


def target_of(request: Request) -> str:
    if request.workload_id is not None:  # not through its row, which a list would read once for each
        return request.service.name
    return targets.name_of(targets.row_of(request))


def gist_of(request: Request) -> str:
    """What a title does not say yet: the summary without its beginning, else how much is touched."""
    _, comma, rest = request.summary.partition(", ")
    if comma:
        return rest[:1].upper() + rest[1:]
    return next((each["figure"] for each in request.impact if each["label"] == "Blast radius"), "")


def view_of(request: Request, stored: Plan, estimate: Estimate | None) -> plans.PlanView:
    impact = [Impact(**each) for each in request.impact]
    return plans.view_of(stored, digest=request.digest, impact=impact, estimate=estimate)


def _compared(request: Request) -> tuple[tuple[Difference, ...], tuple[plans.Diff, ...]]:
    text = request.stale_plan_text
    if not text:
        return (), ()
    return tuple(compare.compare(request.plan_text, text)), plans.diffs_of(plan_from(json.loads(text)))


def _observed(seen: dict[str, Any]) -> Observed | None:
    if not seen.get("at"):
        return None
    ready, _, wanted = str(seen.get("evidence", {}).get("ready", "")).partition(" of ")
    pods = None
    if ready.isdecimal() and wanted.isdecimal():
        pods = (int(ready), int(wanted), max(0, int(wanted) - int(ready)))
    return Observed(str(seen.get("sentence", "")), datetime.fromisoformat(seen["at"]), pods)
