"""A write happens once, as the person who asked, on exactly the object that was seen; or not at all."""

from dataclasses import replace

import pytest

from connectors.errors import Conflict, Forbidden, InvalidName, Missing, ReadOnly
from connectors.kubernetes.cluster import KubernetesCluster
from connectors.kubernetes.configuration import ClusterConfig
from connectors.kubernetes.seen import OPERATORS, AutoscalerSeen, Identity, ObjectRef, WorkloadSeen
from connectors.testing import HOSTILE_NAMES
from tests.cluster import Namespace, workload
from tests.connectors.conftest import MIRA, at_rest, patches

STAMP = "2026-11-23T09:30:00Z"
ANOTHER_UID = "00000000-0000-4000-8000-000000000000"


def restart(
    cluster: KubernetesCluster,
    workload: WorkloadSeen,
    *,
    stamp: str | None = STAMP,
    as_: Identity = MIRA,
    seen: str = "",
    dry_run: bool = False,
    ref: ObjectRef | None = None,
) -> WorkloadSeen:
    return cluster.restart(
        ref or workload.ref,
        as_=as_,
        stamp=stamp,
        execution="execution-1",
        seen=seen or workload.resource_version,
        dry_run=dry_run,
    )


def autoscaler(cluster: KubernetesCluster, namespace: Namespace) -> AutoscalerSeen:
    namespace.kubectl("autoscale", "deployment/checkout", "--min=1", "--max=3")
    return cluster.read_autoscaler(namespace.name, "checkout")


def test_a_restart_is_what_kubectl_rollout_restart_does(cluster, namespace, checkout):
    restarted = restart(cluster, checkout)

    assert restarted.restarted_at == STAMP
    assert restarted.execution == "execution-1"
    assert restarted.generation == checkout.generation + 1
    assert restarted.template_hash != checkout.template_hash
    namespace.roll_out("deployment", "checkout")
    assert len(cluster.replicasets_of(restarted)) == 2
    assert "afterdeck" in cluster.read_workload("Deployment", namespace.name, "checkout").managers


def test_the_same_restart_again_changes_nothing(cluster, namespace, checkout):
    once = restart(cluster, checkout)

    twice = restart(cluster, at_rest(cluster, namespace, "checkout"))

    assert (twice.generation, twice.template_hash) == (once.generation, once.template_hash)


def test_a_restart_can_be_taken_back(cluster, namespace, checkout):
    restart(cluster, checkout)

    undone = restart(cluster, at_rest(cluster, namespace, "checkout"), stamp=None)

    assert undone.restarted_at is None
    assert undone.template_hash == checkout.template_hash


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_the_other_kinds_restart_too(cluster, namespace, kind):
    namespace.apply(workload("ledger", kind=kind, replicas=1))
    namespace.roll_out(kind, "ledger")
    seen = cluster.read_workload(kind, namespace.name, "ledger")

    assert restart(cluster, seen).restarted_at == STAMP
    namespace.roll_out(kind, "ledger")
    after = cluster.read_workload(kind, namespace.name, "ledger")
    assert after.wanted == after.ready == after.updated == after.available > 0
    assert after.observed_generation == after.generation


def test_a_scale_sets_an_absolute_number(cluster, namespace, checkout):
    scaled = cluster.scale(checkout.ref, as_=MIRA, replicas=3, execution="execution-2", seen=checkout.resource_version)

    assert (scaled.wanted, scaled.execution) == (3, "execution-2")
    assert scaled.template_hash == checkout.template_hash
    assert namespace.kubectl("get", "deployment/checkout", "-o", "jsonpath={.spec.replicas}") == "3"


def test_a_daemonset_has_no_replicas_to_scale(cluster, checkout):
    ref = replace(checkout.ref, kind="DaemonSet")
    with pytest.raises(InvalidName, match="must be one of Deployment, StatefulSet"):
        cluster.scale(ref, as_=MIRA, replicas=3, execution="e", seen=checkout.resource_version)


def test_an_autoscaler_gets_both_bounds(cluster, namespace, checkout):
    before = autoscaler(cluster, namespace)

    after = cluster.set_autoscaler_bounds(
        before.ref, as_=MIRA, min_replicas=2, max_replicas=6, execution="execution-3", seen=before.resource_version
    )

    assert (after.min_replicas, after.max_replicas, after.execution) == (2, 6, "execution-3")
    assert cluster.autoscaler_of(checkout.ref).max_replicas == 6


@pytest.mark.parametrize(("least", "most"), [(0, 3), (4, 3), (-1, 3), (True, 3), (1, 2**31), (1, 3.0)])
def test_bounds_that_would_switch_an_autoscaler_off_are_refused(cluster, least, most):
    ref = ObjectRef("HorizontalPodAutoscaler", "payments", "checkout", ANOTHER_UID)
    with pytest.raises(InvalidName):
        cluster.set_autoscaler_bounds(
            ref, as_=MIRA, min_replicas=least, max_replicas=most, execution="execution-3", seen="1"
        )


