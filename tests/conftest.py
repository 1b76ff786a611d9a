"""What every suite stands on: the real stack, this run's database, and three people, as far as a test needs them.

`database` gives real commits and empties the tables afterwards, as the owner role; `db` of pytest-django rolls back and is faster
where nothing has to commit.
"""

from collections.abc import Iterator

import hypothesis
import pytest
from django.core.management import call_command
from django.db import connections
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from connectors.kubernetes import ClusterConfig, KubernetesCluster
from inventory.models import Workload
from portal.database import tables_of_ours
from sandbox.stack import Endpoints, Stack
from tests import environment
from tests.characters import People, Shop, make_people
from tests.cluster import Namespace, made_namespace, workload
from tests.servers import Servers

# A busy machine is slow now and then, and a suite that finds something only on some days is no suite.
hypothesis.settings.register_profile("afterdeck", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("afterdeck")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser comes last: from its first test on, Playwright's event loop runs in this thread, and no other can.

    What takes longest comes first, so that of two processes neither waits long for the other in the end.
    """
    items.sort(key=lambda item: ("browser" in item.path.parts, "crash" not in item.path.parts))


@pytest.fixture(scope="session")
def endpoints() -> Endpoints:
    return environment.endpoints


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The servers themselves, for tests that kill them."""
    if environment.stack is None:
        pytest.skip(
            "AFTERDECK_TEST_ENDPOINTS names a stack that belongs to somebody else, so its servers are not killed."
        )
    return environment.stack


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> None:
    """The database exists (`tests.environment` made it); migrate and grant as an installation would."""
    with django_db_blocker.unblock():
        call_command("setup_database", verbosity=0)


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield
        connections["default"].close()
        with connections["owner"].cursor() as cursor:
            tables = [
                table for table in tables_of_ours() if table != "django_content_type" and table != "auth_permission"
            ]
            names = sql.SQL(", ").join(map(sql.Identifier, tables))
            cursor.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(names))


@pytest.fixture(scope="session")
def cluster(endpoints: Endpoints) -> KubernetesCluster:
    return KubernetesCluster("sandbox", ClusterConfig(endpoints.kubeconfig_portal, simulated=True))


@pytest.fixture
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


@pytest.fixture
def servers(namespace: Namespace, database: None, stack: Stack) -> Iterator[Servers]:
    """The sandbox's servers. Whatever a test leaves dead or frozen runs again before anything else is cleaned up."""
    held = Servers(stack.processes)
    yield held
    held.mend()


@pytest.fixture
def people(database: None) -> People:
    return make_people()


@pytest.fixture
def shop(people: People, cluster: KubernetesCluster, namespace: Namespace) -> Shop:
    return Shop(cluster, namespace)


@pytest.fixture
def checkout(shop: Shop, namespace: Namespace) -> Workload:
    """A Deployment of 2 in production, up and running."""
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    return shop.knows("checkout")
