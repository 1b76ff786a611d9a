"""The writer of what exists: turns sightings of a cluster into rows, in a number of queries that does not grow with them.

Workloads may say who owns their service, but whoever can deploy can write an annotation. So the first owner stays: only a catalog
import hands a service over. And whoever can deploy can write a label: a workload of another team by the name of a service is not a
part of it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import structlog
from django.contrib.auth.models import Group
from django.db import transaction

from audit import writer
from audit.events import SYSTEM, About, Actor, Event

from . import consumers, samples
from .claims import Claims
from .discovery import Sighting
from .models import Cluster, Environment, Secret, Service, Team, Vault, Workload

log = structlog.get_logger(__name__)

BATCH = 500
SLUG_LIMIT = 253
MOST_CRITICAL = 3
CRITICALITY = {"dev": 0, "development": 0, "test": 1, "qa": 1, "staging": 1, "production": 3, "prod": 3}
"""Of environments that nobody has rated. One with any other name counts as production until an administrator says otherwise."""

SAID = ("name", "description", "tier", "links")
"""What workloads may say of their service again and again."""
SEEN = (
    "service_id", "environment_id", "namespace", "kind", "name", "version", "images", "wanted", "ready", "restarts", "paused",
    "autoscaler", "managed_by", "trouble", "revision", "gone_at",
)  # fmt: skip
"""What makes a workload's row a changed one."""


class NameTaken(Exception):
    """A group of the team's name belongs to something else; its members must not become owners by that."""


@dataclass(frozen=True)
class Kept:
    """What a look at a cluster changed."""

    workloads: int
    new: int
    changed: int
    gone: int
    services: int


def reached(system: Cluster | Vault, *, version: str, read_only: bool, simulated: bool) -> None:
    """The system answers, perhaps again."""
    answers_again = system.unreachable_since is not None
    system.version, system.read_only, system.simulated = version[:64], read_only, simulated
    system.unreachable_since, system.problem = None, ""
    with transaction.atomic():
        system.save(update_fields=["version", "read_only", "simulated", "unreachable_since", "problem"])
        if answers_again:
            _record_reachability(system, "reachable", "answers again")


def lost(system: Cluster | Vault, *, problem: str, at: datetime) -> None:
    """The system does not answer, or does not let us look. What was seen of it stays, and gets older."""
    goes_silent = system.unreachable_since is None
    system.unreachable_since, system.problem = system.unreachable_since or at, problem
    with transaction.atomic():
        system.save(update_fields=["unreachable_since", "problem"])
        if goes_silent:
            _record_reachability(system, "unreachable", problem)


def _record_reachability(system: Cluster | Vault, state: str, summary: str) -> None:
    kind = type(system).__name__.lower()
    writer.record(Event(f"{kind}.{state}", SYSTEM, summary, About(target=f"{kind} {system.name}")))


def disconnected(*, clusters: Collection[str], vaults: Collection[str], at: datetime) -> None:
    """What an administrator took out of the settings: nothing there is seen any more, and nobody waits for it.

    The names are of those that are still connected.
    """
    Workload.objects.filter(gone_at=None).exclude(cluster__name__in=clusters).update(gone_at=at)
    Secret.objects.filter(gone_at=None).exclude(vault__name__in=vaults).update(gone_at=at)
    Cluster.objects.exclude(name__in=clusters).exclude(unreachable_since=None).update(
        unreachable_since=None, problem=""
    )
    Vault.objects.exclude(name__in=vaults).exclude(unreachable_since=None).update(unreachable_since=None, problem="")


