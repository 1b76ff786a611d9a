"""The one writer and the one way of reading: known verbs, whole rows, and pages that add up to the list."""

import json
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import queries, writer
from audit.canonical import NotCanonical, canonical_text
from audit.events import SYSTEM, VERBS, About, Actor, ActorKind, Event
from audit.models import EventRow

MIRA = Actor(ActorKind.PERSON, "mira", 7)


def record(*events: Event) -> None:
    with transaction.atomic():
        writer.record(*events)


@pytest.mark.parametrize(
    "verb", ["", "request.submited", "Request.Submitted", "request.submitted\n", "'; DROP TABLE audit_event; --"]
)
def test_an_unknown_verb_is_refused_and_nothing_is_written(db: None, verb: str) -> None:
    with pytest.raises(ValueError, match="is not an audit verb"):
        record(Event("request.submitted", SYSTEM, "fine"), Event(verb, SYSTEM, "not fine"))
    assert not EventRow.objects.exists()


def test_verbs_are_nouns_and_what_became_of_them() -> None:
    assert [
        verb for verb in VERBS if not verb.replace("_", "").replace(".", "", 1).isalpha() or verb.count(".") != 1
    ] == []
    assert all(meaning and not meaning.endswith(".") for meaning in VERBS.values())


def test_a_row_is_what_it_says(db: None) -> None:
    about = About(3, 4, "restart-workload", "checkout", "production", "Deployment shop/checkout")
    with transaction.atomic(), connection.cursor() as cursor:
        writer.record(Event("vote.cast", MIRA, "approve", about, {"digest": "abc", "note": "Cafe\u0301"}))
        cursor.execute("SELECT at BETWEEN now() AND clock_timestamp(), txid = pg_current_xact_id() FROM audit_event")
        assert cursor.fetchone() == (True, True)
    row = EventRow.objects.get()
    assert (row.verb, row.actor_kind, row.actor, row.actor_id) == ("vote.cast", "person", "mira", 7)
    assert (row.request_id, row.execution_id, row.action, row.service) == (3, 4, "restart-workload", "checkout")
    assert (row.environment, row.target, row.summary) == ("production", "Deployment shop/checkout", "approve")
    told = json.loads(row.text)
    assert canonical_text(told) == row.text
    assert told["details"] == {"digest": "abc", "note": "Caf\u00e9"}
    assert told["actor"] == {"kind": "person", "name": "mira", "id": 7}


@pytest.mark.parametrize(
    "details", [{"number": float("nan")}, {"number": 2**53}, {"set": {1}}, {"text": "\ud800"}], ids=ascii
)
def test_details_that_are_no_json_are_refused(db: None, details: dict[str, object]) -> None:
    with pytest.raises(NotCanonical):
        record(Event("vote.cast", MIRA, "approve", details=details))
    assert not EventRow.objects.exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(), st.text(), st.text())
def test_whatever_people_are_called_and_write_is_recorded(db: None, name: str, summary: str, target: str) -> None:
    record(Event("vote.cast", Actor(ActorKind.PERSON, name, 1), summary, About(target=target)))
    row = EventRow.objects.first()
    assert row is not None
    assert canonical_text(json.loads(row.text)) == row.text


@pytest.fixture
def many(db: None) -> list[int]:
    """Sixty events."""
    for batch in range(20):
        about = About(
            request=batch % 4, service=f"service-{batch % 3}", action="restart-workload", environment="staging"
        )
        actor = MIRA if batch % 2 else SYSTEM
        record(*[Event("vote.cast", actor, f"{batch}.{number}", about) for number in range(3)])
    return [row.pk for row in queries.events(queries.Filter())]


def paged(wanted: queries.Filter, size: int) -> list[int]:
    found: list[int] = []
    before = None
    while True:
        rows = queries.page(wanted, before=before, size=size)
        found += [row.pk for row in rows[:size]]
        if len(rows) <= size:
            return found
        before = (rows[size - 1].at, rows[size - 1].pk)


@pytest.mark.parametrize("size", [1, 2, 7, 59, 60, 61])
def test_pages_add_up_to_the_list(many: list[int], size: int) -> None:
    assert len(many) == 60
    assert paged(queries.Filter(), size) == many


def test_pages_lose_nothing_among_rows_of_the_same_moment(database: None) -> None:
    """Which only the owner of the table can make."""
    columns = ", ".join(writer.COLUMNS)
    values = "'vote.cast', 'person', 'mira', 7, 1, NULL, '', 'checkout', '', '', '', '', '{}'"
    with connections["owner"].cursor() as cursor:
        for moment in ("09:00", "09:01", "09:02"):
            cursor.execute(
                f"INSERT INTO audit_event (at, {columns}) SELECT '2026-11-24 {moment}Z', {values} FROM generate_series(1, 10)"  # noqa: S608
            )
    everything = [row.pk for row in queries.events(queries.Filter())]
    assert everything == sorted(everything, reverse=True)
    for size in (1, 3, 10, 15):
        assert paged(queries.Filter(), size) == everything


@pytest.mark.parametrize(
    "wanted",
    [
        queries.Filter(actor="mira"), queries.Filter(service="service-1"), queries.Filter(request=2), queries.Filter(verb="vote.cast"),
        queries.Filter(action="none"), queries.Filter(services=["service-0"], viewer_id=7), queries.Filter(services=[], viewer_id=8),
        queries.Filter(actor="mira", service="service-2", request=1),
    ],
    ids=repr,
)  # fmt: skip
def test_filtered_pages_add_up_to_the_filtered_list(many: list[int], wanted: queries.Filter) -> None:
    everything = EventRow.objects.order_by("-at", "-id")
    kept = [row.pk for row in everything if fits(row, wanted)]
    assert paged(wanted, 7) == kept
    assert queries.count_up_to(wanted, 1000) == len(kept)
    assert queries.count_up_to(wanted, 2) == min(2, len(kept))


def fits(row: EventRow, wanted: queries.Filter) -> bool:
    columns = ("actor", "service", "action", "environment", "verb")
    plain = all(not getattr(wanted, column) or getattr(row, column) == getattr(wanted, column) for column in columns)
    asked = wanted.request is None or row.request_id == wanted.request
    seen = wanted.services is None or row.service in wanted.services or row.actor_id == wanted.viewer_id
    return plain and asked and seen


def test_a_span_of_time_has_its_beginning_and_not_its_end(many: list[int]) -> None:
    newest, oldest = EventRow.objects.order_by("-at").first(), EventRow.objects.order_by("at").first()
    assert newest is not None
    assert oldest is not None
    span = queries.Filter(since=oldest.at, until=newest.at)
    kept = [row.pk for row in EventRow.objects.order_by("-at", "-id") if oldest.at <= row.at < newest.at]
    assert paged(span, 7) == kept
    assert paged(queries.Filter(since=newest.at + timedelta(microseconds=1)), 7) == []
