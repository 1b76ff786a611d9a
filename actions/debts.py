"""What breaking glass leaves behind: a review by somebody else, which is due, and which the next broken glass waits for.

Who breaks it acts before anybody agrees. So it is loud (an event, from which people are told), narrow (the policy offers it, and one
human has one broken glass at a time, under whatever account and in however many tabs), and owed until somebody else has looked.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import transaction
from django.utils import timezone

from approvals import groups
from approvals import services as approvals
from approvals.models import Round
from approvals.rulings import Escalation, Ruling
from approvals.tally import Outcome
from audit import writer
from audit.canonical import storable
from audit.events import SYSTEM, Actor, ActorKind, Event
from inventory import queries as inventory
from inventory.models import Person

from . import bell, counting, lifecycle, recording
from .apart import apart, in_turn
from .errors import TooLate, VoteDoesNotCount
from .models import Debt, Request
from .policies import administrators
from .states import RequestState

log = structlog.get_logger(__name__)

KEPT_OPEN = timedelta(days=3650)
"""A review that is late is still owed, so its round does not expire as a question before the act does."""
MAX_NOTE = 2000


def open_debts(person: Person) -> list[Debt]:
    """What this human owes, under whichever account: accounts may have been joined since.

    What went stale before it ran is reviewed as well, but bars nobody: nothing was done, and the incident goes on.
    """
    unsettled = Debt.objects.filter(settled_at=None).exclude(request__state=RequestState.STALE)
    unsettled = unsettled.select_related("request__requester__same_person_as")
    return [debt for debt in unsettled if debt.request.requester.identity == person.identity]


def one_at_a_time(person: Person) -> None:
    """Keep this human from breaking another glass until the transaction ends: who waits here must ask the policy again."""
    Person.objects.select_for_update(no_key=True).get(pk=person.identity)


def open_debt(request: Request, ruling: Ruling, now: datetime) -> Debt:
    """Ask for the review of what is done now. Call it in the transaction that admits the request, after `one_at_a_time`.

    When it is late, the administrators are asked too: whoever owes it is not to wait for people who have left.
    """
    assert ruling.break_glass is not None
    glass, identity = ruling.break_glass, request.requester.identity
    due = now + timedelta(hours=glass.hours)
    others = tuple(each for each in administrators() if each.identity != identity)
    later = Escalation(glass.hours * 60, groups.ADMINISTRATORS, others)
    review = replace(glass.review, escalation=later)
    asked = approvals.open_round(
        kind=Round.Kind.REVIEW, digest=request.digest, requester_identity=identity, requirements=(review,), now=now,
        expires_at=now + KEPT_OPEN, risk=request.risk,
    )  # fmt: skip
    reviewers = sorted(each.username for each in glass.review.people)
    aside = [answer.rule for answer in ruling.set_aside]
    writer.record(
        Event("glass.broken", _actor(request.requester), f"acts before anybody agrees: {glass.because}"[:400], lifecycle.about(request),
              {"rule": glass.rule, "set_aside": aside, "review_by": reviewers, "review_due": due.isoformat(), "digest": request.digest})
    )  # fmt: skip
    log.warning("glass.broken", request=request.pk, requester=request.requester.username, rule=glass.rule)
    return Debt.objects.create(request=request, round=asked, identity=identity, due_at=due)


def review(
    *, actor: Person, request: Request, accept: bool, digest: str, note: str = "", entrance: str = "browser",
    looked_seconds: int | None = None,
) -> Debt:  # fmt: skip
    """Say whether it was right to act at once; either way that settles it. To object takes a note.

    Raises `VoteDoesNotCount` (recorded; never the requester, under any account) and `TooLate`.
    """
    debt = Debt.objects.select_related("round").filter(request=request).first()
    if debt is None:
        raise TooLate("No glass was broken for this, so there is nothing to review.")
    note = storable(note)[:MAX_NOTE]
    ballot = approvals.Ballot(accept, digest, note, entrance, looked_seconds)
    word = "accept" if accept else "object"
    try:
        with transaction.atomic():
            counted = counting.count(actor, debt.round, request.service, ballot)
            writer.record(Event(
                "vote.cast", _actor(actor), f"{word} what was done, digest {digest[:8]}{counted.aside}", lifecycle.about(request),
                {"digest": digest, "decision": word, "note": note, "entrance": entrance, "instead_of": counted.instead_of},
            ))  # fmt: skip
            if counted.outcome is not Outcome.WAITING:
                _settle(debt, counted.outcome is Outcome.APPROVED, actor, note, counted.at)
            transaction.on_commit(lambda: bell.announce(request.pk))
    except approvals.VoteRefused as refusal:
        recording.vote_refused(_actor(actor), request, refusal)
        raise VoteDoesNotCount(str(refusal), refusal.rule) from refusal
    return debt


def alarm() -> None:
    """Say once of each review that it is late, and ask the administrators too; it stays owed."""
    now = timezone.now()
    late = Debt.objects.filter(settled_at=None, due_at__lte=now, overdue_alarm_at=None)
    related = ("request__service", "request__environment", "request__requester", "round")
    for debt in in_turn("alarm about debts", late.select_related(*related)):
        with apart("debt.alarm_failed", request=debt.request_id):
            _alarm_about(debt, now)


def _alarm_about(debt: Debt, now: datetime) -> None:
    request, due = debt.request, debt.due_at
    with transaction.atomic():
        approvals.locked(debt.round)  # first, like a review does, or the two would meet in a deadlock
        unsaid = Debt.objects.filter(pk=debt.pk, settled_at=None, overdue_alarm_at=None)
        if unsaid.update(overdue_alarm_at=now) != 1:
            return
        never = inventory.accounts_of(request.requester)
        needs = approvals.escalate(debt.round, risk=request.risk, now=now, never=never)
        asked = sorted({each.username for need in needs for each in need.people if each.identity not in never})
        said = (
            f"{request.requester.name} broke glass, and nobody has reviewed it; that was due {due:%Y-%m-%d %H:%M} UTC"
        )
        details: dict[str, object] = {"due": due.isoformat(), "asked": asked}
        writer.record(Event("debt.overdue", SYSTEM, said[:400], lifecycle.about(request), details))
        transaction.on_commit(partial(bell.announce, request.pk))
    log.error("debt.overdue", request=request.pk, requester=request.requester.username)


def _settle(debt: Debt, accepted: bool, actor: Person, note: str, now: datetime) -> None:
    debt.settled_at, debt.accepted = now, accepted
    debt.save(update_fields=["settled_at", "accepted"])  # the round is locked, and only who closes it comes here
    said = "it was right to act at once" if accepted else f"it was not right to act at once: {note.strip()}"
    writer.record(
        Event("debt.settled", _actor(actor), said[:400], lifecycle.about(debt.request),
              {"accepted": accepted, "note": note, "due": debt.due_at.isoformat(), "late": now > debt.due_at})
    )  # fmt: skip


def _actor(person: Person) -> Actor:
    return Actor(ActorKind.PERSON, person.username, person.pk)
