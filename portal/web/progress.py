"""How far a request is: one state, five steps with their times, and the diary of what happened, newest first.

Pure functions over rows that are already loaded, so that the page, its live fragment and the tests see the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from actions import scheduled
from actions.models import Execution, JournalEntry, Request
from actions.queries import Estimate
from actions.registry import only_stops
from actions.states import ACTIVE, ExecutionState, RequestState
from actions.suspensions import DECLARED
from approvals.models import Round, Vote
from approvals.queries import requirements_of

from .words import clock, people, some_of, span, zoned

R, E = RequestState, ExecutionState
Status, Phase = JournalEntry.Status, JournalEntry.Phase


def run_of(request: Request) -> Execution | None:
    return getattr(request, "execution", None)


def state_of(request: Request) -> str:
    """The one word for a request: its run's state once it may run, else its own."""
    run = run_of(request)
    return ending_of(request, run) if run is not None and request.state == R.APPROVED else str(request.state)


def ending_of(request: Request, run: Execution) -> str:
    """A run's state as people call it: of a task that was stopped nothing is as before, so it failed, or was cancelled."""
    if run.state != E.REVERTED or not only_stops(request.action):
        return str(run.state)
    return str(E.FAILED if run.cancel_requested_by_id is None else E.CANCELLED)


@dataclass(frozen=True)
class Step:
    """One of the five steps. An empty state means that it has not come to that."""

    label: str
    state: str = ""
    at: str = ""
    note: str = "not started"
    current: bool = False
    since: datetime | None = None


def steps_of(
    request: Request, journal: Sequence[JournalEntry], estimate: Estimate | None, can: Sequence[str] = ()
) -> tuple[Step, ...]:
    """`can`: who is there to agree, by name."""
    run = run_of(request)
    plan = Step("Plan", "succeeded", clock(request.created_at), f"took {span(request.planned_in_ms / 1000)}")
    approve = _approve(request, can)
    if request.state in (R.AWAITING_APPROVAL, R.DENIED, R.REJECTED, R.EXPIRED) or approve.current:
        return plan, approve, Step("Apply"), Step("Verify"), Step("Done")
    if request.state in (R.STALE, R.WITHDRAWN) or run is None:
        return plan, approve, _stopped(request), Step("Verify"), Step("Done")
    return plan, approve, _apply(request, run), _verify(run, journal), _done(request, run, journal, estimate)


def _approve(request: Request, can: Sequence[str]) -> Step:
    asked, state = request.round, str(request.state)
    if state == R.DENIED:
        return Step("Denied", state, clock(request.created_at), "by the policy", current=True)
    if asked is None:
        if request.breaks_glass:
            return Step("Glass broken", "degraded", clock(request.created_at), "nobody has agreed")
        return Step("Approve", "succeeded", clock(request.created_at), "nobody had to be asked")
    if state == R.AWAITING_APPROVAL:
        return Step("Approve", state, "", f"waits for {people(can, 'or')}", current=True)
    if asked.state == Round.State.APPROVED and asked.closed_at is not None:
        return Step(
            "Approve", "succeeded", clock(asked.closed_at), f"waited {_between(request.created_at, asked.closed_at)}"
        )
    ended = request.decided_at or request.created_at
    return Step(R(state).label, state, clock(ended), f"after {_between(request.created_at, ended)}", current=True)


def _stopped(request: Request) -> Step:
    at = clock(request.decided_at) if request.decided_at else ""
    notes = {R.STALE: "the plan changed", R.WITHDRAWN: "before it began"}
    return Step(R(request.state).label, str(request.state), at, notes.get(R(request.state), ""), current=True)


