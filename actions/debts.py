"""What breaking glass leaves behind: a review by somebody else, which is due, and which the next broken glass waits for."""

from datetime import datetime, timedelta

from approvals import services as approvals
from approvals.models import Round
from approvals.rulings import Ruling
from audit import writer
from audit.events import SYSTEM, Event

from . import lifecycle
from .models import Debt, Request

KEPT_OPEN = timedelta(days=3650)
"""A review that is late is still owed, so its round does not expire as a question before the act does."""


def open_debt(request: Request, ruling: Ruling, now: datetime) -> Debt:
    """Ask for the review of what is done now. Call it in the transaction that admits the request."""
    assert ruling.break_glass is not None
    glass, identity = ruling.break_glass, request.requester.identity
    due = now + timedelta(hours=glass.hours)
    asked = approvals.open_round(
        kind=Round.Kind.REVIEW, digest=request.digest, requester_identity=identity, requirements=(glass.review,), now=now,
        expires_at=now + KEPT_OPEN, risk=request.risk,
    )  # fmt: skip
    writer.record(
        Event("glass.broken", SYSTEM, f"acts before anybody agrees: {glass.because}"[:400], lifecycle.about(request),
              {"rule": glass.rule, "review_due": due.isoformat(), "digest": request.digest})
    )  # fmt: skip
    return Debt.objects.create(request=request, round=asked, identity=identity, due_at=due)
