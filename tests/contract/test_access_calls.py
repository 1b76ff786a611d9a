"""What connectors can be asked about access keeps the contract of connectors: names, read-only, and what a failure means."""

from dataclasses import replace
from datetime import UTC, datetime

from connectors.kubernetes import KubernetesCluster, ObjectRef
from connectors.kubernetes.access import PREFIX, Subject, Terms
from connectors.testing import Call, NamedCall
from connectors.vault.access import Opened
from tests.contract import test_connectors
from tests.contract.test_connectors import MIRA

TERMS = Terms("mark", "2026-11-24T12:00:00Z", "mira")
GRANT = ObjectRef("ServiceAccount", "payments", f"{PREFIX}mark", "00000000-0000-4000-8000-000000000000")
OPENED = Opened("a-token-of-nobody", "an-accessor-of-nobody", datetime.now(UTC))


def account(on: KubernetesCluster, namespace: str = "payments", name: str = GRANT.name) -> object:
    return on.access.give_account(namespace, name, TERMS, as_=MIRA)


def bind(on: KubernetesCluster, namespace: str = "payments", role: str = "afterdeck-exec") -> object:
    return on.access.bind(namespace, GRANT.name, role, TERMS, to_person=False, as_=MIRA)


def token(on: KubernetesCluster, namespace: str = "payments", name: str = GRANT.name) -> object:
    return on.access.token(replace(GRANT, namespace=namespace, name=name), 600, as_=MIRA)


def take(on: KubernetesCluster, namespace: str = "payments", name: str = GRANT.name) -> None:
    on.access.take(replace(GRANT, namespace=namespace, name=name), as_=MIRA)


class TestKubernetesAccess(test_connectors.TestKubernetes):
    def reads(self) -> list[Call]:
        return [
            lambda on: on.access.roles(),
            lambda on: on.access.role("afterdeck-exec"),
            lambda on: on.access.account("payments", GRANT.name),
            lambda on: on.access.binding("payments", GRANT.name),
            lambda on: on.access.bindings("payments"),
            lambda on: on.access.allows(Subject("mira"), "payments", "get", "pods"),
            lambda on: on.access.made_with("payments", GRANT.name, datetime.now(UTC), frozenset({"pods"})),
        ]

    def reads_of_nothing(self) -> list[Call]:
        return [lambda on: on.access.role("no-such-role")]

    def named(self) -> list[NamedCall]:
        return [
            lambda on, name: on.access.role(name),
            lambda on, name: on.access.account(name, GRANT.name),
            lambda on, name: on.access.account("payments", name),
            lambda on, name: on.access.binding("payments", name),
            lambda on, name: on.access.bindings(name),
            lambda on, name: on.access.allows(Subject("mira"), name, "get", "pods"),
            lambda on, name: on.access.made_with("payments", name, None, frozenset()),
            *(lambda on, name, write=write: write(on, name) for write in (account, bind, token, take)),
            *(lambda on, name, write=write: write(on, "payments", name) for write in (bind, token, take)),
        ]

    def writes(self) -> list[Call]:
        return [account, bind, token, take]


class TestVaultAccess(test_connectors.TestVault):
    def reads(self) -> list[Call]:
        return [
            lambda on: on.access.longest_seconds(),
            lambda on: on.access.choices("secret", "payments/checkout-api/session"),
            lambda on: on.access.policy("access-checkout-read"),
            lambda on: on.access.dynamic_role("database", "orders-readonly"),
            lambda on: on.access.expires_at(OPENED.accessor),
            lambda on: on.access.may(OPENED.accessor, "secret/data/x"),
            lambda on: on.access.has_lease("database/creds/orders-readonly/x"),
        ]

    def reads_of_nothing(self) -> list[Call]:
        return [
            lambda on: on.access.choices("secret", "no/such/thing"),
            lambda on: on.access.policy("access-no-such-policy"),
            lambda on: on.access.dynamic_role("database", "no-such-role"),
        ]

    def named(self) -> list[NamedCall]:
        return [
            lambda on, name: on.access.choices(name, "x"),
            lambda on, name: on.access.choices("secret", name),
            lambda on, name: on.access.policy(name),
            lambda on, name: on.access.dynamic_role(name, "x"),
            lambda on, name: on.access.dynamic_role("database", name),
            lambda on, name: on.access.expires_at(name),
            lambda on, name: on.access.may(name, "x"),
            lambda on, name: on.access.may(OPENED.accessor, name),
            lambda on, name: on.access.has_lease(name),
            lambda on, name: on.access.open(name, 60, person="mira", mark="m"),
            lambda on, name: on.access.login(OPENED, name, "x", 60),
            lambda on, name: on.access.login(OPENED, "database", name, 60),
            lambda on, name: on.access.end_login(name),
            lambda on, name: on.access.close(name),
            lambda on, name: on.access.unwrap(name),
        ]

    def writes(self) -> list[Call]:
        return [
            lambda on: on.access.open("access-x", 60, person="mira", mark="m"),
            lambda on: on.access.login(OPENED, "database", "x", 60),
            lambda on: on.access.end_login("database/creds/x/y"),
            lambda on: on.access.close(OPENED.accessor),
        ]
