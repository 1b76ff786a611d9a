"""What was agreed for later: since when it may run, and starting it before.

Until its time a run stands in no line: no worker takes it, nothing is late, and it holds no target. Then everything is looked at again,
as it is with any other run.
"""

from dataclasses import replace
from datetime import UTC, datetime

from django.db import transaction
from django.utils import timezone

from audit import writer
from audit.events import Event
from inventory.models import Person

from . import bell, confirmation, journal, lifecycle, recording
from .admission import stored_plan, terms_of
from .eligibility import standing_of
from .errors import TooLate
from .models import Execution, JournalEntry, Request
from .services import actor_of
from .states import ExecutionState, RequestState

NO_LONGER = "It does not wait for its time any more: it was started, stopped, or has begun."


def runs_at(request: Request, now: datetime) -> datetime | None:
    """When it is to run, while that lies ahead; also of what nobody has agreed to yet."""
    at = terms_of(request).not_before
    if at is None or at <= now or request.state not in (RequestState.AWAITING_APPROVAL, RequestState.APPROVED):
        return None
    run: Execution | None = getattr(request, "execution", None)
    return at if run is None or run.state == ExecutionState.QUEUED else None


def may_start_now(person: Person, request: Request) -> bool:
    """Whoever asked, if nobody else had to agree; else whoever agreed and still counts: the time was part of what they agreed to."""
    if request.round is None:
        return person.identity == request.requester.identity
    standing = standing_of(request.round, request.service)
    agreed = {vote.identity for vote in standing.votes if vote.approves}
    return person.identity != standing.requester and person.identity in agreed


def start_now(*, actor: Person, request: Request) -> Execution:
    """Run at once what was agreed for later, if the policy lets it through now as well. Raises `NotAllowed`, `TooLate`."""
    if not may_start_now(actor, request):
        why = (
            "Only who asked for it can run it now."
            if request.round is None
            else "It was agreed for its time. Only somebody who agreed can run it now."
        )
        raise recording.not_allowed(actor_of(actor), request, "start early", why)
    if request.state == RequestState.AWAITING_APPROVAL:
        raise TooLate("Not everybody has agreed yet, so there is nothing to run.")
    if runs_at(request, timezone.now()) is None:
        raise TooLate(NO_LONGER)
    terms = terms_of(request)
    problem = confirmation.policy_turned(request, stored_plan(request), replace(terms, not_before=None))
    if problem:
        raise recording.not_allowed(
            actor_of(actor), request, "start early", f"{problem} At its own time it is asked again."
        )
    with transaction.atomic():
        now = timezone.now()
        run = Execution.objects.select_for_update().get(request=request)
        # A worker that has it works with the stamp it read, and another stamp would let a second one do it again.
        untouched = (
            run.state == ExecutionState.QUEUED and run.lease_until is None and run.cancel_requested_by_id is None
        )
        if not untouched or terms.not_before is None or min(run.run_after, terms.not_before) <= now:
            raise TooLate(NO_LONGER)
        run.run_after = run.queued_at = now
        run.stamp = now.isoformat(timespec="seconds")
        run.save(update_fields=["run_after", "queued_at", "stamp"])
        Request.objects.filter(pk=request.pk).update(activated_at=now)
        was = f"{terms.not_before.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        journal.observe(
            run,
            JournalEntry.Phase.NOTE,
            f"{actor.name} runs it now",
            JournalEntry.Status.DONE,
            f"It was for {was}.",
            {},
        )
        writer.record(Event(
            "execution.brought_forward", actor_of(actor), f"now instead of {was}", lifecycle.about(run),
            {"not_before": terms.not_before.isoformat(), "stamp": run.stamp},
        ))  # fmt: skip
        transaction.on_commit(lambda: bell.ring(run.pk))
        transaction.on_commit(lambda: bell.announce(request.pk))
    return run
