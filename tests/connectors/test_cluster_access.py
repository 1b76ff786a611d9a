"""A grant in a cluster is an account and a binding of its own: the cluster allows what the role does until they are taken, and no more."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import Conflict, InvalidName, Permanent
from connectors.kubernetes import KubernetesCluster
from connectors.kubernetes.access import Terms, Token, account_subject, name_of
from connectors.kubernetes.roles import ClusterRole, Rule, role_seen
from connectors.kubernetes.wire import Meta
from sandbox.stack import Endpoints
from tests.cluster import KUBECTL, Namespace, eventually, made_namespace
from tests.connectors.conftest import MIRA

MARK = "0f8b4c9e-1111-4222-8333-444455556666"
NAME = name_of(MARK)
TERMS = Terms(MARK, "2026-11-24T12:00:00+00:00", "mira")


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


def kubectl_with(
    token: Token, cluster: KubernetesCluster, folder: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(cluster.access.kubeconfig("sandbox", "default", token))
    return lambda *arguments: subprocess.run(
        [KUBECTL, f"--kubeconfig={kubeconfig}", *arguments], capture_output=True, text=True, check=False
    )


def test_a_grant_allows_what_its_role_does_and_leaves_nothing_behind(
    cluster: KubernetesCluster, namespace: Namespace, tmp_path: Path
) -> None:
    access, ns = cluster.access, namespace.name
    account = access.give_account(ns, NAME, TERMS, as_=MIRA)
    binding = access.bind(ns, NAME, "afterdeck-debug", TERMS, to_person=False, as_=MIRA)
    assert (binding.role, account.execution, account.ends_at) == (
        "afterdeck-debug",
        MARK,
        datetime(2026, 11, 24, 12, tzinfo=UTC),
    )
    subject = account_subject(ns, NAME)
    eventually(lambda: access.allows(subject, ns, "create", "pods", subresource="exec"))
    assert [(each.person, each.role) for each in access.bindings(ns)] == [("mira", "afterdeck-debug")]
    assert not access.allows(subject, ns, "get", "secrets")
    assert not access.allows(subject, "kube-system", "get", "pods")

    token = access.token(account.ref, 60, as_=MIRA)
    left = token.expires_at - datetime.now(UTC)
    assert timedelta(minutes=9) < left < timedelta(minutes=11)  # the least that the server takes
    assert token.value not in repr(token)
    kubectl = kubectl_with(token, cluster, tmp_path)
    assert "created" in kubectl("-n", ns, "run", "probe", "--image=registry.example/probe:1").stdout
    assert "forbidden" in kubectl("-n", ns, "get", "secrets").stderr
    began = datetime.now(UTC) - timedelta(seconds=2)
    kubectl("-n", ns, "debug", "probe", "--image=registry.example/tools:1", "--target=probe", "--attach=false")
    made = access.made_with(ns, NAME, began, access.role("afterdeck-debug").makes | {"widgets"})
    assert (made.objects, made.debugged, made.unseen) == (("Pod probe",), ("probe",), ("widgets",))

    access.take(binding.ref, as_=MIRA)
    access.take(account.ref, as_=MIRA)
    access.take(account.ref, as_=MIRA)
    assert (access.account(ns, NAME), access.binding(ns, NAME)) == (None, None)
    eventually(lambda: not access.allows(subject, ns, "create", "pods", subresource="exec"))
    eventually(
        lambda: "Unauthorized" in (refused := kubectl("-n", ns, "get", "pods").stderr) or "logged in" in refused, 60
    )


def test_a_persons_own_identity_is_bound_by_name(cluster: KubernetesCluster, namespace: Namespace) -> None:
    name, ns = name_of("own"), namespace.name
    binding = cluster.access.bind(ns, name, "afterdeck-view-logs", TERMS, to_person=True, as_=MIRA)
    who = namespace.kubectl("auth", "can-i", "get", "pods/log", "--as=mira")
    assert who.strip() == "yes"
    cluster.access.take(replace(binding.ref, uid="00000000-0000-4000-8000-000000000000"), as_=MIRA)
    assert cluster.access.binding(ns, name) == binding, "Another one of that name was taken."
    cluster.access.take(binding.ref, as_=MIRA)
    assert cluster.access.binding(ns, name) is None


def test_what_is_no_grant_cannot_be_touched_in_the_name_of_an_operator(
    cluster: KubernetesCluster, namespace: Namespace, endpoints: Endpoints
) -> None:
    """The rights that RBAC cannot narrow are narrowed by the cluster's admission, not by our good intentions."""
    namespace.kubectl("create", "serviceaccount", "build")

    def portal(*arguments: str, stdin: str | None = None) -> str:
        command = [
            KUBECTL,
            f"--kubeconfig={endpoints.kubeconfig_portal}",
            "--as=mira",
            "--as-group=afterdeck:operators",
        ]
        done = subprocess.run(
            [*command, f"--namespace={namespace.name}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0, done.stdout
        return done.stderr

    ours = "only accounts and bindings of its own grants"
    assert ours in portal("create", "token", "build")
    assert ours in portal("create", "token", "deployment-controller", "--namespace=kube-system")
    assert ours in portal("delete", "serviceaccount", "build")
    assert ours in portal("create", "serviceaccount", "another")
    name, bind = name_of("limits"), ("create", "rolebinding", name_of("limits"))
    assert "for one person, or for the account" in portal(
        *bind, "--clusterrole=afterdeck-exec", f"--serviceaccount={namespace.name}:build"
    )
    assert "for one person, or for the account" in portal(
        *bind, "--clusterrole=afterdeck-exec", "--group=system:authenticated"
    )
    assert "not currently held" in portal(
        *bind, "--clusterrole=cluster-admin", f"--serviceaccount={namespace.name}:{name}"
    )
    with pytest.raises(InvalidName):
        cluster.access.token(
            replace(cluster.access.give_account(namespace.name, name, TERMS, as_=MIRA).ref, name="build"), 600, as_=MIRA
        )
    with pytest.raises(Conflict):
        cluster.access.give_account(namespace.name, name, TERMS, as_=MIRA)


def test_a_dry_run_gives_nothing(cluster: KubernetesCluster, namespace: Namespace) -> None:
    name, ns = name_of("dry"), namespace.name
    cluster.access.give_account(ns, name, TERMS, as_=MIRA, dry_run=True)
    dry = cluster.access.bind(ns, name, "afterdeck-exec", TERMS, to_person=False, as_=MIRA, dry_run=True)
    assert dry.fields["roleRef.name"] == "afterdeck-exec"
    assert cluster.access.account(ns, name) is None
    with pytest.raises(Permanent, match="not currently held"):
        cluster.access.bind(ns, name, "cluster-admin", TERMS, to_person=False, as_=MIRA, dry_run=True)


def test_the_roles_that_are_shipped_can_be_given(cluster: KubernetesCluster) -> None:
    roles = {role.name: role for role in cluster.access.roles()}
    assert {"afterdeck-view-logs", "afterdeck-exec", "afterdeck-debug"} <= roles.keys()
    assert [role.name for role in roles.values() if role.name.startswith("afterdeck-") and role.unfit] == []
    assert roles["afterdeck-view-logs"].worries == ()
    assert len(roles["afterdeck-debug"].worries) == 2
    assert not cluster.access.role("cluster-admin").grantable


def rule(verbs: str, resources: str, group: str = "") -> Rule:
    return Rule(verbs=verbs.split(), resources=resources.split(), api_groups=[group])


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (rule("get", "pods secrets"), "It reaches secrets."),
        (rule("*", "pods"), "It has a wildcard"),
        (rule("get", "*"), "It has a wildcard"),
        (rule("get", "pods", "*"), "It has a wildcard"),
        (rule("get", "pods/*"), "It has a wildcard"),
        (rule("create", "serviceaccounts/token"), "It can make tokens."),
        (rule("impersonate", "serviceaccounts"), "It can act as somebody else."),
        (rule("impersonate:user-info", "users", "authentication.k8s.io"), "It can act as somebody else."),
        (rule("create", "rolebindings", "rbac.authorization.k8s.io"), "It can change who may do what."),
        (rule("bind", "clusterroles", "rbac.authorization.k8s.io"), "It can change who may do what."),
        (rule("get", "nodes/proxy"), "It reaches every pod of a node."),
    ],
)
def test_a_role_that_outlives_its_grant_is_unfit(bad: Rule, why: str) -> None:
    role = role_seen(ClusterRole(Meta(name="bad"), [rule("get list", "pods"), bad]))
    assert [said for said in role.unfit if said.startswith(why)]
    assert role_seen(ClusterRole(Meta(name="good"), [rule("get list", "pods rolebindings")])).unfit == ()


def test_the_rules_of_an_aggregated_role_are_those_that_the_cluster_filled_in(
    cluster: KubernetesCluster, namespace: Namespace
) -> None:
    label = f"test.afterdeck.dev/{namespace.name}"
    part: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": f"{namespace.name}-part", "labels": {label: "true"}},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    }  # fmt: skip
    whole = {
        "apiVersion": part["apiVersion"], "kind": "ClusterRole",
        "metadata": {"name": f"{namespace.name}-whole", "labels": {"afterdeck.dev/grantable": "true"}},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]}, "rules": [],
    }  # fmt: skip
    try:
        namespace.kubectl(
            "create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [part, whole]})
        )
        eventually(lambda: cluster.access.role(f"{namespace.name}-whole").unfit == ("It reaches secrets.",))
    finally:
        namespace.kubectl("delete", "clusterrole", f"{namespace.name}-part", f"{namespace.name}-whole")
