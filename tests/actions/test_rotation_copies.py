"""Copies of a secret in the cluster that the run writes itself, and those of an operator that we know by its status only."""

import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from pytest_django.fixtures import Settings

from actions import execution, services
from actions.errors import CannotPlanNow
from actions.states import ExecutionState
from connectors.kubernetes import KubernetesCluster
from inventory.models import Secret, Service, Team
from sandbox.kubernetes import WORLD
from sandbox.stack import Endpoints
from tests.actions.test_rotation import dies_at_every_end, evidence_of, restarted, rotates, work_off_with_new_workers
from tests.characters import People, Shop, work_off
from tests.cluster import Namespace, made_namespace, workload
from tests.external_secrets import keys_of
from tests.safe import Safe, made_safe

RIGHTS = WORLD.parent.parent / "deploy" / "kubernetes" / "secret-copies.yaml"
CRDS = Path(__file__).parent.parent / "connectors" / "vault_secrets_crds.yaml"


@pytest.fixture(scope="module")
def safe(endpoints: Endpoints) -> Iterator[Safe]:
    with made_safe(endpoints) as made:
        yield made


@pytest.fixture(scope="module")
def there(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.kubectl("apply", "-f", "-", stdin=RIGHTS.read_text().replace("payments-production", made.name))
        made.apply(workload("reader", replicas=1), workload("fragile", replicas=1, behaviour="image-gone"))
        for name in ("reader", "fragile"):
            made.roll_out("deployment", name)
        yield made


@pytest.fixture
def shop(
    people: People, cluster: KubernetesCluster, there: Namespace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Shop:
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 0})
    monkeypatch.setattr(execution, "RETRY", timedelta(milliseconds=100))
    return Shop(cluster, there)


def says_it_reads(safe: Safe, shop: Shop, there: Namespace, reader: str, name: str = "smtp") -> Secret:
    secret = safe.kv(
        "smtp", {"password": "old"}, shop.knows(reader, environment=shop.staging), environment=shop.staging
    )
    note = json.dumps({f"secret/{secret.path}": name})
    there.kubectl("annotate", "--overwrite", f"deployment/{reader}", f"afterdeck.dev/secret-copies={note}")
    there.roll_out("deployment", reader)
    there.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": {"password": "old", "host": "mail"},
        }
    )
    return secret


def copied(namespace: Namespace, name: str = "smtp") -> dict[str, str]:
    return {key: b64decode(value).decode() for key, value in keys_of(namespace, name).items()}


