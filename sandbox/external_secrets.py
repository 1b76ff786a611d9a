"""The real External Secrets Operator, between the sandbox's OpenBao and its Kubernetes.

It has a login of its own for each team, which reads that team's secrets and nothing else. Its build takes minutes the first time, so
nobody waits for it: its kinds, its stores and the world's ExternalSecrets come into the cluster when it does.
"""

import hashlib
from pathlib import Path

import hvac

from sandbox import manifests
from sandbox.building import OPERATOR, Say, built
from sandbox.kubernetes import WORLD, Kubernetes
from sandbox.manifests import Manifest
from sandbox.openbao import OpenBao
from sandbox.probing import answers
from sandbox.processes import Part, Processes
from sandbox.state import State

NAME = "external-secrets"
ROLES = OPERATOR.sources / "rbac.yaml"
SYNCED = OPERATOR.sources / "world.yaml"
OWNER = "afterdeck.dev/owner"
LOGIN = "vault-login"
DATABASE_ROLES = {"payments": "database/static-creds/orders-service"}
"""By team: what it reads besides its own part of `secret/`."""

STORES = {
    "vault": {"path": "secret", "version": "v2"},
    "database": {"path": "database", "version": "v1"},  # credentials of a role are read as a plain secret is
}


def part(program: Path, kubeconfig: Path, home: Path, *, controller: str, port: int | None = None) -> Part:
    """The operator, working for the SecretStores that name this `controller`, or no one."""
    health = f"127.0.0.1:{port}" if port else ""
    return Part(
        NAME,
        (str(program), f"-kubeconfig={kubeconfig}", f"-class={controller}", f"-health={health}"),
        directory=home,
        ready=(lambda: answers(f"http://{health}/readyz")) if port else lambda: True,
    )


def kinds(program: Path) -> list[Path]:
    """The definitions of its kinds, which were kept beside it."""
    return [program.with_name(Path(extra).name) for extra in OPERATOR.extras]


class ExternalSecrets:
    def __init__(self, state: State, processes: Processes, kubernetes: Kubernetes, openbao: OpenBao, say: Say) -> None:
        self._state, self._processes, self._say = state, processes, say
        self._kubernetes, self._cluster, self._openbao = kubernetes, kubernetes.cluster, openbao
        self._home = state.directory(NAME)

    def start(self) -> None:
        program = built(OPERATOR, self._processes, self._say)
        self._cluster.apply([document for kind in kinds(program) for document in manifests.read(kind)])
        self._cluster.apply(manifests.read(ROLES))
        self._furnish()
        kubeconfig = self._kubernetes.kubeconfig_of(NAME, NAME)
        port = self._state.port(NAME)
        self._processes.start(part(program, kubeconfig, self._home, controller="default", port=port))
        self._say("Secrets of the cluster are kept in sync with OpenBao now, by the External Secrets Operator")

    def _furnish(self) -> None:
        client = hvac.Client(url=self._openbao.address, token=self._openbao.root_token_file.read_text())
        namespaces = [document for document in manifests.read(WORLD) if OWNER in _annotations(document, "Namespace")]
        for team in sorted({_annotations(namespace)[OWNER] for namespace in namespaces}):
            role_id, secret_id = self._login(client, team)
            for namespace in namespaces:
                if _annotations(namespace)[OWNER] == team:
                    self._cluster.apply(self._stores(namespace["metadata"]["name"], role_id, secret_id))
        digest, marker = hashlib.sha256(SYNCED.read_bytes()).hexdigest(), self._home / "world"
        if not marker.exists() or marker.read_text() != digest:  # once, so that what people deleted stays deleted
            self._cluster.create_absent(manifests.read(SYNCED))
            marker.write_text(digest)

    def _login(self, client: hvac.Client, team: str) -> tuple[str, str]:
        name, approle = f"{NAME}-{team}", client.auth.approle
        paths = [f"secret/data/{team}/*", *([DATABASE_ROLES[team]] if team in DATABASE_ROLES else [])]
        rules = "\n".join(f'path "{path}" {{ capabilities = ["read"] }}' for path in paths)
        client.sys.create_or_update_policy(name, rules)
        approle.create_or_update_approle(name, token_policies=[name], token_ttl="10m", token_max_ttl="1h")  # noqa: S106  (no password)
        secret_id = approle.generate_secret_id(name)["data"]["secret_id"]
        return approle.read_role_id(name)["data"]["role_id"], secret_id

    def _stores(self, namespace: str, role_id: str, secret_id: str) -> list[Manifest]:
        """The login and the stores of one namespace, every time: OpenBao's port may be another one."""
        login = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": LOGIN, "namespace": namespace},
            "stringData": {"secret-id": secret_id},
        }
        auth = {"path": "approle", "roleId": role_id, "secretRef": {"name": LOGIN, "key": "secret-id"}}
        stores = [
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "SecretStore",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"provider": {"vault": {"server": self._openbao.address, **where, "auth": {"appRole": auth}}}},
            }
            for name, where in STORES.items()
        ]
        return [login, *stores]


def _annotations(document: Manifest, kind: str = "") -> dict[str, str]:
    found: dict[str, str] = document["metadata"].get("annotations", {})
    return found if kind in ("", document["kind"]) else {}
