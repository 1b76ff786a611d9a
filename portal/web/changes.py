"""The changes of a service as a timeline: what, why in the words of whoever asked, how it ended, and who agreed after how long."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.utils import timezone

from actions import following, scheduled
from actions import queries as actions
from actions.models import Execution, Request
from actions.registry import all_actions
from actions.states import ENDED, ExecutionState, RequestState
from approvals.models import Vote
from inventory.models import Service

from . import progress, words
from .goals import address_from
from .there import Away, away_among, who_can

MOST = 20


@dataclass(frozen=True)
class Entry:
    request: Request
    state: str
    outcome: str
    agreed: str
    again: str = ""
    undo: str = ""
    undone_by: int | None = None
    undone: str = ""
    """In words whether that request has undone it, or is to."""


@dataclass(frozen=True)
class Changes:
    entries: tuple[Entry, ...]
    month: int
    reverted: int


def changes_of(service: Service, now: datetime) -> Changes:
    rows = actions.changes_of(service, MOST).prefetch_related("round__votes__voter")
    month = actions.counted_since(service, now - timedelta(days=30))
    return Changes(entries_of(list(rows)), month.all, month.reverted)


def entries_of(requests: Sequence[Request]) -> tuple[Entry, ...]:
    """For requests whose votes are at hand."""
    around = Around(
        following.undoing(requests),
        following.replacing([each for each in requests if each.state == RequestState.WITHDRAWN]),
        away_among(requests, timezone.now()),
    )
    return tuple(_entry(request, around) for request in requests)


@dataclass(frozen=True)
class Around:
    """What is known of a whole list: what undoes which of them, what took whose place, and who of those asked is away."""

    undoing: Mapping[int, Request]
    replacing: Mapping[int, int]
    away: Away


def _entry(request: Request, around: Around) -> Entry:
    votes = list(request.round.votes.all()) if request.round else []
    run: Execution | None = getattr(request, "execution", None)
    shown = progress.state_of(request)
    back = around.undoing.get(request.pk)
    undone = "" if back is None else "Undone by" if following.has_undone(back) else "To be undone by"
    return Entry(
        request, shown, _outcome(request, run, votes, around), _agreed(request, votes), _again(request),
        "" if back else _undo(request, shown), back.pk if back else None, undone,
    )  # fmt: skip


def _again(request: Request) -> str:
    """Where the same can be asked for once more: the form opens with the same values and reason."""
    if (
        request.ends_id
        or request.undo_of_id
        or request.action not in _offered()
        or request.row is None
        or request.row.gone_at
    ):
        return ""
    return address_from(request, request.action, again=request.pk)


def _undo(request: Request, state: str) -> str:
    """Where it can be undone; whether that is still possible the form says, which makes the plan."""
    plan = json.loads(request.plan_text) if state == ExecutionState.SUCCEEDED else {}
    if not plan.get("undo") or plan.get("lasts_seconds") or request.row is None or request.row.gone_at:
        return ""
    return address_from(request, plan.get("undo_action") or request.action, undo=request.pk)


@cache
def _offered() -> frozenset[str]:
    return frozenset(action.id for action in all_actions() if action.listed)


def _outcome(request: Request, run: Execution | None, votes: Sequence[Vote], around: Around) -> str:
    at = scheduled.runs_at(request, timezone.now())
    if at is not None and run is not None:
        return f"Agreed to, runs {words.zoned(at)}"
    if run is not None and request.state == RequestState.APPROVED:
        return _run_outcome(run, progress.state_of(request))
    no = next((vote for vote in votes if vote.decision == Vote.Decision.REJECT), None)
    if no is not None:
        return f"{no.voter.name} said no: “{no.note.strip()}”"
    if request.state == RequestState.AWAITING_APPROVAL:
        return f"Waits for {words.people(who_can(request, around.away), 'or')}"
    if request.pk in around.replacing:
        return f"Request {around.replacing[request.pk]} took its place"
    return OUTCOMES.get(request.state, "")


OUTCOMES: dict[str, str] = {
    RequestState.STALE: "Stale: the plan changed before it ran. Nothing has run",
    RequestState.EXPIRED: "Nobody answered in time",
    RequestState.WITHDRAWN: "Taken back before it ran",
    RequestState.DENIED: "The policy said no",
}


def _run_outcome(run: Execution, shown: str) -> str:
    took = words.span((run.ended_at - run.started_at).total_seconds()) if run.ended_at and run.started_at else ""
    seen = str(run.observed.get("sentence", ""))
    if run.state == ExecutionState.SUCCEEDED:
        return f"{seen or 'Verified'} in {took}" if took else seen or "Verified"
    if shown == ExecutionState.REVERTED:
        return f"Reverted after {took}: {run.cause}" if took else f"Reverted: {run.cause}"
    if run.state in ENDED or run.state == ExecutionState.NEEDS_HUMAN:
        return run.cause or ExecutionState(run.state).label
    return seen or run.cause or "In line for a worker"


def _agreed(request: Request, votes: Sequence[Vote]) -> str:
    yes = [vote for vote in votes if vote.decision == Vote.Decision.APPROVE]
    if yes:
        waited = words.roughly((yes[-1].at - request.created_at).total_seconds())
        return f"{words.people([vote.voter.name for vote in yes])} approved after {waited}"
    no = [vote for vote in votes if vote.decision == Vote.Decision.REJECT]
    if no:
        return f"After {words.roughly((no[0].at - request.created_at).total_seconds())}"
    if request.breaks_glass:
        return "Broke glass"
    return "Nobody had to be asked" if request.round is None and request.state == RequestState.APPROVED else ""
