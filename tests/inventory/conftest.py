"""A namespace of the test's own that is part of production, and rows for the cluster that it is in."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.kubernetes import KubernetesCluster, ObjectRef
from inventory import discovery, services
from inventory.claims import Claims
from inventory.discovery import Sighting
from inventory.models import Cluster, Workload
from tests.cluster import Namespace

Look = Callable[[], services.Kept]


@pytest.fixture
def row(database: None) -> Cluster:
    return Cluster.objects.create(name="sandbox", simulated=True)


@pytest.fixture
def look(row: Cluster, cluster: KubernetesCluster, namespace: Namespace) -> Look:
    """Discovery of this namespace, as if the cluster had no other."""
    namespace.kubectl("label", "namespace", namespace.name, "afterdeck.dev/environment=production")

    def once() -> services.Kept:
        found = [each for each in discovery.look(cluster) if each.ref.namespace == namespace.name]
        return services.keep_cluster(row, found, at=timezone.now())

    return once


def known(name: str) -> Workload:
    return Workload.objects.select_related("service__team", "environment").get(name=name, gone_at=None)


def sighting(
    name: str,
    *,
    service: str = "",
    environment: str = "production",
    owner: str = "",
    secrets: tuple[str, ...] = (),
    **fields: Any,
) -> Sighting:
    """A workload as it might be seen, for what needs no cluster."""
    ref = ObjectRef("Deployment", f"shop-{environment}", name, f"uid-{environment}-{name}")
    claims = Claims(owner=owner, secrets=frozenset(secrets))
    return Sighting(service=service or name, environment=environment, ref=ref, claims=claims, **fields)


def queries(call: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        call()
    return len(captured)
