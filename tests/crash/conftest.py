"""Workers and a web server to kill, and a service whose owner may restart it at once."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.kubernetes import KubernetesCluster
from inventory.models import Workload
from portal.api.tokens import issue
from portal.models import Scope
from sandbox.stack import Endpoints
from tests.characters import People, Shop
from tests.cluster import Namespace, workload
from tests.crash.portal import PortalProcess, Web, Worker
from tests.crash.scene import Scene

Hire = Callable[..., Worker]


@pytest.fixture
def hire(people: People, endpoints: Endpoints, tmp_path: Path) -> Iterator[Hire]:
    """Start one more worker. It needs some seconds until it works; nobody has to wait for that."""
    staff: list[Worker] = []

    def another(**settings: str) -> Worker:
        staff.append(Worker(endpoints, tmp_path, **settings))
        return staff[-1]

    yield another
    _dismiss(staff)


@pytest.fixture
def worker(hire: Hire) -> Worker:
    return hire()


@pytest.fixture
def web(people: People, endpoints: Endpoints, tmp_path: Path) -> Iterator[Web]:
    """The web server, and Mira's token in its `click`. It may still be starting."""
    _, token = issue(actor=people.mira, name="a script", scopes=Scope.values, days=1)
    server = Web(endpoints, tmp_path, token)
    yield server
    _dismiss([server])


@pytest.fixture
def staging(shop: Shop, namespace: Namespace) -> Workload:
    """A Deployment of 2 in staging, up and running. Mira may act on it without asking."""
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    return shop.knows("checkout", environment=shop.staging)


@pytest.fixture
def scene(worker: Worker, people: People, staging: Workload, cluster: KubernetesCluster, endpoints: Endpoints) -> Scene:
    return Scene(worker, people.mira, staging, cluster, endpoints.kube_audit_log)


def _dismiss(staff: list[Worker] | list[Web]) -> None:
    each: PortalProcess
    for each in staff:
        each.remove()
        sys.stdout.write(
            f"--- {each.log.name}\n{each.log.read_text()[-6000:]}\n"
        )  # pytest shows it when the test failed
