"""Access and its end keep the contract of actions. What a vault gives is made when it is fetched, so its start has no effect of its own."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from actions.protocol import Outcome, Plan, Target, TargetKind, World
from actions.registry import AnyAction, action_named
from actions.testing import ActionContract, _all_done, _done, _now, _plan, _running
from connectors.kubernetes import Identity, KubernetesCluster, ObjectRef
from connectors.kubernetes.access import Terms, name_of
from connectors.vault import VaultConfig, VaultServer
from sandbox.stack import Endpoints
from tests.cluster import Namespace, made_namespace, workload
from tests.vault import Vault

MIRA = Identity("mira")
LOGS = "afterdeck-view-logs"
WRITES = ("create", "delete", "patch", "update")
SESSION = "payments/checkout-api/session"
POLICY = "access-contract"


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("checkout", replicas=1))
        made.roll_out("deployment", "checkout")
        yield made


@pytest.fixture(scope="module")
def vault(endpoints: Endpoints) -> VaultServer:
    role_id, secret_id = endpoints.vault_role_id_file, endpoints.vault_secret_id_file
    return VaultServer("sandbox", VaultConfig(endpoints.vault_address, role_id_file=role_id, secret_id_file=secret_id))


@dataclass
class InNamespace:
    """`role` is one of this namespace's tests, so that a test may change it."""

    cluster: KubernetesCluster
    vault: VaultServer
    namespace: Namespace

    def __post_init__(self) -> None:
        self.declare(["get"])
        seen = self.cluster.read_workload("Deployment", self.namespace.name, "checkout")
        self.target = Target(
            TargetKind.WORKLOAD, f"workload:{seen.ref.uid}", str(seen.ref), "checkout", "production", self.cluster.name, seen.ref
        )  # fmt: skip

    @property
    def role(self) -> str:
        return f"{self.namespace.name}-contract"

    def declare(self, verbs: list[str]) -> None:
        api = {"apiVersion": "rbac.authorization.k8s.io/v1"}
        uid = self.namespace.kubectl("get", "namespace", self.namespace.name, "-o", "jsonpath={.metadata.uid}")
        owner = [{"apiVersion": "v1", "kind": "Namespace", "name": self.namespace.name, "uid": uid}]
        bind = {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles"],
            "resourceNames": [self.role],
            "verbs": ["bind"],
        }
        named = {"name": f"{self.role}-binder", "ownerReferences": owner}
        self.namespace.apply(
            {
                **api, "kind": "ClusterRole", "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}],
                "metadata": {"name": self.role, "labels": {"afterdeck.dev/grantable": "true"}, "ownerReferences": owner},
            },
            {**api, "kind": "ClusterRole", "metadata": named, "rules": [bind]},
            {
                **api, "kind": "ClusterRoleBinding", "metadata": named,
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{self.role}-binder"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "afterdeck:operators"}],
            },
        )  # fmt: skip

    @property
    def action(self) -> AnyAction:
        return action_named("get-namespace-access")

    @property
    def world(self) -> World:
        return World(self.cluster, MIRA, timezone.now(), soak_seconds=0, bao=self.vault)

    @property
    def good(self) -> Mapping[str, Any]:
        return {"role": self.role, "minutes": 60, "identity": "token"}

    numbers: tuple[str, ...] = ("minutes",)
    secrets: tuple[str, ...] = ()

    def effects(self) -> int:
        return len(
            [each for each in self.namespace.effects() if each["objectRef"]["name"].startswith("afterdeck-grant-")]
        )

    def declared(self) -> object:
        found = json.loads(
            self.namespace.kubectl("get", "serviceaccount,rolebinding", "-l", "afterdeck.dev/grant", "-o", "json")
        )
        return sorted((each["kind"], each["metadata"]["name"]) for each in found["items"])

    def rest(self) -> None:
        pass

    def drift(self) -> None:
        self.declare(["get", "list"])

    def spoil(self) -> None:
        self.namespace.kubectl("delete", "rolebinding", "-l", "afterdeck.dev/grant")


@dataclass
class EndInNamespace(InNamespace):
    mark: str = field(default_factory=lambda: str(uuid4()))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.give()

    def give(self) -> None:
        terms, name = Terms(self.mark, "2030-01-01T00:00:00Z", "mira"), name_of(self.mark)
        self.cluster.access.give_account(self.namespace.name, name, terms, as_=MIRA)
        self.cluster.access.bind(self.namespace.name, name, self.role, terms, to_person=False, as_=MIRA)

    @property
    def action(self) -> AnyAction:
        return action_named("end-namespace-access")

    @property
    def good(self) -> Mapping[str, Any]:
        return {"mark": self.mark, "role": self.role, "identity": "token"}

    numbers = ()

    def drift(self) -> None:
        """Somebody makes others by the same names."""
        self.namespace.kubectl("delete", "rolebinding,serviceaccount", name_of(self.mark))
        self.give()

    def spoil(self) -> None:
        self.give()


