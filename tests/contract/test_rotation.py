"""Rotating keeps the contract of actions, on a KV secret with a reader that runs, and on a static role."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from actions.protocol import Plan, Target, World
from actions.registry import AnyAction, action_named
from actions.targets import target_of
from actions.testing import ActionContract
from connectors.kubernetes import Identity, KubernetesCluster
from connectors.vault import VaultConfig, VaultServer
from inventory.models import Secret
from sandbox.stack import Endpoints
from tests.characters import Shop, make_people
from tests.cluster import Namespace, made_namespace, workload
from tests.safe import Database, Safe, made_database, made_safe

OLD = ("canary-old-value-4711", "canary-kept-value-4712")
WRITES = {"write", "restart", "rotate"}


@dataclass
class OnSecret:
    """A `Subject` of `actions.testing`. Somebody else is the vault's administrator."""

    secret: Secret
    cluster: KubernetesCluster
    bao: VaultServer
    safe: Safe
    database: Database
    namespace: Namespace
    good: Mapping[str, Any]
    numbers = ("version",)

    @property
    def action(self) -> AnyAction:
        return action_named("rotate-secret")

    @property
    def target(self) -> Target:
        return target_of(self.secret)

    @property
    def world(self) -> World:
        return World(self.cluster, Identity("mira"), timezone.now(), soak_seconds=0, bao=self.bao)

    @property
    def is_kv(self) -> bool:
        return self.secret.kind == "kv2"

    @property
    def secrets(self) -> tuple[str, ...]:
        if self.is_kv:
            return (*OLD, *self.safe.vault.value(self.secret.path).values())
        return (self.database.present()["password"],)

    def effects(self) -> int:
        paths = (f"secret/data/{self.secret.path}", f"database/rotate-role/{self.secret.path}")
        ours = [
            e for e in self.safe.vault.entries()
            if e["request"]["path"] in paths and e["request"]["operation"] in ("patch", "create", "update")
            and e["auth"]["display_name"] != "root"
        ]  # fmt: skip
        return len(ours) + (len(self.namespace.effects()) if self.is_kv else 0)

    def declared(self) -> object:
        if not self.is_kv:
            return self.database.present()["password"]
        return self.safe.vault.value(self.secret.path), self.namespace.get("deployment", "reader")["spec"]

    def rest(self) -> None:
        pass

    def drift(self) -> None:
        if self.is_kv:
            self.safe.vault.root.secrets.kv.v2.create_or_update_secret(self.secret.path, {"key": OLD[0], "id": "other"})
        else:
            self.safe.vault.root.secrets.database.rotate_static_role_credentials(self.secret.path)

    def spoil(self) -> None:
        if self.is_kv:
            self.drift()
        else:
            self.database.set_password("somebody else's")


@pytest.fixture(scope="module")
def there(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("reader", replicas=1))
        made.roll_out("deployment", "reader")
        yield made


@pytest.fixture(scope="module")
def safe(endpoints: Endpoints) -> Iterator[Safe]:
    with made_safe(endpoints) as made:
        yield made


@pytest.fixture(scope="module")
def database_users(endpoints: Endpoints) -> Iterator[Database]:
    with made_database(endpoints) as made:
        yield made


class TestRotation(ActionContract):
    @pytest.fixture(params=["kv", "static role"])
    def subject(
        self, request: pytest.FixtureRequest, db: None, endpoints: Endpoints, cluster: KubernetesCluster, there: Namespace,
        safe: Safe, database_users: Database,
    ) -> OnSecret:  # fmt: skip
        make_people()
        shop = Shop(cluster, there)
        reader, config = shop.knows("reader"), VaultConfig(
            endpoints.vault_address, role_id_file=endpoints.vault_role_id_file, secret_id_file=endpoints.vault_secret_id_file
        )  # fmt: skip
        if request.param == "kv":
            secret = safe.kv("contract", {"key": OLD[0], "id": OLD[1]}, reader, environment=shop.production)
            good: Mapping[str, Any] = {"keys": "key", "revoke_old": False}
        else:
            secret = safe.row("static-role", "database", database_users.name, (), shop.production)
            good = {"order": "together"}
        return OnSecret(secret, cluster, VaultServer("sandbox", config), safe, database_users, there, good)

    def effects_of(self, plan: Plan) -> int:
        """The other steps look and prove."""
        return len([step for step in plan.steps if step.verb in WRITES])
