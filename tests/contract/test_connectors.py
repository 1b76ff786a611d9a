"""Both of our connectors keep the contract that a third party's has to keep."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.kubernetes.cluster import KubernetesCluster
from connectors.kubernetes.configuration import ClusterConfig
from connectors.kubernetes.jobs import Jobs
from connectors.kubernetes.seen import Identity, ObjectRef, WorkloadSeen
from connectors.kubernetes.sizing import Sizes
from connectors.testing import Call, ConnectorContract, NamedCall
from connectors.vault.configuration import VaultConfig
from connectors.vault.rotation import Rotation
from connectors.vault.seen import KV, STATIC_ROLE, MountSeen
from connectors.vault.server import VaultServer
from sandbox.stack import Endpoints

UID = "00000000-0000-4000-8000-000000000000"
STAMP = "2026-11-23T09:30:00Z"
MIRA = Identity("mira")


def ref(kind: str, namespace: str = "payments", name: str = "checkout") -> ObjectRef:
    return ObjectRef(kind, namespace, name, UID)


def workload(namespace: str) -> WorkloadSeen:
    """Only its reference matters to the calls below."""
    empty: Any = dict.fromkeys(WorkloadSeen.__dataclass_fields__, "")
    return WorkloadSeen(**{**empty, "ref": ref("Deployment", namespace), "template_labels": {}})


def restart(on: KubernetesCluster, namespace: str = "payments", name: str = "checkout") -> object:
    return on.restart(ref("Deployment", namespace, name), as_=MIRA, stamp=STAMP, execution="e", seen="1")


def scale(on: KubernetesCluster, namespace: str = "payments", name: str = "checkout") -> object:
    return on.scale(ref("Deployment", namespace, name), as_=MIRA, replicas=2, execution="e", seen="1")


def bound(on: KubernetesCluster, namespace: str = "payments", name: str = "checkout") -> object:
    target = ref("HorizontalPodAutoscaler", namespace, name)
    return on.set_autoscaler_bounds(target, as_=MIRA, min_replicas=1, max_replicas=2, execution="e", seen="1")


def give(on: KubernetesCluster, namespace: str = "payments", name: str = "checkout") -> object:
    target = ref("Deployment", namespace, name)
    return on.sizing.set_resources(target, as_=MIRA, container="app", sizes=Sizes("1"), execution="e", seen="1")


def give_pod(on: KubernetesCluster, namespace: str = "payments", name: str = "checkout-0") -> object:
    return on.sizing.resize_pod(
        ref("Pod", namespace, name), as_=MIRA, container="app", sizes=Sizes("1"), execution="e", seen="1"
    )


def evict(on: KubernetesCluster, namespace: str = "payments", name: str = "checkout-0") -> None:
    on.evict(ref("Pod", namespace, name), as_=MIRA)


def start(on: KubernetesCluster, namespace: str = "payments", name: str = "reindex") -> object:
    return on.jobs.create({"metadata": {"namespace": namespace, "name": name}}, as_=MIRA)


def stop(on: KubernetesCluster, namespace: str = "payments", name: str = "reindex") -> None:
    on.jobs.delete(ref("Job", namespace, name), as_=MIRA)


def suspend(on: KubernetesCluster, namespace: str = "payments", name: str = "loader") -> object:
    return on.jobs.suspend(ref("CronJob", namespace, name), as_=MIRA, suspended=True, execution="e", seen="1")


def cordon(on: KubernetesCluster, name: str = "node-a") -> object:
    return on.nodes.set_schedulable(ref("Node", "", name), as_=MIRA, schedulable=False, execution="e", seen="1")


def log(on: KubernetesCluster, namespace: str = "payments", pod: str = "task-1", container: str = "task") -> object:
    return on.jobs.log_of(ref("Pod", namespace, pod), container, as_=MIRA)


def switch_sync(
    on: KubernetesCluster, namespace: str = "payments", name: str = "checkout", kind: str = "Kustomization"
) -> object:
    return on.reconciling.set_auto_sync(
        ref(kind, namespace, name), as_=MIRA, switch=True, note="mira", execution="e", seen="1"
    )


def copied(on: KubernetesCluster, namespace: str = "payments", name: str = "smtp") -> object:
    values = {"password": "new"}
    return on.copies.write(
        ref("Secret", namespace, name), as_=MIRA, values=values, version="2", execution="e", seen="1"
    )


class TestKubernetes(ConnectorContract):
    @pytest.fixture
    def connector(self, endpoints: Endpoints) -> KubernetesCluster:
        return KubernetesCluster("sandbox", ClusterConfig(endpoints.kubeconfig_portal))

    @pytest.fixture
    def unreachable(self, nowhere: Path) -> KubernetesCluster:
        return KubernetesCluster("nowhere", ClusterConfig(nowhere))

    @pytest.fixture
    def read_only(self, nowhere: Path) -> KubernetesCluster:
        return KubernetesCluster("nowhere", ClusterConfig(nowhere, read_only=True))

    @pytest.fixture
    def nowhere(self, endpoints: Endpoints, tmp_path: Path) -> Path:
        config = yaml.safe_load(endpoints.kubeconfig_portal.read_text())
        config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    @pytest.fixture(autouse=True)
    def _credentials(self, endpoints: Endpoints) -> None:
        config = yaml.safe_load(endpoints.kubeconfig_portal.read_text())
        self.credentials = [user["user"]["token"] for user in config["users"]]

    def reads(self) -> list[Call]:
        now, seen = datetime.now(UTC), workload("payments")
        return [
            lambda on: on.namespaces(),
            lambda on: list(on.list_workloads()),
            lambda on: list(on.list_cronjobs()),
            lambda on: list(on.list_pods("payments")),
            lambda on: list(on.list_autoscalers()),
            lambda on: on.read_workload("Deployment", "payments", "checkout"),
            lambda on: on.read_autoscaler("payments", "checkout"),
            lambda on: on.autoscaler_of(ref("Deployment")),
            lambda on: on.pods_of(seen),
            lambda on: on.replicasets_of(seen),
            lambda on: on.warnings_of(seen, now),
            lambda on: on.budgets_of(seen),
            lambda on: on.quotas("payments"),
            lambda on: on.copies.look("payments", "smtp", as_=MIRA),
            lambda on: on.jobs.templates("payments"),
            lambda on: on.jobs.read("payments", "reindex"),
            lambda on: on.jobs.read_cronjob("payments", "loader"),
            lambda on: on.jobs.pods_of(ref("Job")),
            log,
            lambda on: list(on.nodes.all()),
            lambda on: on.nodes.read("node-a"),
            lambda on: list(on.nodes.pods("node-a")),
            lambda on: on.nodes.budgets_over([]),
            lambda on: on.reconciling.read(ref("Kustomization")),
            lambda on: on.sizing.needs(ref("Deployment")),
            lambda on: on.sizing.pods(seen, [], "app"),
            lambda on: on.sizing.read_pod(ref("Pod"), "app"),
            lambda on: on.sizing.vertical_of(ref("Deployment")),
        ]

    def reads_of_nothing(self) -> list[Call]:
        return [
            lambda on: on.read_workload("Deployment", "no-such-namespace", "checkout"),
            lambda on: on.read_workload("StatefulSet", "default", "no-such-thing"),
            lambda on: on.read_autoscaler("default", "no-such-thing"),
            lambda on: on.jobs.read("default", "no-such-thing"),
            lambda on: on.jobs.read_template("default", "no-such-thing"),
            lambda on: on.jobs.read_cronjob("default", "no-such-thing"),
            lambda on: log(on, "default", "no-such-thing"),
            lambda on: on.nodes.read("no-such-thing"),
        ]

    def named(self) -> list[NamedCall]:
        return [
            lambda on, name: list(on.list_workloads(name)),
            lambda on, name: list(on.list_cronjobs(name)),
            lambda on, name: list(on.list_pods(name)),
            lambda on, name: list(on.list_autoscalers(name)),
            lambda on, name: on.read_workload(name, "payments", "checkout"),
            lambda on, name: on.read_workload("Deployment", name, "checkout"),
            lambda on, name: on.read_workload("Deployment", "payments", name),
            lambda on, name: on.read_autoscaler(name, "checkout"),
            lambda on, name: on.read_autoscaler("payments", name),
            lambda on, name: on.autoscaler_of(ref("Deployment", name)),
            lambda on, name: on.autoscaler_of(ref(name)),
            lambda on, name: on.pods_of(workload(name)),
            lambda on, name: on.replicasets_of(workload(name)),
            lambda on, name: on.warnings_of(workload(name), datetime.now(UTC)),
            lambda on, name: on.budgets_of(workload(name)),
            lambda on, name: on.quotas(name),
            lambda on, name: on.copies.look(name, "smtp", as_=MIRA),
            lambda on, name: on.copies.look("payments", name, as_=MIRA),
            lambda on, name: on.jobs.templates(name),
            *(
                lambda on, name, read=read: read(on.jobs, name, "reindex")
                for read in (Jobs.read, Jobs.read_template, Jobs.read_cronjob)
            ),
            *(
                lambda on, name, read=read: read(on.jobs, "payments", name)
                for read in (Jobs.read, Jobs.read_template, Jobs.read_cronjob)
            ),
            lambda on, name: on.jobs.pods_of(ref("Job", name)),
            lambda on, name: log(on, name),
            lambda on, name: log(on, "payments", name),
            lambda on, name: log(on, "payments", "task-1", name),
            lambda on, name: on.nodes.read(name),
            lambda on, name: list(on.nodes.pods(name)),
            lambda on, name: cordon(on, name),
            *(lambda on, name, write=write: write(on, name) for write in (start, stop, suspend)),
            *(lambda on, name, write=write: write(on, "payments", name) for write in (start, stop, suspend)),
            lambda on, name: on.reconciling.read(ref("Kustomization", name)),
            lambda on, name: on.reconciling.read(ref("Kustomization", "payments", name)),
            lambda on, name: on.reconciling.read(ref(name)),
            lambda on, name: switch_sync(on, kind=name),
            lambda on, name: on.sizing.needs(ref("Deployment", name)),
            lambda on, name: on.sizing.needs(ref("Deployment", "payments", name)),
            lambda on, name: on.sizing.read_pod(ref("Pod", "payments", name), "app"),
            lambda on, name: on.sizing.vertical_of(ref("Deployment", name)),
            *(
                lambda on, name, write=write: write(on, name)
                for write in (restart, scale, bound, give, give_pod, switch_sync, copied, evict)
            ),
            *(
                lambda on, name, write=write: write(on, "payments", name)
                for write in (restart, scale, bound, give, give_pod, switch_sync, copied, evict)
            ),
        ]

    def writes(self) -> list[Call]:
        return [restart, scale, bound, give, give_pod, switch_sync, copied, evict, start, stop, suspend, cordon]


class TestVault(ConnectorContract):
    @pytest.fixture
    def connector(self, config: VaultConfig) -> VaultServer:
        return VaultServer("sandbox", config)

    @pytest.fixture
    def unreachable(self, nowhere: VaultConfig) -> VaultServer:
        return VaultServer("nowhere", nowhere)

    @pytest.fixture
    def read_only(self, nowhere: VaultConfig) -> VaultServer:
        return VaultServer(
            "nowhere", VaultConfig("http://127.0.0.1:1", token_file=nowhere.role_id_file, read_only=True)
        )

    @pytest.fixture
    def config(self, endpoints: Endpoints) -> VaultConfig:
        return self._at(endpoints, endpoints.vault_address)

    @pytest.fixture
    def nowhere(self, endpoints: Endpoints) -> VaultConfig:
        return self._at(endpoints, "http://127.0.0.1:1")

    def _at(self, endpoints: Endpoints, address: str) -> VaultConfig:
        ends = endpoints
        return VaultConfig(address, role_id_file=ends.vault_role_id_file, secret_id_file=ends.vault_secret_id_file)

    @pytest.fixture(autouse=True)
    def _credentials(self, endpoints: Endpoints) -> None:
        files = (endpoints.vault_role_id_file, endpoints.vault_secret_id_file)
        self.credentials = [path.read_text().strip() for path in files]

    def reads(self) -> list[Call]:
        return [
            lambda on: on.list_mounts(),
            lambda on: list(on.list_secrets(MountSeen("secret", "kv", (KV,)))),
            lambda on: list(on.list_secrets(MountSeen("database", "database", (STATIC_ROLE,)))),
            lambda on: on.read_secret(KV, "secret", "payments/checkout-api/stripe"),
            lambda on: on.keys_of("secret", "payments/checkout-api/stripe"),
            lambda on: on.database_of("database", "orders"),
            lambda on: on.lease_ids("database", "orders-readonly"),
        ]

    def reads_of_nothing(self) -> list[Call]:
        return [
            lambda on: on.read_secret(KV, "secret", "no/such/thing"),
            lambda on: on.read_secret(STATIC_ROLE, "database", "no-such-role"),
            lambda on: on.keys_of("secret", "no/such/thing"),
            lambda on: on.database_of("database", "no-such-database"),
        ]

    def named(self) -> list[NamedCall]:
        return [
            lambda on, name: list(on.list_secrets(MountSeen(name, "kv", (KV,)))),
            lambda on, name: on.read_secret(name, "secret", "payments"),
            lambda on, name: on.read_secret(KV, name, "payments"),
            lambda on, name: on.read_secret(KV, "secret", name),
            lambda on, name: on.read_secret(STATIC_ROLE, "database", name),
            *(lambda on, name, read=read: read(on)(name, "orders") for read in (_keys, _database, _leases)),
            *(lambda on, name, read=read: read(on)("secret", name) for read in (_keys, _database, _leases)),
            *(lambda on, name, call=call: call(_unborrowed(), name) for call in ROTATING),
        ]

    def writes(self) -> list[Call]:
        return [_rotating]


def _keys(on: VaultServer) -> Any:
    return on.keys_of


def _database(on: VaultServer) -> Any:
    return on.database_of


def _leases(on: VaultServer) -> Any:
    return on.lease_ids


def _rotating(on: VaultServer) -> None:
    with on.rotating(as_="mira", execution="e"):
        pass


def _unborrowed() -> Rotation:
    """It has no token, so that a call that got as far as using one would fail otherwise than expected."""
    nothing: Any = None
    return Rotation(nothing)


ROTATING: list[NamedCall] = [
    lambda on, name: on.note(name, "x", "note"),
    lambda on, name: on.note("secret", name, "note"),
    lambda on, name: on.values(name, "x", 1),
    lambda on, name: on.values("secret", name, 1),
    lambda on, name: on.merge(name, "x", {}, seen=1),
    lambda on, name: on.merge("secret", name, {}, seen=1),
    lambda on, name: on.replace(name, "x", {}, seen=1),
    lambda on, name: on.replace("secret", name, {}, seen=1),
    lambda on, name: on.destroy(name, "x", 1),
    lambda on, name: on.destroy("secret", name, 1),
    lambda on, name: on.rotate_role(name, "x"),
    lambda on, name: on.rotate_role("database", name),
    lambda on, name: on.credential(name, "x"),
    lambda on, name: on.credential("database", name),
    lambda on, name: on.lease(name, "x"),
    lambda on, name: on.lease("database", name),
    lambda on, name: on.revoke(name),
]
