"""Keeps the inventory fresh: looks at every connected system, one pass at a time, each for itself.

Systems are read at the same time, so one that does not answer keeps nobody waiting; rows are written one system after the other.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from celery import shared_task
from django.db import connection
from django.utils import timezone

from connectors import registry
from connectors.errors import ConnectorError, Transient
from connectors.protocol import Health
from connectors.vault.seen import SecretSeen

from . import discovery, nodes, samples, services, vaults
from .discovery import Sighting
from .models import Cluster, Vault
from .nodes import Machine

log = structlog.get_logger(__name__)

LOCK = 0x61667465726465  # "afterde"; any number that nobody else locks
AT_ONCE = 8
SECRETS_EVERY = timedelta(minutes=1)  # one call per secret, and they change rarely


@dataclass(frozen=True)
class Report:
    """What a look at one system came to."""

    kind: str
    name: str
    ok: bool
    sentence: str


@shared_task(name="inventory.tasks.discover", ignore_result=True)
def discover() -> None:
    look_around()


@shared_task(name="inventory.tasks.forget", ignore_result=True)
def forget() -> None:
    """Let go of samples that are too old."""
    samples.forget(now=timezone.now())


def look_around() -> list[Report] | None:
    """One look at everything that is connected. `None` when somebody else is looking at this moment."""
    with _alone() as alone:
        if not alone:
            return None
        clusters, vault_names = registry.names("kubernetes"), registry.names("vault")
        services.disconnected(clusters=clusters, vaults=vault_names, at=timezone.now())
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="afterdeck-look") as pool:
            of_clusters = [(name, pool.submit(_see_cluster, name)) for name in clusters]
            of_vaults = [(name, pool.submit(_see_vault, name, _secrets_due(name))) for name in vault_names]
            reports = [_cluster(name, seen.result) for name, seen in of_clusters]
            return reports + [_vault(name, seen.result) for name, seen in of_vaults]


def _see_cluster(name: str) -> tuple[Health, list[Sighting], list[Machine]]:
    cluster = registry.connection("kubernetes", name)
    return _healthy(cluster.health()), discovery.look(cluster), nodes.look(cluster)


def _see_vault(name: str, secrets_due: bool) -> tuple[Health, list[SecretSeen] | None]:
    vault = registry.connection("vault", name)
    return _healthy(vault.health()), vaults.look(vault) if secrets_due else None


def _healthy(health: Health) -> Health:
    if not health.ok:
        raise Transient(health.sentence)
    return health


def _secrets_due(name: str) -> bool:
    row = Vault.objects.filter(name=name).first()
    return row is None or row.seen_at is None or row.seen_at + SECRETS_EVERY <= timezone.now()


def _cluster(name: str, seen: Callable[[], tuple[Health, list[Sighting], list[Machine]]]) -> Report:
    def keep() -> str:
        health, sightings, machines = seen()
        connector = registry.connection("kubernetes", name)
        services.reached(row, version=health.version, read_only=connector.read_only, simulated=connector.simulated)
        kept = services.keep_cluster(row, sightings, at=timezone.now())
        nodes.keep(row, machines, at=timezone.now())
        return (
            f"{kept.workloads} workloads: {kept.new} new, {kept.changed} changed, {kept.gone} gone; "
            f"{kept.services} new services"
        )

    row = Cluster.objects.get_or_create(name=name)[0]
    return _report("cluster", row, keep)


def _vault(name: str, seen: Callable[[], tuple[Health, list[SecretSeen] | None]]) -> Report:
    def keep() -> str:
        health, secrets = seen()
        services.reached(
            row, version=health.version, read_only=registry.connection("vault", name).read_only, simulated=False
        )
        if secrets is None:
            return "answers; its secrets were looked at less than a minute ago"
        kept = vaults.keep(row, secrets, at=timezone.now())
        return f"{kept.secrets} secrets: {kept.written} new or changed, {kept.gone} gone"

    row = Vault.objects.get_or_create(name=name)[0]
    return _report("vault", row, keep)


def _report(kind: str, row: Cluster | Vault, keep: Callable[[], str]) -> Report:
    try:
        return Report(kind, row.name, True, keep())
    except ConnectorError as problem:
        services.lost(row, problem=problem.sentence, at=timezone.now())
        return Report(kind, row.name, False, problem.sentence)
    except Exception:  # a defect met in one system must not blind us for the others
        log.exception("discovery.failed", kind=kind, name=row.name)
        return Report(kind, row.name, False, "Something unforeseen happened; the log says what.")


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether we are the only ones looking, which stays so until the end of the block or of this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        alone = bool(cursor.fetchone()[0])
    try:
        yield alone
    finally:
        if alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
