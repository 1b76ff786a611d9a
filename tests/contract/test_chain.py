"""A chain keeps the contract of actions as its parts do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from actions.protocol import Target, World
from actions.registry import AnyAction, action_named
from actions.targets import target_of
from actions.testing import ActionContract
from connectors.kubernetes import Identity, KubernetesCluster
from inventory.models import Workload
from sandbox.manifests import Cluster
from sandbox.stack import Endpoints
from tests.characters import Shop, make_people
from tests.cluster import Namespace, eventually, made_namespace, workload
from tests.contract.subjects import SECRETS
from tests.gitops import administrator

NAMES = ("api", "worker")


def declared(name: str) -> dict[str, Any]:
    made = workload(name, replicas=1, annotations={"example.org/deploy-token": SECRETS[2]})
    made["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "DB_PASSWORD", "value": SECRETS[0]}]
    return made


@dataclass(frozen=True)
class Two:
    """A `Subject` of `actions.testing`: two Deployments that are resized as one. "undo-chain" is the same class, whose parts
    may also be what is not offered.
    """

    cluster: KubernetesCluster
    admin: Cluster
    namespace: Namespace
    rows: tuple[Workload, ...]

    @property
    def action(self) -> AnyAction:
        return action_named("chain")

    @property
    def target(self) -> Target:
        return target_of(self.rows[0])

    @property
    def world(self) -> World:
        return World(self.cluster, Identity("mira"), timezone.now(), soak_seconds=0)

    @property
    def good(self) -> Mapping[str, Any]:
        return {
            "parts": [{"action": "resize-workload", "target": row.pk, "params": {"replicas": 2}} for row in self.rows]
        }

    @property
    def numbers(self) -> tuple[str, ...]:
        return ()

    @property
    def secrets(self) -> tuple[str, ...]:
        return SECRETS

    def effects(self) -> int:
        return len(self.namespace.effects())

    def declared(self) -> object:
        return [self._ask("GET", name)["spec"] for name in NAMES]

    def rest(self) -> None:
        def still() -> bool:
            seen = [self.cluster.read_workload("Deployment", self.namespace.name, name) for name in NAMES]
            return all(
                each.ready == each.wanted == each.replicas and each.observed_generation == each.generation
                for each in seen
            )

        eventually(still)

    def scale(self, name: str, replicas: int) -> None:
        self._ask("PATCH", name, {"spec": {"replicas": replicas}})

    def drift(self) -> None:
        self.scale("api", 3)

    def spoil(self) -> None:
        self.scale("worker", 3)

    def _ask(self, method: str, name: str, body: Any = None) -> Any:
        path = f"/apis/apps/v1/namespaces/{self.namespace.name}/deployments/{name}"
        return self.admin.ask(method, path, body, content_type="application/merge-patch+json")


@pytest.fixture(scope="module")
def place(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(*map(declared, NAMES))
        yield made


class TestChains(ActionContract):
    @pytest.fixture
    def subject(self, endpoints: Endpoints, cluster: KubernetesCluster, place: Namespace, db: None) -> Two:
        make_people()
        shop = Shop(cluster, place)
        two = Two(cluster, administrator(endpoints), place, tuple(shop.knows(name) for name in NAMES))
        for name in NAMES:
            two.scale(name, 1)
        two.rest()
        return two
