"""Secrets of team payments in the real vault and database, with who reads them, as the inventory knows them."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.utils import timezone
from psycopg import sql

from inventory.models import Environment, Secret, Service, Team, Workload
from inventory.models import Vault as VaultRow
from sandbox.openbao import DROP_READER
from sandbox.stack import Endpoints
from tests.vault import Vault


class Safe:
    """A folder of the vault, for the tests of a module. Rows are made per test, by `kv`, `static` and `dynamic`."""

    def __init__(self, vault: Vault) -> None:
        self.vault, self.folder = vault, f"test-{secrets.token_hex(4)}"

    def kv(
        self, name: str, value: dict[str, Any], *readers: Workload, environment: Environment, **labels: str
    ) -> Secret:
        path, kv = f"{self.folder}/{name}-{secrets.token_hex(3)}", self.vault.root.secrets.kv.v2
        kv.create_or_update_secret(path, secret=value, cas=0)
        kv.update_metadata(path, max_versions=10, custom_metadata={"owner": "payments", **labels})
        return self.row("kv2", "secret", path, readers, environment)

    def row(self, kind: str, mount: str, path: str, readers: tuple[Workload, ...], environment: Environment) -> Secret:
        service, _ = Service.objects.get_or_create(
            slug="wallet", defaults={"name": "Wallet", "team": Team.objects.get(slug="payments"), "tier": 1}
        )
        known, _ = VaultRow.objects.get_or_create(name="sandbox")
        made = Secret.objects.create(
            vault=known, mount=mount, path=path, kind=kind, service=service, environment=environment, version=1, seen_at=timezone.now()
        )  # fmt: skip
        made.consumers.set(readers)
        return made


class Database:
    """A connection of the vault's database engine with users of its own, so that no other test's are touched."""

    def __init__(self, endpoints: Endpoints, vault: Vault) -> None:
        self.vault, self.name = vault, f"test-{secrets.token_hex(4)}"
        self.at = urlsplit(endpoints.postgres_superuser_url)
        self.user, self._manager = self.name.replace("-", "_"), f"{self.name.replace('-', '_')}_manager"
        self._superuser = endpoints.postgres_superuser_url
        password = secrets.token_hex(16)
        self._sql("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}", sql.Identifier(self._manager), sql.Literal(password))
        self._sql("CREATE ROLE {} LOGIN PASSWORD {}", sql.Identifier(self.user), sql.Literal(secrets.token_hex(16)))
        self._sql("GRANT {} TO {} WITH ADMIN OPTION", sql.Identifier(self.user), sql.Identifier(self._manager))
        self._sql("GRANT pg_signal_backend TO {}", sql.Identifier(self._manager))
        vault.root.secrets.database.configure(
            self.name, plugin_name="postgresql-database-plugin", allowed_roles=["*"], username=self._manager, password=password,
            connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@{self.at.hostname}:{self.at.port}/postgres",
        )  # fmt: skip
        vault.root.secrets.database.create_static_role(
            self.name, self.name, self.user, rotation_statements=[], rotation_period="86400s"
        )
        vault.root.secrets.database.create_role(
            f"{self.name}-reader", self.name, revocation_statements=DROP_READER, default_ttl="1h", max_ttl="2h",
            creation_statements=[
                """CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' """
            ],
        )  # fmt: skip

    def _sql(self, statement: str, *names: sql.Composable) -> None:
        with psycopg.connect(self._superuser, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*names))

    @property
    def url(self) -> str:
        return f"postgresql://{self.at.hostname}:{self.at.port}/postgres"

    def set_password(self, password: str) -> None:
        self._sql("ALTER ROLE {} PASSWORD {}", sql.Identifier(self.user), sql.Literal(password))

    def opens(self, username: str, password: str) -> bool:
        try:
            self.session(username, password).close()
        except psycopg.OperationalError:
            return False
        return True

    def session(self, username: str, password: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self.at.hostname, port=self.at.port, dbname="postgres", user=username, password=password, autocommit=True
        )  # fmt: skip

    def present(self) -> dict[str, Any]:
        found: dict[str, Any] = self.vault.root.secrets.database.get_static_credentials(self.name)["data"]
        return found

    def lease(self) -> dict[str, Any]:
        """As a reader gets one: `lease_id`, and `data` with username and password."""
        made: dict[str, Any] = self.vault.root.secrets.database.generate_credentials(f"{self.name}-reader")
        return made

    def forget(self) -> None:
        database = self.vault.root.secrets.database
        self.vault.root.sys.revoke_prefix(f"database/creds/{self.name}-reader")
        database.delete_role(f"{self.name}-reader")
        database.delete_static_role(self.name)
        database.delete_connection(self.name)
        for name in (self.user, self._manager):
            self._sql("DROP OWNED BY {}", sql.Identifier(name))
            self._sql("DROP ROLE {}", sql.Identifier(name))


@contextmanager
def made_safe(endpoints: Endpoints) -> Iterator[Safe]:
    vault = Vault(endpoints)
    safe = Safe(vault)
    vault.root.secrets.kv.v2.create_or_update_secret(f"{safe.folder}/keep", {"folder": "there"})
    yield safe
    vault.forget(safe.folder)


@contextmanager
def made_database(endpoints: Endpoints) -> Iterator[Database]:
    made = Database(endpoints, Vault(endpoints))
    yield made
    made.forget()
