"""One Deployment for all races of a module; each race asks anew."""

from collections.abc import Callable, Iterator

import pytest

from actions.models import Request
from connectors.kubernetes import KubernetesCluster
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks
from tests.cluster import Namespace, made_namespace, workload

Ask = Callable[[], Request]


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("checkout", replicas=1))
        made.roll_out("deployment", "checkout")
        yield made


@pytest.fixture
def checkout(shop: Shop, namespace: Namespace) -> Workload:
    """In production."""
    namespace.roll_out("deployment", "checkout")
    return shop.knows("checkout")


@pytest.fixture
def staging(shop: Shop, namespace: Namespace) -> Workload:
    namespace.roll_out("deployment", "checkout")
    return shop.knows("checkout", environment=shop.staging)


@pytest.fixture
def ask(people: People, checkout: Workload, cluster: KubernetesCluster) -> Ask:
    """Mira asks for a restart in production."""
    return lambda: asks(people.mira, "restart-workload", checkout)
