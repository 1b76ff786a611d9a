"""Where an operator copies a secret into the cluster, its readers restart when the copy has the new version, and not before."""

from base64 import b64decode
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from actions import execution
from actions.catalog import rotate_secret
from actions.rotation import syncing
from actions.states import ExecutionState
from connectors.kubernetes import KubernetesCluster
from inventory.models import Secret
from sandbox.stack import Endpoints
from tests.actions.test_rotation import at_step, evidence_of, restarted, rotates
from tests.characters import People, Shop, work_off
from tests.cluster import Namespace, eventually, made_namespace, workload
from tests.external_secrets import Operator, keys_of
from tests.safe import Safe, made_safe


@pytest.fixture(scope="module")
def safe(endpoints: Endpoints) -> Iterator[Safe]:
    with made_safe(endpoints) as made:
        yield made


@pytest.fixture(scope="module")
def there(endpoints: Endpoints, operator: Operator, safe: Safe) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        operator.store(made, reads=[f"{safe.folder}/*"])
        made.apply(workload("reader", replicas=1))
        made.roll_out("deployment", "reader")
        yield made


@pytest.fixture
def shop(
    people: People, cluster: KubernetesCluster, there: Namespace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Shop:
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 0})
    monkeypatch.setattr(execution, "RETRY", timedelta(milliseconds=100))
    monkeypatch.setattr(syncing, "FAILING_FOR", timedelta(seconds=1))
    return Shop(cluster, there)


@pytest.fixture
def stripe(safe: Safe, shop: Shop, operator: Operator, there: Namespace) -> Secret:
    secret = safe.kv(
        "stripe", {"api_key": "old"}, shop.knows("reader", environment=shop.staging), environment=shop.staging
    )
    operator.sync(there, copy_of(secret), secret.path)
    eventually(lambda: copied(there, secret) == "old")
    return secret


def copy_of(secret: Secret) -> str:
    return secret.path.rpartition("/")[2]


def copied(namespace: Namespace, secret: Secret) -> str:
    kept = keys_of(namespace, copy_of(secret))
    return b64decode(kept["api_key"]).decode() if kept else ""


def test_readers_restart_when_the_copy_has_the_new_version(
    people: People, safe: Safe, stripe: Secret, there: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[str, bool]] = []
    request = rotates(people, stripe)
    step = next(step for step in request.plan_text.split('"') if step.startswith("sync-"))
    stamp = restarted(there, "reader")
    at_step(monkeypatch, step, lambda: found.append((copied(there, stripe), restarted(there, "reader") == stamp)))

    run = work_off(request)

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    now = safe.vault.value(stripe.path)["api_key"]
    assert now != "old"
    assert found == [(now, True)]
    assert "copied at" in evidence_of(run)[f"Secret {there.name}/{copy_of(stripe)} in sandbox"]
    by = [effect["impersonatedUser"]["username"] for effect in there.effects()]
    assert by == ["mira", "mira"]


def test_the_copy_goes_back_too(people: People, safe: Safe, shop: Shop, operator: Operator, there: Namespace) -> None:
    there.apply(workload("fragile", replicas=1, behaviour="image-gone"))
    there.roll_out("deployment", "fragile")
    fragile = shop.knows("fragile", environment=shop.staging)
    secret = safe.kv("smtp", {"api_key": "old"}, fragile, environment=shop.staging)
    operator.sync(there, copy_of(secret), secret.path)
    eventually(lambda: copied(there, secret) == "old")

    run = work_off(rotates(people, secret))

    assert run.state == ExecutionState.REVERTED, run.cause
    assert safe.vault.value(secret.path) == {"api_key": "old"}
    assert copied(there, secret) == "old"


def test_an_operator_that_cannot_is_believed_and_the_old_version_stays(
    people: People, safe: Safe, stripe: Secret, operator: Operator, there: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, stamp = rotates(people, stripe), restarted(there, "reader")
    at_step(monkeypatch, "write", lambda: operator.log_in(there, "hvs.nobody"))
    try:
        run = work_off(request)
    finally:
        operator.store(there, reads=[f"{safe.folder}/*"])

    assert run.state == ExecutionState.REVERTED, run.cause
    assert "cannot copy it" in run.cause
    assert safe.vault.value(stripe.path) == {"api_key": "old"}
    assert restarted(there, "reader") == stamp


def test_an_operator_that_does_not_run_is_waited_for_until_the_deadline_and_the_old_version_comes_back(
    people: People, safe: Safe, stripe: Secret, operator: Operator, there: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate_secret, "DEADLINE", timedelta(seconds=2))
    request, stamp = rotates(people, stripe), restarted(there, "reader")
    at_step(monkeypatch, "put-back", operator.start)  # which is when it is needed again
    operator.stop()
    try:
        run = work_off(request)
    finally:
        operator.start()

    assert run.state == ExecutionState.REVERTED, run.cause
    assert "was not done" in run.cause
    assert safe.vault.value(stripe.path) == {"api_key": "old"}
    assert copied(there, stripe) == "old"
    assert restarted(there, "reader") == stamp
