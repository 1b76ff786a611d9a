"""Sends what waits, again and more and more rarely until it is taken, and gives up where everybody can see it.

A message is claimed before it is sent, by a row that says until when. Whoever dies with it in hand loses it to the next, so it may
arrive twice, with the same id, and never not at all.

While it is on its way it has a thread, so that a receiver that is slow holds up nobody but itself: each person has one message on its
way by each way, and each way has places of its own.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from actions import queries
from actions.apart import apart
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

AT_ONCE = 8
"""So many messages are on their way at the same time by each way; what was not taken before comes after what is new."""
LOOK_AGAIN = 1.0
"""Seconds, while some are on their way, until those that became due meanwhile join them."""

Stage = Delivery.Stage
Post = Callable[[], None]
POSTS: dict[str, Callable[[Delivery, Sequence[Notice]], Post]] = {
    Channel.EMAIL: mail.post_of,
    Channel.SLACK: chat.post_of,
    Channel.WEBHOOK: hooks.post_of,
}
"""What sends a message: made of rows, and then on its way without a database."""


def deliver() -> None:
    """Send everything that is due, and come back when none of it is on its way any more."""
    on_their_way: dict[Future[None], Delivery] = {}
    with ThreadPoolExecutor(AT_ONCE * len(Channel), "afterdeck-send") as threads:
        while True:
            while (delivery := _claim(timezone.now(), on_their_way.values())) is not None:
                with apart("notices.not_sent", delivery=delivery.pk):
                    if (post := _post_of(delivery)) is not None:
                        on_their_way[threads.submit(post)] = delivery
            if not on_their_way:
                return
            for arrived in wait(on_their_way, LOOK_AGAIN, FIRST_COMPLETED).done:
                delivery = on_their_way.pop(arrived)
                with apart("notices.not_sent", delivery=delivery.pk):
                    _conclude(delivery, arrived.result)


def _claim(now: datetime, on_their_way: Collection[Delivery] = ()) -> Delivery | None:
    """The next that nothing stands in the way of: neither another message to the same receiver, nor so many others by the same way."""
    due = Delivery.objects.filter(stage__in=[Stage.GATHERING, Stage.SENDING], due_at__lte=now)
    for channel, many in Counter(each.channel for each in on_their_way).items():
        busy = {each.person_id for each in on_their_way if each.channel == channel}
        due = due.exclude(channel=channel) if many >= AT_ONCE else due.exclude(channel=channel, person__in=busy)
    with transaction.atomic():
        delivery = due.order_by("attempts", "due_at", "pk").select_for_update(skip_locked=True).first()
        if delivery is None:
            return None
        delivery.stage, delivery.due_at, delivery.attempts = Stage.SENDING, now + IN_HAND, delivery.attempts + 1
        delivery.save(update_fields=["stage", "due_at", "attempts"])
        return delivery


def _post_of(delivery: Delivery) -> Post | None:
    """What sends it, or nothing when that is settled already."""
    notices = worth_saying(delivery)
    if not notices:
        _end(delivery, Stage.DROPPED, "")
        return None
    try:
        if delivery.attempts > MOST_ATTEMPTS:
            raise Permanent("Whoever had it in hand did not come back, each time.")
        return POSTS[delivery.channel](delivery, notices)
    except ConnectorError as problem:
        _not_taken(delivery, problem)
        return None


def _conclude(delivery: Delivery, result: Callable[[], None]) -> None:
    try:
        result()
    except ConnectorError as problem:
        _not_taken(delivery, problem)
    else:
        _end(delivery, Stage.SENT, "")


def _not_taken(delivery: Delivery, problem: ConnectorError) -> None:
    if isinstance(problem, Permanent) or delivery.attempts >= MOST_ATTEMPTS:
        _give_up(delivery, problem)
    else:
        _later(delivery, problem)


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
