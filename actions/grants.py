"""What has a start and an end: access, and changes that are meant for a while.

A grant begins when its run's steps are done, and time ends it through a request of its own, which nobody has to agree to again: its
end was agreed together with its start. So the end has a plan, a journal and a verification like anything else, and whoever kills a
worker in the middle of it kills nothing. Native expiry outside comes first wherever there is one; this is what comes second.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from approvals.rulings import Effect, RuleAnswer, Ruling
from audit import writer
from audit.events import SYSTEM, Actor, Event
from inventory import queries as inventory
from inventory.models import Person

from . import admission, bell, lifecycle, recording
from .admission import stored_plan
from .apart import apart, in_turn
from .errors import BadParams, CannotPlanNow, TooLate
from .lifecycle import Lost
from .models import Execution, Grant, Hold, Request
from .planning import make_plan, read_params, world_for
from .protocol import Ending, Plan
from .registry import action_named
from .services import actor_of
from .states import ExecutionState, GrantState
from .targets import row_at, row_of

log = structlog.get_logger(__name__)

ENTRANCE = "schedule"
LATE = timedelta(minutes=2)
"""How long after its end a grant that is still there raises the alarm."""
TRY_AGAIN = timedelta(seconds=10)
SOON = timedelta(seconds=1)
MOST_ENDS = 100
"""At a time; those that were not tried yet come first."""

AGREED_END = Ruling(
    effect=Effect.ALLOW,
    answers=(RuleAnswer("agreed-end", Effect.ALLOW, "Its end was agreed together with its start."),),
    requirements=(),
    policy_digest="",
)
"""No rule may keep access from ending, so none is asked."""


def start(execution: Execution, plan: Plan, *, at: datetime) -> Grant:
    """The steps are done: the time counts from now. Call it in the transaction that says so."""
    assert plan.lasts_seconds is not None
    part = plan.granting
    gives = Grant.Kind.ACCESS if action_named(part.action).gives_access else Grant.Kind.CHANGE
    grant, created = Grant.objects.get_or_create(
        request=execution.request,
        defaults={
            "kind": gives, "target_key": part.target.key, "starts_at": at, "ends_at": at + timedelta(seconds=plan.lasts_seconds),
            "handle": {"mark": str(execution.mark)},
        },
    )  # fmt: skip
    if created:
        until = grant.ends_at.isoformat(timespec="seconds")
        writer.record(Event("grant.started", SYSTEM, f"until {until}", lifecycle.about(grant), {"ends_at": until}))
    return grant


def activate(*, actor: Person, request: Request) -> Request:
    """Say that what was agreed may begin: its time counts from then. Raises `NotAllowed`, `TooLate`."""
    if actor.identity != request.requester.identity:
        raise recording.not_allowed(actor_of(actor), request, "start", "Only who asked for it can start it.")
    with transaction.atomic():
        execution = Execution.objects.select_for_update().filter(request=request, waits_for="start").first()
        if execution is None or execution.state != ExecutionState.QUEUED:
            raise TooLate("This does not wait to be started: it runs already, or it is over.")
        execution.waits_for, execution.run_after = "", timezone.now()
        execution.save(update_fields=["waits_for", "run_after"])
        Request.objects.filter(pk=request.pk).update(activated_at=execution.run_after)
        writer.record(Event("access.activated", actor_of(actor), "its time counts from here", lifecycle.about(request)))
        transaction.on_commit(lambda: bell.ring(execution.pk))
        transaction.on_commit(lambda: bell.announce(request.pk))
    return request


def give_back(*, actor: Person, grant: Grant) -> Grant:
    """End a grant before its time. Raises `NotAllowed`, `TooLate`."""
    request = grant.request
    mine = actor.identity == request.requester.identity
    if not (mine or inventory.is_owner(actor, request.service) or actor.is_superuser):
        why = "Only who has it, the owning team or an administrator can end it."
        raise recording.not_allowed(actor_of(actor), request, "give back", why)
    now = timezone.now()
    with transaction.atomic():
        if Grant.objects.filter(pk=grant.pk, state=GrantState.ACTIVE, ended_by=None).update(
            ends_at=now, ended_by=actor, next_try_at=None
        ) != 1:  # fmt: skip
            raise TooLate("It is ending or has ended already.")
        writer.record(Event("grant.given_back", actor_of(actor), "before its time", lifecycle.about(grant)))
    grant.refresh_from_db()
    end(grant, actor=actor_of(actor))
    return grant


def end_due() -> None:
    """End whatever time is over for. Called again and again, from several processes."""
    now = timezone.now()
    over = Q(ends_at__lte=now) | Q(request__requester__is_active=False)
    due = Grant.objects.filter(over, state=GrantState.ACTIVE).exclude(next_try_at__gt=now)
    # Of those that end in the same moment the latest first: it lies on top of the others.
    waiting_longest = due.order_by(F("next_try_at").asc(nulls_first=True), "-pk")
    silent: dict[tuple[str, str], str] = {}
    related = ("request__service__team", "request__environment", "request__requester")
    for grant in waiting_longest.select_related(*related)[:MOST_ENDS]:
        target = stored_plan(grant.request).granting.target
        place = (target.cluster, target.vault)
        if place in silent:  # one that does not answer must not keep the ends elsewhere waiting, not even by being many
            _try_again(grant, silent[place])
            continue
        try:
            _end(grant, SYSTEM)
        except CannotPlanNow as silence:
            silent[place] = str(silence)
            _try_again(grant, silent[place])
        except Exception as problem:  # one that cannot be ended must not keep the others from ending
            log.exception("grant.end_failed", grant=grant.pk)
            _try_again(grant, type(problem).__name__)


def end(grant: Grant, *, actor: Actor = SYSTEM) -> Request | None:
    """Ask for the end of a grant, or close it when nothing is left to end. Whoever comes second finds it done.

    When the outside does not answer, it is tried again by itself.
    """
    try:
        return _end(grant, actor)
    except CannotPlanNow as silence:
        _try_again(grant, str(silence))
        return None


def _end(grant: Grant, actor: Actor) -> Request | None:
    """Raises `CannotPlanNow` when the outside does not answer."""
    if grant.kind == Grant.Kind.CHANGE and (busy := _busy(grant)):
        _try_again(grant, busy, after=SOON)
        return None
    request = grant.request
    others = _others(grant)
    plan = stored_plan(request).granting
    ending = action_named(plan.action).ending(plan, [stored_plan(other.request).granting for other in others])
    try:
        if ending is None:
            held = "Another grant on the same target holds what this one held, so nothing had to be changed."
            _close(grant, actor, held, others)
            return None
        try:
            seen = _preview(request, _with_handle(ending, grant))
        except (CannotPlanNow, BadParams) as refusal:
            left = isinstance(refusal, CannotPlanNow) and refusal.left_alone
            if grant.kind == Grant.Kind.CHANGE and left:
                _close(grant, actor, f"It was left as it is. {refusal}", others)
            elif isinstance(refusal, CannotPlanNow) and refusal.temporary:
                raise
            else:
                _try_again(grant, str(refusal))
            return None
        with transaction.atomic():
            _unmoved(grant, others)
            lifecycle.move(
                grant, to=GrantState.ENDING, actor=actor, summary="its time is over", changes={"next_try_at": None}
            )
            reason = f"The agreed end of request {request.pk}."
            return admission.admit(seen, request.requester, reason, ENTRANCE, actor=actor, ends=grant)
    except Lost:
        return None


def alarm() -> None:
    """A grant that should be gone and is not is never merely late."""
    now = timezone.now()
    late = Grant.objects.exclude(state=GrantState.ENDED).filter(ends_at__lt=now - LATE, overdue_alarm_at=None)
    for grant in in_turn("alarm about grants", late.select_related("request__service", "request__environment")):
        with apart("grant.alarm_failed", grant=grant.pk):
            _alarm_about(grant, now)


def _alarm_about(grant: Grant, now: datetime) -> None:
    minutes = int((now - grant.ends_at).total_seconds() // 60)
    with transaction.atomic():
        if Grant.objects.filter(pk=grant.pk, overdue_alarm_at=None).update(overdue_alarm_at=now) != 1:
            return
        said = f"it should have ended {minutes} min ago. {grant.cause}".strip()
        writer.record(Event("grant.overdue", SYSTEM, said[:400], lifecycle.about(grant)))
    log.error("grant.overdue", grant=grant.pk, minutes=minutes)


def _busy(grant: Grant) -> str:
    """Why a change cannot end this moment, or an empty text. While a run, or the end of another, moves what it would set back, nobody
    knows what is there: a run that fails goes back to what this change had set.
    """
    if Hold.objects.filter(target_key=grant.target_key).exists():
        return "Another run has the target. It ends after that."
    if Grant.objects.filter(target_key=grant.target_key, state=GrantState.ENDING).exclude(pk=grant.pk).exists():
        return "Another change of the target is ending. It ends after that."
    return ""


def _try_again(grant: Grant, why: str, *, after: timedelta = TRY_AGAIN) -> None:
    Grant.objects.filter(pk=grant.pk).update(next_try_at=timezone.now() + after, cause=why)


def _others(grant: Grant) -> list[Grant]:
    """The grants on the same target that go on, oldest first."""
    now = timezone.now()
    rows = Grant.objects.filter(target_key=grant.target_key, state=GrantState.ACTIVE, ends_at__gt=now).exclude(
        pk=grant.pk
    )
    return list(rows.select_related("request").order_by("starts_at", "pk"))


def _unmoved(grant: Grant, others: Sequence[Grant]) -> None:
    """Raises `Lost` when the grants on the target are not the ones that were looked at any more: two that end in the same moment must
    not leave it to each other. Call it in the transaction that acts on what was seen.
    """
    rows = Grant.objects.select_for_update().filter(target_key=grant.target_key).exclude(state=GrantState.ENDED)
    list(rows.order_by("pk"))
    if {other.pk for other in _others(grant)} != {other.pk for other in others}:
        raise Lost("Another grant on the target began or ended in this moment.")


def _with_handle(ending: Ending, grant: Grant) -> Ending:
    """The end of access has to know whose it is, and what was handed out meanwhile."""
    return Ending(ending.action, {**ending.params, **grant.handle}) if grant.kind == Grant.Kind.ACCESS else ending


def _preview(request: Request, ending: Ending) -> admission.Preview:
    """Raises `CannotPlanNow`, `BadParams`."""
    action, agreed = action_named(ending.action), stored_plan(request)
    part = agreed.granting
    row = row_at(part.target) if agreed.parts else row_of(request)
    params = read_params(action, ending.params)
    began = time.monotonic()
    plan = make_plan(action, part.target, params, world_for(part.target, request.requester))
    return admission.Preview(action, row, params, plan, AGREED_END, int((time.monotonic() - began) * 1000))


def _close(grant: Grant, actor: Actor, cause: str, others: Sequence[Grant]) -> None:
    """Raises `Lost`."""
    with transaction.atomic():
        _unmoved(grant, others)
        lifecycle.move(grant, to=GrantState.ENDED, actor=actor, summary=cause[:400],
                       changes={"ended_at": timezone.now(), "cause": cause})  # fmt: skip
