"""Exports of the record, streamed out of Postgres by COPY: a million rows cost what one chunk of them costs in memory.

CSV is for spreadsheets: every text that one could run as a formula is neutralised by an apostrophe, in SQL. JSON Lines is for
machines and for verifying: each line is the stored text of one event, byte for byte what is hashed, and nothing else.
"""

from collections.abc import Generator
from enum import StrEnum

from django.db import connection

from .queries import Filter, events

CHUNK = 64 * 1024


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


CONTENT_TYPES = {Format.CSV: "text/csv; charset=utf-8", Format.JSONL: "application/jsonl; charset=utf-8"}

_FORMULA = r"^(\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n])"
"""What a spreadsheet may take for a formula, or for the end of a cell: with full-width twins, and behind white space."""

_TEXTS = ("actor", "action", "service", "environment", "target", "summary", "correlation")
_COLUMNS = {
    "id": "id",
    "at": """to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    "verb": "verb",
    "actor_kind": "actor_kind",
    **{name: f"CASE WHEN {name} ~ %s THEN '''' || {name} ELSE {name} END" for name in _TEXTS[:1]},
    "request": "request_id",
    "execution": "execution_id",
    **{name: f"CASE WHEN {name} ~ %s THEN '''' || {name} ELSE {name} END" for name in _TEXTS[1:]},
    "sha256": "encode(sha256(convert_to(text, 'UTF8')), 'hex')",
}
_NAMED = ("id", "at", "verb", "actor_kind", "actor", "request_id", "execution_id", *_TEXTS[1:], "text")


def chunks(wanted: Filter, kind: Format) -> Generator[bytes, None, None]:
    """The events of a filter, newest first, in pieces of about 64 KB. Close the iterator to stop the query."""
    statement, values = _copy(wanted, kind)
    connection.ensure_connection()
    with connection.connection.cursor() as cursor, cursor.copy(statement, values) as rows:
        held = bytearray()
        for row in rows:
            held += row
            if len(held) >= CHUNK:
                yield bytes(held)
                held.clear()
        if held:
            yield bytes(held)


def _copy(wanted: Filter, kind: Format) -> tuple[str, tuple[object, ...]]:
    inner, values = events(wanted).values(*_NAMED).query.sql_with_params()
    if kind is Format.CSV:
        columns = ", ".join(f"{sql} AS {name}" for name, sql in _COLUMNS.items())
        options, before = "FORMAT csv, HEADER", (_FORMULA,) * len(_TEXTS)
    else:
        # Canonical JSON holds no control characters, so with such quotes and delimiters CSV framing never touches it;
        # COPY's own text format would double its backslashes.
        columns, options, before = "text", "FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02'", ()
    rows = f"SELECT {columns} FROM ({inner}) AS event ORDER BY event.at DESC, event.id DESC"  # noqa: S608  # values are bound
    return f"COPY ({rows}) TO STDOUT WITH ({options})", (*before, *values)
