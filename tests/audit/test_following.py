"""Reading the record as it grows: nothing twice, nothing left out, whatever order transactions end in."""

import threading

import pytest
from django.db import connections, transaction

from audit import following, writer
from audit.events import SYSTEM, Event
from audit.models import EventRow
from tests.cluster import eventually

pytestmark = pytest.mark.usefixtures("database")


def record(summary: str) -> None:
    with transaction.atomic():
        writer.record(Event("team.created", SYSTEM, summary))


def summaries(place: following.Place) -> list[str]:
    return [event.summary for event in following.after(place, 100)]


def read(place: following.Place, *wanted: str) -> None:
    """Transactions of others on the same server hold it up, so it is not there at once."""
    assert eventually(lambda: summaries(place) == list(wanted))


def test_whoever_begins_now_reads_what_comes() -> None:
    place = following.here()
    record("one")
    record("two")
    read(place, "one", "two")
    first = following.after(place, 1)[0]
    read(following.place_of(first), "two")


def test_an_event_whose_transaction_ends_late_is_not_left_out() -> None:
    """It has the lower id and appears after the higher one; the higher one waits for it."""
    place = following.here()
    written, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            writer.record(Event("team.created", SYSTEM, "slow"))
            written.set()
            go_on.wait(10)
        connections.close_all()

    thread = threading.Thread(target=slow)
    thread.start()
    assert written.wait(10)
    record("fast")
    assert EventRow.objects.get().summary == "fast"  # everybody sees it
    assert summaries(place) == []
    go_on.set()
    thread.join(10)
    read(place, "slow", "fast")


def test_a_place_of_another_server_is_noticed() -> None:
    record("one")
    here = following.here()
    assert not following.is_ahead(here)
    assert following.is_ahead(following.Place(here.txid + 1_000_000, 0))
