"""Who reads a secret is seen by what pods name, where the real External Secrets Operator copies it into the cluster."""

from collections.abc import Iterator

import pytest

from connectors.kubernetes import KubernetesCluster
from inventory import discovery
from sandbox.stack import Endpoints
from tests.cluster import Namespace, eventually, made_namespace, workload
from tests.external_secrets import Operator


@pytest.fixture
def place(endpoints: Endpoints, operator: Operator) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.kubectl("label", "namespace", made.name, "afterdeck.dev/environment=dev")
        operator.store(made, reads=[f"{made.name}/*"])
        yield made


def test_a_workload_whose_pods_name_a_copied_secret_reads_it_without_saying_so(
    cluster: KubernetesCluster, place: Namespace, operator: Operator
) -> None:
    operator.write(f"{place.name}/stripe", api_key="k")
    operator.sync(place, "stripe", f"{place.name}/stripe")
    shop = workload("shop", replicas=0)
    [container] = shop["spec"]["template"]["spec"]["containers"]
    container["envFrom"] = [{"secretRef": {"name": "stripe"}}]
    place.apply(shop, workload("other", replicas=0))
    eventually(lambda: cluster.synced_secrets(place.name))

    read = {seen.ref.name: seen.claims.secrets for seen in discovery.look(cluster) if seen.ref.namespace == place.name}
    assert read == {"shop": {f"secret/{place.name}/stripe"}, "other": frozenset()}
