"""What happens after somebody agreed: said alike on a page, in Slack and in a notice, and true of what does not begin at once."""

from collections.abc import Callable
from datetime import datetime

from actions import scheduled
from actions.models import Execution, Request
from actions.states import ExecutionState

WAITS = {
    "start": ("{} starts it when it is needed.", "Start it when you need it: its time counts from then."),
    "value": ("It waits for the new value from {}.", "Hand in the new value, and it begins."),
}
"""For what its requester has to do: to everybody, and to them."""


def sentence(request: Request, now: datetime, when: Callable[[datetime], str], *, to_requester: bool = False) -> str:
    """Of a request as it is after the vote; empty when there is nothing ahead any more."""
    run: Execution | None = getattr(request, "execution", None)
    if run is None or run.ended_at is not None:
        return ""
    if run.state == ExecutionState.QUEUED and run.waits_for:
        return WAITS[run.waits_for][to_requester].format(request.requester.name)
    at = scheduled.runs_at(request, now)
    return f"It runs {when(at) if at else 'now'}."