@dataclass
class InVault:
    cluster: KubernetesCluster
    vault: VaultServer
    bao: Vault
    kind: str
    path: str = ""

    def __post_init__(self) -> None:
        self.path = f"contract-{uuid4().hex[:8]}"
        mount = "secret" if self.kind == "kv2" else "database"
        if self.kind == "kv2":
            self.bao.root.secrets.kv.v2.create_or_update_secret(self.path, secret={"key": "canary-of-the-contract"})
            self.bao.root.secrets.kv.v2.update_metadata(self.path, custom_metadata={"access": POLICY})
        self.declare("1h")
        ref = ObjectRef(self.kind, mount, self.path, f"sandbox/{mount}/{self.path}")
        self.target = Target(TargetKind.SECRET, "secret:1", str(ref), "checkout", "production", "", ref, "sandbox")

    def declare(self, longest: str) -> None:
        if self.kind == "kv2":
            self.bao.root.sys.create_or_update_policy(
                POLICY, f'# {longest}\npath "secret/data/contract-*" {{ capabilities = ["read"] }}'
            )
        else:
            made = self.bao.root.secrets.database.read_role("orders-readonly")["data"]
            self.bao.root.secrets.database.create_role(
                self.path, "orders", creation_statements=made["creation_statements"], revocation_statements=made["revocation_statements"],
                default_ttl="1h", max_ttl=longest,
            )  # fmt: skip

    @property
    def action(self) -> AnyAction:
        return action_named("get-vault-access" if self.kind == "kv2" else "get-database-access")

    @property
    def world(self) -> World:
        return World(None, MIRA, timezone.now(), soak_seconds=0, bao=self.vault)

    @property
    def good(self) -> Mapping[str, Any]:
        return {"minutes": 30, **({"policy": POLICY} if self.kind == "kv2" else {})}

    numbers: tuple[str, ...] = ("minutes",)
    secrets = ("canary-of-the-contract",)

    def effects(self) -> int:
        paths = (
            "auth/token/create/afterdeck-access",
            "auth/token/revoke-accessor",
            "sys/leases/revoke",
            "database/creds/",
        )
        asked = [
            entry["request"]["path"] for entry in self.bao.entries() if entry["auth"].get("display_name") == "approle"
        ]
        return len([each for each in asked if each.startswith(paths)])

    def declared(self) -> object:
        return self.effects()

    def rest(self) -> None:
        pass

    def drift(self) -> None:
        self.declare("2h")

    def spoil(self) -> None:
        self.declare("3h")


@dataclass
class EndInVault(InVault):
    handle: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        access = self.vault.access
        opened = access.open(POLICY if self.kind == "kv2" else "access-database", 600, person="mira", mark="m")
        self.handle = {"mark": str(uuid4()), "accessor": opened.accessor}
        if self.kind != "kv2":
            login = access.login(
                opened, "database", "orders-readonly", 600
            )  # the one that the database's connection allows
            self.handle |= {"lease": login.lease, "username": login.username}

    @property
    def action(self) -> AnyAction:
        return action_named("end-vault-access" if self.kind == "kv2" else "end-database-access")

    @property
    def good(self) -> Mapping[str, Any]:
        return self.handle

    numbers = ()

    def declared(self) -> object:
        access = self.vault.access
        return access.expires_at(self.handle["accessor"]) is not None, access.has_lease(
            self.handle.get("lease", "database/creds/none")
        )


@pytest.mark.usefixtures("database")  # whose else's workloads are there
class TestNamespaceAccess(ActionContract):
    @pytest.fixture
    def subject(self, cluster: KubernetesCluster, vault: VaultServer, namespace: Namespace) -> InNamespace:
        namespace.kubectl("delete", "serviceaccount,rolebinding", "-l", "afterdeck.dev/grant")
        return InNamespace(cluster, vault, namespace)


class TestEndOfNamespaceAccess(ActionContract):
    @pytest.fixture
    def subject(self, cluster: KubernetesCluster, vault: VaultServer, namespace: Namespace) -> EndInNamespace:
        return EndInNamespace(cluster, vault, namespace)


class TestVaultAccess(ActionContract):
    @pytest.fixture(params=["kv2", "dynamic-role"])
    def subject(
        self, request: pytest.FixtureRequest, cluster: KubernetesCluster, vault: VaultServer, endpoints: Endpoints
    ) -> InVault:
        return InVault(cluster, vault, Vault(endpoints), request.param)

    def effects_of(self, plan: Plan) -> int:
        return 0

    def test_what_was_done_is_verified_and_can_be_taken_back_exactly(self, subject: InVault) -> None:  # type: ignore[override]  # no Subject has more
        """Nothing is made before somebody is there to take it, so there is nothing to see of it."""
        plan, world = _plan(subject), _running(subject)
        world, _ = _all_done(subject, plan, world)
        assert subject.action.verify(plan, _now(world)).outcome is Outcome.OK
        for step in plan.revert:
            _done(subject, step, plan, world)
        assert subject.action.verify_revert(plan, _now(world)).outcome is Outcome.OK
        assert subject.effects() == 0


class TestEndOfVaultAccess(ActionContract):
    @pytest.fixture(params=["kv2", "dynamic-role"])
    def subject(
        self, request: pytest.FixtureRequest, cluster: KubernetesCluster, vault: VaultServer, endpoints: Endpoints
    ) -> EndInVault:
        return EndInVault(cluster, vault, Vault(endpoints), request.param)

    def test_nothing_is_done_to_what_somebody_else_has_changed(self, subject: EndInVault) -> None:  # type: ignore[override]  # no Subject has more
        """The vault or a person was faster: that is as good, and nothing is sent again."""
        plan, world = _plan(subject), _running(subject)
        subject.bao.root.auth.token.revoke_accessor(subject.handle["accessor"])
        if lease := subject.handle.get("lease"):
            subject.bao.root.sys.revoke_lease(lease)
        effects = subject.effects()
        world, _ = _all_done(subject, plan, world)
        assert subject.action.verify(plan, _now(world)).outcome is Outcome.OK
        assert subject.effects() == effects

    def test_verification_fails_when_the_result_is_not_as_planned(self, subject: EndInVault) -> None:  # type: ignore[override]  # no Subject has more
        """What was ended does not come back; what was not is waited for, until somebody is asked."""
        plan, world = _plan(subject), _running(subject)
        assert subject.action.verify(plan, _now(world)).outcome is Outcome.WAIT
