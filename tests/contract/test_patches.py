"""The actions that change one field keep the contract too, each on one kind: how a template is written is the same for all kinds.

`"patch-image"`, `"patch-variable"` and `"promote-image"` write it as `rollback-workload` does, which is tried on every kind.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.utils import timezone

from actions.protocol import Target
from actions.testing import ActionContract
from connectors.kubernetes import KubernetesCluster
from inventory.models import Cluster, Environment, Service, Workload
from sandbox.stack import Endpoints
from tests.cluster import Namespace, made_namespace, workload
from tests.contract.subjects import Case, OnCluster

REPOSITORY = "registry.example/shop/checkout"
DIGEST = f"{REPOSITORY}@sha256:{'a' * 64}"


def _labelled(namespace: Namespace, name: str) -> object:
    patch = '{"spec":{"template":{"metadata":{"labels":{"drifted":"yes"}}}}}'
    return namespace.kubectl("patch", name, "-p", patch)


def _restarted(namespace: Namespace, name: str) -> object:
    return namespace.kubectl("rollout", "restart", name)


def _text(text: str) -> Callable[[Namespace, str], object]:
    """Somebody else's hand in the ConfigMap of the workload."""

    def change(namespace: Namespace, name: str) -> object:
        patch = f'{{"data":{{"app.yaml":"{text}"}}}}'
        return namespace.kubectl("patch", "configmap", f"{name.partition('/')[2]}-settings", "-p", patch)

    return change


PATCHES = (
    Case("patch-image", "Deployment", {"container": "app", "image": DIGEST}, _labelled, _restarted, ("as_in_revision",)),
    Case(
        "patch-variable", "DaemonSet", {"container": "app", "name": "LOG_LEVEL", "value": "debug"}, _labelled, _restarted,
        ("as_in_revision",),
    ),
    Case("promote-image", "Deployment", {"unverified": True}, _labelled, _restarted),
    Case("patch-config", "Deployment", {}, _text("level: info\\nmore: 1\\n"), _text("level: warning\\n")),
)  # fmt: skip


@dataclass(frozen=True)
class Patched(OnCluster):
    """Reads a ConfigMap, and has a namesake in an environment before its own."""

    def declare(self) -> None:
        meta = {"name": f"{self.name}-settings"}
        data = {"app.yaml": "level: info\n", "url": "postgresql://app:canary-in-url@db.example/shop"}
        self.namespace.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
        super().declare()

    def manifest(self, image: str) -> dict[str, Any]:
        made = super().manifest(image)
        source = {"configMapKeyRef": {"name": f"{self.name}-settings", "key": "app.yaml"}}
        variables = made["spec"]["template"]["spec"]["containers"][0]["env"]
        variables += [{"name": "SETTINGS", "valueFrom": source}, {"name": "LOG_LEVEL", "value": "info"}]
        return made

    @property
    def good(self) -> Mapping[str, Any]:
        if self.case.action != "patch-config":
            return super().good
        # Two steps, but a restart is what other actions are tried with.
        passage = {"find": "level: info", "replace": "level: debug"}
        return {"entry": f"{self.name}-settings/app.yaml", **passage, "restart": False}

    def declared(self) -> object:
        return super().declared(), self.namespace.get("configmap", f"{self.name}-settings")["data"]

    @property
    def target(self) -> Target:
        return replace(super().target, service="shop")


@pytest.fixture(scope="module")
def namespaces(endpoints: Endpoints) -> Iterator[tuple[Namespace, Namespace]]:
    with made_namespace(endpoints) as staging, made_namespace(endpoints) as production:
        yield staging, production


@pytest.fixture(scope="module", params=PATCHES, ids=str)
def made(
    request: pytest.FixtureRequest, cluster: KubernetesCluster, namespaces: tuple[Namespace, Namespace]
) -> Patched:
    return Patched(request.param, cluster, namespaces[1], f"shop-{secrets.token_hex(3)}")


def known(made: Patched, cluster: KubernetesCluster, staging: Namespace) -> None:
    """To the inventory, in two environments; the first runs the image by its digest."""
    before = workload(made.name, kind=made.case.kind, image=DIGEST, replicas=1)
    staging.apply(before)
    row = Cluster.objects.create(name="sandbox", simulated=True, seen_at=timezone.now())
    service = Service.objects.create(slug="shop", name="shop")
    for position, (slug, namespace) in enumerate({"staging": staging, "production": made.namespace}.items()):
        Workload.objects.create(
            service=service, environment=Environment.objects.create(slug=slug, position=position), cluster=row,
            namespace=namespace.name, kind=made.case.kind, name=made.name, seen_at=timezone.now(),
            uid=cluster.read_workload(made.case.kind, namespace.name, made.name).ref.uid,
        )  # fmt: skip


class TestPatches(ActionContract):
    @pytest.fixture
    def subject(
        self, db: None, made: Patched, cluster: KubernetesCluster, namespaces: tuple[Namespace, Namespace]
    ) -> Patched:
        made.declare()
        made.rest()
        if made.case.action == "promote-image":
            known(made, cluster, namespaces[0])
        return made
