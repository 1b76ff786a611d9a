"""Makes the inventory say what a catalog says: teams, services, who owns them, what they call.

An import is an administrator's word, so it may hand a service over, and annotations no longer can. Doing it again changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import writer
from audit.events import About, Actor, Event

from .catalog import Catalog, ServiceEntry
from .models import Service, Team
from .services import NameTaken, create_team, owner_changed

FIELDS = ("name", "description", "tier", "links")


@dataclass(frozen=True)
class Imported:
    """A sentence for everything that was done, and for everything that was not."""

    done: tuple[str, ...]
    ignored: tuple[str, ...]
    unchanged: int


@transaction.atomic
def keep_catalog(catalog: Catalog, *, source: str, actor: Actor, at: datetime) -> Imported:
    done: list[str] = []
    ignored = list(catalog.notes)
    teams = _teams(catalog, actor, done, ignored)
    slugs = [entry.slug for entry in catalog.services]
    services = Service.objects.select_related("team").in_bulk(slugs, field_name="slug")
    new = set(slugs) - services.keys()
    changed = {entry.slug: _write(entry, services, teams, actor, at, ignored) for entry in catalog.services}
    for slug in _calls(catalog.services, services, ignored):
        changed[slug] = [*(changed[slug] or ()), "calls"]
    for slug, what in changed.items():
        if what is None:
            continue
        service = services[slug]
        sentence = "new" if slug in new else f"changed {', '.join(what)}" if what else "taken over as it is"
        owner = service.team.slug if service.team else ""
        details: dict[str, object] = {"source": source, "fields": what, "owner": owner}
        writer.record(Event("service.imported", actor, f"{sentence}, from {source}", About(service=slug), details))
        done.append(f"service {slug}: {sentence}, owned by {owner or 'nobody'}")
    return Imported(tuple(done), tuple(ignored), unchanged=sum(what is None for what in changed.values()))


def _write(
    entry: ServiceEntry,
    services: dict[str, Service],
    teams: Mapping[str, Team],
    actor: Actor,
    at: datetime,
    ignored: list[str],
) -> list[str] | None:
    """Make a row say what the catalog says, and settle it. Returns what has changed, `None` when it was settled as it is."""
    known = services.get(entry.slug)
    service = services.setdefault(entry.slug, Service(slug=entry.slug, name=entry.slug))
    former = service.team
    differences = _differences(entry, service, teams, ignored)
    if known is not None and known.imported_at is not None and not differences:
        return None
    for name, value in differences.items():
        setattr(service, name, value)
    service.imported_at = at
    service.save()
    if known is not None and "team" in differences:
        writer.record(owner_changed(service, former, actor=actor))
    return sorted(differences)


def _teams(catalog: Catalog, actor: Actor, done: list[str], ignored: list[str]) -> dict[str, Team]:
    """The catalog's teams, and those that its services name, as far as they are known."""
    named = {entry.slug for entry in catalog.teams} | {entry.owner for entry in catalog.services}
    teams = Team.objects.in_bulk(named - {""}, field_name="slug")
    for entry in catalog.teams:
        team = teams.get(entry.slug)
        if team is None:
            try:
                teams[entry.slug] = create_team(entry.slug, entry.name, actor=actor)
            except NameTaken as taken:
                ignored.append(f"Group {entry.slug}: {taken}")
            else:
                done.append(f"team {entry.slug}: new, with nobody in it")
        elif team.name != entry.name:
            former, team.name = team.name, entry.name
            team.save(update_fields=["name"])
            writer.record(Event("team.renamed", actor, f"{former} is now {team.name}", details={"team": team.slug}))
            done.append(f"team {entry.slug}: renamed to {entry.name}")
    return teams


def _differences(
    entry: ServiceEntry, service: Service, teams: Mapping[str, Team], ignored: list[str]
) -> dict[str, Any]:
    """What the catalog says and the row does not. What the catalog leaves out stays as it is."""
    said = {name: getattr(entry, name) for name in FIELDS if getattr(entry, name)}
    if team := teams.get(entry.owner):
        said["team"] = team
    elif entry.owner:
        ignored.append(f"Component {entry.slug}: there is no team {entry.owner}, so nobody becomes owner by it")
    return {name: value for name, value in said.items() if getattr(service, name) != value}


def _calls(entries: Iterable[ServiceEntry], services: dict[str, Service], ignored: list[str]) -> set[str]:
    """Make `calls` what the catalog says, where it says it. Returns whose have changed."""
    wanted = {entry.slug: entry.calls - {entry.slug} for entry in entries if entry.calls is not None}
    others = set().union(*wanted.values()) - services.keys() if wanted else set()
    known = services | Service.objects.in_bulk(others, field_name="slug")
    there: dict[str, set[str]] = {slug: set() for slug in wanted}
    rows = Service.calls.through.objects.filter(from_service__slug__in=wanted)
    for caller, called in rows.values_list("from_service__slug", "to_service__slug"):
        there[caller].add(called)
    changed = set()
    for slug, calls in wanted.items():
        if unknown := sorted(calls - known.keys()):
            ignored.append(f"Component {slug}: it depends on {', '.join(unknown[:10])}, which we do not know")
        if (target := calls & known.keys()) != there[slug]:
            services[slug].calls.set([known[each] for each in target])
            changed.add(slug)
    return changed