def _apply(request: Request, run: Execution) -> Step:
    state = str(run.state)
    started = clock(run.started_at) if run.started_at else ""
    if run.applied_at is not None:
        return Step("Apply", "succeeded", started, f"took {_between(run.started_at, run.applied_at)}")
    if state == E.QUEUED and run.waits_for:
        what = {"start": "waits to be started", "value": "waits for the value"}
        return Step("Apply", state, "", what[run.waits_for], current=True)
    if state == E.QUEUED and (at := scheduled.runs_at(request, timezone.now())) is not None:
        return Step("Apply", state, "", f"runs {zoned(at)}", current=True)
    if state == E.QUEUED:
        return Step("Apply", state, "", "waits for its turn" if run.cause else "in line for a worker", current=True)
    if state in (E.RUNNING, E.WAITING):
        return Step("Apply", state, started, "", current=True, since=run.started_at)
    if state in (E.FAILED, E.CANCELLED):
        return Step("Apply", state, clock(run.ended_at) if run.ended_at else "", "nothing changed")
    return Step("Apply", "failed", started, "did not get through")


def _verify(run: Execution, journal: Sequence[JournalEntry]) -> Step:
    state, applied = str(run.state), run.applied_at
    if applied is None:
        return Step("Verify")
    if state == E.VERIFYING:
        since = good_since(run)
        note = f"of {span(run.observed.get('soak', 0))} soak" if since else str(run.observed.get("sentence", "looking"))
        return Step("Verify", state, clock(applied), note, current=True, since=since)
    if state == E.SUCCEEDED:
        return Step("Verify", "succeeded", clock(applied), f"took {_between(applied, run.ended_at)}")
    looked = next((entry for entry in journal if entry.phase == Phase.VERIFY and entry.ended_at), None)
    if looked is None or looked.status != Status.FAILED:
        return Step("Verify", "cancelled", clock(applied), "stopped")
    return Step("Verify", "failed", clock(applied), f"failed after {_between(applied, looked.ended_at)}")


def _done(request: Request, run: Execution, journal: Sequence[JournalEntry], estimate: Estimate | None) -> Step:
    state = ending_of(request, run)
    ended = clock(run.ended_at) if run.ended_at else ""
    if state == E.SUCCEEDED:
        return Step("Done", state, ended, f"{_between(run.started_at, run.ended_at)} in all")
    if state == E.REVERTED:
        began = next((entry.started_at for entry in journal if entry.phase == Phase.REVERT), None)
        return Step(
            "Reverted", state, ended, f"took {_between(began, run.ended_at)}, verified" if began else "verified"
        )
    if state == E.REVERTING:
        return Step("Revert", state, "", str(run.observed.get("sentence", "")), current=True)
    if state == E.NEEDS_HUMAN:
        return Step("Needs human", state, "", "a person has to look", current=True)
    if state in (E.FAILED, E.CANCELLED):
        stays = run.state == E.REVERTED
        return Step(E(state).label, state, ended, "what it did stays" if stays else "nothing changed")
    if estimate is not None and run.started_at is not None:
        return Step("Done", "", f"about {clock(run.started_at + timedelta(seconds=estimate.usual))}", "")
    return Step("Done", note="")


@dataclass(frozen=True)
class Line:
    """One line of the diary. `quote` is somebody's own words; `since` ticks while it lasts."""

    at: str
    state: str
    title: str
    text: str = ""
    quote: str = ""
    evidence: tuple[tuple[str, str], ...] = ()
    took: str = ""
    since: datetime | None = None
    leads_to: int | None = None
    """The request that it is about, if it is another one."""


def diary(
    request: Request, votes: Sequence[Vote], journal: Sequence[JournalEntry], replaced_by: int | None = None
) -> tuple[Line, ...]:
    """Newest first: the run's journal, the decisions, and the question itself."""
    lines = [(entry.started_at, 2, _entry(request, entry)) for entry in journal]
    lines += [(vote.at, 1, _vote(request, vote)) for vote in votes]
    lines += list(_ends(request, replaced_by))
    activated, at = request.activated_at, request.not_before
    brought_forward = activated is not None and at is not None and activated < at  # of that the journal says by whom
    if activated is not None and not brought_forward:
        started = Line(
            clock(activated),
            "succeeded",
            f"{request.requester.name} started it",
            "Its time counts from then.",
        )
        lines.append((activated, 1, started))
    lines.append((request.created_at, 0, _asked(request)))
    return tuple(line for _, _, line in sorted(lines, key=lambda each: each[:2], reverse=True))


