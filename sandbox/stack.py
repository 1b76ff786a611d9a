"""Everything the portal stands on, started as one and reached by one set of endpoints.

What does not depend on each other starts in parallel. A second start on the same directory keeps ports, passwords and data.
"""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from sandbox.external_secrets import ExternalSecrets
from sandbox.kubernetes import Kubernetes
from sandbox.openbao import OpenBao
from sandbox.postgres import Postgres
from sandbox.processes import PartFailed, Processes
from sandbox.state import State
from sandbox.valkey import Valkey


@dataclass(frozen=True)
class Endpoints:
    """Where everything is. Of a part that was left out, the files do not exist."""

    postgres_superuser_url: str  # for tests: create databases
    postgres_owner_url: str  # role afterdeck_owner, database afterdeck
    postgres_app_url: str  # role afterdeck_app, database afterdeck
    valkey_url: str
    vault_address: str
    vault_root_token_file: Path
    vault_role_id_file: Path
    vault_secret_id_file: Path
    vault_audit_log: Path
    kubeconfig_admin: Path  # cluster-admin, for tests and `kubectl`
    kubeconfig_portal: Path  # the portal's own ServiceAccount, which may impersonate people
    kube_audit_log: Path
    toxiproxy_url: str | None  # its HTTP API


class Stack:
    """The sandbox's servers, without the portal."""

    def __init__(
        self, root: Path, *, say: Callable[[str], None], with_kubernetes: bool = True, with_vault: bool = True
    ) -> None:
        self._say, self._with_kubernetes, self._with_vault = say, with_kubernetes, with_vault
        self._stopped = False
        self.state = State(root.resolve())
        self.processes = Processes(self.state.directory("logs"), holds=(self.state.held,))
        self._postgres = Postgres(self.state, self.processes)
        self._valkey = Valkey(self.state, self.processes)
        self._openbao = OpenBao(self.state, self.processes, self._postgres)
        self._kubernetes = Kubernetes(self.state, self.processes, say)

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(
            postgres_superuser_url=self._postgres.url(),
            postgres_owner_url=self._postgres.url("afterdeck_owner", "afterdeck"),
            postgres_app_url=self._postgres.url("afterdeck_app", "afterdeck"),
            valkey_url=self._valkey.url,
            vault_address=self._openbao.address,
            vault_root_token_file=self._openbao.root_token_file,
            vault_role_id_file=self._openbao.role_id_file,
            vault_secret_id_file=self._openbao.secret_id_file,
            vault_audit_log=self._openbao.audit_log,
            kubeconfig_admin=self._kubernetes.kubeconfig_admin,
            kubeconfig_portal=self._kubernetes.kubeconfig_portal,
            kube_audit_log=self._kubernetes.audit_log,
            toxiproxy_url=self._kubernetes.toxiproxy_url if self._with_kubernetes else None,
        )

    def start(self) -> Endpoints:
        lines = [self._databases, self._queue, *([self._cluster] if self._with_kubernetes else [])]
        with ThreadPoolExecutor() as pool:
            try:
                starts = [pool.submit(line) for line in lines]
                done, _ = wait(starts, return_when=FIRST_EXCEPTION)
                for start in done:
                    start.result()
            except BaseException:  # Ctrl-C, too
                self.stop()  # which ends the others' waiting
                raise
        return self.endpoints

    def synchronise(self) -> None:
        """Start what keeps Secrets of the cluster equal to OpenBao's. The first time ever, its build takes minutes."""
        ExternalSecrets(self.state, self.processes, self._kubernetes, self._openbao, self._say).start()

    def synchronise_in_background(self) -> None:
        """The same, for nobody to wait for: until it says that it runs, nothing is kept equal. Not without our own two servers."""

        def synchronise() -> None:
            try:
                self.synchronise()
            except PartFailed as failure:
                if not self._stopped:
                    self._say(f"Secrets are not kept in sync: {failure}")

        if self._with_kubernetes and self._with_vault:
            threading.Thread(target=synchronise, name="sandbox-synchronise", daemon=True).start()

    def stop(self) -> None:
        self._stopped = True
        self.processes.stop()
        self.state.release()

    def _databases(self) -> None:
        self._say("Starting Postgres")
        self._postgres.start()
        if self._with_vault:
            self._say("Starting OpenBao")
            self._openbao.start()

    def _queue(self) -> None:
        self._say("Starting Valkey")
        self._valkey.start()

    def _cluster(self) -> None:
        self._say("Starting Kubernetes")
        self._kubernetes.start()
        self._say("Kubernetes is ready")
