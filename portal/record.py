"""How much of the audit record a person may see, and how it leaves the house: one answer for pages and programs.

Who has the permission to see every service sees every event; everybody else sees the events of the services they see, and their
own. Exporting is itself on the record, before the first byte leaves.
"""

from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from dataclasses import replace

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import StreamingHttpResponse
from django.utils import timezone

from actions.services import actor_of
from audit import export, writer
from audit.events import About, Event
from audit.export import CONTENT_TYPES, Format
from audit.queries import Filter
from inventory import queries as inventory
from inventory.models import Person


def seen_by(person: Person, wanted: Filter) -> Filter:
    """What the person looks for, within what they may see."""
    if person.has_perm(f"inventory.{inventory.VIEW}"):
        return replace(wanted, services=None, viewer_id=person.pk)
    services = list(inventory.services_visible_to(person).values_list("slug", flat=True))
    return replace(wanted, services=services, viewer_id=person.pk)


def exported(*, actor: Person, wanted: Filter, kind: Format, filters: Mapping[str, str]) -> StreamingHttpResponse:
    """Everything that matches, in one file. Its own event is written first, and is not in the file.

    `wanted` comes from `seen_by`; `filters` is what the person asked for, for the record.
    """
    now = timezone.now()
    with transaction.atomic():
        writer.record(Event(
            "export.made", actor_of(actor), f"{kind}, {_in_words(filters)}",
            About(service=wanted.service, environment=wanted.environment, action=wanted.action),
            {"format": kind, "filters": dict(filters), "scope": "everything" if wanted.services is None else "own services"},
        ))  # fmt: skip
    bounded = replace(wanted, until=min(wanted.until or now, now))
    response = StreamingHttpResponse(_stream(export.chunks(bounded, kind)), content_type=CONTENT_TYPES[kind])
    name = f"afterdeck-audit-{timezone.localtime(now):%Y-%m-%d-%H%M}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Accel-Buffering"] = "no"
    return response


async def _stream(parts: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    """One chunk at a time, each fetched in the thread that owns the connection: never more than one in memory."""
    try:
        while chunk := await sync_to_async(_next)(parts):
            yield chunk
    finally:
        await sync_to_async(parts.close)()


def _next(parts: Iterator[bytes]) -> bytes:
    return next(parts, b"")


def _in_words(filters: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in filters.items()) or "no filter"
