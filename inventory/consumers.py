"""Which workloads read which secrets, as the workloads say by annotation, and what follows from it for the secret."""

from collections.abc import Mapping
from itertools import chain

from django.db.models import Count, F, Min, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Concat

from .models import Cluster, Environment, Secret, Service, Vault, Workload

BATCH = 1000


def link(cluster: Cluster, claims: Mapping[int, frozenset[str]]) -> None:
    """Make the consumers of secrets in this cluster those that claim to be. `claims` is by workload: "mount/path" each."""
    paths = frozenset(chain.from_iterable(claims.values()))
    secrets: dict[str, list[int]] = {}
    if paths:
        rows = Secret.objects.filter(gone_at=None).annotate(whole=Concat("mount", Value("/"), "path"))
        for pk, whole in rows.filter(whole__in=paths).values_list("pk", "whole"):
            secrets.setdefault(whole, []).append(pk)
    wanted = {
        (secret, workload) for workload, said in claims.items() for path in said for secret in secrets.get(path, ())
    }
    through = Secret.consumers.through
    there = {
        (secret, workload): pk
        for pk, secret, workload in through.objects.filter(
            workload__cluster=cluster, workload__gone_at=None
        ).values_list("pk", "secret_id", "workload_id")
    }
    new = [through(secret_id=secret, workload_id=workload) for secret, workload in wanted - there.keys()]
    if new:
        through.objects.bulk_create(new, BATCH)
    if old := [pk for pair, pk in there.items() if pair not in wanted]:
        through.objects.filter(pk__in=old).delete()
    _own()
    place()


def place() -> None:
    """Say of each secret where it counts: in the most critical environment that reads it, else the one where its service runs."""
    reads = _most_critical(Q(workloads__secrets=OuterRef("pk")))
    runs = _most_critical(Q(workloads__service=OuterRef("service")))
    placed = Secret.objects.filter(gone_at=None).annotate(place=Coalesce(Subquery(reads), Subquery(runs)))
    moved = placed.exclude(environment=F("place")).exclude(environment=None, place=None)
    moved.update(environment=Coalesce(Subquery(reads), Subquery(runs)))


def _most_critical(readers: Q) -> QuerySet[Environment, int]:
    found = Environment.objects.filter(readers, workloads__gone_at=None).order_by("-criticality", "-position")
    return found.values_list("pk", flat=True)[:1]


def only_readers(vault: Vault) -> dict[tuple[str, str], int]:
    """Of secrets that one service alone reads: which. Whose such a secret is needs no label."""
    return {(mount, path): service for _, mount, path, service in _read_by_one(Secret.objects.filter(vault=vault))}


def _own() -> None:
    """A secret that came without a label is somebody's as soon as it is read, not only at the next look at its vault."""
    unowned = Secret.objects.filter(service=None, gone_at=None)
    owned = [Secret(pk=pk, service_id=service) for pk, _, _, service in _read_by_one(unowned)]
    Secret.objects.bulk_update(owned, ["service"], BATCH)


def _read_by_one(secrets: QuerySet[Secret]) -> QuerySet[Secret, tuple[int, str, str, int]]:
    read = secrets.filter(consumers__gone_at=None, consumers__isnull=False)
    found = read.annotate(services=Count("consumers__service", distinct=True), only=Min("consumers__service"))
    return found.filter(services=1).values_list("pk", "mount", "path", "only")


def is_others(reader: Workload, service: str) -> bool:
    """Whether a reader is in the hands of another team than the service that the secret belongs to."""
    owner = Service.objects.filter(slug=service).values_list("team_id", flat=True).first()
    return reader.service.team_id != owner


def readers_of(vault: str, mount: str, path: str) -> list[Workload]:
    """The workloads that say they read this secret, of all clusters, the least critical first."""
    found = Workload.objects.filter(
        gone_at=None, secrets__vault__name=vault, secrets__mount=mount, secrets__path=path
    ).select_related("cluster", "environment", "service__team")
    return list(found.order_by("environment__criticality", "environment__position", "namespace", "name", "pk"))
