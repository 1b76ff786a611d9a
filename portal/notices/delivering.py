"""Sends what waits, again and more and more rarely until it is taken, and gives up where everybody can see it.

A message is claimed before it is sent, by a row that says until when. Whoever dies with it in hand loses it to the next, so it may
arrive twice, with the same id, and never not at all.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from actions import queries
from actions.models import Request
from actions.states import RequestState
from approvals import absences
from audit import writer
from audit.events import SYSTEM, Event
from connectors.errors import ConnectorError, Permanent
from inventory.models import Person

from . import channels, chat, hooks, mail
from .models import Channel, Delivery, Kind, Notice

log = structlog.get_logger(__name__)

IN_HAND = timedelta(seconds=60)
MOST_ATTEMPTS = 8
AGAIN, AT_LEAST_EVERY = timedelta(seconds=30), timedelta(hours=1)
"""Eight attempts in about an hour."""

Stage = Delivery.Stage
Sender = Callable[[Delivery, Sequence[Notice]], None]
SENDERS: dict[str, Sender] = {Channel.EMAIL: mail.send, Channel.SLACK: chat.send, Channel.WEBHOOK: hooks.send}


def deliver() -> None:
    """Send everything that is due."""
    while (delivery := _claim(timezone.now())) is not None:
        _send(delivery)


def _claim(now: datetime) -> Delivery | None:
    with transaction.atomic():
        due = Delivery.objects.filter(stage__in=[Stage.GATHERING, Stage.SENDING], due_at__lte=now).order_by(
            "due_at", "pk"
        )
        delivery = due.select_for_update(skip_locked=True).first()
        if delivery is None:
            return None
        delivery.stage, delivery.due_at, delivery.attempts = Stage.SENDING, now + IN_HAND, delivery.attempts + 1
        delivery.save(update_fields=["stage", "due_at", "attempts"])
        return delivery


def _send(delivery: Delivery) -> None:
    notices = worth_saying(delivery)
    if not notices:
        _end(delivery, Stage.DROPPED, "")
        return
    try:
        if delivery.attempts > MOST_ATTEMPTS:
            raise Permanent("Whoever had it in hand did not come back, each time.")
        SENDERS[delivery.channel](delivery, notices)
    except Permanent as problem:
        _give_up(delivery, problem)
    except ConnectorError as problem:
        if delivery.attempts >= MOST_ATTEMPTS:
            _give_up(delivery, problem)
        else:
            _later(delivery, problem)
    else:
        _end(delivery, Stage.SENT, "")


def worth_saying(delivery: Delivery) -> list[Notice]:
    """What of it is still news: not read or decided meanwhile, still in their sight, and for somebody who is there and still wants it
    this way. Who insists gets all that is still in their sight.
    """
    person, channel = delivery.person, Channel(delivery.channel)
    if not person.is_active or not channels.leads_to(person, channel):
        return []
    notices = _in_sight(person, delivery.notices.order_by("-at", "-pk"))
    if delivery.insisted:
        return notices
    if absences.away_at(timezone.now(), [person.pk]):
        return []
    wanted = getattr(channels.preference_of(person), channel)
    notices = [notice for notice in notices if notice.read_at is None and notice.kind in wanted]
    asked = [notice.request_id for notice in notices if notice.kind == Kind.DECIDE and notice.request_id]
    waits = set(Request.objects.filter(pk__in=asked, state=RequestState.AWAITING_APPROVAL).values_list("pk", flat=True))
    return [notice for notice in notices if notice.kind != Kind.DECIDE or notice.request_id in waits]


def _in_sight(person: Person, notices: Iterable[Notice]) -> list[Notice]:
    """Without what is about a request that they may not see any more."""
    found = list(notices)
    about = {notice.request_id for notice in found if notice.request_id is not None}
    seen = (
        set(queries.requests_visible_to(person).filter(pk__in=about).values_list("pk", flat=True)) if about else set()
    )
    return [notice for notice in found if notice.request_id is None or notice.request_id in seen]


def _later(delivery: Delivery, problem: ConnectorError) -> None:
    wait = min(AGAIN * 2 ** (delivery.attempts - 1), AT_LEAST_EVERY)
    _in_hand(delivery).update(due_at=timezone.now() + wait, problem=problem.sentence)
    log.warning(
        "notices.later", delivery=delivery.pk, channel=delivery.channel, problem=problem.sentence, detail=problem.detail
    )


def _give_up(delivery: Delivery, problem: ConnectorError) -> None:
    with transaction.atomic():
        if _end(delivery, Stage.DEAD, problem.sentence):
            said = f"{delivery.channel} to {delivery.person.username}: {problem.sentence}"
            writer.record(Event("notice.undeliverable", SYSTEM, said, details={"delivery": delivery.pk}))
    log.error(
        "notices.given_up",
        delivery=delivery.pk,
        channel=delivery.channel,
        problem=problem.sentence,
        detail=problem.detail,
    )


def _end(delivery: Delivery, stage: Delivery.Stage, problem: str) -> bool:
    return _in_hand(delivery).update(stage=stage, problem=problem, ended_at=timezone.now()) == 1


def _in_hand(delivery: Delivery) -> QuerySet[Delivery]:
    """The row, as long as nobody else has taken it since."""
    return Delivery.objects.filter(pk=delivery.pk, stage=Stage.SENDING, attempts=delivery.attempts)