@transaction.atomic
def keep_cluster(cluster: Cluster, sightings: Sequence[Sighting], *, at: datetime) -> Kept:
    """Make the rows of a cluster say what was seen there. `sightings` are all there is: what is missing is gone."""
    environments = _environments({sighting.environment for sighting in sightings})
    services, new_services = _services(sightings, environments)
    rows = {
        sighting.ref.uid: _row(cluster, sighting, services[sighting.ref.uid], environments[sighting.environment], at)
        for sighting in sightings
    }
    before = {row.uid: row for row in Workload.objects.filter(cluster=cluster, gone_at=None)}
    written = [row for uid, row in rows.items() if uid not in before or _differs(before[uid], row)]
    # One statement writes rows that are new, changed or back again, and tells the keys of all.
    Workload.objects.bulk_create(
        written,
        BATCH,
        update_conflicts=True,
        unique_fields=["cluster", "uid"],
        update_fields=[name.removesuffix("_id") for name in SEEN],
    )
    gone = [row.pk for uid, row in before.items() if uid not in rows]
    if gone:
        Workload.objects.filter(pk__in=gone).update(gone_at=at)
    Workload.objects.filter(cluster=cluster, gone_at=None).update(seen_at=at)
    for uid, row in rows.items():
        row.pk = row.pk or before[uid].pk
    samples.keep(rows.values(), at=at)
    consumers.link(cluster, {rows[each.ref.uid].pk: each.claims.secrets for each in sightings})
    cluster.seen_at = at
    cluster.save(update_fields=["seen_at"])
    new = sum(1 for uid in rows if uid not in before)
    return Kept(len(rows), new, len(written) - new, len(gone), new_services)


def _row(cluster: Cluster, seen: Sighting, service: Service, environment: Environment, at: datetime) -> Workload:
    return Workload(
        service=service,
        environment=environment,
        cluster=cluster,
        namespace=seen.ref.namespace,
        kind=seen.ref.kind,
        name=seen.ref.name,
        uid=seen.ref.uid,
        version=seen.version,
        images=list(seen.images),
        wanted=seen.wanted,
        ready=seen.ready,
        restarts=seen.restarts,
        paused=seen.paused,
        autoscaler=seen.autoscaler,
        managed_by=seen.managed_by,
        trouble=seen.trouble,
        revision=seen.revision,
        seen_at=at,
    )


def _differs(before: Workload, now: Workload) -> bool:
    return any(getattr(before, name) != getattr(now, name) for name in SEEN)


def _environments(slugs: Collection[str]) -> dict[str, Environment]:
    known = Environment.objects.in_bulk(slugs, field_name="slug")
    for slug in sorted(set(slugs) - known.keys()):
        criticality = CRITICALITY.get(slug, MOST_CRITICAL)
        known[slug] = Environment.objects.create(slug=slug, criticality=criticality, position=criticality)
    return known


def _services(sightings: Sequence[Sighting], environments: Mapping[str, Environment]) -> tuple[dict[str, Service], int]:
    """The service of each workload by its UID, made or brought up to date, and how many are new."""
    seen: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in sorted(sightings, key=lambda each: environments[each.environment].criticality, reverse=True):
        seen[sighting.service].append(sighting)
    known = Service.objects.select_related("team").in_bulk(seen, field_name="slug")
    owners = {slug: _owner(each) for slug, each in seen.items() if slug not in known or known[slug].team_id is None}
    teams = _teams({owner for owner in owners.values() if owner})
    new, changed, events = [], [], []
    found: dict[str, Service] = {}
    strays: list[Sighting] = []
    for slug, all_by_name in seen.items():
        service = known.get(slug) or Service(slug=slug, name=slug)
        team = teams.get(owners.get(slug, ""))
        workloads = [each for each in all_by_name if not _is_of_another(each, service, team or service.team)]
        found.update({each.ref.uid: service for each in workloads})
        strays.extend(each for each in all_by_name if each.ref.uid not in found)
        differences = _said(service, [each.claims for each in workloads])
        if team:
            differences["team"] = team
        for name, value in differences.items():
            setattr(service, name, value)
        if slug not in known:
            new.append(service)
            events.append(discovered(service, workloads[0]))
        elif differences:
            changed.append(service)
            if team:
                events.append(owner_changed(service, None, actor=SYSTEM))
    Service.objects.bulk_create(new, BATCH)
    if changed:
        Service.objects.bulk_update(changed, [*SAID, "team"], BATCH)
    if events:
        writer.record(*events)
    if not strays:
        return found, len(new)
    apart, more = _services([replace(each, service=_apart(each)) for each in strays], environments)
    return found | apart, len(new) + more


