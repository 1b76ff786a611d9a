"""Why a request is where it is, when that is not where it should be: the box that comes first, in plain words.

What is said here was observed or written down: the run's own sentence, the policy's reasons, people's own words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonprefix

from actions.errors import Difference
from actions.jobs import STAYS
from actions.models import Execution, Request
from actions.protocol import Plan
from actions.states import ExecutionState, RequestState
from approvals.models import Vote

from .progress import run_of, state_of
from .words import HASH, moment, people, steps

R, E = RequestState, ExecutionState


@dataclass(frozen=True)
class Row:
    """Fits the rows of `_verdict.html`."""

    label: str
    text: str
    code: str = ""


@dataclass(frozen=True)
class Cause:
    state: str
    title: str
    rows: tuple[Row, ...]


def cause_of(request: Request, votes: Sequence[Vote], plan: Plan, differences: Sequence[Difference]) -> Cause | None:
    """The box, or `None` when all is as it should be."""
    state, run = state_of(request), run_of(request)
    if state == R.STALE:
        return _stale(request, run, votes, differences)
    if state == R.DENIED:
        return _denied(request)
    if state == R.REJECTED:
        return _rejected(votes)
    if state == R.EXPIRED:
        return Cause(state, "Nobody answered in time, so it expired. Nothing has run.", (
            Row("What to do", "Ask again. Tell an approver that it waits, if it is urgent."),
        ))  # fmt: skip
    if run is None or not run.cause:
        return None
    if run.state == E.REVERTED and state != E.REVERTED:
        return Cause(state, f"{_clause(run.cause)}, and it was stopped", (
            Row("Cause", run.cause),
            Row("What is true now", f"Nothing of it runs any more. {STAYS}"),
            Row("What to do", "Read its log, and set right what it left half done. Then ask again."),
        ))  # fmt: skip
    if state == E.REVERTED:
        back = steps([step.title for step in plan.revert])
        return Cause(state, f"{_clause(run.cause)}, so it was taken back", (
            Row("Cause", run.cause),
            Row("Taken back", f"{back}, and verified like the change was."),
            Row("What to do", "Find the cause first; the journal below has what was seen. Then ask again."),
        ))  # fmt: skip
    if state == E.FAILED:
        return Cause(state, "It did not get through, and nothing changed", (
            Row("Cause", run.cause), Row("What to do", "Remove the cause, then ask again."),
        ))  # fmt: skip
    if state == E.CANCELLED:
        return Cause(state, "It ended before anything changed", (Row("Cause", run.cause),))
    if state == E.NEEDS_HUMAN:
        return Cause(state, "Nobody can say for certain what is true now", (
            Row("Why", run.cause),
            Row("Meanwhile", f"No other change may touch {plan.target.label}."),
            Row("What to do", "Look at it with your own eyes; the commands are under “Do it without Afterdeck”. "
                "Then an approver or an administrator says below what is true."),
        ))  # fmt: skip
    return _waits(state, run, plan)


def _waits(state: str, run: Execution, plan: Plan) -> Cause | None:
    if state == E.QUEUED:
        return Cause("queued", "It waits for its turn", (Row("Why", run.cause),))
    if state == E.WAITING:
        return Cause("waiting", f"It waits for cluster {plan.target.cluster}", (
            Row("Why", run.cause),
            Row("Next", "Nothing for you to do. It reads first when there is an answer, and goes on from there; "
                "nothing is done twice."),
        ))  # fmt: skip
    if state == E.REVERTING:
        return Cause("reverting", "It is being taken back", (Row("Cause", run.cause),))
    return None


def _stale(request: Request, run: Execution | None, votes: Sequence[Vote], differences: Sequence[Difference]) -> Cause:
    names = people([vote.voter.name for vote in votes if vote.decision == Vote.Decision.APPROVE])
    rows = []
    if differences:
        rows.append(Row("What happened", _changed(differences, "Agreed" if names else "Asked for")))
    elif run is not None and run.cause:
        rows.append(Row("What happened", run.cause))
    if names:
        rows.append(Row("Why it stops", f"An approval covers one plan, so that of {names} no longer counts."))
    else:
        rows.append(Row("Why it stops", "What was asked for is one plan. Another one is another question."))
    also = "The approvers see the new plan and sign that. " if request.round is not None else ""
    rows.append(Row("What to do", f"Ask again. {also}Your reason goes along."))
    title = (
        f"The plan changed after {names} approved it. Nothing has run."
        if names
        else "The plan changed. Nothing has run."
    )
    return Cause(str(R.STALE), title, tuple(rows))


def _denied(request: Request) -> Cause:
    answers = [each for each in request.ruling["answers"] if each["effect"] == "deny"]
    rows = tuple(Row("Why", each["because"], each["rule"]) for each in answers)
    return Cause(str(R.DENIED), "Denied by the policy. Nothing has run.", rows)


def _rejected(votes: Sequence[Vote]) -> Cause:
    noes = [vote for vote in votes if vote.decision == Vote.Decision.REJECT]
    names = people([vote.voter.name for vote in noes]) or "An approver"
    said = tuple(Row(vote.voter.name, f"“{vote.note.strip()}”, {moment(vote.at)}") for vote in noes)
    return Cause(str(R.REJECTED), f"{names} said no. Nothing has run.", (
        *said, Row("What to do", "Change what was asked for, or answer the reason, and ask again."),
    ))  # fmt: skip


def _changed(differences: Sequence[Difference], how: str) -> str:
    """The first difference that a person can read; a hash says only that something is another one."""
    read = next((each for each in differences if not HASH.search(each.agreed + each.now)), None)
    if read is None:
        return f"{differences[0].label.rpartition(': ')[2].capitalize()} is another one now."
    agreed, now = _apart(read.agreed, read.now)
    return f"{how} was “{agreed}”. Now it would be “{now}”."


def _apart(agreed: str, now: str) -> tuple[str, str]:
    """Two sentences without the beginning that they share, up to the last comma in it."""
    shared = len(commonprefix([agreed, now]))  # noqa: RUF071  # characters are what is compared here, not paths
    start = agreed.rfind(", ", 0, shared) + 2
    return (agreed[start:], now[start:]) if start > 1 else (agreed, now)


def _clause(text: str) -> str:
    """What a cause says before its particulars: "The image cannot be pulled" of "The image cannot be pulled: 1 pod in …"."""
    return re.split(r"[:.](?:\s|$)", text.strip())[0]