def _entry(request: Request, entry: JournalEntry) -> Line:
    run = run_of(request)
    goes_on = run is not None and run.state in ACTIVE
    states = {
        Status.DONE: "reverted"
        if entry.phase == Phase.REVERT
        else "queued"
        if entry.phase == Phase.NOTE
        else "succeeded",
        Status.FAILED: "stale" if entry.phase == Phase.CONFIRM else "failed",
        Status.UNKNOWN: "stale",
        Status.INTENDED: ("verifying" if "verify" in entry.phase else "running") if goes_on else "cancelled",
    }
    open_end = entry.ended_at is None and goes_on
    return Line(
        at=clock(entry.started_at),
        state=states[Status(entry.status)],
        title=entry.title,
        text=entry.detail,
        evidence=shown(entry.evidence),
        took=_between(entry.started_at, entry.ended_at) if entry.ended_at else "",
        since=entry.started_at if open_end else None,
    )


def shown(evidence: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What a step or an observation left, for people."""
    return tuple((str(name), _short(value)) for name, value in evidence.items() if name not in MARKS)


MARKS = ("drifted", "try again", DECLARED)
"""Evidence that is kept to be read again, and of which its sentence says enough."""


def _vote(request: Request, vote: Vote) -> Line:
    agreed = vote.decision == Vote.Decision.APPROVE
    whose = stood_in_for(vote, request.round)
    return Line(
        at=clock(vote.at),
        state="succeeded" if agreed else "rejected",
        title=f"{vote.voter.name} {'approved' if agreed else 'rejected it'}{f' instead of {whose}' if whose else ''}",
        quote=vote.note,
        took=_between(request.created_at, vote.at),
    )


def _ends(request: Request, replaced_by: int | None) -> Iterator[tuple[datetime, int, Line]]:
    if request.decided_at is None:
        return
    if replaced_by is not None:
        said = f"{request.requester.name} agreed to less instead"
        yield request.decided_at, 3, Line(clock(request.decided_at), "withdrawn", said, leads_to=replaced_by)
    elif request.state == R.WITHDRAWN:
        yield (
            request.decided_at,
            3,
            Line(clock(request.decided_at), "withdrawn", f"{request.requester.name} took it back"),
        )
    elif request.state == R.EXPIRED:
        yield request.decided_at, 3, Line(clock(request.decided_at), "expired", "Nobody answered in time")


def _asked(request: Request) -> Line:
    took = span(request.planned_in_ms / 1000)
    if request.ends_id is not None:
        return Line(
            clock(request.created_at), "succeeded", "Its time was over", "The end was agreed with the start.", took=took
        )
    if request.state == R.DENIED:
        return Line(
            clock(request.created_at), "denied", f"{request.requester.name} asked, and the policy said no", took=took
        )
    if request.breaks_glass:
        said = f"{request.requester.name} broke glass: it ran before anybody agreed"
        return Line(clock(request.created_at), "degraded", said, took=took)
    if request.round is None:
        text = "Nobody had to be asked."
    else:
        whom = (some_of(need["count"], [who["name"] for who in need["people"]]) for need in request.round.requirements)
        text = " ".join(f"{each[:1].upper()}{each[1:]} had to agree." for each in whom)
    return Line(clock(request.created_at), "succeeded", f"{request.requester.name} asked", text, took=took)


def stood_in_for(vote: Vote, asked: Round | None) -> str:
    """The name of whose place a vote fills, empty for the voter's own."""
    people = [who for need in requirements_of(asked) for who in need.people] if asked and vote.instead_of else []
    return next((who.name for who in people if who.identity == vote.instead_of), "")


def good_since(run: Execution) -> datetime | None:
    text = run.observed.get("good_since")
    return datetime.fromisoformat(text) if text else None


def _between(start: datetime | None, end: datetime | None) -> str:
    return span((end - start).total_seconds()) if start and end else ""


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:4]} {text[4:8]}" if len(text) == 64 and text.isalnum() else text
