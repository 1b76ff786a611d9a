"""Reads of a person's notices."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from audit import following
from audit.following import Place
from inventory.models import Person

from .models import Delivery, Follower, Notice, SlackLink

MOST_COUNTED = 100


def page(person: Person, *, before: tuple[datetime, int] | None, size: int) -> Sequence[Notice]:
    """Newest first, at most `size` + 1: the extra one tells that there is more."""
    rows = Notice.objects.filter(person=person)
    if before is not None:
        # a row comparison stays flat however many there are; the ORM's OR form does not
        rows = rows.extra(where=["(portal_notice.at, portal_notice.id) < (%s, %s)"], params=list(before))
    return list(rows.order_by("-at", "-id")[: size + 1])


def count_unread(person: Person) -> int:
    """How many, or `MOST_COUNTED` when there are at least that many."""
    return Notice.objects.filter(person=person, read_at=None).order_by()[:MOST_COUNTED].count()


def given_up(person: Person) -> list[Delivery]:
    """Messages that did not reach them, newest first."""
    return list(Delivery.objects.filter(person=person, stage=Delivery.Stage.DEAD)[:10])


def person_in_slack(team: str, user: str) -> Person | None:
    """Whom a member of a workspace is linked to, if they may sign in here."""
    link = SlackLink.objects.filter(team=team, user=user, person__is_active=True)
    found = link.select_related("person__same_person_as").first()
    return found.person if found else None


def lag(now: datetime) -> timedelta:
    """For how long something on record waits to be told. Nothing waits before anybody has begun to follow."""
    follower = Follower.objects.first()
    since = following.waiting_since(Place(follower.txid, follower.event_id)) if follower else None
    return max(now - since, timedelta()) if since else timedelta()