def test_a_copy_that_nobody_keeps_is_written_once_as_the_person(
    people: People, safe: Safe, shop: Shop, there: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, effects = says_it_reads(safe, shop, there, "reader"), len(there.effects())
    request = rotates(people, secret)
    dies_at_every_end(monkeypatch)

    run = work_off_with_new_workers(request)

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert copied(there) == {**safe.vault.value(secret.path), "host": "mail"}
    assert evidence_of(run)[f"Secret {there.name}/smtp in sandbox"] == "version 2, written"
    ours = [(e["objectRef"]["resource"], e["impersonatedUser"]["username"]) for e in there.effects()[effects:]]
    assert ours == [("secrets", "mira"), ("deployments", "mira")]


def test_what_only_another_team_names_is_no_copy_until_the_secret_says_so(
    people: People, safe: Safe, shop: Shop, there: Namespace
) -> None:
    """Or whoever may annotate a workload of their own would be sent the value."""
    secret = says_it_reads(safe, shop, there, "reader")
    Service.objects.filter(slug="reader").update(team=Team.objects.get(slug="storefront"))

    seen = services.preview(actor=people.mira, action="rotate-secret", target=secret.pk, params={})

    place = f"sandbox/{there.name}/smtp"
    assert "copy" not in [step.verb for step in seen.plan.steps]
    assert [(each.figure, each.worry) for each in seen.plan.impact if each.label == "Not copied"] == [
        (f"{place} (storefront)", True)
    ]

    labels = {"owner": "payments", "afterdeck-copies": f"elsewhere/x/y, {place}"}
    safe.vault.root.secrets.kv.v2.update_metadata(secret.path, custom_metadata=labels)
    seen = services.preview(actor=people.mira, action="rotate-secret", target=secret.pk, params={})

    assert "copy" in [step.verb for step in seen.plan.steps]
    assert "Not copied" not in [each.label for each in seen.plan.impact]


def test_an_annotation_of_another_team_keeps_nobody_from_rotating(
    people: People, safe: Safe, shop: Shop, there: Namespace
) -> None:
    secret = says_it_reads(safe, shop, there, "reader")
    Service.objects.filter(slug="reader").update(team=Team.objects.get(slug="storefront"))
    there.kubectl("annotate", "--overwrite", "deployment/reader", "afterdeck.dev/secret-copies=no JSON")

    assert services.preview(actor=people.mira, action="rotate-secret", target=secret.pk, params={}).plan.steps


def test_it_goes_back_too(people: People, safe: Safe, shop: Shop, there: Namespace) -> None:
    """Also where the vault keeps so few that the old version gives way to the one that puts it back."""
    secret = says_it_reads(safe, shop, there, "fragile")
    safe.vault.root.secrets.kv.v2.update_metadata(secret.path, max_versions=2)

    run = work_off(rotates(people, secret))

    assert run.state == ExecutionState.REVERTED, run.cause
    assert copied(there) == {"password": "old", "host": "mail"}


def test_a_secret_that_the_role_does_not_name_is_refused(
    people: People, safe: Safe, shop: Shop, there: Namespace
) -> None:
    secret = says_it_reads(safe, shop, there, "reader", "other")

    with pytest.raises(CannotPlanNow, match=r"does not allow mira to do this to Secret .*/other"):
        rotates(people, secret)


def test_what_is_copied_never_comes_back(safe: Safe, shop: Shop, there: Namespace, people: People) -> None:
    """By the cluster's own record: no read of a Secret, and no answer with one in it."""
    secret = says_it_reads(safe, shop, there, "reader")
    before = len(there.recorded())
    assert work_off(rotates(people, secret)).state == ExecutionState.SUCCEEDED

    asked = [entry for entry in there.recorded()[before:] if entry["objectRef"].get("resource") == "secrets"]
    assert {entry["verb"] for entry in asked} == {"patch"}


class Operator:
    """Writes what the Vault Secrets Operator writes, when it is told to look."""

    def __init__(self, there: Namespace, name: str) -> None:
        self._there, self._name, self._over = there, name, Event()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> "Operator":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        told = ""
        while not self._over.wait(0.1):
            seen = self._there.get("vaultstaticsecret", self._name)["metadata"]
            asked = seen.get("annotations", {}).get("afterdeck.dev/force-sync", "")
            if asked != told:
                told = asked
                self.has_written(f"mac-{asked}")

    def has_written(self, mac: str) -> None:
        status = {"status": {"secretMAC": mac, "lastGeneration": 1, "conditions": []}}
        self._there.kubectl(
            "patch", "vaultstaticsecret", self._name, "--subresource=status", "--type=merge", "-p", json.dumps(status)
        )


def test_the_vault_secrets_operator_is_waited_for_by_its_status(
    people: People, safe: Safe, shop: Shop, there: Namespace
) -> None:
    there.kubectl("apply", "--server-side", "-f", str(CRDS))
    secret = safe.kv(
        "vso", {"password": "old"}, shop.knows("reader", environment=shop.staging), environment=shop.staging
    )
    spec = {
        "mount": "secret",
        "path": secret.path,
        "type": "kv-v2",
        "hmacSecretData": True,
        "destination": {"name": "vso"},
    }
    kind = {"apiVersion": "secrets.hashicorp.com/v1beta1", "kind": "VaultStaticSecret"}
    there.apply({**kind, "metadata": {"name": "vso"}, "spec": spec})
    stamp = restarted(there, "reader")

    with Operator(there, "vso") as operator:
        operator.has_written("mac-of-old")
        run = work_off(rotates(people, secret))

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert "copied at" in evidence_of(run)[f"Secret {there.name}/vso in sandbox"]
    assert restarted(there, "reader") == run.stamp != stamp
