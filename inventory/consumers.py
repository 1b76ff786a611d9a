"""Which workloads read which secrets, as the workloads say by annotation."""

from collections.abc import Mapping
from itertools import chain

from django.db.models import Value
from django.db.models.functions import Concat

from .models import Cluster, Secret

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
