"""The rights that `deploy/` ships are the least ones: the portal looks as itself, acts only as a person, and reads no secret."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hvac
import psycopg
import pytest

from sandbox import manifests
from sandbox.kubernetes import DEPLOYED
from sandbox.manifests import Manifest
from sandbox.stack import Endpoints
from tests.cluster import KUBECTL, Namespace, eventually, workload

AS_MIRA = ("--as=mira", "--as-group=afterdeck:operators")


Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def portal(endpoints: Endpoints, namespace: Namespace) -> Kubectl:
    """kubectl with the portal's own account, in a namespace that has one Deployment."""
    namespace.apply(workload("shop"))

    def kubectl(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [KUBECTL, f"--kubeconfig={endpoints.kubeconfig_portal}", f"--namespace={namespace.name}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return kubectl


def test_the_portal_cannot_write_as_itself(portal: Kubectl) -> None:
    assert portal("get", "deployment", "shop").returncode == 0
    refused = portal("rollout", "restart", "deployment/shop")
    assert "cannot patch" in refused.stderr


def test_the_portal_writes_as_a_person_and_the_audit_log_names_them(
    portal: Kubectl, endpoints: Endpoints, namespace: Namespace
) -> None:
    done = portal(*AS_MIRA, "rollout", "restart", "deployment/shop")
    assert done.returncode == 0, done.stderr

    def entries() -> list[dict[str, Any]]:
        lines = [line for line in endpoints.kube_audit_log.read_text().splitlines() if namespace.name in line]
        return [entry for entry in map(json.loads, lines) if entry["verb"] == "patch"]

    [entry] = eventually(entries)
    assert entry["user"]["username"] == "system:serviceaccount:afterdeck:portal"
    assert entry["impersonatedUser"]["username"] == "mira"
    assert "restartedAt" in json.dumps(entry["requestObject"])


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param((*AS_MIRA, "delete", "deployment", "shop"), id="delete as a person"),
        pytest.param((*AS_MIRA, "get", "secrets"), id="read secrets as a person"),
        pytest.param((*AS_MIRA, "create", "token", "default"), id="make a token as a person"),
        pytest.param(("get", "secrets"), id="read secrets as itself"),
        pytest.param(("logs", "deployment/shop"), id="read logs"),
        pytest.param(("get", "configmaps"), id="list ConfigMaps"),
        pytest.param(("label", "configmap/kube-root-ca.crt", "a=b"), id="change a ConfigMap as itself"),
        pytest.param((*AS_MIRA, "get", "configmap/kube-root-ca.crt"), id="read a ConfigMap as a person"),
        pytest.param((*AS_MIRA, "get", "nodes"), id="look at nodes as a person"),
        pytest.param(
            ("patch", "node", "node-a", "-p", '{"spec":{"unschedulable":true}}'), id="cordon a node as itself"
        ),
        pytest.param((*AS_MIRA, "delete", "node", "node-a"), id="delete a node as a person"),
        pytest.param(("create", "job", "mine", "--image=any:1"), id="start a Job as itself"),
        pytest.param((*AS_MIRA, "get", "jobs"), id="read Jobs as a person"),
        pytest.param(("get", "--raw=/api/v1/pods?watch=1"), id="watch"),
        pytest.param((*AS_MIRA, "scale", "deployment/shop", "--replicas=3"), id="scale past the object as a person"),
        pytest.param(("--as=mira", "rollout", "restart", "deployment/shop"), id="act as a person who is no operator"),
        pytest.param(
            ("--as=mira", "--as-group=system:masters", "get", "secrets"), id="say that a person is an administrator"
        ),
        pytest.param(("--as=system:kube-controller-manager", "get", "secrets"), id="pass for a part of the cluster"),
        pytest.param(
            ("--as=system:serviceaccount:kube-system:deployment-controller", "rollout", "restart", "deployment/shop"),
            id="pass for a ServiceAccount",
        ),
    ],
)
def test_what_the_portal_must_not_do_in_a_cluster(portal: Kubectl, attempt: tuple[str, ...]) -> None:
    refused = portal(*attempt)
    assert refused.returncode != 0
    assert "orbidden" in refused.stderr


NARROWED = {
    "afterdeck-grants-only": {"serviceaccounts", "serviceaccounts/token", "rolebindings"},
    "afterdeck-auto-sync-only": {"applications", "kustomizations", "helmreleases"},
    "afterdeck-force-sync-only": {"externalsecrets", "vaultstaticsecrets", "vaultdynamicsecrets"},
}
"""What means too much by RBAC alone, by the policy that narrows it."""