def _is_of_another(seen: Sighting, service: Service, team: Team | None) -> bool:
    """Whether a workload by the service's name says that it is another team's.

    Where a catalog settled the owner, only the namespace's word stands against it: both are an administrator's.
    """
    if team is None or seen.claims.owner in ("", team.slug):
        return False
    return service.imported_at is None or seen.namespace_owner not in ("", team.slug)


def _apart(seen: Sighting) -> str:
    """The slug of what shares only its name with a service."""
    namespace, slug = seen.ref.namespace, f"{seen.service}.{seen.ref.namespace}"
    if len(slug) <= SLUG_LIMIT:
        return slug
    mark = sha256(slug.encode()).hexdigest()[:8]
    return f"{seen.service[: SLUG_LIMIT - len(namespace) - len(mark) - 2].rstrip('-.')}-{mark}.{namespace}"


def _owner(workloads: Sequence[Sighting]) -> str:
    """What the workloads of the most critical environment agree on. Where they do not, nobody owns the service."""
    said = {each.claims.owner for each in workloads if each.environment == workloads[0].environment} - {""}
    if len(said) > 1:
        log.warning("discovery.owners_disagree", service=workloads[0].service, owners=sorted(said))
    return said.pop() if len(said) == 1 else ""


def _said(service: Service, claims: Sequence[Claims]) -> dict[str, Any]:
    """What the service's row should say and does not. The most critical environment is asked first."""
    found: dict[str, Any] = {}
    for name in SAID:
        value = next((said for each in claims if (said := getattr(each, name))), None)
        settled = service.imported_at is not None and getattr(service, name)
        if value and not settled and value != getattr(service, name):
            found[name] = value
    return found


def _teams(slugs: Collection[str]) -> dict[str, Team]:
    known = Team.objects.in_bulk(slugs, field_name="slug") if slugs else {}
    for slug in sorted(set(slugs) - known.keys()):
        try:
            known[slug] = create_team(slug, slug.replace("-", " ").capitalize(), actor=SYSTEM)
        except NameTaken as taken:
            log.warning("discovery.team_refused", team=slug, problem=str(taken))
    return known


def create_team(slug: str, name: str, *, actor: Actor) -> Team:
    """A team and its two groups, with nobody in them. Raises `NameTaken`: groups that exist have members for other reasons."""
    names = (slug, f"{slug}-approvers")
    with transaction.atomic():
        if taken := Group.objects.filter(name__in=names).order_by("name").first():
            raise NameTaken(f"There is a group {taken.name} already, so there can be no team {slug}.")
        group, approvers = (Group.objects.create(name=each) for each in names)
        team = Team.objects.create(slug=slug, name=name, group=group, approvers=approvers)
        writer.record(Event("team.created", actor, f"team {slug}", details={"team": slug, "name": name}))
    return team


def discovered(service: Service, sighting: Sighting) -> Event:
    owner = service.team.slug if service.team else ""
    summary = f"{sighting.ref}, owned by {owner or 'nobody'}"
    about = About(service=service.slug, environment=sighting.environment, target=str(sighting.ref))
    return Event("service.discovered", SYSTEM, summary, about, {"owner": owner, "name": service.name})


def owner_changed(service: Service, before: Team | None, *, actor: Actor) -> Event:
    former, present = (team.slug if team else "" for team in (before, service.team))
    summary = f"from {former or 'nobody'} to {present or 'nobody'}"
    details: dict[str, object] = {"from": former, "to": present}
    return Event("service.owner_changed", actor, summary, About(service=service.slug), details)
