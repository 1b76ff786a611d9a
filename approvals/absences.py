"""Out of office: who is away, until when, and who decides in their place meanwhile.

Whoever stands in fills the place of the one who is away and nobody else's: it is not passed on. It ends with what made the two of them
colleagues, a group that they share.
"""

from collections.abc import Collection
from datetime import datetime

from django.db.models import F, Q, QuerySet

from .models import Absence


def away_at(at: datetime, person_ids: Collection[int]) -> dict[int, Absence]:
    """Those of these accounts that are away at that time, by primary key."""
    rows = _during(at).filter(person__in=person_ids).select_related("stand_in")
    return {row.person_id: row for row in rows}


def stand_in_for(person_ids: Collection[int], at: datetime) -> set[int]:
    """The accounts in whose place one human, with these accounts, may decide at that time."""
    return set(
        _during(at).filter(_colleagues(), stand_in__in=person_ids, stand_in__is_active=True)
        .exclude(person__in=person_ids).values_list("person_id", flat=True)
    )  # fmt: skip


def _during(at: datetime) -> QuerySet[Absence]:
    return Absence.objects.filter(Q(ended_at=None) | Q(ended_at__gt=at), starts_at__lte=at, ends_at__gt=at)


def _colleagues() -> Q:
    return Q(person__groups=F("stand_in__groups")) | Q(person__is_superuser=True, stand_in__is_superuser=True)
