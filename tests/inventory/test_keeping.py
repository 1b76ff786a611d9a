"""Rows follow what was seen: who owns it, what changed, what is gone, in a number of queries that does not grow."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from audit.models import EventRow
from connectors.kubernetes import ObjectRef
from connectors.vault.seen import DYNAMIC_ROLE, KV, STATIC_ROLE, SecretSeen
from inventory import consumers, samples, vaults
from inventory.discovery import Place, Sighting, claims_of
from inventory.models import Cluster, Environment, Sample, Secret, Service, Team, Vault, Workload
from inventory.queries import secrets_of
from inventory.services import keep_cluster
from sandbox import manifests
from sandbox.kubernetes import WORLD
from tests.characters import make_team
from tests.inventory.conftest import known, queries, sighting

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def owner_of(slug: str) -> str:
    team = Service.objects.select_related("team").get(slug=slug).team
    return team.slug if team else ""


def test_what_nobody_claims_nobody_owns(row: Cluster) -> None:
    keep_cluster(row, [sighting("api")], at=NOON)
    assert owner_of("api") == ""


def test_a_team_that_is_not_known_yet_is_made_with_nobody_in_it(row: Cluster) -> None:
    keep_cluster(row, [sighting("api", owner="shoe-shop")], at=NOON)

    team = Team.objects.get()
    assert (team.slug, team.name, owner_of("api")) == ("shoe-shop", "Shoe shop", "shoe-shop")
    assert not team.group.user_set.exists()
    assert not team.approvers.user_set.exists()
    assert EventRow.objects.filter(verb="team.created").count() == 1


@pytest.mark.parametrize("group", ["auditors", "auditors-approvers"])
def test_the_members_of_another_group_do_not_become_owners(row: Cluster, group: str) -> None:
    Group.objects.create(name=group)

    keep_cluster(row, [sighting("api", owner="auditors")], at=NOON)

    assert owner_of("api") == ""
    assert not Team.objects.exists()


def test_the_most_critical_environment_says_who_owns_it(row: Cluster) -> None:
    keep_cluster(row, [sighting("api", environment="dev", owner="data"), sighting("api", owner="payments")], at=NOON)
    assert owner_of("api") == "payments"


def test_where_owners_disagree_nobody_owns_it(row: Cluster) -> None:
    seen = [
        sighting("db-1", service="postgresql", owner="payments"),
        sighting("db-2", service="postgresql", owner="data"),
    ]
    keep_cluster(row, seen, at=NOON)
    assert owner_of("postgresql") == ""


def test_an_annotation_cannot_take_a_service_from_its_owner(row: Cluster) -> None:
    keep_cluster(row, [sighting("api", owner="payments")], at=NOON)
    keep_cluster(row, [sighting("api", owner="data")], at=NOON)

    assert owner_of("api") == "payments"
    assert known("api").service.slug == "api.shop-production"
    assert owner_of("api.shop-production") == "data"


def test_a_name_does_not_make_another_teams_workload_a_part_of_a_service(row: Cluster) -> None:
    """What is meant by the name of a product, `postgresql`, are two services; and a second look changes nothing."""
    ours = sighting("db", service="postgresql", owner="payments")
    theirs = sighting("cache", service="postgresql", environment="dev", owner="storefront")
    keep_cluster(row, [ours], at=NOON)
    assert keep_cluster(row, [ours, theirs], at=NOON).services == 1
    assert (known("db").service.slug, owner_of("postgresql")) == ("postgresql", "payments")
    assert (known("cache").service.slug, owner_of("postgresql.shop-dev")) == ("postgresql.shop-dev", "storefront")
    assert EventRow.objects.filter(verb="service.discovered", service="postgresql.shop-dev").count() == 1

    events = EventRow.objects.count()
    again = keep_cluster(row, [ours, theirs], at=NOON)
    assert (again.new, again.changed, again.gone, again.services) == (0, 0, 0, 0)
    assert EventRow.objects.count() == events


def test_the_first_look_and_the_second_agree_on_what_is_apart(row: Cluster) -> None:
    seen = [sighting("api", environment="dev", owner="data"), sighting("api", owner="payments")]
    assert keep_cluster(row, seen, at=NOON).services == 2
    again = keep_cluster(row, seen, at=NOON)
    assert (again.new, again.changed, again.services) == (0, 0, 0)


def test_nobody_gets_what_is_apart_by_taking_its_name_first(row: Cluster) -> None:
    taken = sighting("db", service="postgresql.shop-dev", owner="payments")
    ours = sighting("main", service="postgresql", owner="payments")
    theirs = sighting("cache", service="postgresql", environment="dev", owner="storefront")
    keep_cluster(row, [taken, ours, theirs], at=NOON)
    assert known("cache").service.slug == "postgresql.shop-dev.shop-dev"
    assert owner_of("postgresql.shop-dev.shop-dev") == "storefront"


def test_what_is_apart_has_a_bounded_name_of_its_own(row: Cluster) -> None:
    long = ["a" * 250, "a" * 249 + "b"]
    keep_cluster(row, [sighting(f"ours-{n}", service=name, owner="payments") for n, name in enumerate(long)], at=NOON)
    others = [sighting(f"theirs-{n}", service=name, environment="dev", owner="data") for n, name in enumerate(long)]
    keep_cluster(row, others, at=NOON)
    slugs = {known(f"theirs-{n}").service.slug for n in range(2)}
    assert len(slugs) == 2
    assert all(len(slug) <= 253 and slug.endswith(".shop-dev") for slug in slugs)


def test_what_claims_no_owner_is_what_it_is_called(row: Cluster) -> None:
    keep_cluster(
        row, [sighting("db", service="postgresql", owner="payments"), sighting("x", service="postgresql")], at=NOON
    )
    assert known("x").service.slug == "postgresql"


@pytest.mark.parametrize(
    ("namespace_owner", "slug"), [("", "api"), ("payments", "api"), ("data", "api.shop-production")]
)
def test_against_a_catalog_only_the_namespace_has_a_word(row: Cluster, namespace_owner: str, slug: str) -> None:
    Service.objects.create(slug="api", name="api", team=make_team("payments"), imported_at=NOON)
    keep_cluster(row, [sighting("api", owner="data", namespace_owner=namespace_owner)], at=NOON)
    assert known("api").service.slug == slug


def test_the_demo_has_seventeen_services(row: Cluster) -> None:
    world = manifests.read(WORLD)
    places = {
        each["metadata"]["name"]: Place(
            each["metadata"]["labels"]["afterdeck.dev/environment"],
            each["metadata"]["annotations"]["afterdeck.dev/owner"],
        )
        for each in world
        if each["kind"] == "Namespace" and "afterdeck.dev/environment" in each["metadata"].get("labels", {})
    }
    seen = []
    for number, each in enumerate(world):
        if each["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "CronJob"):
            metadata = each["metadata"]
            place = places[metadata["namespace"]]
            ref = ObjectRef(each["kind"], metadata["namespace"], metadata["name"], f"uid-{number}")
            claims = claims_of(metadata["annotations"], place)
            name = metadata["labels"]["app.kubernetes.io/name"]
            seen.append(Sighting(name, place.environment, ref, claims, namespace_owner=place.owner))
    assert keep_cluster(row, seen, at=NOON).services == Service.objects.count() == 17


def test_a_service_without_an_owner_can_get_one_and_the_record_says_so(row: Cluster) -> None:
    keep_cluster(row, [sighting("api")], at=NOON)
    keep_cluster(row, [sighting("api", owner="payments")], at=NOON)

    event = EventRow.objects.get(verb="service.owner_changed")
    assert (event.service, event.summary) == ("api", "from nobody to payments")


def test_an_environment_that_nobody_has_rated_counts_as_production(row: Cluster) -> None:
    keep_cluster(row, [sighting("a", environment="emea-live"), sighting("b", environment="dev")], at=NOON)
    assert dict(Environment.objects.values_list("slug", "criticality")) == {"emea-live": 3, "dev": 0}


def test_what_comes_back_is_not_gone(row: Cluster) -> None:
    for seen in ([sighting("api")], [], [sighting("api")]):
        keep_cluster(row, seen, at=NOON)
    assert known("api").gone_at is None
    assert Workload.objects.count() == 1


def test_another_cluster_is_left_alone(row: Cluster) -> None:
    keep_cluster(row, [sighting("api")], at=NOON)
    keep_cluster(Cluster.objects.create(name="other"), [], at=NOON)
    assert known("api").gone_at is None


@pytest.mark.parametrize("change", ["nothing", "everything"])
def test_a_look_costs_the_same_number_of_queries_whatever_there_is(row: Cluster, change: str) -> None:
    make_team("payments")

    def seen(count: int, ready: int) -> list[Any]:
        return [sighting(f"s{n}", owner="payments", wanted=2, ready=ready, secrets=("secret/a",)) for n in range(count)]

    keep_cluster(row, seen(300, 2), at=NOON)
    later = 2 if change == "nothing" else 1
    many = queries(lambda: keep_cluster(row, seen(300, later), at=NOON))
    keep_cluster(row, seen(3, 2), at=NOON)
    few = queries(lambda: keep_cluster(row, seen(3, later), at=NOON))

    assert many == few <= 20


def test_a_first_look_costs_the_same_number_of_queries_whatever_there_is(row: Cluster) -> None:
    make_team("payments")
    make_team("storefront")
    keep_cluster(row, [sighting("first", owner="storefront")], at=NOON)

    few = queries(lambda: keep_cluster(row, [sighting(f"a{n}", owner="payments") for n in range(2)], at=NOON))
    many = queries(lambda: keep_cluster(row, [sighting(f"b{n}", owner="payments") for n in range(400)], at=NOON))

    assert many == few <= 20


# Samples


def test_a_sample_is_taken_on_every_change_and_every_five_minutes(row: Cluster) -> None:
    for seconds, ready in ((0, 2), (10, 2), (20, 1), (30, 1), (299, 1), (321, 1), (330, 2)):
        keep_cluster(row, [sighting("api", wanted=2, ready=ready)], at=NOON + timedelta(seconds=seconds))

    taken = [((sample.at - NOON).seconds, sample.ready) for sample in Sample.objects.order_by("at")]
    assert taken == [(0, 2), (20, 1), (321, 1), (330, 2)]


def test_samples_are_forgotten_after_two_weeks(row: Cluster) -> None:
    for days in (0, 13, 15):
        keep_cluster(row, [sighting("api", wanted=days)], at=NOON - timedelta(days=days))

    assert samples.forget(now=NOON) == 1
    assert Sample.objects.count() == 2


# Secrets


def secret(path: str, kind: str = KV, mount: str = "secret", **fields: Any) -> SecretSeen:
    return SecretSeen(mount, path, kind, **fields)


@pytest.fixture
def vault(database: None) -> Vault:
    return Vault.objects.create(name="sandbox")


def test_a_secret_that_is_gone_keeps_its_row(vault: Vault) -> None:
    vaults.keep(vault, [secret("a", version=1), secret("b")], at=NOON)
    kept = vaults.keep(vault, [secret("a", version=2)], at=NOON)

    assert (kept.written, kept.gone) == (1, 1)
    assert dict(Secret.objects.values_list("path", "version")) == {"a": 2, "b": None}
    assert Secret.objects.get(path="b").gone_at == NOON


def test_two_kinds_of_role_by_one_name_are_one_pointer(vault: Vault) -> None:
    vaults.keep(vault, [secret("app", STATIC_ROLE, "database"), secret("app", DYNAMIC_ROLE, "database")], at=NOON)
    assert Secret.objects.get().kind == Secret.Kind.STATIC_ROLE


def test_a_workload_that_says_so_consumes_a_secret(row: Cluster, vault: Vault) -> None:
    there = [secret("payments/stripe"), secret("payments/smtp")]
    vaults.keep(vault, there, at=NOON)
    keep_cluster(row, [sighting("api", secrets=("secret/payments/stripe", "secret/none"))], at=NOON)
    assert [found.path for found in secrets_of(Service.objects.get())] == ["payments/stripe"]

    keep_cluster(row, [sighting("api", secrets=("secret/payments/smtp",))], at=NOON)
    vaults.keep(vault, there, at=NOON)  # what nobody reads any more is nobody's from here on
    assert [found.path for found in secrets_of(Service.objects.get())] == ["payments/smtp"]

    keep_cluster(row, [sighting("api")], at=NOON)
    vaults.keep(vault, there, at=NOON)
    assert secrets_of(Service.objects.get()) == []


def test_a_secret_counts_where_its_most_critical_reader_runs(row: Cluster, vault: Vault) -> None:
    Environment.objects.create(slug="production", criticality=3, position=3)
    Environment.objects.create(slug="staging", criticality=1, position=1)
    both = [sighting("api", environment=where, secrets=("secret/a",)) for where in ("staging", "production")]
    vaults.keep(vault, [secret("a")], at=NOON)
    assert Secret.objects.get().environment is None

    keep_cluster(row, both, at=NOON)
    assert str(Secret.objects.get().environment) == "production"

    keep_cluster(row, both[:1], at=NOON)
    assert str(Secret.objects.get().environment) == "staging"


def test_a_secret_that_nobody_reads_counts_where_its_service_runs(row: Cluster, vault: Vault) -> None:
    keep_cluster(row, [sighting("api", environment="staging")], at=NOON)
    vaults.keep(vault, [replace(secret("a"), consumer="api"), secret("b")], at=NOON)

    assert dict(Secret.objects.values_list("path", "environment__slug")) == {"a": "staging", "b": None}


def test_a_secret_without_a_label_is_its_only_readers(row: Cluster, vault: Vault) -> None:
    role = secret("app", STATIC_ROLE, "database")
    vaults.keep(vault, [role], at=NOON)
    keep_cluster(row, [sighting("api", secrets=("database/app",))], at=NOON)
    assert str(Secret.objects.get().service) == "api"  # its vault is looked at more seldom
    vaults.keep(vault, [role], at=NOON)
    assert str(Secret.objects.get().service) == "api"

    keep_cluster(row, [sighting(name, secrets=("database/app",)) for name in ("api", "worker")], at=NOON)
    vaults.keep(vault, [role], at=NOON)
    assert Secret.objects.get().service is None
    assert [each.name for each in consumers.readers_of(vault.name, "database", "app")] == ["api", "worker"]
