"""Who sees a service and who may ask, by every way there is, in a number of queries that does not grow."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from guardian.shortcuts import assign_perm

from actions import queries as requests
from actions.models import Execution
from actions.states import ExecutionState
from inventory import queries as inventory
from inventory.models import Cluster, Person, Service, Team, Workload
from inventory.services import keep_cluster
from tests.characters import People, Shop, asks
from tests.cluster import Namespace, workload
from tests.inventory.conftest import queries, sighting
from tests.inventory.test_keeping import NOON


@pytest.fixture
def services(row: Cluster, people: People) -> list[Service]:
    """One of payments, one of storefront, and one that nobody owns."""
    seen = [sighting("checkout", owner="payments"), sighting("search", owner="storefront"), sighting("stray")]
    keep_cluster(row, seen, at=NOON)
    return list(Service.objects.all())


def sees(person: Person) -> set[str]:
    return set(inventory.services_visible_to(fresh(person)).values_list("slug", flat=True))


def asks_for(person: Person) -> set[str]:
    return {service.slug for service in Service.objects.all() if inventory.may_ask(fresh(person), service)}


def fresh(person: Person) -> Person:
    return Person.objects.get(pk=person.pk)  # permissions are cached on the object


@pytest.mark.parametrize(
    ("who", "seen", "askable"),
    [
        ("mira", {"checkout"}, {"checkout"}),
        ("leila", {"search"}, {"search"}),
        ("edda", {"checkout", "search", "stray"}, set()),
        ("kofi", {"checkout", "search", "stray"}, set()),
    ],
)
def test_owners_see_their_own_and_auditors_see_all(
    services: list[Service], people: People, who: str, seen: set[str], askable: set[str]
) -> None:
    assert sees(getattr(people, who)) == seen
    assert asks_for(getattr(people, who)) == askable


@pytest.mark.parametrize(
    ("permission", "askable"), [("view_service", {"search"}), ("ask_service", {"search", "checkout"})]
)
@pytest.mark.parametrize("through_group", [False, True])
def test_a_service_can_be_shared_with_a_person_or_a_group(
    services: list[Service], people: People, permission: str, askable: set[str], through_group: bool
) -> None:
    guest: Person | Group = people.leila
    if through_group:
        guest = Group.objects.create(name="guests")
        people.leila.groups.add(guest)
    assign_perm(f"inventory.{permission}", guest, Service.objects.get(slug="checkout"))

    assert sees(people.leila) == {"checkout", "search"}
    assert asks_for(people.leila) == askable
    assert sees(people.mira) == {"checkout"}


def test_what_is_seen_of_workloads_follows_their_service(services: list[Service], people: People) -> None:
    for person in (people.mira, people.leila, people.edda):
        found = inventory.workloads_visible_to(fresh(person)).values_list("service__slug", flat=True)
        assert set(found) == sees(person)


def test_somebody_without_a_team_sees_nothing(services: list[Service]) -> None:
    outsider = Person.objects.create(username="outsider")
    assert (sees(outsider), asks_for(outsider)) == (set(), set())


def test_a_service_of_two_reasons_is_seen_once(services: list[Service], people: People) -> None:
    checkout = Service.objects.get(slug="checkout")
    for guest in (people.mira, Team.objects.get(slug="payments").group):
        assign_perm("inventory.ask_service", guest, checkout)
    assert [found.slug for found in inventory.services_visible_to(fresh(people.mira)).distinct()] == ["checkout"]
    assert inventory.my_services(fresh(people.mira)).distinct().count() == 1


@pytest.mark.parametrize("who", ["mira", "edda"])
@pytest.mark.parametrize(
    "listed",
    [
        lambda person: [(service.slug, service.team) for service in inventory.services_visible_to(person)],
        lambda person: [
            (w.name, w.service.team, w.environment.slug, w.cluster.name) for w in inventory.workloads_visible_to(person)
        ],
        lambda person: list(inventory.trouble_first(inventory.my_services(person))),
    ],
    ids=["services", "workloads", "mine"],
)
def test_a_list_costs_the_same_number_of_queries_however_long_it_is(
    row: Cluster, people: People, who: str, listed: Callable[[Person], list[object]]
) -> None:
    person = getattr(people, who)
    counts = []
    for size in (1, 60):
        keep_cluster(row, [sighting(f"s{n}", owner="payments") for n in range(size)], at=NOON)
        assert Workload.objects.filter(gone_at=None).count() == size
        counts.append(queries(lambda: listed(fresh(person))))

    assert counts[0] == counts[1] <= 5


def test_an_approver_who_is_not_on_the_team_sees_the_run_that_needs_them(
    shop: Shop, people: People, namespace: Namespace
) -> None:
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    request = asks(people.mira, "restart-workload", shop.knows("checkout", environment=shop.staging))
    Execution.objects.filter(request=request).update(state=ExecutionState.NEEDS_HUMAN)
    team = Team.objects.get(slug="payments")
    assert requests.request_for(fresh(people.leila), request.pk) is None
    team.approvers.user_set.add(people.leila)

    leila = fresh(people.leila)
    assert [each.pk for each in requests.unclear_for(leila)] == [request.pk]
    assert requests.request_for(leila, request.pk) == request
    assert not inventory.may_ask(leila, request.service)
    team.group.user_set.add(people.leila)  # now by two reasons, and still once
    leila = fresh(people.leila)
    leila.has_perm("inventory.view_service")
    assert queries(lambda: list(requests.requests_visible_to(leila))) == 2
    assert [each.pk for each in requests.requests_visible_to(leila)] == [request.pk]