@pytest.mark.parametrize("file", sorted(DEPLOYED.glob("*.yaml")), ids=lambda file: file.stem)
def test_rights_that_a_policy_narrows_are_in_one_file_with_it(file: Path) -> None:
    """Whoever applied only such rights would give the cluster away."""
    documents = manifests.read(file)
    bound = [each["spec"]["policyName"] for each in documents if each["kind"] == "ValidatingAdmissionPolicyBinding"]
    there = {each["metadata"]["name"] for each in documents if each["kind"] == "ValidatingAdmissionPolicy"}
    lent = set[str]().union(*map(written_by_people, documents))
    for policy, resources in NARROWED.items():
        assert bool(lent & resources) is (policy in there and policy in bound)


def written_by_people(document: Manifest) -> set[str]:
    """What a role lets somebody write in the name of a person; the reaper has an account of its own."""
    if document["kind"] != "ClusterRole" or document["metadata"]["name"] == "afterdeck-reaper":
        return set()
    rules = [rule for rule in document["rules"] if not {"get", "list", "watch"}.issuperset(rule["verbs"])]
    return {name for rule in rules for name in rule["resources"]}


@pytest.fixture
def root(endpoints: Endpoints) -> hvac.Client:
    return hvac.Client(url=endpoints.vault_address, token=endpoints.vault_root_token_file.read_text())


@pytest.fixture
def vault(endpoints: Endpoints) -> hvac.Client:
    client = hvac.Client(url=endpoints.vault_address)
    ids = {"role_id": endpoints.vault_role_id_file.read_text(), "secret_id": endpoints.vault_secret_id_file.read_text()}
    client.auth.approle.login(**ids)
    return client


SECRET = "payments/checkout-api/stripe"


def test_the_portal_by_itself_neither_reads_nor_writes_a_value(vault: hvac.Client, root: hvac.Client) -> None:
    seen = vault.secrets.kv.v2.read_secret_metadata(SECRET)["data"]
    assert seen["custom_metadata"] == {"owner": "payments", "consumer": "checkout-api"}
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.secrets.kv.v2.read_secret_version(SECRET, raise_on_deleted_version=True)
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.secrets.kv.v2.create_or_update_secret(SECRET, secret={"api_key": "ours"}, cas=seen["current_version"])
    now = root.secrets.kv.v2.read_secret_metadata(SECRET)["data"]
    assert now["current_version"] == seen["current_version"]


def test_the_portal_sees_where_a_database_is_and_no_password(vault: hvac.Client) -> None:
    found = vault.read("database/config/orders")["data"]["connection_details"]
    assert "{{password}}" in found["connection_url"] and "password" not in found


@pytest.mark.parametrize("path", ["database/static-creds/orders-service", "database/creds/orders-readonly"])
def test_the_portal_is_not_handed_database_passwords(vault: hvac.Client, path: str) -> None:
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.read(path)


def test_the_static_role_is_rotated_with_a_token_for_that_step(
    vault: hvac.Client, root: hvac.Client, endpoints: Endpoints
) -> None:
    before = root.read("database/static-creds/orders-service")["data"]
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.write_data("database/rotate-role/orders-service", data={})
    step = vault.auth.token.create(role_name="afterdeck-rotation")["auth"]["client_token"]
    hvac.Client(url=vault.url, token=step).write_data("database/rotate-role/orders-service", data={})
    after = root.read("database/static-creds/orders-service")["data"]
    assert after["password"] != before["password"]
    with psycopg.connect(orders(endpoints, after)) as connection:
        connection.execute("SELECT count(*) FROM orders")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(orders(endpoints, before))


def test_a_dynamic_user_reads_orders_until_its_lease_is_revoked(root: hvac.Client, endpoints: Endpoints) -> None:
    lease = root.read("database/creds/orders-readonly")
    with psycopg.connect(orders(endpoints, lease["data"])) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (200,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM orders")
        root.sys.revoke_lease(lease["lease_id"])
        with pytest.raises(psycopg.OperationalError):
            connection.rollback()
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(orders(endpoints, lease["data"]))


def orders(endpoints: Endpoints, credentials: dict[str, str]) -> str:
    server = endpoints.postgres_superuser_url.rsplit("@", 1)[1].split("/")[0]
    return f"postgresql://{credentials['username']}:{credentials['password']}@{server}/orders"


def test_the_vault_keeps_an_audit_log_without_values(vault: hvac.Client, endpoints: Endpoints) -> None:
    vault.secrets.kv.v2.read_secret_metadata(SECRET)
    log = Path(endpoints.vault_audit_log).read_text()
    assert f"secret/metadata/{SECRET}" in log
    assert endpoints.vault_root_token_file.read_text() not in log
