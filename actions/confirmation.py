"""The last look before acting: is what would happen still what was agreed, and may it still happen?

The plan is made again and compared by digest; people who approved must still be approvers; the policy must not have turned to no.
Whatever differs stops the run before anything changes.
"""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from approvals import services as approvals
from approvals.rulings import Effect, ruling_from
from approvals.tally import Outcome
from audit import writer
from audit.events import Event
from inventory import queries as inventory
from inventory.models import Service

from . import journal, lifecycle
from .admission import stored_plan, terms_of
from .claiming import worker_actor
from .eligibility import standing_of
from .errors import BadParams, CannotPlanNow, NotFound
from .models import Execution, JournalEntry, Request
from .planning import make_plan, read_params, world_for
from .policies import current_policy
from .protocol import Plan
from .registry import action_named
from .ruling import decide, facts_of
from .states import RequestState
from .targets import row_of
from .terms import Terms


@dataclass(frozen=True)
class Answer:
    """Empty: go on. `wait`: the outside does not answer. `stale`: why it must not run, and `now` what it would do now."""

    wait: str = ""
    stale: str = ""
    now: Plan | None = None


def confirm(execution: Execution) -> Answer:
    """Look at everything again. Raises `Lost`."""
    request = execution.request
    problem = _no_longer_allowed(request)
    if problem:
        return _stale(execution, problem)
    action = action_named(request.action)
    agreed = stored_plan(request)
    try:
        params = read_params(action, request.params)
        now = make_plan(action, agreed.target, params, world_for(agreed.target, request.requester))
    except CannotPlanNow as refusal:
        return (
            Answer(wait=str(refusal))
            if refusal.temporary
            else _stale(execution, f"It cannot be planned any more. {refusal}")
        )
    except BadParams as refusal:
        return _stale(execution, f"Its values are not valid any more. {refusal}")
    if now.digest != request.digest:
        return _stale(
            execution, f"What would happen is no longer what was {_settled(request)}, so nothing was done.", now
        )
    try:
        problem = policy_turned(request, now, terms_of(request))
    except NotFound as gone:  # what it acts on belongs to nobody by now
        problem = str(gone)
    if problem:
        return _stale(execution, problem)
    if not execution.journal.filter(phase=JournalEntry.Phase.CONFIRM, status=JournalEntry.Status.DONE).exists():
        with transaction.atomic():
            journal.observe(
                execution, JournalEntry.Phase.CONFIRM, f"Plan again, compare with what was {_settled(request)}",
                JournalEntry.Status.DONE, f"Same digest: what runs is what was {_settled(request)}.", {"digest": request.digest},
            )  # fmt: skip
            writer.record(Event(
                "plan.confirmed", worker_actor(), f"digest {request.digest[:8]}, same as {_settled(request)}", lifecycle.about(execution),
                {"digest": request.digest},
            ))  # fmt: skip
    return Answer()


def _settled(request: Request) -> str:
    """How what may run came about: the record claims no agreement where nobody was asked, or glass was broken."""
    decided = request.round is not None and not request.breaks_glass
    return "agreed" if decided else "asked for"


def objection(request: Request) -> str:
    """Why a run that may have begun must not go on, or an empty text. The plan is not compared: part of it may be true already."""
    return _no_longer_allowed(request)


def mark_stale(execution: Execution, why: str, now: Plan | None = None) -> None:
    """Call it in the transaction that ends the run: a stale request whose run is not over would be confirmed once more."""
    request = execution.request
    lifecycle.move(
        request, to=RequestState.STALE, actor=worker_actor(), summary=why[:400],
        changes={"stale_plan_text": now.text if now else "", "decided_at": timezone.now()},
        details={"digest": request.digest, "now": now.digest if now else None},
    )  # fmt: skip


def _stale(execution: Execution, why: str, now: Plan | None = None) -> Answer:
    journal.observe(
        execution, JournalEntry.Phase.CONFIRM, "Plan again, compare with the agreed one", JournalEntry.Status.FAILED, why,
        {"digest": now.digest} if now else {},
    )  # fmt: skip
    return Answer(stale=why, now=now)


def _no_longer_allowed(request: Request) -> str:
    if request.ends_id is not None:  # access ends whoever may still ask for what
        return ""
    requester = request.requester
    if not requester.is_active:
        return f"{requester.name} no longer has an account here."
    for service in _services(request):
        if not inventory.may_ask(requester, service):
            return f"{requester.name} may no longer ask for {service.slug}."
    if request.round is None:
        return ""
    standing = standing_of(request.round, request.service)
    if approvals.outcome_of(request.round, standing) is Outcome.APPROVED:
        return ""
    if standing.requester in standing.voters:
        return "An account that approved is by now known to be the requester's, so the approval does not hold."
    return "Somebody who approved is no longer an approver, so the approval does not hold."


def _services(request: Request) -> list[Service]:
    """The service it was asked for, and those of the parts of a chain, which are of the same team."""
    parts = [part.target.service for part in stored_plan(request).parts]
    return [request.service, *Service.objects.filter(slug__in=parts).exclude(pk=request.service_id)]


def policy_turned(request: Request, now: Plan, terms: Terms) -> str:
    """Why the policy would not let it through as it stands at this moment, or an empty text."""
    if request.ends_id is not None:
        return ""
    action, row, at, policy = action_named(request.action), row_of(request), timezone.now(), current_policy()
    facts = facts_of(action, row, request.requester, at, now, policy, request.undo_of, terms=terms, again=request)
    ruling = decide(facts, now, policy, terms)
    if ruling.effect is Effect.DENY:
        if request.breaks_glass and request.incident is not None and request.incident.closed_at is not None:
            return f"{request.incident.reference} was closed before it began, so there is no glass to break any more. Ask for it as usual."
        return f"The policy says no now. {ruling.why}"
    if more := ruling.overruled - ruling_from(request.ruling).overruled:
        why = " ".join(answer.because for answer in ruling.set_aside if answer.rule in more)
        return f"The policy denies by now what nobody agreed to set aside. {why}"
    if ruling.effect is Effect.NEEDS and request.round is None:
        return f"The policy now wants an approval. {ruling.why}"
    if ruling.effect is Effect.NEEDS and request.round:
        standing = standing_of(request.round, request.service)
        if not approvals.would_satisfy(request.round, standing, ruling.requirements):
            return f"The policy now wants more approvals than there are. {ruling.why}"
    return ""
