"""The page of the machines: who sees it, what it says of none, three and a thousand, and what can be done from there."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from inventory.models import Cluster, Environment, Node, Person, Service
from tests.characters import People, make_people, make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    service = Service.objects.create(slug="cluster-eu", name="Cluster eu", team=make_team("platform"))
    return Cluster.objects.create(name="eu", service=service, seen_at=timezone.now())


def nodes(cluster: Cluster, count: int, **fields: object) -> list[Node]:
    environment, _ = Environment.objects.get_or_create(slug="production", criticality=3)
    values = {
        "cpu": "4", "memory": "16Gi", "cpu_requested": 1500, "memory_requested": 2 * 2**30, "pods": 12, "most_pods": 110, "ready": True,
        "version": "v1.36.3", "environment": environment, "seen_at": timezone.now(), **fields,
    }  # fmt: skip
    first = Node.objects.count()
    return Node.objects.bulk_create(
        Node(cluster=cluster, name=f"node-{first + number:04}", uid=f"uid-{first + number}", **values)
        for number in range(count)
    )


def seen(client: Client, person: Person, address: str = "/nodes") -> str:
    client.force_login(person)
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


@pytest.fixture
def people(db: None) -> People:
    return make_people()


def test_none(client: Client, people: People) -> None:
    assert "No nodes yet" in seen(client, people.kofi)


def test_three_in_three_states(client: Client, people: People, cluster: Cluster) -> None:
    nodes(cluster, 1)
    nodes(cluster, 1, schedulable=False)
    nodes(cluster, 1, ready=False, trouble="NodeStatusUnknown <img src=x onerror=alert(1)>")
    page = seen(client, people.kofi)

    for word in ("Ready", "Cordoned", "Not ready", "NodeStatusUnknown &lt;img", "12 of 110", "2 of 4", "14 Gi of 16Gi"):
        assert word in page
    only = seen(client, people.kofi, "/nodes?trouble=1")
    assert "node-0000" not in only
    assert "node-0001" in only
    assert "node-0002" in only
    assert "No node is like that" in seen(client, people.kofi, "/nodes?q=there-is-none")


def test_a_thousand_come_in_pages_and_each_once(client: Client, people: People, cluster: Cluster) -> None:
    nodes(cluster, 1000)
    client.force_login(people.kofi)
    names: list[str] = []
    address: str | None = "/nodes"
    while address:
        page = client.get(address).content.decode()
        names += re.findall(r'<th scope="row">(node-\d+)', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else None
    assert names == [f"node-{number:04}" for number in range(1000)]


def test_a_page_costs_the_same_however_many_there_are(
    client: Client, people: People, cluster: Cluster, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    nodes(cluster, 150)
    client.force_login(people.kofi)
    with django_assert_max_num_queries(12):  # type: ignore[operator]  # pytest-django's fixture is a context manager
        client.get("/nodes")


def test_whoever_looks_after_no_cluster_sees_neither_page_nor_link(
    client: Client, people: People, cluster: Cluster
) -> None:
    [node] = nodes(cluster, 1)
    client.force_login(people.mira)
    assert client.get("/nodes").status_code == 403
    assert client.get(f"/fragments/nodes/{node.pk}/acts").status_code == 403
    for action in ("cordon-node", "uncordon-node", "drain-node"):
        assert client.get(f"/services/cluster-eu/{action}?node={node.pk}").status_code == 404
    assert "/nodes" not in client.get("/").content.decode()
    assert "/nodes" in seen_markup(client, people.kofi)


def seen_markup(client: Client, person: Person) -> str:
    client.force_login(person)
    return client.get("/").content.decode()


def test_the_menu_of_a_node_says_what_the_policy_answers(client: Client, people: People, cluster: Cluster) -> None:
    [node] = nodes(cluster, 1)
    menu = seen(client, people.kofi, f"/fragments/nodes/{node.pk}/acts")
    assert re.search(r"Cordon\s+Runs now", menu)
    assert re.search(r"Drain\s+Runs now", menu)
    assert cluster.service is not None
    assert cluster.service.team is not None
    people.mira.groups.add(cluster.service.team.group)
    theirs = seen(client, Person.objects.get(pk=people.mira.pk), f"/fragments/nodes/{node.pk}/acts")
    assert re.search(r"Drain\s+Denied", theirs)
    assert "only an administrator acts on its nodes" in theirs
    assert "/nodes?cluster=eu" in client.get("/services/cluster-eu").content.decode()


def test_an_action_on_a_node_is_found_from_anywhere_by_whoever_may_see_it(
    client: Client, people: People, cluster: Cluster
) -> None:
    nodes(cluster, 2)
    client.force_login(people.kofi)
    assert "node-0001" in client.get("/fragments/palette", {"q": "drain 0001"}).content.decode().replace(
        "<mark>", ""
    ).replace("</mark>", "")
    client.force_login(people.mira)
    assert "node-0001" not in client.get("/fragments/palette", {"q": "drain 0001"}).content.decode()
