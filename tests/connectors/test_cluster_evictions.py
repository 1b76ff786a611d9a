"""An eviction is of one pod, by the person who asked, and heeds the disruption budget."""

from dataclasses import replace

import pytest

from connectors.errors import Conflict, Held, Missing
from connectors.kubernetes import KubernetesCluster, PodSeen, WorkloadSeen
from tests.cluster import Namespace, eventually
from tests.connectors.conftest import MIRA

ANOTHER_UID = "00000000-0000-4000-8000-000000000000"
NO_DISRUPTION = {
    "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "checkout"},
    "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app.kubernetes.io/name": "checkout"}}},
}  # fmt: skip


@pytest.fixture
def pod(cluster: KubernetesCluster, checkout: WorkloadSeen) -> PodSeen:
    return cluster.pods_of(checkout)[0]


def uids(cluster: KubernetesCluster, workload: WorkloadSeen) -> set[str]:
    return {pod.uid for pod in cluster.pods_of(workload) if not pod.terminating}


def test_an_evicted_pod_goes_and_another_comes(
    cluster: KubernetesCluster, namespace: Namespace, checkout: WorkloadSeen, pod: PodSeen
) -> None:
    cluster.evict(pod.ref, as_=MIRA)

    eventually(lambda: (left := uids(cluster, checkout)) and pod.uid not in left)
    [effect] = namespace.effects()
    assert effect["impersonatedUser"]["username"] == "mira"
    assert effect["objectRef"]["subresource"] == "eviction"


def test_a_pod_that_took_the_name_of_another_is_left_alone(
    cluster: KubernetesCluster, checkout: WorkloadSeen, pod: PodSeen
) -> None:
    with pytest.raises(Conflict):
        cluster.evict(replace(pod.ref, uid=ANOTHER_UID), as_=MIRA)

    assert pod.uid in uids(cluster, checkout)


def test_a_pod_that_is_gone_is_missing(cluster: KubernetesCluster, pod: PodSeen) -> None:
    with pytest.raises(Missing):
        cluster.evict(replace(pod.ref, name="checkout-gone"), as_=MIRA)


def test_a_disruption_budget_keeps_a_pod(
    cluster: KubernetesCluster, namespace: Namespace, checkout: WorkloadSeen, pod: PodSeen
) -> None:
    namespace.apply(NO_DISRUPTION)
    eventually(lambda: namespace.get("pdb", "checkout").get("status", {}).get("observedGeneration"))

    with pytest.raises(Held, match="A disruption budget keeps Pod"):
        cluster.evict(pod.ref, as_=MIRA)

    assert pod.uid in uids(cluster, checkout)


def test_a_dry_run_evicts_nothing(cluster: KubernetesCluster, checkout: WorkloadSeen, pod: PodSeen) -> None:
    cluster.evict(pod.ref, as_=MIRA, dry_run=True)

    assert pod.uid in uids(cluster, checkout)
