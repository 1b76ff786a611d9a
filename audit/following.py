"""Reads the record as it grows, each event once and none left out.

Ids are given before transactions end, so a lower one may appear after a higher one was read. Events are therefore read in the order
of their transactions, and only of those below the oldest that still runs: nothing can appear there any more.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from .models import EventRow


@dataclass(frozen=True, order=True)
class Place:
    """The last event that was read: its transaction and its id."""

    txid: int
    event: int


def here() -> Place:
    """Where whoever begins now begins: before everything that may still appear."""
    return Place(_oldest_running(), 0)


def after(place: Place, limit: int) -> list[EventRow]:
    """The next events behind a place, whose transactions have ended."""
    rows = EventRow.objects.extra(
        select={"transaction": "audit_event.txid::text::bigint"},
        where=[
            "(audit_event.txid, audit_event.id) > (%s::text::xid8, %s)",
            "audit_event.txid < pg_snapshot_xmin(pg_current_snapshot())",
        ],
        params=[str(place.txid), place.event],
    )
    return list(rows.order_by("txid", "id")[:limit])


def waiting_since(place: Place) -> datetime | None:
    """When the first event behind a place was recorded, whether or not it can be read yet."""
    rows = EventRow.objects.extra(
        where=["(audit_event.txid, audit_event.id) > (%s::text::xid8, %s)"], params=[str(place.txid), place.event]
    )
    return rows.order_by("txid", "id").values_list("at", flat=True).first()


def place_of(event: EventRow) -> Place:
    """Of an event that `after` returned."""
    return Place(int(getattr(event, "transaction")), event.pk)  # noqa: B009  # the column that `after` selects


def is_ahead(place: Place) -> bool:
    """Whether a place is one this server has not come to: after a restore into another, transactions are counted anew."""
    return place.txid > _oldest_running()


def _oldest_running() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(cursor.fetchone()[0])
