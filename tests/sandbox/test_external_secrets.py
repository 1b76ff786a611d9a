"""The sandbox's own External Secrets Operator: the world's secrets come into the cluster, each team's by a login that reads only those."""

import subprocess
from base64 import b64decode
from pathlib import Path

import hvac
import pytest

from connectors.kubernetes import ClusterConfig, KubernetesCluster
from sandbox.stack import Stack
from tests.cluster import KUBECTL, eventually


def test_the_worlds_secrets_are_copied_by_logins_that_read_one_team_each(operator_program: Path, stack: Stack) -> None:
    there = stack.endpoints

    def kubectl(*arguments: str) -> str:
        command = [KUBECTL, f"--kubeconfig={there.kubeconfig_admin}", "--namespace=payments-production", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    stack.synchronise()
    cluster = KubernetesCluster("sandbox", ClusterConfig(there.kubeconfig_portal))
    ready = {"checkout-api", "checkout-api-database", "invoice-renderer-smtp"}
    eventually(lambda: {each.target for each in cluster.synced_secrets("payments-production") if each.ready} == ready)
    vault = hvac.Client(url=there.vault_address, token=there.vault_root_token_file.read_text())
    password = vault.read("database/static-creds/orders-service")["data"]["password"]
    copied = kubectl("get", "secret", "checkout-api-database", "-o", "jsonpath={.data.password}")
    assert b64decode(copied).decode() == password

    login = b64decode(kubectl("get", "secret", "vault-login", "-o", "jsonpath={.data.secret-id}")).decode()
    role = kubectl("get", "secretstore", "vault", "-o", "jsonpath={.spec.provider.vault.auth.appRole.roleId}")
    team = hvac.Client(url=there.vault_address)
    team.auth.approle.login(role_id=role, secret_id=login)
    assert team.read("secret/data/payments/checkout-api/stripe")
    for path in ("secret/data/platform/edge-proxy/tls", "database/creds/orders-readonly"):
        with pytest.raises(hvac.exceptions.Forbidden):
            team.read(path)
    with pytest.raises(hvac.exceptions.Forbidden):
        team.write_data("secret/data/payments/checkout-api/stripe", data={"data": {"api_key": "another"}})
