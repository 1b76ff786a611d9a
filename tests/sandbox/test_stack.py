"""The sandbox as a person meets it: started, stopped, killed, and started again."""

import contextlib
import re
import socket
import subprocess
from pathlib import Path

import hvac
import psycopg
import pytest
import redis

from sandbox.processes import Part, PartFailed, Processes
from sandbox.stack import Stack
from sandbox.state import State
from tests.cluster import KUBECTL, Namespace, eventually, workload
from tests.sandbox.running import Running, alive
from tests.servers import Servers


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_second_start_keeps_addresses_data_and_what_people_changed(tmp_path: Path) -> None:
    first = Running(tmp_path / "demo")
    there = first.endpoints
    kubectl = (KUBECTL, f"--kubeconfig={there['kubeconfig_admin']}", "--namespace=payments-staging")
    with psycopg.connect(there["postgres_owner_url"]) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('still here')")
    with redis.Redis.from_url(there["valkey_url"]) as valkey:
        valkey.set("kept", "still here")
    vault = hvac.Client(url=there["vault_address"], token=Path(there["vault_root_token_file"]).read_text())
    vault.secrets.kv.v2.create_or_update_secret("kept", secret={"word": "still here"})
    run(*kubectl, "delete", "deployment", "payment-gateway")
    run(*kubectl, "scale", "deployment", "checkout-api", "--replicas=3")
    first.interrupt()

    second = Running(tmp_path / "demo")
    assert second.endpoints == there
    with psycopg.connect(there["postgres_owner_url"]) as connection:
        assert connection.execute("SELECT word FROM kept").fetchone() == ("still here",)
    with redis.Redis.from_url(there["valkey_url"]) as valkey:
        assert valkey.get("kept") == b"still here"
    read = vault.secrets.kv.v2.read_secret_version("kept", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"word": "still here"}
    names = run(*kubectl, "get", "deployments", "-o", "name")
    assert "checkout-api" in names
    assert "payment-gateway" not in names
    eventually(
        lambda: run(*kubectl, "get", "deployment", "checkout-api", "-o", "jsonpath={.status.readyReplicas}") == "3"
    )
    second.interrupt()


def test_nothing_outlives_a_killed_parent_and_the_next_start_is_at_the_same_address(tmp_path: Path) -> None:
    first = Running(tmp_path / "demo")
    servers = first.descendants()
    assert len(servers) > 9
    first.kill()
    second = Running(tmp_path / "demo")
    assert not any(alive(pid) for pid in servers)
    assert second.endpoints == first.endpoints
    second.interrupt()


def test_a_killed_server_comes_back_at_the_same_address(stack: Stack, servers: Servers) -> None:
    process = stack.processes["valkey"]
    before = process.pid
    with redis.Redis.from_url(stack.endpoints.valkey_url) as valkey:
        valkey.set("kept", "still here")
        servers.kill("valkey")
        with pytest.raises(redis.ConnectionError):
            valkey.ping()
        servers.bring_back("valkey")
        assert process.pid != before
        assert valkey.get("kept") == b"still here"


@pytest.mark.parametrize("part", ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"])
def test_a_killed_part_of_the_cluster_comes_back_and_rollouts_go_on(
    stack: Stack, servers: Servers, namespace: Namespace, part: str
) -> None:
    namespace.apply(workload("shop"))
    namespace.roll_out("deployment", "shop")
    servers.kill(part)
    servers.bring_back(part)
    eventually(lambda: stack.processes[part].part.ready())
    namespace.kubectl("rollout", "restart", "deployment/shop")
    namespace.roll_out("deployment", "shop")


def test_a_killed_postgres_comes_back_and_openbao_with_it(stack: Stack, servers: Servers) -> None:
    servers.kill("postgres")
    servers.bring_back("postgres")
    there = stack.endpoints
    vault = hvac.Client(url=there.vault_address, token=there.vault_root_token_file.read_text())

    def keys() -> set[str]:
        with contextlib.suppress(hvac.exceptions.InternalServerError):  # for each of its connections to the old one
            path = "payments/checkout-api/stripe"
            read = vault.secrets.kv.v2.read_secret_version(path, raise_on_deleted_version=True)
            return set(read["data"]["data"])
        return set()

    eventually(lambda: keys() == {"api_key", "webhook_secret"})


def test_two_do_not_share_a_directory(tmp_path: Path) -> None:
    held = State(tmp_path)
    with pytest.raises(PartFailed, match="another one is running"):
        State(tmp_path)
    held.release()
    State(tmp_path).release()


def test_a_port_that_somebody_took_meanwhile_is_replaced(tmp_path: Path) -> None:
    first = State(tmp_path)
    port = first.port("web")
    first.release()
    again = State(tmp_path)
    assert again.port("web") == port
    again.release()
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", port))
        somebody.listen()
        assert State(tmp_path).port("web") != port


def test_a_part_that_does_not_start_says_which_why_where_and_what_to_do(tmp_path: Path) -> None:
    command = ("/bin/sh", "-c", "echo the disk is on fire; exit 3")
    part = Part("valkey", command, ready=lambda: False, directory=tmp_path)
    with pytest.raises(PartFailed) as failure:
        Processes(tmp_path).start(part)
    told = str(failure.value)
    for expected in ("valkey", "exit status 3", "the disk is on fire", str(tmp_path / "valkey.log"), "demo-reset"):
        assert expected in told


def test_postgres_is_ours_and_does_not_trust_anybody(stack: Stack) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(re.sub(r":[0-9a-f]+@", ":guess@", stack.endpoints.postgres_superuser_url))
    with psycopg.connect(stack.endpoints.postgres_app_url) as connection:
        rights = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
        assert connection.execute(rights).fetchone() == (False,)