def test_an_object_that_has_moved_on_is_a_conflict(cluster, namespace, checkout):
    bounds = autoscaler(cluster, namespace)
    namespace.kubectl("label", "deployment/checkout", "hpa/checkout", "touched=yes")

    with pytest.raises(Conflict):
        restart(cluster, checkout)
    with pytest.raises(Conflict):
        cluster.scale(checkout.ref, as_=MIRA, replicas=3, execution="e", seen=checkout.resource_version)
    with pytest.raises(Conflict):
        cluster.set_autoscaler_bounds(
            bounds.ref, as_=MIRA, min_replicas=2, max_replicas=6, execution="e", seen=bounds.resource_version
        )

    after = cluster.read_workload("Deployment", namespace.name, "checkout")
    assert (after.generation, after.execution) == (checkout.generation, None)


def test_another_object_by_the_same_name_is_a_conflict(cluster, namespace, checkout):
    bounds = autoscaler(cluster, namespace)
    ref = replace(checkout.ref, uid=ANOTHER_UID)

    with pytest.raises(Conflict):
        restart(cluster, checkout, ref=ref)
    with pytest.raises(Conflict):
        cluster.scale(ref, as_=MIRA, replicas=3, execution="e", seen=checkout.resource_version)
    with pytest.raises(Conflict):
        cluster.set_autoscaler_bounds(
            replace(bounds.ref, uid=ANOTHER_UID),
            as_=MIRA,
            min_replicas=2,
            max_replicas=6,
            execution="e",
            seen=bounds.resource_version,
        )

    assert cluster.read_workload("Deployment", namespace.name, "checkout").generation == checkout.generation


def test_an_object_that_is_gone_is_missing(cluster, namespace, checkout):
    namespace.kubectl("delete", "deployment/checkout", "--wait=true", "--cascade=foreground")

    with pytest.raises(Missing):
        restart(cluster, checkout)


def test_a_dry_run_shows_the_change_and_changes_nothing(cluster, namespace, checkout):
    planned = restart(cluster, checkout, dry_run=True)
    scaled = cluster.scale(
        checkout.ref, as_=MIRA, replicas=9, execution="e", seen=checkout.resource_version, dry_run=True
    )

    assert (planned.restarted_at, scaled.wanted) == (STAMP, 9)
    after = cluster.read_workload("Deployment", namespace.name, "checkout")
    assert after.resource_version == checkout.resource_version
    assert {path for path, text in planned.fields.items() if checkout.fields.get(path) != text} == {
        "metadata.annotations.afterdeck.dev/execution",
        "spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt",
    }


def test_a_dry_run_says_what_the_write_will_say(cluster, checkout):
    with pytest.raises(Conflict):
        restart(cluster, checkout, seen="1", dry_run=True)


def test_a_read_only_connector_refuses_writes_and_still_plans(endpoints, namespace, checkout):
    looking = KubernetesCluster("sandbox", ClusterConfig(endpoints.kubeconfig_portal, read_only=True))

    assert restart(looking, checkout, dry_run=True).restarted_at == STAMP
    with pytest.raises(ReadOnly):
        restart(looking, checkout)

    assert [entry["requestURI"].partition("?")[2] for entry in patches(namespace)] == [
        "fieldManager=afterdeck&dryRun=All"
    ]


def test_the_clusters_own_record_names_the_person(cluster, namespace, checkout):
    restart(cluster, checkout, as_=Identity("josé.žluť@example.org"))

    [entry] = patches(namespace)
    assert entry["user"]["username"] == "system:serviceaccount:afterdeck:portal"
    assert entry["impersonatedUser"]["username"] == "josé.žluť@example.org"
    assert OPERATORS in entry["impersonatedUser"]["groups"]


def test_two_groups_are_two_headers_and_the_cluster_decides_about_each(cluster, namespace, checkout):
    with pytest.raises(Forbidden) as refusal:
        restart(cluster, checkout, as_=Identity("mira", (OPERATORS, "not-ours-to-borrow")))

    assert '"not-ours-to-borrow" is forbidden' in refusal.value.detail
    assert cluster.read_workload("Deployment", namespace.name, "checkout").generation == checkout.generation


@pytest.mark.parametrize(
    "identity",
    [
        Identity("mira", ()),
        Identity("mira", ("payments",)),
        Identity("", (OPERATORS,)),
        Identity("mira\r\nImpersonate-Group: system:masters", (OPERATORS,)),
        Identity("system:admin", (OPERATORS,)),
        Identity("mira", (OPERATORS, "system:masters")),
        Identity("mira", (OPERATORS, "")),
        Identity(" mira", (OPERATORS,)),
        Identity("mi\u202era", (OPERATORS,)),
        Identity("m" * 257, (OPERATORS,)),
    ],
    ids=ascii,
)
def test_an_identity_that_nobody_may_borrow_never_reaches_the_cluster(cluster, namespace, identity):
    ref = ObjectRef("Deployment", namespace.name, "checkout", ANOTHER_UID)
    with pytest.raises(InvalidName):
        cluster.restart(ref, as_=identity, stamp=STAMP, execution="e", seen="1")

    assert namespace.recorded() == []


def test_a_hostile_name_never_reaches_the_cluster(cluster, namespace):
    for name in HOSTILE_NAMES:
        with pytest.raises(InvalidName):
            cluster.read_workload("Deployment", namespace.name, name)
        ref = ObjectRef("Deployment", namespace.name, name, ANOTHER_UID)
        with pytest.raises(InvalidName):
            cluster.scale(ref, as_=MIRA, replicas=3, execution="e", seen="1")

    assert namespace.recorded() == []
