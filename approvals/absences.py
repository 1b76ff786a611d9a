"""Out of office: who is away, until when, and who decides in their place meanwhile.

Whoever stands in fills the place of the one who is away and nobody else's: it is not passed on. It ends with what made the two of them
colleagues, a group that they share.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Q, QuerySet

from audit import writer
from audit.events import Actor, ActorKind, Event

from .models import Absence

LONGEST = timedelta(days=366)
LONGEST_NOTE = 200


class AbsenceRefused(ValueError):
    """`field` is what is wrong; the text says what to do instead. Nothing was changed."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class Human(Protocol):
    """What has to be known here of whoever has an account."""

    pk: Any
    username: str
    is_active: bool
    is_superuser: bool
    groups: Any

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> int: ...


def away_at(at: datetime, person_ids: Collection[int]) -> dict[int, Absence]:
    """Those of these accounts that are away at that time, by primary key."""
    rows = _during(at).filter(person__in=person_ids).select_related("stand_in")
    return {row.person_id: row for row in rows}


def away_called(at: datetime, usernames: Collection[str]) -> dict[str, Absence]:
    """The same by username."""
    rows = _during(at).filter(person__username__in=usernames).select_related("person", "stand_in__same_person_as")
    return {row.person.username: row for row in rows}


def stand_in_for(person_ids: Collection[int], at: datetime) -> set[int]:
    """The accounts in whose place one human, with these accounts, may decide at that time."""
    return set(
        _during(at).filter(_colleagues(), stand_in__in=person_ids, stand_in__is_active=True)
        .exclude(person__in=person_ids).values_list("person_id", flat=True)
    )  # fmt: skip


def absences_of(person_ids: Collection[int], now: datetime) -> list[Absence]:
    """Those that are not over, of one human with these accounts, the first to begin first."""
    rows = Absence.objects.filter(person__in=person_ids, ended_at=None, ends_at__gt=now)
    return list(rows.select_related("stand_in").order_by("starts_at", "pk"))


def announce(
    *, actor: Human, starts_at: datetime, ends_at: datetime, stand_in: Human | None, note: str, now: datetime
) -> Absence:
    """Be away from `starts_at`, or from now on if that has passed. Raises `AbsenceRefused`.

    It is said for one account, because that is what is asked: whoever approves by two says it for both.
    """
    starts_at, note = max(starts_at, now), note.replace("\x00", "").strip()
    if ends_at <= starts_at:
        raise AbsenceRefused("ends_at", "It must end in the future, and after it begins.")
    if ends_at - now > LONGEST:
        raise AbsenceRefused("ends_at", f"At most {LONGEST.days} days from now.")
    if len(note) > LONGEST_NOTE:
        raise AbsenceRefused("note", f"At most {LONGEST_NOTE} characters; these are {len(note)}.")
    with transaction.atomic():
        get_user_model().objects.select_for_update(no_key=True).get(
            pk=actor.pk
        )  # a form that is sent twice is one absence
        others = Absence.objects.filter(ended_at=None, starts_at__lt=ends_at, ends_at__gt=starts_at)
        meanwhile = list(others.select_related("person__same_person_as").select_for_update(of=("self",)))
        if any(row.person_id == actor.pk for row in meanwhile):
            raise AbsenceRefused("starts_at", "You are away already during that time. End that first.")
        if stand_in is not None:
            _check_stand_in(actor, stand_in, {row.person.identity for row in meanwhile})
        absence = Absence.objects.create(
            person_id=actor.pk,
            stand_in_id=stand_in.pk if stand_in else None,
            starts_at=starts_at,
            ends_at=ends_at,
            note=note,
        )
        _record("absence.announced", actor, absence, stand_in)
    return absence


def end(*, actor: Human, person_ids: Collection[int], absence_id: int, now: datetime) -> Absence:
    """Be back before the time. `person_ids` are the accounts of the actor. Raises `AbsenceRefused`."""
    with transaction.atomic():
        rows = Absence.objects.select_for_update(of=("self",)).select_related("stand_in")
        absence = rows.filter(pk=absence_id, person__in=person_ids, ended_at=None, ends_at__gt=now).first()
        if absence is None:
            raise AbsenceRefused("absence", "That is over already, or is not yours.")
        absence.ended_at = now
        absence.save(update_fields=["ended_at"])
        _record("absence.ended", actor, absence, absence.stand_in)
    return absence


def _check_stand_in(actor: Human, stand_in: Human, away: Collection[int]) -> None:
    if stand_in.identity == actor.identity:
        raise AbsenceRefused("stand_in", "You cannot stand in for yourself.")
    if not stand_in.is_active or not _are_colleagues(actor, stand_in):
        raise AbsenceRefused("stand_in", "Choose somebody who is in one of your teams or groups.")
    if stand_in.identity in away:
        raise AbsenceRefused("stand_in", f"{stand_in.name} is away during that time too. Choose somebody else.")


def _are_colleagues(one: Human, other: Human) -> bool:
    if one.is_superuser and other.is_superuser:
        return True
    return bool(other.groups.filter(pk__in=one.groups.values("pk")).exists())


def _record(verb: str, actor: Human, absence: Absence, stand_in: Human | None) -> None:
    who = f"{stand_in.username} stands in" if stand_in else "nobody stands in"
    details: dict[str, object] = {
        "absence": absence.pk, "stand_in": stand_in.username if stand_in else "", "starts_at": absence.starts_at.isoformat(),
        "ends_at": absence.ends_at.isoformat(), "note": absence.note,
    }  # fmt: skip
    summary = f"{absence.starts_at:%Y-%m-%d %H:%M} to {absence.ends_at:%Y-%m-%d %H:%M} UTC, {who}"
    writer.record(Event(verb, Actor(ActorKind.PERSON, actor.username, actor.pk), summary, details=details))


def _during(at: datetime) -> QuerySet[Absence]:
    return Absence.objects.filter(Q(ended_at=None) | Q(ended_at__gt=at), starts_at__lte=at, ends_at__gt=at)


def _colleagues() -> Q:
    return Q(person__groups=F("stand_in__groups")) | Q(person__is_superuser=True, stand_in__is_superuser=True)
