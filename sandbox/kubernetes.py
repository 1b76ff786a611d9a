"""A real Kubernetes: etcd, API server, controllers and scheduler; only the machines under the pods are simulated, by KWOK.

The portal's kubeconfig is its own ServiceAccount with the roles that `deploy/kubernetes/` ships. Each part has an identity of its
own, so that the audit log can leave out the cluster talking to itself and keep everything else.
"""

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox import manifests
from sandbox.building import CLUSTER, Say, built
from sandbox.manifests import Cluster
from sandbox.probing import answers
from sandbox.processes import Part, PartFailed, Processes
from sandbox.state import State, write_private

HERE = Path(__file__).parent
WORLD = HERE / "world"
DEPLOYED = HERE.parent / "deploy" / "kubernetes"
ROLES = ("rbac.yaml", "nodes.yaml", "access-roles.yaml", "access-limits.yaml", "gitops.yaml", "synced-secrets.yaml")
NAME = "sandbox"
LOGS_SPAN = timedelta(minutes=30)
TOKEN_SECONDS = 30 * 24 * 3600

# name in state.json -> (user, groups); the tokens are random
ACCOUNTS = {
    "admin": ("admin", "system:masters"),
    "setup": ("sandbox:setup", "system:masters"),
    "controllers": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "nodes": ("sandbox:nodes", "system:masters"),
}


