"""The real External Secrets Operator for a run of the tests, if any test of the run needs it.

Its build takes minutes the first time, so it begins when the tests have been collected, yields to everything else, and the tests that
need it come late. It works only for stores that name it, so it does not meet the operator of a sandbox that the tests share.
"""

import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import hvac
import pytest

from sandbox.building import OPERATOR, built
from sandbox.external_secrets import NAME, kinds, part
from sandbox.processes import Processes
from sandbox.stack import Endpoints
from tests.cluster import Namespace, eventually, made_namespace

BUILD = pytest.StashKey[Future[Path]]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_needs_it)


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly or not any(map(_needs_it, session.items)):
        return
    logs = Path(tempfile.mkdtemp(prefix="afterdeck-operator-"))
    processes = Processes(logs)
    session.config.add_cleanup(lambda: shutil.rmtree(logs, ignore_errors=True))  # clean-ups run last in, first out
    session.config.add_cleanup(processes.stop)

    session.config.stash[BUILD] = ThreadPoolExecutor(1).submit(built, OPERATOR, processes, lambda _: None)


def _needs_it(item: pytest.Item) -> bool:
    return "operator_program" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def operator_program(request: pytest.FixtureRequest) -> Path:
    return request.config.stash[BUILD].result()


class Operator:
    """One operator process, and what it needs in a namespace and in the vault."""

    def __init__(self, program: Path, endpoints: Endpoints, home: Path) -> None:
        self._controller = f"test-{secrets.token_hex(4)}"
        self._endpoints = endpoints
        self._processes = Processes(home)
        self._vault = hvac.Client(url=endpoints.vault_address, token=endpoints.vault_root_token_file.read_text())
        self._part = part(program, endpoints.kubeconfig_admin, home, controller=self._controller)
        self._processes.start(self._part)

    @property
    def log(self) -> str:
        return self._processes[NAME].log.read_text()

    def store(self, namespace: Namespace, *, reads: Sequence[str]) -> None:
        """The SecretStore `vault` of a namespace, whose login reads these paths of the mount `secret`."""
        policy = f"{self._controller}-{namespace.name}"
        rules = "\n".join(f'path "secret/data/{path}" {{ capabilities = ["read"] }}' for path in reads)
        self._vault.sys.create_or_update_policy(policy, rules)
        self.log_in(namespace, self._vault.auth.token.create(policies=[policy], ttl="1h")["auth"]["client_token"])
        login = {"tokenSecretRef": {"name": "vault-login", "key": "token"}}
        where = {"server": self._endpoints.vault_address, "path": "secret", "version": "v2", "auth": login}
        spec = {"controller": self._controller, "provider": {"vault": where}}
        namespace.apply(_object("SecretStore", "vault", spec))

    def log_in(self, namespace: Namespace, token: str) -> None:
        """Make this the token by which the store of a namespace reads, good or not."""
        login = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "vault-login"},
            "stringData": {"token": token},
        }
        namespace.apply(login)

    def sync(self, namespace: Namespace, name: str, path: str) -> None:
        """An ExternalSecret that puts all keys of a secret into a Secret of the same name."""
        source = {"extract": {"key": path}}
        spec = {
            "secretStoreRef": {"name": "vault"},
            "refreshInterval": "1h",
            "target": {"name": name},
            "dataFrom": [source],
        }
        namespace.apply(_object("ExternalSecret", name, spec))

    def write(self, path: str, **values: str) -> int:
        """A new version of a secret under `secret/`, by nobody in particular. Returns its number."""
        written = self._vault.secrets.kv.v2.create_or_update_secret(path, secret=values)
        return int(written["data"]["version"])

    def stop(self) -> None:
        self._processes[NAME].stop()

    def start(self) -> None:
        """Again. The same when it runs."""
        if not self._processes[NAME].running:
            self._processes.restart(NAME)


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="session")
def operator(
    operator_program: Path, endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    with made_namespace(endpoints) as made:  # for its kubectl: kinds are in no namespace
        for kind in kinds(operator_program):
            made.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=sandbox", "-f", str(kind))
            eventually(partial(_is_established, made, kind))
    running = Operator(operator_program, endpoints, tmp_path_factory.mktemp("operator"))
    yield running
    running.stop()


def _is_established(namespace: Namespace, kind: Path) -> bool:
    """`kubectl wait` stumbles over a kind that is so new that it has no conditions yet."""
    seen = json.loads(namespace.kubectl("get", "-f", str(kind), "-o", "json"))
    conditions = seen.get("status", {}).get("conditions") or []
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def keys_of(namespace: Namespace, name: str) -> dict[str, str]:
    """The values of a Kubernetes Secret as they are stored, or nothing as long as there is none."""
    found = json.loads(namespace.kubectl("get", "secrets", f"--field-selector=metadata.name={name}", "-o", "json"))[
        "items"
    ]
    return found[0].get("data", {}) if found else {}
