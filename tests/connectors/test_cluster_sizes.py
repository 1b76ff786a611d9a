"""Sizes on the real cluster: of a template, of a pod that runs, and the room that is left on the nodes."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from connectors.errors import Conflict, InvalidName, Permanent
from connectors.kubernetes import KubernetesCluster
from connectors.kubernetes.capacity import PodNeeds
from connectors.kubernetes.sizing import SizedPod, Sizes
from sandbox.stack import Endpoints
from tests.cluster import Namespace, eventually, made_namespace, vertical_autoscaler, vertical_autoscaling, workload
from tests.connectors.conftest import MIRA, at_rest

SMALL, LARGE = Sizes("100m", "200m", "64Mi", "128Mi"), Sizes("150m", "200m", "96Mi", "128Mi")


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


def running(cluster: KubernetesCluster, namespace: Namespace, name: str, behaviour: str = "") -> SizedPod:
    declared = workload(name, replicas=1, behaviour=behaviour)
    [container] = declared["spec"]["template"]["spec"]["containers"]
    container |= {"resources": {"requests": SMALL.resources.requests, "limits": SMALL.resources.limits}}
    container |= {"env": [{"name": "DB_PASSWORD", "value": "canary-4711"}]}
    declared["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "registry.example/proxy:1"})
    namespace.apply(declared)
    seen = at_rest(cluster, namespace, name)
    [pod] = cluster.sizing.pods(seen, cluster.pods_of(seen), "app")
    return pod


def test_of_a_template_exactly_one_container_changes_and_comes_back(
    cluster: KubernetesCluster, namespace: Namespace
) -> None:
    running(cluster, namespace, "template")
    before = at_rest(cluster, namespace, "template")
    only_cpu = Sizes(cpu_request="1")
    resize = cluster.sizing.set_resources

    dry = resize(
        before.ref, as_=MIRA, container="app", sizes=only_cpu, execution="e", seen=before.resource_version, dry_run=True
    )
    done = resize(before.ref, as_=MIRA, container="app", sizes=only_cpu, execution="e", seen=before.resource_version)

    assert done.template_hash == dry.template_hash != before.template_hash
    changed = {path for path in done.fields if done.fields[path] != before.fields.get(path)}
    assert {path for path in changed if path.startswith("spec.")} == {
        "spec.template.spec.containers[app].resources.requests.cpu"
    }
    assert (done.containers[0].cpu_request, done.containers[0].memory_limit, done.execution) == ("1", "", "e")
    [effect] = namespace.effects()
    assert effect["impersonatedUser"]["username"] == "mira"
    with pytest.raises(Conflict):
        resize(before.ref, as_=MIRA, container="app", sizes=SMALL, execution="e", seen=before.resource_version)
    now = at_rest(cluster, namespace, "template")
    back = resize(now.ref, as_=MIRA, container="app", sizes=SMALL, execution="e", seen=now.resource_version)
    assert back.template_hash == before.template_hash


def test_a_running_pod_gets_more_and_stays_the_same_pod(cluster: KubernetesCluster, namespace: Namespace) -> None:
    pod = running(cluster, namespace, "larger")
    assert (pod.asked, pod.has) == (SMALL, SMALL)

    cluster.sizing.resize_pod(pod.ref, as_=MIRA, container="app", sizes=LARGE, execution="e", seen=pod.resource_version)

    now = eventually(lambda: (p := cluster.sizing.read_pod(pod.ref, "app")).has == LARGE and p)
    assert now
    assert (now.ref.uid, now.asked, now.pending, now.observed) == (pod.ref.uid, LARGE, "", True)
    with pytest.raises(Conflict):
        cluster.sizing.resize_pod(
            pod.ref, as_=MIRA, container="app", sizes=SMALL, execution="e", seen=pod.resource_version
        )
    other = replace(now.ref, uid="00000000-0000-4000-8000-000000000000")
    with pytest.raises(Conflict):
        cluster.sizing.resize_pod(
            other, as_=MIRA, container="app", sizes=SMALL, execution="e", seen=now.resource_version
        )
    with pytest.raises(Permanent, match=r"QOS|QoS|removed"):
        cluster.sizing.resize_pod(
            now.ref, as_=MIRA, container="app", sizes=Sizes(), execution="e", seen=now.resource_version, dry_run=True
        )


@pytest.mark.parametrize(
    ("behaviour", "reason"), [("resize-deferred", "Deferred"), ("resize-infeasible", "Infeasible")]
)
def test_a_machine_that_puts_it_off_or_refuses_says_so(
    cluster: KubernetesCluster, namespace: Namespace, behaviour: str, reason: str
) -> None:
    pod = running(cluster, namespace, behaviour, behaviour)
    cluster.sizing.resize_pod(pod.ref, as_=MIRA, container="app", sizes=LARGE, execution="e", seen=pod.resource_version)

    now = eventually(lambda: (p := cluster.sizing.read_pod(pod.ref, "app")).pending and p)
    assert now
    assert (now.pending, now.asked, now.has) == (reason, LARGE, SMALL)
    assert "Node didn't have enough" in now.message


@pytest.mark.parametrize("value", ["-1", "NaN", "1e999", "٣", "1_000", "100m\n", "9" * 40])
def test_what_is_no_quantity_does_not_leave_the_process(
    cluster: KubernetesCluster, namespace: Namespace, value: str
) -> None:
    ref = running(cluster, namespace, "larger").ref
    with pytest.raises(InvalidName):
        cluster.sizing.resize_pod(
            ref, as_=MIRA, container="app", sizes=Sizes(cpu_request=value), execution="e", seen="1"
        )


def test_the_room_on_the_nodes_counts_what_is_there_but_not_ones_own(
    cluster: KubernetesCluster, namespace: Namespace
) -> None:
    pod = running(cluster, namespace, "larger")
    owner = cluster.read_workload("Deployment", namespace.name, "larger").ref
    needs = cluster.sizing.needs(owner, {"app": Sizes(cpu_request="40", memory_request="1Gi")})
    assert (needs.cpu, needs.memory, needs.cpu_limit) == (Decimal(40), Decimal(2**30), Decimal(0))

    assert cluster.sizing.room(owner, needs, frozenset({pod.ref.uid})) == 3  # of three machines with 64 cores each
    assert cluster.sizing.room(owner, replace(needs, cpu=Decimal(65)), frozenset()) == 0
    assert cluster.sizing.room(owner, replace(needs, node_selector={"disk": "ssd"}), frozenset()) == 0
    assert cluster.sizing.room(replace(owner, kind="DaemonSet"), PodNeeds(cpu=Decimal("0.001")), frozenset()) == 3


def test_a_vertical_autoscaler_is_found_where_there_is_one(
    cluster: KubernetesCluster, namespace: Namespace, endpoints: Endpoints
) -> None:
    running(cluster, namespace, "larger")
    owner = cluster.read_workload("Deployment", namespace.name, "larger").ref
    with vertical_autoscaling(endpoints):
        assert cluster.sizing.vertical_of(owner) is None
        for mode, acts in (("Off", False), ("Recreate", True)):
            namespace.apply(vertical_autoscaler("larger", mode=mode))
            found = cluster.sizing.vertical_of(owner)
            assert found is not None
            assert (found.name, found.mode, found.acts) == ("larger", mode, acts)
    assert cluster.sizing.vertical_of(owner) is None
