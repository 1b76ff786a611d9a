"""What runs on the real cluster is what the inventory says, with its causes in plain words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from audit.models import EventRow
from connectors import registry
from connectors.kubernetes import ClusterConfig
from connectors.vault import VaultConfig
from inventory.models import Cluster, Environment, Sample, Secret, Service, Vault, Workload
from inventory.tasks import LOCK, look_around
from sandbox.stack import Endpoints
from tests.characters import People
from tests.cluster import Namespace, autoscaler, eventually, workload
from tests.faults import Wire, kubeconfig
from tests.inventory.conftest import Look, known


def test_a_new_workload_becomes_a_service_of_its_team(look: Look, namespace: Namespace, people: People) -> None:
    claims = {"afterdeck.dev/tier": "1", "afterdeck.dev/display-name": "Größe",
              "afterdeck.dev/links": '{"Runbook": "https://example.com/r", "Bad": "javascript:alert(1)"}'}  # fmt: skip
    namespace.apply(workload("checkout", annotations=claims), autoscaler("checkout", least=2, most=9))
    namespace.roll_out("deployment", "checkout")

    kept = look()

    row = known("checkout")
    assert (kept.new, kept.services) == (1, 1)
    assert (row.wanted, row.ready, row.trouble, row.version) == (2, 2, "", "1.4.2")
    assert row.autoscaler == {"name": "checkout", "min": 2, "max": 9}
    assert (row.environment.slug, row.environment.criticality) == ("production", 3)
    service = row.service
    assert (service.slug, service.name, service.tier) == ("checkout", "Größe", 1)
    assert service.links == {"Runbook": "https://example.com/r"}
    assert service.team == people.mira.groups.get().team
    event = EventRow.objects.get(verb="service.discovered")
    assert (event.service, event.actor, event.environment) == ("checkout", "Afterdeck", "production")


def test_a_second_look_at_the_same_changes_nothing(look: Look, namespace: Namespace) -> None:
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    look()
    before, events = known("checkout"), EventRow.objects.count()

    kept = look()

    assert (kept.new, kept.changed, kept.gone) == (0, 0, 0)
    assert known("checkout").seen_at > before.seen_at
    assert EventRow.objects.count() == events


def test_a_change_is_seen_and_sampled(look: Look, namespace: Namespace) -> None:
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    look()
    namespace.kubectl("scale", "deployment/checkout", "--replicas=3")
    namespace.roll_out("deployment", "checkout")

    assert look().changed == 1

    assert (known("checkout").wanted, known("checkout").ready) == (3, 3)
    assert [(sample.wanted, sample.ready) for sample in Sample.objects.all()] == [(2, 2), (3, 3)]


def test_what_is_not_there_any_more_is_gone_and_keeps_its_name(look: Look, namespace: Namespace) -> None:
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    look()
    namespace.kubectl("delete", "deployment", "checkout", "--wait=true")

    assert look().gone == 1

    assert Workload.objects.get(name="checkout").gone_at is not None
    assert Service.objects.filter(slug="checkout").exists()


def test_a_namesake_is_another_workload_of_the_same_service(look: Look, namespace: Namespace) -> None:
    for _ in range(2):
        namespace.apply(workload("checkout"))
        look()
        namespace.kubectl("delete", "deployment", "checkout", "--wait=true")

    assert Workload.objects.filter(name="checkout").count() == 2
    assert Workload.objects.values("service").distinct().count() == 1


@pytest.mark.parametrize(
    ("behaviour", "trouble"),
    [("broken", "the image cannot be pulled"), ("crash-loop", "2 of 2 crash again and again")],
)
def test_trouble_is_said_in_plain_words(look: Look, namespace: Namespace, behaviour: str, trouble: str) -> None:
    namespace.apply(workload("checkout", behaviour=behaviour))

    def seen() -> bool:
        look()
        return known("checkout").trouble == trouble

    assert eventually(seen)


def test_a_namespace_without_an_environment_is_none_of_our_business(look: Look, namespace: Namespace) -> None:
    namespace.apply(workload("checkout"))
    namespace.kubectl("label", "namespace", namespace.name, "afterdeck.dev/environment-")

    look()

    assert not Workload.objects.exists()


# Everything that is connected, through the command


@pytest.fixture
def wire(database: None, endpoints: Endpoints, tmp_path: Path) -> Iterator[Wire]:
    """Two clusters, of which one can be cut off, and the vault."""
    made = Wire.to_cluster(endpoints)
    vault = VaultConfig(
        endpoints.vault_address,
        role_id_file=endpoints.vault_role_id_file,
        secret_id_file=endpoints.vault_secret_id_file,
    )
    shaky = ClusterConfig(made.write_kubeconfig(endpoints, tmp_path / "kubeconfig"))
    sandbox = ClusterConfig(endpoints.kubeconfig_portal, simulated=True)
    registry.configure({"kubernetes": {"sandbox": sandbox, "shaky": shaky}, "vault": {"sandbox": vault}})
    yield made
    made.remove()
    apps.get_app_config("portal").ready()


def reports() -> dict[str, bool]:
    return {f"{report.kind} {report.name}": report.ok for report in look_around() or ()}


def test_a_cluster_that_does_not_answer_is_said_to_be_so_and_stops_nobody(wire: Wire, namespace: Namespace) -> None:
    namespace.kubectl("label", "namespace", namespace.name, "afterdeck.dev/environment=staging")
    namespace.apply(workload("checkout"))
    assert all(reports().values())
    seen = Workload.objects.filter(name="checkout", namespace=namespace.name, gone_at=None)
    assert {row.cluster.name for row in seen} == {"sandbox", "shaky"}

    wire.cut()
    assert reports() == {"cluster sandbox": True, "cluster shaky": False, "vault sandbox": True}

    shaky = Cluster.objects.get(name="shaky")
    assert shaky.unreachable_since is not None
    assert "shaky cannot be reached" in shaky.problem
    assert seen.count() == 2  # what was seen stays until we can look again
    since = shaky.unreachable_since

    reports()
    assert Cluster.objects.get(name="shaky").unreachable_since == since

    wire.mend()
    assert all(reports().values())
    again = Cluster.objects.get(name="shaky")
    assert (again.unreachable_since, again.problem) == (None, "")
    verbs = EventRow.objects.filter(target="cluster shaky").order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["cluster.unreachable", "cluster.reachable"]


def test_a_cluster_that_does_not_let_us_look_makes_nothing_gone(
    wire: Wire, endpoints: Endpoints, tmp_path: Path
) -> None:
    reports()
    live = Workload.objects.filter(cluster__name="sandbox", gone_at=None).count()
    stranger = kubeconfig(endpoints)
    stranger["users"][0]["user"] = {}
    (tmp_path / "stranger").write_text(json.dumps(stranger))
    registry.configure({"kubernetes": {"sandbox": ClusterConfig(tmp_path / "stranger")}})

    assert reports() == {"cluster sandbox": False}

    assert "does not allow Afterdeck" in Cluster.objects.get(name="sandbox").problem
    assert Workload.objects.filter(cluster__name="sandbox", gone_at=None).count() == live


def test_the_command_says_what_came_of_it(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("discover")
    said = capsys.readouterr().out
    assert "cluster sandbox: " in said
    assert "vault sandbox: " in said

    wire.cut()
    with pytest.raises(CommandError, match="Not everything could be looked at"):
        call_command("discover")
    assert "cluster shaky: The cluster shaky cannot be reached." in capsys.readouterr().out


def test_two_looks_never_run_at_once(wire: Wire) -> None:
    with connections["owner"].cursor() as elsewhere:
        elsewhere.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            assert look_around() is None
        finally:
            elsewhere.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    assert look_around() is not None


def test_a_cluster_taken_out_of_the_settings_is_not_waited_for(wire: Wire, endpoints: Endpoints) -> None:
    wire.cut()
    reports()
    Workload.objects.create(**_row(Cluster.objects.get(name="shaky")))
    registry.configure({"kubernetes": {"sandbox": ClusterConfig(endpoints.kubeconfig_portal)}, "vault": {}})

    reports()

    assert Cluster.objects.get(name="shaky").unreachable_since is None
    assert not Workload.objects.filter(cluster__name="shaky", gone_at=None).exists()
    assert not Secret.objects.filter(gone_at=None).exists()


def _row(cluster: Cluster) -> dict[str, Any]:
    return {
        "service": Service.objects.create(slug="orphan", name="orphan"),
        "environment": Environment.objects.create(slug="elsewhere", criticality=1),
        "cluster": cluster, "namespace": "n", "kind": "Deployment", "name": "orphan", "uid": "u", "seen_at": timezone.now(),
    }  # fmt: skip


def test_a_vault_shows_what_secrets_there_are_and_never_a_value(wire: Wire) -> None:
    Service.objects.create(slug="checkout-api", name="Checkout API")
    reports()

    assert Vault.objects.get().version
    stripe = Secret.objects.get(path="payments/checkout-api/stripe")
    assert (stripe.mount, stripe.kind, stripe.version) == ("secret", "kv2", 1)
    assert stripe.service == Service.objects.get(slug="checkout-api")
    assert stripe.rotated_at is not None
    static = Secret.objects.get(kind="static-role")
    assert (static.path, static.rotate_every and static.rotate_every.days) == ("orders-service", 1)
    assert {field.name for field in Secret._meta.get_fields()} == {
        "id", "vault", "mount", "path", "kind", "service", "environment", "consumers", "version", "rotated_at", "rotate_every", "seen_at",
        "gone_at", "requests",
    }  # fmt: skip


def test_a_vault_that_does_not_let_us_in_is_said_to_be_so(wire: Wire, endpoints: Endpoints, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("no-such-id")
    locked = VaultConfig(endpoints.vault_address, role_id_file=wrong, secret_id_file=wrong)
    registry.configure({"vault": {"sandbox": locked}})

    assert reports() == {"vault sandbox": False}

    assert "does not accept Afterdeck's credentials" in Vault.objects.get().problem
    assert EventRow.objects.filter(verb="vault.unreachable", target="vault sandbox").exists()
