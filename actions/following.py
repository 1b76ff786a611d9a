"""What came after a request: which one undoes it, which one took its place, and what its requester is asked to agree to instead.

Each for a whole list with one query.
"""

from collections.abc import Collection

from .models import Proposal, Request
from .states import WITHOUT_EFFECT, ExecutionState, ProposalState, RequestState


def undoing(requests: Collection[Request]) -> dict[int, Request]:
    """The request that undoes each, or did, by the primary key of what it undoes. One that came to nothing is none."""
    rows = Request.objects.filter(
        undo_of__in=requests, state__in=[RequestState.AWAITING_APPROVAL, RequestState.APPROVED]
    )
    rows = rows.exclude(execution__state__in=WITHOUT_EFFECT).select_related("execution").order_by("pk")
    return {row.undo_of_id: row for row in rows if row.undo_of_id is not None}


def has_undone(back: Request) -> bool:
    """Whether the way back has been gone, to its end."""
    run = getattr(back, "execution", None)
    return run is not None and run.state == ExecutionState.SUCCEEDED


def replacing(requests: Collection[Request]) -> dict[int, int]:
    """The request that took the place of each, because its requester agreed to less."""
    rows = Request.objects.filter(supersedes__in=requests).values_list("supersedes_id", "pk")
    return {before: after for before, after in rows if before is not None}


def proposed_instead(requests: Collection[Request]) -> dict[int, Proposal]:
    """What waits for the answer of whoever asked."""
    rows = Proposal.objects.filter(request__in=requests, state=ProposalState.OPEN).select_related("proposer")
    return {row.request_id: row for row in rows}
