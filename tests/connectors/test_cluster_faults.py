"""When the network fails we know one thing for certain: whether anything was sent."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from connectors.errors import Transient, Unknown
from connectors.kubernetes.cluster import KubernetesCluster
from connectors.kubernetes.configuration import ClusterConfig
from connectors.kubernetes.seen import WorkloadSeen
from sandbox.stack import Endpoints
from tests.connectors.conftest import MIRA, patches
from tests.faults import Wire, kubeconfig

STAMP = "2026-11-23T09:30:00Z"


@pytest.fixture
def wire(endpoints: Endpoints) -> Iterator[Wire]:
    made = Wire.to_cluster(endpoints)
    yield made
    made.remove()


@pytest.fixture
def far(endpoints: Endpoints, wire: Wire, tmp_path: Path) -> KubernetesCluster:
    """The same cluster, at the other end of the wire."""
    return _at(f"https://{wire.address}", endpoints, tmp_path)


def _at(address: str, endpoints: Endpoints, tmp_path: Path) -> KubernetesCluster:
    config = kubeconfig(endpoints)
    config["clusters"][0]["cluster"]["server"] = address
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return KubernetesCluster("far", ClusterConfig(path))


def restart(cluster: KubernetesCluster, workload: WorkloadSeen) -> WorkloadSeen:
    return cluster.restart(workload.ref, as_=MIRA, stamp=STAMP, execution="execution-1", seen=workload.resource_version)


def test_a_lost_answer_leaves_open_what_happened_and_nothing_is_sent_twice(far, wire, cluster, namespace, checkout):
    assert far.health().ok  # the connection is there before the answers get lost
    wire.lose_answers()

    with pytest.raises(Unknown):
        restart(far, checkout)

    after = cluster.read_workload("Deployment", namespace.name, "checkout")
    assert (after.execution, after.restarted_at) == ("execution-1", STAMP)  # reading back tells that it did
    assert len(patches(namespace)) == 1


def test_a_lost_request_leaves_open_what_happened_too(far, wire, cluster, namespace, checkout):
    assert far.health().ok
    wire.lose_requests()

    with pytest.raises(Unknown):
        restart(far, checkout)

    assert cluster.read_workload("Deployment", namespace.name, "checkout").execution is None
    assert patches(namespace) == []


def test_a_lost_answer_to_a_dry_run_or_a_read_is_harmless(far, wire, checkout):
    assert far.health().ok
    wire.lose_answers()

    with pytest.raises(Transient):
        far.restart(checkout.ref, as_=MIRA, stamp=STAMP, execution="e", seen=checkout.resource_version, dry_run=True)
    with pytest.raises(Transient):
        far.read_workload("Deployment", checkout.ref.namespace, "checkout")


def test_a_connection_that_never_comes_about_has_sent_nothing(far, wire, namespace, checkout):
    wire.lose_answers()  # so the TLS handshake does not end

    with pytest.raises(Transient, match="Nothing was sent"):
        restart(far, checkout)

    assert patches(namespace) == []


def test_a_write_to_a_cluster_that_is_cut_off_has_sent_nothing(far, wire, checkout):
    wire.cut()

    with pytest.raises(Transient, match="cannot be reached"):
        restart(far, checkout)


def test_a_server_that_accepts_and_says_nothing_is_given_up_on_in_time(endpoints, tmp_path, checkout):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cluster = _at(f"https://127.0.0.1:{silent.getsockname()[1]}", endpoints, tmp_path)
        for call in (lambda: restart(cluster, checkout), lambda: cluster.namespaces()):
            started = time.monotonic()
            with pytest.raises(Transient):
                call()
            assert time.monotonic() - started < 5


def test_a_server_with_another_certificate_gets_nothing(endpoints, tmp_path, checkout):
    config = kubeconfig(endpoints)
    del config["clusters"][0]["cluster"]["certificate-authority"]
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))

    with pytest.raises(Transient, match="No trusted connection"):
        restart(KubernetesCluster("other", ClusterConfig(path)), checkout)


@pytest.mark.parametrize("text", ["", "{", "- a\n- b", "clusters: 7", "apiVersion: v1\nkind: Config\n", "\x00"])
def test_a_kubeconfig_that_makes_no_sense_is_said_to_be_so(tmp_path, text):
    path = tmp_path / "kubeconfig"
    path.write_text(text)

    health = KubernetesCluster("torn", ClusterConfig(path)).health()

    assert not health.ok
    assert "kubeconfig of the cluster torn cannot be used" in health.sentence


def test_a_kubeconfig_that_was_repaired_works_without_a_restart_of_ours(endpoints, tmp_path):
    path = tmp_path / "kubeconfig"
    cluster = KubernetesCluster("mended", ClusterConfig(path))
    assert not cluster.health().ok

    path.write_bytes(endpoints.kubeconfig_portal.read_bytes())

    assert cluster.health().ok


def test_a_kubeconfig_that_was_replaced_is_read_again(endpoints, tmp_path):
    cluster = _at("https://127.0.0.1:1", endpoints, tmp_path)
    assert not cluster.health().ok

    (tmp_path / "kubeconfig").write_bytes(endpoints.kubeconfig_portal.read_bytes())

    assert cluster.health().ok
