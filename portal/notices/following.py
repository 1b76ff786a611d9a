"""Follows the record and writes what it tells: notices, and the deliveries that gather them.

One transaction takes some events, writes all that follows from them and moves the cursor. Whoever dies in it leaves nothing, and
whoever comes second meanwhile finds the cursor held and goes away.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from actions import bell
from approvals import absences
from audit import following
from audit.following import Place
from audit.models import EventRow
from inventory.models import Person

from . import channels
from .models import Delivery, Follower, Kind, Notice
from .telling import told_by

log = structlog.get_logger(__name__)

NAME = "notices"
DECIDED = {"request.approved", "request.rejected", "request.expired", "request.withdrawn", "request.superseded"}
AT_ONCE = 500
FEW = 20
"""So many requests are announced to open pages one by one; more of them as "anything"."""


def follow() -> None:
    """Tell everything there is to tell."""
    while _follow_some():
        pass


def _follow_some() -> bool:
    """Whether there may be more. The first time, it only takes its place: nobody is told of what was before."""
    with transaction.atomic():
        begun = following.here()
        Follower.objects.get_or_create(name=NAME, defaults={"txid": begun.txid, "event_id": begun.event})
        held = Follower.objects.select_for_update(skip_locked=True).filter(name=NAME).first()
        if held is None:
            return False
        place = Place(held.txid, held.event_id)
        if following.is_ahead(place):
            log.warning("notices.begin_again", was=place.txid, now=begun.txid)
            place = begun
        events = following.after(place, AT_ONCE)
        now = timezone.now()
        _write([Notice(event_id=event.pk, person=told.person, kind=told.kind, text=told.text, path=told.path,
                       request_id=event.request_id, at=event.at) for event, told in told_by(events, now)], now)  # fmt: skip
        _settle(events, now)
        reached = following.place_of(events[-1]) if events else place
        Follower.objects.filter(pk=held.pk).update(txid=reached.txid, event_id=reached.event)
    return len(events) == AT_ONCE


def _write(notices: list[Notice], now: datetime) -> None:
    if not notices:
        return
    Notice.objects.bulk_create(notices, ignore_conflicts=True)
    told = Notice.objects.filter(event_id__in={each.event_id for each in notices}, deliveries=None, read_at=None)
    by_person: dict[Person, list[Notice]] = defaultdict(list)
    for notice in told.select_related("person__preference", "person__slack_link", "person__webhook").order_by("pk"):
        by_person[notice.person].append(notice)
    away = absences.away_at(now, [person.pk for person in by_person])
    for person, mine in by_person.items():
        for channel, wanted in channels.chosen_by(person) if person.pk not in away else ():
            _gather(person, channel, [notice for notice in mine if notice.kind in wanted], now)
    changed = {notice.request_id for notice in notices}
    for request_id in changed if len(changed) <= FEW else {None}:
        transaction.on_commit(partial(bell.announce, request_id))


def _settle(events: Iterable[EventRow], now: datetime) -> None:
    """That somebody is asked to decide is old news once they have, or once it is decided."""
    asked = Notice.objects.filter(kind=Kind.DECIDE, read_at=None)
    decided = {event.request_id for event in events if event.verb in DECIDED}
    if decided:
        asked.filter(request_id__in=decided).update(read_at=now)
    for event in events:
        if event.verb == "vote.cast":
            asked.filter(request_id=event.request_id, person=event.actor_id).update(read_at=now)


def _gather(person: Person, channel: str, notices: Iterable[Notice], now: datetime) -> None:
    """Put notices into the message that waits, or into a new one, which goes at once unless one went a moment ago."""
    if not (fresh := list(notices)):
        return
    mine = Delivery.objects.filter(person=person, channel=channel)
    waiting = mine.select_for_update().filter(stage=Delivery.Stage.GATHERING).first()
    if waiting is None:
        last = mine.exclude(stage=Delivery.Stage.DROPPED).aggregate(last=Max("at"))["last"]
        every = timedelta(minutes=channels.minutes_between(person))
        due = max(now, last + every) if last else now
        waiting = Delivery.objects.create(person=person, channel=channel, due_at=due, at=due)
    waiting.notices.add(*fresh)