class Kubernetes:
    def __init__(self, state: State, processes: Processes, say: Say) -> None:
        self._state, self._processes, self._say = state, processes, say
        self._home = state.directory("kubernetes")
        self._certificates = state.directory("kubernetes", "certificates")
        self._signing_key = self._home / "service-account.key"
        names = (
            "etcd",
            "etcd-peer",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kwok",
            "toxiproxy",
        )
        self._ports = {name: state.port(name) for name in names}
        self.audit_log = self._home / "audit.log"
        self.kubeconfig_admin = self._home / "admin.kubeconfig"
        self.kubeconfig_portal = self._home / "portal.kubeconfig"
        self.toxiproxy_url = f"http://127.0.0.1:{self._ports['toxiproxy']}"
        self._address = f"https://127.0.0.1:{self._ports['kube-apiserver']}"
        self._authority = self._certificates / "apiserver.crt"
        self.cluster = Cluster(self._address, self._authority, self._token("setup"))

    def start(self) -> None:
        self._program = str(built(CLUSTER, self._processes, self._say))
        self._write_files()
        self._etcd()
        self._api_server()
        with ThreadPoolExecutor() as pool:
            starts = [
                pool.submit(start)
                for start in (self._controllers, self._scheduler, self._nodes, self._faults, self._furnish)
            ]
        for start in starts:
            start.result()

    # What the parts read

    def _write_files(self) -> None:
        rows = [f'{self._token(account)},{user},{account},"{groups}"\n' for account, (user, groups) in ACCOUNTS.items()]
        write_private(self._home / "tokens.csv", "".join(rows))
        for account in ACCOUNTS:
            self._write_kubeconfig(self._home / f"{account}.kubeconfig", account, self._token(account))
        if not self._signing_key.exists():
            key = subprocess.run([self._program, "service-account-key"], capture_output=True, text=True, check=True)
            write_private(self._signing_key, key.stdout)
        self._write_pod_logs()

    def _token(self, account: str) -> str:
        return self._state.secret(f"kubernetes/{account}")

    def _write_kubeconfig(self, path: Path, user: str, token: str) -> None:
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": NAME, "cluster": {"server": self._address, "certificate-authority": str(self._authority)}}
            ],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": user}}],
            "current-context": NAME,
        }
        write_private(path, json.dumps(content, indent=2))  # JSON is YAML

    def _write_pod_logs(self) -> None:
        """What `kubectl logs` shows: the lines of `cluster/logs/`, as if written during the last half hour."""
        directory = self._state.directory("kubernetes", "pod-logs")
        for source in (CLUSTER.sources / "logs").glob("*.log"):
            lines = source.read_text().splitlines()
            first = datetime.now(UTC) - LOGS_SPAN
            stamps = (first + LOGS_SPAN * number / len(lines) for number in range(len(lines)))
            rows = (
                f"{stamp:%Y-%m-%dT%H:%M:%S.%f}000Z stdout F {line}\n" for stamp, line in zip(stamps, lines, strict=True)
            )
            (directory / source.name).write_text("".join(rows))

    # The parts

    def _start(self, name: str, *flags: str, ready: Callable[[], bool]) -> None:
        part = Part(
            name,
            (self._program, name, *flags),
            ready=ready,
            directory=self._home,
            environment={"KWOK_WORKDIR": str(self._home)},  # not the user's own configuration of KWOK
            death_signal=signal.SIGKILL,  # an API server without etcd takes minutes over a SIGTERM, and nothing needs one
        )
        self._processes.start(part)

    def _etcd(self) -> None:
        clients, peers = (f"http://127.0.0.1:{self._ports[name]}" for name in ("etcd", "etcd-peer"))
        self._start(
            "etcd",
            f"--data-dir={self._home / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--log-level=warn",
            ready=lambda: answers(f"{clients}/health"),
        )

    def _api_server(self) -> None:
        self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._ports['etcd']}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._ports['kube-apiserver']}",
            f"--cert-dir={self._certificates}",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            f"--token-auth-file={self._home / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._signing_key}",
            f"--service-account-signing-key-file={self._signing_key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",  # a loopback address is no endpoint
            "--kubelet-preferred-address-types=InternalIP",
            "--event-ttl=24h",
            f"--audit-policy-file={CLUSTER.sources / 'audit-policy.yaml'}",
            f"--audit-log-path={self.audit_log}",
            "--audit-log-maxsize=100",
            "--audit-log-maxbackup=3",
            ready=self.cluster.ready,
        )

    def _controllers(self) -> None:
        self._start(
            "kube-controller-manager",
            *self._leading("kube-controller-manager", "controllers"),
            f"--service-account-private-key-file={self._signing_key}",
            f"--root-ca-file={self._authority}",
            "--use-service-account-credentials",
            "--kube-api-qps=200",  # rollouts of a whole world should not queue behind a polite client
            "--kube-api-burst=400",
            "--horizontal-pod-autoscaler-sync-period=5s",
            ready=self._healthy("kube-controller-manager"),
        )

    def _scheduler(self) -> None:
        self._start(
            "kube-scheduler", *self._leading("kube-scheduler", "scheduler"), ready=self._healthy("kube-scheduler")
        )

    def _leading(self, name: str, account: str) -> tuple[str, ...]:
        return (
            f"--kubeconfig={self._home / account}.kubeconfig",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._ports[name]}",
            f"--cert-dir={self._certificates}",
        )

    def _healthy(self, name: str) -> Callable[[], bool]:
        url, authority = f"https://127.0.0.1:{self._ports[name]}/healthz", self._certificates / f"{name}.crt"
        return lambda: answers(url, authority=authority)

    def _nodes(self) -> None:
        port = self._ports["kwok"]
        self._start(
            "kwok",
            f"--kubeconfig={self._home / 'nodes.kubeconfig'}",
            f"--config={CLUSTER.sources / 'stages.yaml'}",
            "--manage-all-nodes",
            "--node-lease-duration-seconds=0",  # with Leases a second start waits for the first one's to run out
            "--cidr=10.244.0.0/16",
            "--node-ip=127.0.0.1",
            f"--node-port={port}",
            f"--server-address=127.0.0.1:{port}",
            f"--tls-cert-file={self._authority}",
            f"--tls-private-key-file={self._certificates / 'apiserver.key'}",
            "--v=WARN",
            ready=lambda: answers(f"https://127.0.0.1:{port}/healthz", authority=self._authority),
        )

    def _faults(self) -> None:
        self._start(
            "toxiproxy", f"--port={self._ports['toxiproxy']}", ready=lambda: answers(f"{self.toxiproxy_url}/version")
        )

    # What is in it

    def _furnish(self) -> None:
        for file in ROLES:
            self.cluster.apply(manifests.read(DEPLOYED / file))
        self.cluster.apply(manifests.read(CLUSTER.sources / "nodes.yaml"))
        self.kubeconfig_of("afterdeck", "portal")
        self._create_world()

    def kubeconfig_of(self, namespace: str, account: str) -> Path:
        """A kubeconfig for a ServiceAccount, with a token that is made for it now."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_SECONDS},
        }
        token = self.cluster.ask("POST", path, request)["status"]["token"]
        kubeconfig = self._home / f"{account}.kubeconfig"
        self._write_kubeconfig(kubeconfig, account, token)
        return kubeconfig

    def _create_world(self) -> None:
        """Once for each version of the world, so that a second start does not bring back what somebody deleted."""
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(WORLD.glob("*.yaml")))).hexdigest()
        marker = self._home / "world"
        if marker.exists() and marker.read_text() == digest:
            return
        documents = [
            document for document in manifests.read(WORLD) if not document["apiVersion"].startswith("backstage.io/")
        ]
        namespaces = [document for document in documents if document["kind"] == "Namespace"]
        self.cluster.create_absent(namespaces)
        for namespace in namespaces:  # before it has this account, every pod in it is refused
            self._wait_for(f"/api/v1/namespaces/{namespace['metadata']['name']}/serviceaccounts/default")
        self.cluster.create_absent([document for document in documents if document["kind"] != "Namespace"])
        marker.write_text(digest)

    def _wait_for(self, path: str) -> None:
        end = time.monotonic() + 30
        while not self.cluster.exists(path):
            if time.monotonic() > end:
                log = self._processes["kube-controller-manager"].log
                raise PartFailed(
                    "kubernetes",
                    f"{path} did not appear.",
                    log=log,
                    remedy="Read its log; `make demo-reset` starts afresh.",
                )
            time.sleep(0.05)
