"""Incidents, as told by whoever keeps them: known here by their reference there, so that the same message twice is one incident.

An open one can be what lets somebody act without asking first, so only who has the permission opens one, and each is on the record.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet

from audit import writer
from audit.events import About, Actor, ActorKind, Event

from .errors import NotYours, Unfit
from .models import Incident, Person, Service
from .queries import services_visible_to

REPORTS = "inventory.change_incident"
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST_SERVICES = 100
LONGEST_AGO = timedelta(days=366)
LONGEST_TITLE, LONGEST_URL = 300, 500
CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Report:
    """What is told of an incident. `services` are slugs."""

    reference: str
    title: str
    services: Sequence[str]
    url: str = ""
    opened_at: datetime | None = None


def open_incident(
    service: Service | None, at: datetime, reference: str = "", *, not_by: Collection[int] = ()
) -> Incident | None:
    """The latest that was open for the service at that time; with a reference only that one.

    `not_by`: accounts whose word does not count: what one reports oneself saves nobody from asking.
    """
    if service is None:
        return None
    rows = Incident.objects.filter(Q(closed_at=None) | Q(closed_at__gt=at), services=service, opened_at__lte=at)
    if not_by:
        rows = rows.exclude(told_by__in=not_by)
    if reference:
        rows = rows.filter(reference=reference)
    return rows.first()


def incidents_visible_to(person: Person) -> QuerySet[Incident]:
    """Those of services that the person sees, and of each these services only; whoever keeps incidents sees them all."""
    if person.has_perm(REPORTS):
        return Incident.objects.prefetch_related("services")
    seen = services_visible_to(person)
    rows = Incident.objects.prefetch_related(Prefetch("services", seen.order_by("slug")))
    return rows.filter(services__in=seen.order_by()).distinct()


def open_for(service: Service) -> QuerySet[Incident]:
    return Incident.objects.filter(services=service, closed_at=None)


def is_open(reference: str) -> bool:
    return Incident.objects.filter(reference=reference, closed_at=None).exists()


def before(rows: QuerySet[Incident], place: tuple[datetime, int]) -> QuerySet[Incident]:
    """What comes after that place in the list, newest first."""
    at, pk = place
    return rows.filter(Q(opened_at__lt=at) | Q(opened_at=at, pk__lt=pk))


def report(*, actor: Person, told: Report, now: datetime) -> tuple[Incident, bool]:
    """Open the incident, or bring an open one up to date. Returns it and whether it is new. Raises `NotYours` or `Unfit`."""
    require_reporter(actor, told.reference)
    title = CONTROL.sub(" ", told.title).strip()
    _check(told, title, now)
    with transaction.atomic():
        services = _services(told.services)
        values = {"title": title, "url": told.url, "told_by": actor}
        incident, new = Incident.objects.select_for_update().get_or_create(
            reference=told.reference, defaults={**values, "opened_at": told.opened_at or now}
        )
        if incident.closed_at is not None:
            raise Unfit(
                "reference", f"It was closed on {incident.closed_at:%Y-%m-%d}. Report what is wrong now by another one."
            )
        before = (incident.title, incident.url, {each.pk for each in incident.services.all()} if not new else None)
        if before == (title, told.url, {each.pk for each in services}):
            return incident, False
        Incident.objects.filter(pk=incident.pk).update(**values)
        incident.title, incident.url = title, told.url
        dropped = [each for each in incident.services.all() if each not in services]
        incident.services.set(services)
        _record("incident.opened" if new else "incident.updated", actor, incident, [*services, *dropped])
        return incident, new


def close(*, actor: Person, reference: str, now: datetime) -> Incident:
    """A second time changes nothing. Raises `NotYours` or `Unfit`."""
    require_reporter(actor, reference)
    with transaction.atomic():
        incident = Incident.objects.select_for_update().filter(reference=reference).first()
        if incident is None:
            raise Unfit("reference", "There is no incident by this reference.")
        if incident.closed_at is None:
            incident.closed_at = max(now, incident.opened_at)
            incident.save(update_fields=["closed_at"])
            _record("incident.closed", actor, incident, incident.services.all())
        return incident


def require_reporter(actor: Person, reference: str) -> None:
    """Raises `NotYours`, on the record."""
    if actor.has_perm(REPORTS):
        return
    why = "Only administrators, and the account of the tool that keeps incidents, report them here."
    with transaction.atomic():
        writer.record(
            Event("access.refused", _actor(actor), f"report an incident: {why}", details={"reference": reference[:64]})
        )
    raise NotYours(why)


def _check(told: Report, title: str, now: datetime) -> None:
    if not REFERENCE.fullmatch(told.reference):
        raise Unfit("reference", "Letters, digits, dots, dashes and underscores, 64 at most, a letter or digit first.")
    if not 1 <= len(title) <= LONGEST_TITLE:
        raise Unfit("title", f"From 1 to {LONGEST_TITLE} characters.")
    if told.url:
        try:
            URLValidator(schemes=["https"])(told.url)
        except ValidationError as wrong:
            raise Unfit("url", "An address that begins with https://, or none.") from wrong
    if len(told.url) > LONGEST_URL:
        raise Unfit("url", f"At most {LONGEST_URL} characters.")
    if told.opened_at is not None and told.opened_at > now:
        raise Unfit("opened_at", "It cannot have begun in the future.")
    if told.opened_at is not None and told.opened_at < now - LONGEST_AGO:
        raise Unfit("opened_at", f"At most {LONGEST_AGO.days} days ago.")
    if not 1 <= len(set(told.services)) <= MOST_SERVICES:
        raise Unfit("services", f"Name those that it is about, from 1 to {MOST_SERVICES}.")


def _services(slugs: Collection[str]) -> list[Service]:
    found = Service.objects.in_bulk(set(slugs), field_name="slug")
    if unknown := sorted(set(slugs) - found.keys()):
        raise Unfit("services", f"There is no service {unknown[0]}.")
    return list(found.values())


def _record(verb: str, actor: Person, incident: Incident, services: Collection[Service]) -> None:
    """One row for each service, so that whoever sees the service sees it."""
    details: dict[str, object] = {
        "reference": incident.reference, "title": incident.title, "services": sorted(each.slug for each in services),
    }  # fmt: skip
    summary = f"{incident.reference}: {incident.title}"[:400]
    writer.record(*(Event(verb, _actor(actor), summary, About(service=each.slug), details) for each in services))


def _actor(person: Person) -> Actor:
    return Actor(ActorKind.PERSON, person.username, person.pk)
