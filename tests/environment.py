"""Starts the one real stack of a test run before Django reads its settings, which name the stack's addresses.

A pytest plugin (`-p tests.environment`), because settings are read before any conftest is. `AFTERDECK_TEST_ENDPOINTS` names the
endpoints file of a running `python -m sandbox up` and saves the start while developing; every run has a database of its own either
way. With `-n 2` the suites go to two processes, each with a stack of its own, because some of them kill servers; whoever only hands
the tests out needs none. `AFTERDECK_TEST_KUBECONFIG` and `AFTERDECK_TEST_VAULT_ADDR` (with `_TOKEN_FILE`) put another cluster and
Vault in place.
"""

import contextlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from sandbox.stack import Endpoints, Stack

PATHS = {name for name, kind in Endpoints.__annotations__.items() if kind is Path}

NOTHING = {
    "AFTERDECK_SECRET_KEY": "for-tests-only-" * 4,
    "AFTERDECK_DATABASE_URL": "postgresql://nobody@localhost:1/nothing",
    "AFTERDECK_VALKEY_URL": "redis://localhost:1/0",
}
"""Settings of a process that runs no test itself: they can be read, and lead nowhere."""

stack: Stack | None = None
endpoints: Endpoints
database = f"test_{os.getpid()}_{secrets.token_hex(3)}"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    global endpoints
    if early_config.known_args_namespace.numprocesses and "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ.update(NOTHING)
        return (yield)
    endpoints = _elsewhere(_running() or _started(early_config))
    _create_database()
    early_config.add_cleanup(_drop_database)
    os.environ.update(variables())
    return (yield)


def variables() -> dict[str, str]:
    """The settings of a portal on this stack and this run's database: for this process and for those a test starts."""
    return {
        "AFTERDECK_SECRET_KEY": "for-tests-only-" * 4,
        "AFTERDECK_DATABASE_URL": url_of(endpoints.postgres_app_url),
        "AFTERDECK_OWNER_DATABASE_URL": url_of(endpoints.postgres_owner_url),
        "AFTERDECK_VALKEY_URL": endpoints.valkey_url,
        "AFTERDECK_ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
        "AFTERDECK_BASE_URL": "http://127.0.0.1",
        "AFTERDECK_CLUSTERS": json.dumps(
            {"sandbox": {"kubeconfig": str(endpoints.kubeconfig_portal), "simulated": True}}
        ),
        "AFTERDECK_VAULTS": json.dumps({"sandbox": _vault()}),
        "AFTERDECK_SOAK_SECONDS": "2",
        "AFTERDECK_LEASE_SECONDS": "5",
        "AFTERDECK_POLL_SECONDS": "0.2",
        "AFTERDECK_LOG_LEVEL": "WARNING",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",  # Playwright runs an event loop in the test's thread
    }


def url_of(server_url: str) -> str:
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{database}"))


def _vault() -> dict[str, object]:
    if token_file := os.environ.get("AFTERDECK_TEST_VAULT_TOKEN_FILE"):
        return {"address": endpoints.vault_address, "token_file": token_file}
    return {
        "address": endpoints.vault_address,
        "role_id_file": str(endpoints.vault_role_id_file),
        "secret_id_file": str(endpoints.vault_secret_id_file),
    }


def _running() -> Endpoints | None:
    file = os.environ.get("AFTERDECK_TEST_ENDPOINTS")
    if not file:
        return None
    known: dict[str, Any] = json.loads(Path(file).read_text())
    typed: dict[str, Any] = {name: Path(value) if name in PATHS and value else value for name, value in known.items()}
    return Endpoints(**typed)


def _started(config: pytest.Config) -> Endpoints:
    global stack
    root = Path(tempfile.mkdtemp(prefix="afterdeck-test-"))
    stack = Stack(root, say=lambda text: print(f"[stack] {text}"))
    config.add_cleanup(lambda: shutil.rmtree(root, ignore_errors=True))  # clean-ups run last in, first out
    config.add_cleanup(stack.stop)
    return stack.start()


def _elsewhere(found: Endpoints) -> Endpoints:
    kubeconfig, vault = os.environ.get("AFTERDECK_TEST_KUBECONFIG"), os.environ.get("AFTERDECK_TEST_VAULT_ADDR")
    if kubeconfig:
        found = replace(found, kubeconfig_admin=Path(kubeconfig), kubeconfig_portal=Path(kubeconfig))
    return replace(found, vault_address=vault) if vault else found


def _create_database() -> None:
    with psycopg.connect(endpoints.postgres_superuser_url, autocommit=True) as connection:
        owner = urlsplit(endpoints.postgres_owner_url).username or ""
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(owner))
        )


def _drop_database() -> None:
    with (
        contextlib.suppress(psycopg.OperationalError),  # the stack, and the database with it, may be gone already
        psycopg.connect(endpoints.postgres_superuser_url, autocommit=True) as connection,
    ):
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
