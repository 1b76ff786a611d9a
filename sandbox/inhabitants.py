"""Who lives in the demo: teams, people, what each may do, and what the inventory knows on the first morning."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.utils import timezone
from guardian.shortcuts import assign_perm

from approvals import absences
from approvals.models import Absence
from audit.events import SYSTEM
from inventory import catalog, importers, incidents, on_call
from inventory.incidents import Report
from inventory.models import Environment, Incident, Person, Service, Shift, Team
from inventory.on_call import Planned
from inventory.services import CRITICALITY, create_team
from inventory.tasks import look_around
from sandbox.people import AWAY, AWAY_HOURS, DUTIES, INCIDENT, PEOPLE
from sandbox.people import Person as Inhabitant

Say = Callable[[str], None]

CATALOG = Path(__file__).parent / "world" / "catalog-info.yaml"
ENVIRONMENTS = ("dev", "staging", "production")
TIME_ZONES = {
    "mira": "Europe/Berlin",
    "mira-admin": "Europe/Berlin",
    "tomas": "Europe/Berlin",
    "jonas": "Europe/Berlin",
    "leila": "Europe/Berlin",
    "priya": "Asia/Kolkata",
    "edda": "Atlantic/Reykjavik",
}
PATIENCE = 60.0


def settle(password: str, *, with_catalog: bool, say: Say) -> None:
    for slug in ENVIRONMENTS:
        Environment.objects.get_or_create(
            slug=slug, defaults={"criticality": CRITICALITY[slug], "position": CRITICALITY[slug]}
        )
    if with_catalog:
        say("Importing the catalog of services")
        found = catalog.read(CATALOG.read_bytes())
        importers.keep_catalog(found, source=CATALOG.name, actor=SYSTEM, at=timezone.now())
    say("Bringing in the people")
    hashed = make_password(password)  # once: it takes half a second
    for inhabitant in PEOPLE:
        _move_in(inhabitant, hashed)
    say("Looking at what runs")
    look()
    if shared := Service.objects.filter(slug="checkout-api").first():
        assign_perm("inventory.ask_service", Person.objects.get(username="leila"), shared)
    _plan_duties(with_incident=with_catalog)


def go_away() -> None:
    """Out of office, once, and with somebody who stands in. After the first day: until then they are here."""
    if Absence.objects.exists():
        return
    away, stand_in, note = AWAY
    now = timezone.now()
    absences.announce(
        actor=Person.objects.get(username=away), stand_in=Person.objects.get(username=stand_in), note=note,
        starts_at=now, ends_at=now + timedelta(hours=AWAY_HOURS), now=now,
    )  # fmt: skip


def look() -> None:
    """One pass of discovery, after the one that a worker may be making."""
    deadline = time.monotonic() + PATIENCE
    while (reports := look_around()) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    for report in reports or ():
        if not report.ok:
            raise RuntimeError(f"The {report.kind} {report.name} cannot be looked at: {report.sentence}")


def _plan_duties(*, with_incident: bool) -> None:
    """Who is on call and what is broken, as the administrator says it, once."""
    now, kofi = timezone.now().replace(minute=0, second=0, microsecond=0), Person.objects.get(username="kofi")
    if not Shift.objects.exists():
        for duty in DUTIES:
            start, person = now + timedelta(hours=duty.from_hours), Person.objects.get(username=duty.username)
            wanted = Planned(person, start, start + timedelta(hours=duty.hours))
            on_call.add_shift(actor=kofi, team=Team.objects.get(slug=duty.team), wanted=wanted, now=timezone.now())
    reference, title, services = INCIDENT
    if with_incident and not Incident.objects.exists():
        incidents.report(actor=kofi, told=Report(reference, title, services), now=timezone.now())


def _move_in(inhabitant: Inhabitant, hashed: str) -> None:
    person = _person(
        inhabitant.username,
        inhabitant.name,
        hashed,
        is_superuser=inhabitant.staff,
        same_person_as=Person.objects.get(username=inhabitant.also) if inhabitant.also else None,
        time_zone=TIME_ZONES.get(inhabitant.username, "UTC"),
    )
    if inhabitant.team:
        team = Team.objects.filter(slug=inhabitant.team).first() or create_team(
            inhabitant.team, inhabitant.team.capitalize(), actor=SYSTEM
        )
        groups: list[Group] = [team.group, *([team.approvers] if inhabitant.approves else [])]
        person.groups.add(*groups)
    if inhabitant.audits:
        person.user_permissions.add(
            Permission.objects.get(content_type__app_label="inventory", codename="view_service")
        )


def _person(username: str, name: str, hashed: str, **fields: object) -> Person:
    defaults = {"display_name": name, "password": hashed, **fields}
    return Person.objects.get_or_create(username=username, defaults=defaults)[0]
