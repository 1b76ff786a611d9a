"""Nodes as they are seen, and what stands on them. The nodes are the test's own: everybody's pods are on the others."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from connectors.errors import Conflict
from connectors.kubernetes import KubernetesCluster
from connectors.kubernetes.nodes import NodeSeen, Room
from sandbox.stack import Endpoints
from tests.cluster import Namespace, eventually, made_namespace
from tests.connectors.conftest import MIRA
from tests.machines import Machine, budget, made_machine, pod_on


@pytest.fixture(scope="module")
def machine(endpoints: Endpoints) -> Iterator[Machine]:
    with made_namespace(endpoints) as namespace, made_machine(namespace) as made:
        yield made


def read(cluster: KubernetesCluster, machine: Machine) -> NodeSeen:
    return cluster.nodes.read(machine.name)


def test_a_node_is_seen_with_its_room(cluster: KubernetesCluster, machine: Machine) -> None:
    seen = eventually(lambda: found if (found := read(cluster, machine)).ready else None)
    assert seen is not None
    assert (seen.schedulable, seen.room, seen.most_pods) == (True, Room(64_000, 256 * 2**30), 500)
    assert machine.name in [each.ref.name for each in cluster.nodes.all()]


def test_it_is_cordoned_as_the_person_and_by_what_was_seen(cluster: KubernetesCluster, machine: Machine) -> None:
    seen = read(cluster, machine)

    def switch(*, on: bool) -> NodeSeen | None:
        """A node's heartbeat may come between the read and the write; then it is read again."""
        before = read(cluster, machine)
        with suppress(Conflict):
            return cluster.nodes.set_schedulable(
                before.ref, as_=MIRA, schedulable=on, execution="e1", seen=before.resource_version
            )
        return None

    after = eventually(lambda: switch(on=False))
    assert after is not None
    assert (after.schedulable, after.execution) == (False, "e1")
    with pytest.raises(Conflict):
        cluster.nodes.set_schedulable(seen.ref, as_=MIRA, schedulable=True, execution="e2", seen=seen.resource_version)
    done = eventually(lambda: switch(on=True))
    assert done is not None
    assert done.schedulable
    assert "unschedulable" not in machine.namespace.get("node", machine.name)["spec"]


def test_pods_are_seen_with_what_matters_to_whoever_moves_them(cluster: KubernetesCluster, machine: Machine) -> None:
    namespace: Namespace = machine.namespace
    namespace.apply(
        pod_on(machine, "plain", cpu="250m"), pod_on(machine, "with-data", local_data=True), budget("plain", allowed=0)
    )
    eventually(lambda: len(list(cluster.nodes.pods(machine.name))) == 2)
    found = {each.pod.name: each for each in cluster.nodes.pods(machine.name)}

    assert found["plain"].requests == Room(250, 0)
    assert (found["plain"].local_data, found["with-data"].local_data) == (False, True)
    [over] = cluster.nodes.budgets_over(found.values())
    assert (str(over), over.allowed, over.pods) == (f"{namespace.name}/plain", 0, (found["plain"].pod.uid,))
