"""Every state a request, a run and a grant can be in, and every move between them: data, not code.

`lifecycle.move` refuses whatever is not in these tables; the diagram in docs/architecture.md is generated from them by
`manage.py states`.
"""

from dataclasses import dataclass

from django.db import models


class RequestState(models.TextChoices):
    AWAITING_APPROVAL = "awaiting_approval", "Needs approval"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    WITHDRAWN = "withdrawn", "Withdrawn"
    STALE = "stale", "Stale"
    DENIED = "denied", "Denied"


class ExecutionState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting"
    VERIFYING = "verifying", "Verifying"
    REVERTING = "reverting", "Reverting"
    SUCCEEDED = "succeeded", "Succeeded"
    REVERTED = "reverted", "Reverted"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    NEEDS_HUMAN = "needs_human", "Needs human"


class GrantState(models.TextChoices):
    ACTIVE = "active", "Active"
    ENDING = "ending", "Ending"
    ENDED = "ended", "Ended"


class ProposalState(models.TextChoices):
    OPEN = "open", "Open"
    CONFIRMED = "confirmed", "Confirmed"
    DECLINED = "declined", "Declined"
    CLOSED = "closed", "Closed"


@dataclass(frozen=True)
class Move:
    """An allowed change of state and the audit verb it writes."""

    verb: str
    meaning: str


R, E = RequestState, ExecutionState

REQUEST_MOVES: dict[tuple[str, str], Move] = {
    (R.AWAITING_APPROVAL, R.APPROVED): Move("request.approved", "everybody needed has agreed"),
    (R.AWAITING_APPROVAL, R.REJECTED): Move("request.rejected", "an approver said no"),
    (R.AWAITING_APPROVAL, R.EXPIRED): Move("request.expired", "nobody answered in time"),
    (R.AWAITING_APPROVAL, R.WITHDRAWN): Move("request.withdrawn", "the requester took it back"),
    (R.APPROVED, R.STALE): Move("request.stale", "the plan changed before it ran"),
    (R.APPROVED, R.WITHDRAWN): Move("request.withdrawn", "taken back before it ran"),
}

EXECUTION_MOVES: dict[tuple[str, str], Move] = {
    (E.QUEUED, E.RUNNING): Move("execution.started", "a worker took it"),
    (E.QUEUED, E.CANCELLED): Move("execution.cancelled", "stopped before it began"),
    (E.QUEUED, E.FAILED): Move("execution.failed", "it ended workers before it began; nothing changed"),
    (E.RUNNING, E.WAITING): Move("execution.waiting", "the outside does not answer"),
    (E.WAITING, E.RUNNING): Move("execution.resumed", "try again"),
    (E.RUNNING, E.VERIFYING): Move("verification.started", "all steps are done"),
    (E.RUNNING, E.REVERTING): Move("revert.started", "a step failed, or somebody cancelled, after something changed"),
    (E.RUNNING, E.FAILED): Move("execution.failed", "nothing changed"),
    (E.RUNNING, E.CANCELLED): Move("execution.cancelled", "stopped before anything changed"),
    (E.WAITING, E.NEEDS_HUMAN): Move(
        "execution.needs_human", "it ended workers, or the outside was taken from the settings"
    ),
    (E.RUNNING, E.NEEDS_HUMAN): Move("execution.needs_human", "we cannot know what happened"),
    (E.VERIFYING, E.SUCCEEDED): Move("execution.succeeded", "verified"),
    (E.VERIFYING, E.REVERTING): Move("revert.started", "reality disagrees, or somebody cancelled"),
    (E.VERIFYING, E.NEEDS_HUMAN): Move("execution.needs_human", "reality disagrees and there is no inverse"),
    (E.REVERTING, E.REVERTED): Move("execution.reverted", "taken back and verified"),
    (E.REVERTING, E.NEEDS_HUMAN): Move("execution.needs_human", "it could not be taken back"),
    (E.NEEDS_HUMAN, E.SUCCEEDED): Move("execution.resolved", "a person saw that it is done"),
    (E.NEEDS_HUMAN, E.REVERTED): Move("execution.resolved", "a person took it back"),
    (E.NEEDS_HUMAN, E.FAILED): Move("execution.resolved", "a person saw that nothing changed"),
}

ACTIVE = (E.RUNNING, E.WAITING, E.VERIFYING, E.REVERTING)
"""States in which a run owns its target and a worker must look after it."""

HOLDS_TARGET = (*ACTIVE, E.NEEDS_HUMAN)
"""States in which a run keeps its holds, so that no other touches its targets: until a person has looked, nobody knows what is true."""

GRANT_MOVES: dict[tuple[str, str], Move] = {
    (GrantState.ACTIVE, GrantState.ENDING): Move("grant.ending", "its time is over, or it was given back"),
    (GrantState.ENDING, GrantState.ACTIVE): Move("grant.still_there", "its end failed; it is tried again"),
    (GrantState.ENDING, GrantState.ENDED): Move("grant.ended", "what it gave is gone"),
    (GrantState.ACTIVE, GrantState.ENDED): Move("grant.ended", "nothing was left to take away"),
}

PROPOSAL_MOVES: dict[tuple[str, str], Move] = {
    (ProposalState.OPEN, ProposalState.CONFIRMED): Move("proposal.confirmed", "the requester wants that instead"),
    (ProposalState.OPEN, ProposalState.DECLINED): Move("proposal.declined", "the requester keeps to what was asked"),
    (ProposalState.OPEN, ProposalState.CLOSED): Move("proposal.closed", "another was made, or the request was decided"),
}

WITHOUT_EFFECT = (E.FAILED, E.CANCELLED, E.REVERTED)
"""Ends after which things are as they were before."""

ENDED = (E.SUCCEEDED, E.REVERTED, E.FAILED, E.CANCELLED)
