"""Who lives in the demo: teams, people, what each may do, and what the inventory knows on the first morning."""

import time
from collections.abc import Callable
from pathlib import Path

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.utils import timezone
from guardian.shortcuts import assign_perm

from audit.events import SYSTEM
from inventory import catalog, importers
from inventory.models import Environment, Person, Service, Team
from inventory.services import CRITICALITY, create_team
from inventory.tasks import look_around
from sandbox.people import PEOPLE
from sandbox.people import Person as Inhabitant

Say = Callable[[str], None]

CATALOG = Path(__file__).parent / "world" / "catalog-info.yaml"
ENVIRONMENTS = ("dev", "staging", "production")
TIME_ZONES = {
    "mira": "Europe/Berlin",
    "tomas": "Europe/Berlin",
    "jonas": "Europe/Berlin",
    "leila": "Europe/Berlin",
    "priya": "Asia/Kolkata",
    "edda": "Atlantic/Reykjavik",
}
SECOND_ACCOUNT = "mira-admin"
"""Mira's other account, an approver of her own team: the same human, so its vote on her requests does not count."""

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
    payments, mira = Team.objects.get(slug="payments"), Person.objects.get(username="mira")
    double = _person(SECOND_ACCOUNT, f"{mira.name} (admin)", hashed, same_person_as=mira, time_zone=mira.time_zone)
    double.groups.add(payments.group, payments.approvers)
    say("Looking at what runs")
    look()
    if shared := Service.objects.filter(slug="checkout-api").first():
        assign_perm("inventory.ask_service", Person.objects.get(username="leila"), shared)


def look() -> None:
    """One pass of discovery, after the one that a worker may be making."""
    deadline = time.monotonic() + PATIENCE
    while (reports := look_around()) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    for report in reports or ():
        if not report.ok:
            raise RuntimeError(f"The {report.kind} {report.name} cannot be looked at: {report.sentence}")


def _move_in(inhabitant: Inhabitant, hashed: str) -> None:
    person = _person(
        inhabitant.username,
        inhabitant.name,
        hashed,
        is_superuser=inhabitant.staff,
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
