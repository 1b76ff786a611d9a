"""Exports: byte for byte what is stored, harmless in a spreadsheet, and never more than a chunk in memory."""

import csv
import hashlib
import io
import json

import pytest
from django.db import transaction

from audit import export, writer
from audit.events import About, Actor, ActorKind, Event
from audit.export import Format
from audit.models import EventRow
from audit.queries import Filter

MIRA = Actor(ActorKind.PERSON, "mira", 1)
HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)",
]  # fmt: skip
HARMLESS = [
    "2 of 2 ready",
    'says "no", twice',
    "a,b;c",
    "line\nbreak",
    "'quoted'",
    "Größe, č, 変更",
    "back\\slash \\n",
    "\\.",
]


def record(*summaries: str, service: str = "") -> None:
    with transaction.atomic():
        writer.record(
            *[Event("plan.refused", MIRA, each, About(service=service), {"said": each}) for each in summaries]
        )


def exported(kind: Format, wanted: Filter | None = None) -> bytes:
    return b"".join(export.chunks(wanted or Filter(), kind))


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(Format.CSV).decode())))


def test_json_lines_are_the_stored_texts_and_nothing_else(database: None) -> None:
    record(*HOSTILE, *HARMLESS)
    stored = [row.text for row in EventRow.objects.order_by("-at", "-id")]
    assert exported(Format.JSONL).decode().split("\n") == [*stored, ""]
    assert [json.loads(line)["summary"] for line in exported(Format.JSONL).decode().splitlines()] == [
        *HOSTILE,
        *HARMLESS,
    ][::-1]


def test_what_a_spreadsheet_could_run_gets_an_apostrophe(database: None) -> None:
    record(*HOSTILE)
    assert [row["summary"] for row in rows()] == [f"'{each}" for each in reversed(HOSTILE)]


def test_what_it_could_not_run_stays_as_it_is(database: None) -> None:
    record(*HARMLESS)
    assert [row["summary"] for row in rows()] == HARMLESS[::-1]


def test_every_text_of_a_row_is_neutralised(database: None) -> None:
    evil = "=cmd|' /C calc'!A1"
    with transaction.atomic():
        writer.record(
            Event("plan.refused", Actor(ActorKind.PERSON, evil), evil, About(None, None, evil, evil, evil, evil))
        )
    (row,) = rows()
    assert {name for name, value in row.items() if value.startswith("=")} == set()
    assert row["target"] == f"'{evil}"


def test_a_row_says_when_and_which_text_it_stands_for(database: None) -> None:
    record("one")
    (row,) = rows()
    stored = EventRow.objects.get()
    assert row["at"] == f"{stored.at:%Y-%m-%dT%H:%M:%S.%f}Z"
    assert row["sha256"] == hashlib.sha256(stored.text.encode()).hexdigest()
    assert (row["id"], row["request"], row["actor"], row["verb"]) == (str(stored.pk), "", "mira", "plan.refused")


def test_only_what_was_asked_for_is_exported(database: None) -> None:
    record("mine", service="checkout")
    record("theirs", service="catalog")
    lines = exported(Format.JSONL, Filter(service="checkout")).decode().splitlines()
    assert [json.loads(line)["summary"] for line in lines] == ["mine"]
    assert exported(Format.JSONL, Filter(services=["catalog"], viewer_id=99)).decode().count("theirs") > 0
    assert b"mine" not in exported(Format.JSONL, Filter(services=["catalog"], viewer_id=99))


def test_nothing_is_an_empty_file_with_its_header(database: None) -> None:
    assert exported(Format.JSONL) == b""
    assert exported(Format.CSV).decode().startswith("id,at,verb,actor_kind,actor,request,")


def test_a_large_export_comes_in_chunks_and_can_be_left_half_way(database: None) -> None:
    record(*["x" * 900 for _ in range(500)])
    parts = export.chunks(Filter(), Format.JSONL)
    first = next(parts)
    assert export.CHUNK <= len(first) < export.CHUNK + 4096
    parts.close()
    assert EventRow.objects.count() == 500  # the connection is fit for the next query


def test_a_filter_cannot_reach_the_statement(database: None) -> None:
    record("one")
    for evil in ("'; DROP TABLE audit_event; --", "%s", "%(x)s", "{0}", "\\"):
        assert exported(Format.JSONL, Filter(actor=evil)) == b""
    assert EventRow.objects.count() == 1


@pytest.mark.parametrize("kind", Format)
def test_an_event_is_exported_once(database: None, kind: Format) -> None:
    record(*[str(number) for number in range(300)])
    assert len(exported(kind).splitlines()) == 300 + (kind is Format.CSV)
