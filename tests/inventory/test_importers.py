"""An import makes the inventory say what the catalog says, once, and says what it did."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit.events import SYSTEM
from audit.models import EventRow
from inventory.catalog import read
from inventory.claims import Claims
from inventory.importers import Imported, keep_catalog
from inventory.models import Cluster, Service, Team
from inventory.services import keep_cluster
from tests.characters import make_team
from tests.inventory.conftest import sighting

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
WORLD = Path(__file__).parents[2] / "sandbox" / "world" / "catalog-info.yaml"
PAYMENTS = """
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: payments, title: Payments}
"""
CHECKOUT = """
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: checkout
  title: Checkout API
  description: Takes money
  annotations: {afterdeck.dev/tier: "1"}
  links: [{title: Runbook, url: "https://example.com/checkout"}]
spec: {owner: payments, dependsOn: [component:ledger]}
"""
LEDGER = """
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: ledger}
spec: {owner: payments}
"""


def imports(*documents: str) -> Imported:
    return keep_catalog(read("---".join(documents).encode()), source="catalog.yaml", actor=SYSTEM, at=NOON)


def test_a_catalog_becomes_teams_and_services(database: None) -> None:
    done = imports(CHECKOUT, LEDGER, PAYMENTS).done

    assert done == (
        "team payments: new, with nobody in it",
        "service checkout: new, owned by payments",
        "service ledger: new, owned by payments",
    )
    checkout = Service.objects.select_related("team").get(slug="checkout")
    assert (checkout.name, checkout.description, checkout.tier) == ("Checkout API", "Takes money", 1)
    assert checkout.team == Team.objects.get(slug="payments")
    assert [called.slug for called in checkout.calls.all()] == ["ledger"]
    events = EventRow.objects.order_by("id").values_list("verb", "service")
    assert list(events) == [("team.created", ""), ("service.imported", "checkout"), ("service.imported", "ledger")]


def test_doing_it_again_changes_nothing(database: None) -> None:
    imports(CHECKOUT, LEDGER, PAYMENTS)
    events = EventRow.objects.count()

    again = imports(CHECKOUT, LEDGER, PAYMENTS)

    assert (again.done, again.unchanged) == ((), 2)
    assert EventRow.objects.count() == events


def test_only_what_differs_is_changed_and_recorded(database: None) -> None:
    imports(PAYMENTS, CHECKOUT, LEDGER)
    done = imports(PAYMENTS.replace("title: Payments", "title: Money"), CHECKOUT.replace("Takes", "Moves"), LEDGER).done
    assert done == ("team payments: renamed to Money", "service checkout: changed description, owned by payments")


def test_what_a_catalog_leaves_out_stays(database: None) -> None:
    imports(PAYMENTS, CHECKOUT, LEDGER)
    imports("apiVersion: backstage.io/v1\nkind: Component\nmetadata: {name: checkout}\n")

    checkout = Service.objects.get(slug="checkout")
    assert (checkout.description, checkout.tier, checkout.calls.count()) == ("Takes money", 1, 1)


def test_a_catalog_hands_a_service_over_and_annotations_cannot_take_it_back(row: Cluster) -> None:
    make_team("data")
    keep_cluster(row, [sighting("checkout", owner="data")], at=NOON)
    assert imports(PAYMENTS, CHECKOUT).done[-1] == (
        "service checkout: changed description, links, name, team, tier, owned by payments"
    )
    keep_cluster(row, [sighting("checkout", owner="data")], at=NOON)

    assert Service.objects.get().team == Team.objects.get(slug="payments")
    event = EventRow.objects.get(verb="service.owner_changed")
    assert event.summary == "from data to payments"


def test_annotations_only_fill_what_a_catalog_left_empty(row: Cluster) -> None:
    imports(PAYMENTS, CHECKOUT, LEDGER)
    claims = Claims(description="From the cluster", links={"Wiki": "https://example.com"}, tier=2, name="Renamed")
    keep_cluster(row, [replace(sighting(name), claims=claims) for name in ("checkout", "ledger")], at=NOON)

    checkout, ledger = Service.objects.order_by("slug")
    assert (checkout.name, checkout.description, checkout.tier) == ("Checkout API", "Takes money", 1)
    assert list(checkout.links) == ["Runbook"]
    assert (ledger.description, ledger.links) == ("From the cluster", {"Wiki": "https://example.com"})


@pytest.mark.parametrize(
    ("document", "note"),
    [
        (LEDGER, "Component ledger: there is no team payments, so nobody becomes owner by it"),
        (CHECKOUT, "Component checkout: it depends on ledger, which we do not know"),
    ],
)
def test_what_refers_to_nothing_is_said(database: None, document: str, note: str) -> None:
    found = imports(document)
    assert note in found.ignored
    assert Service.objects.get().team is None


def test_a_group_that_exists_for_something_else_becomes_no_team(database: None) -> None:
    make_team("payments")
    found = imports("apiVersion: backstage.io/v1\nkind: Group\nmetadata: {name: payments-approvers}\n")
    assert found.ignored == (
        "Group payments-approvers: There is a group payments-approvers already, so there can be no team payments-approvers.",
    )


def test_a_service_may_name_itself_and_not_what_is_no_component(database: None) -> None:
    imports(LEDGER.replace("owner: payments", "dependsOn: [ledger, 'resource:db']"))
    assert Service.objects.get().calls.count() == 0


def test_the_command_says_what_it_did_and_what_it_ignored_and_why(
    database: None, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("import_catalog", str(WORLD))
    said = capsys.readouterr().out
    assert "team payments: new, with nobody in it" in said
    assert "ignored: System shop: only Group and Component are imported" in said

    call_command("import_catalog", str(WORLD))
    assert "0 done, " in capsys.readouterr().out


def test_of_several_files_none_is_imported_when_one_is_unreadable(database: None, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: &a [*a]")
    for wrong, sentence in (
        (bad, "It uses the alias"),
        (tmp_path / "none.yaml", "No such file"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(CommandError, match=f"{sentence}.*Nothing was imported"):
            call_command("import_catalog", str(WORLD), str(wrong))
    assert not Service.objects.exists()
