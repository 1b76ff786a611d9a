"""What the cluster keeps of a workload's past, and that putting one of it back makes exactly that template."""

from dataclasses import replace

import pytest

from connectors.errors import Conflict
from connectors.kubernetes import KubernetesCluster, RevisionSeen, WorkloadSeen
from tests.cluster import Namespace, eventually, workload
from tests.connectors.conftest import MIRA

KINDS = ["Deployment", "StatefulSet", "DaemonSet"]
CAUSE = "kubernetes.io/change-cause"
ANOTHER_UID = "00000000-0000-4000-8000-000000000000"


def declared(kind: str, version: int, **template: object) -> dict[str, object]:
    made = workload("shop", kind=kind, replicas=1, image=f"shop:{version}", annotations={CAUSE: f"version {version}"})
    made["spec"]["template"]["spec"] |= template
    return made


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, cluster: KubernetesCluster, namespace: Namespace) -> WorkloadSeen:
    """At its second version, which differs from the first by what is there, what is not, and what is in a list."""
    kind: str = request.param
    namespace.apply(declared(kind, 1, nodeSelector={"disk": "fast"}, terminationGracePeriodSeconds=5))
    eventually(lambda: len(cluster.revisions_of(cluster.read_workload(kind, namespace.name, "shop"))) == 1)
    namespace.apply(declared(kind, 2, hostNetwork=False, volumes=[{"name": "cache", "emptyDir": {}}]))
    eventually(lambda: len(cluster.revisions_of(cluster.read_workload(kind, namespace.name, "shop"))) == 2)
    return cluster.read_workload(kind, namespace.name, "shop")


def restored(
    cluster: KubernetesCluster, seen: WorkloadSeen, revision: RevisionSeen, *, dry_run: bool = False
) -> WorkloadSeen:
    """As the engine does: a status that moves is read again."""

    def tried() -> WorkloadSeen | None:
        now = cluster.read_workload(seen.ref.kind, seen.ref.namespace, seen.ref.name)
        try:
            return cluster.restore_template(
                seen.ref, as_=MIRA, revision=revision, execution="run-1", seen=now.resource_version, dry_run=dry_run
            )
        except Conflict:
            return None

    found = eventually(tried)
    assert found is not None
    return found


def test_revisions_come_newest_first_with_what_they_ran(cluster: KubernetesCluster, shop: WorkloadSeen) -> None:
    newest, oldest = cluster.revisions_of(shop)
    assert (newest.number, newest.images, newest.template_hash) == (2, ("shop:2",), shop.template_hash)
    assert (oldest.number, oldest.images, oldest.change_cause) == (1, ("shop:1",), "version 1")
    assert newest.created_at
    assert "containers" not in repr(newest)  # nor, with them, the values of their environment


def test_a_template_comes_back_exactly_and_under_a_new_number(
    cluster: KubernetesCluster, namespace: Namespace, shop: WorkloadSeen
) -> None:
    oldest = cluster.revisions_of(shop)[1]
    planned = restored(cluster, shop, oldest, dry_run=True)
    assert cluster.read_workload(shop.ref.kind, namespace.name, "shop").template_hash == shop.template_hash

    done = restored(cluster, shop, oldest)

    assert done.template_hash == planned.template_hash == oldest.template_hash
    assert done.execution == "run-1"
    assert done.annotations[CAUSE] == ("version 1" if shop.ref.kind == "Deployment" else "version 2")
    assert namespace.get(shop.ref.kind, "shop")["spec"]["template"] == oldest.template
    eventually(lambda: [revision.number for revision in cluster.revisions_of(done)] == [3, 2])
    assert [revision.images for revision in cluster.revisions_of(done)] == [("shop:1",), ("shop:2",)]
    [effect] = namespace.effects()
    assert effect["impersonatedUser"]["username"] == "mira"


@pytest.mark.parametrize("shop", ["Deployment"], indirect=True)
def test_what_was_not_seen_is_not_changed(cluster: KubernetesCluster, namespace: Namespace, shop: WorkloadSeen) -> None:
    oldest = cluster.revisions_of(shop)[1]
    namespace.roll_out("deployment", "shop")
    seen = cluster.read_workload("Deployment", namespace.name, "shop")
    for ref, version in ((shop.ref, "1"), (replace(shop.ref, uid=ANOTHER_UID), seen.resource_version)):
        with pytest.raises(Conflict):
            cluster.restore_template(ref, as_=MIRA, revision=oldest, execution="run-1", seen=version)
    assert cluster.read_workload("Deployment", namespace.name, "shop").template_hash == shop.template_hash
    assert namespace.effects() == []
