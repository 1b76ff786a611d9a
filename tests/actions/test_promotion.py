"""What was seen to run well in staging goes to production, by its digest; and what a roll back knows of the revisions it offers."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from actions import admission, services
from actions.admission import Preview
from actions.errors import CannotPlanNow, Denied
from actions.models import Verified
from actions.planning import defaults_for, options_for, world_for
from actions.plans import Option
from actions.registry import action_named
from actions.states import ExecutionState
from actions.targets import target_of
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, eventually, made_namespace, workload

pytestmark = pytest.mark.usefixtures("no_soak")

REPOSITORY = "registry.example/shop/checkout"
OLD = f"{REPOSITORY}@sha256:{'a' * 64}"
NEW = f"{REPOSITORY}@sha256:{'b' * 64}"
SIDECAR = {"name": "sidecar", "image": "registry.example/proxy:1"}


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    """Production; staging is beside it."""
    with made_namespace(endpoints) as made:
        yield made


@pytest.fixture(scope="module")
def staging(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


def deployed(namespace: Namespace, image: str, name: str = "checkout", **template: Any) -> None:
    made = workload(name, image=image, replicas=1)
    spec = made["spec"]["template"]["spec"]
    spec["containers"].append(SIDECAR)
    spec |= template
    namespace.apply(made)
    namespace.roll_out("deployment", name)


@pytest.fixture
def checkout(shop: Shop, staging: Namespace) -> tuple[Workload, Workload]:
    """In staging, with the new image, and in production, with the old one."""
    deployed(staging, NEW)
    deployed(shop.namespace, OLD)
    return shop.at(staging).knows("checkout", environment=shop.staging), shop.knows("checkout")


def image(shop: Shop) -> str:
    return shop.cluster.read_workload("Deployment", shop.namespace.name, "checkout").containers[0].image


def figures(seen: Preview) -> dict[str, str]:
    return {impact.label: f"{impact.figure}: {impact.meaning}" for impact in seen.plan.impact}


def test_what_was_verified_in_staging_goes_to_production_and_back(
    shop: Shop, people: People, checkout: tuple[Workload, Workload]
) -> None:
    before, production = checkout
    with pytest.raises(CannotPlanNow, match=r"No run of ours has seen checkout@sha256:b+ run well in staging"):
        asks(people.mira, "promote-image", production)
    proof = asks(people.mira, "restart-workload", before)
    assert work_off(proof).state == ExecutionState.SUCCEEDED

    request = asks(people.mira, "promote-image", production)

    [evidence] = [fact for fact in request.impact if fact["label"] == "Verified"]
    assert evidence["figure"].startswith("In staging, ")
    assert f"Request {proof.pk} by Mira: Restart checkout. It stayed good for 0 s." in evidence["meaning"]
    approves(people.jonas, request)
    assert work_off(request).state == ExecutionState.SUCCEEDED
    assert image(shop) == NEW
    with pytest.raises(CannotPlanNow, match="It runs the same here as in staging already"):
        asks(people.mira, "promote-image", production)

    back = services.undo(actor=people.mira, request=fresh(request), reason="It was not that.", entrance="test")
    assert back.action == "patch-image"
    assert work_off(back).state == ExecutionState.SUCCEEDED
    assert image(shop) == OLD


def test_nothing_unverified_goes_to_production_by_the_shipped_policy(
    people: People, checkout: tuple[Workload, Workload]
) -> None:
    with pytest.raises(Denied, match="No run has seen this image run well"):
        asks(people.mira, "promote-image", checkout[1], unverified=True)


def test_a_tag_goes_to_production_as_the_digest_that_the_machines_pulled(
    shop: Shop, people: People, staging: Namespace
) -> None:
    deployed(staging, f"{REPOSITORY}:2")
    deployed(shop.namespace, OLD)
    before = shop.at(staging).knows("checkout", environment=shop.staging)
    assert work_off(asks(people.mira, "restart-workload", before)).state == ExecutionState.SUCCEEDED

    request = asks(people.mira, "promote-image", shop.knows("checkout"))

    digest = hashlib.sha256(f"{REPOSITORY}:2".encode()).hexdigest()  # what the sandbox's machines say, see stages.yaml
    assert Verified.objects.get(workload=before).images["app"] == f"{REPOSITORY}@sha256:{digest}"
    [line] = admission.stored_plan(request).changes[0].lines
    assert (line.before, line.after) == (OLD, f"{REPOSITORY}@sha256:{digest}")


def test_what_the_machines_do_not_agree_on_is_not_promoted(shop: Shop, people: People, staging: Namespace) -> None:
    deployed(staging, f"{REPOSITORY}:2")
    deployed(shop.namespace, OLD)
    staging.kubectl("scale", "deployment/checkout", "--replicas=0")
    staging.roll_out("deployment", "checkout")
    shop.at(staging).knows("checkout", environment=shop.staging)
    eventually(lambda: not staging.kubectl("get", "pods", "-l", "app.kubernetes.io/name=checkout", "-o", "name"))
    with pytest.raises(CannotPlanNow, match="app runs checkout:2 in staging, and its pods do not agree on a digest"):
        asks(people.mira, "promote-image", shop.knows("checkout"), unverified=True)


def options(people: People, target: Workload) -> dict[object, Option]:
    there = target_of(target)
    offered = options_for(action_named("rollback-workload"), there, world_for(there, people.mira))["revision"]
    return {option.value: option for option in offered}


def test_a_roll_back_knows_who_made_a_revision_and_whether_it_ran_well(
    shop: Shop, people: People, staging: Namespace
) -> None:
    deployed(staging, OLD, "catalog")
    target = shop.at(staging).knows("catalog", environment=shop.staging)
    good = asks(people.mira, "patch-image", target, container="app", image=NEW)
    assert work_off(good).state == ExecutionState.SUCCEEDED
    bad = asks(people.mira, "patch-image", target, container="app", image=f"{REPOSITORY}:broken@sha256:{'c' * 64}")
    run = work_off(bad)
    assert (run.state, "The image cannot be pulled" in run.cause) == (ExecutionState.REVERTED, True), run.cause
    assert shop.cluster.read_workload("Deployment", staging.name, "catalog").containers[0].image == NEW
    deployed(staging, OLD, "catalog")

    offered = [option.meaning for option in options(people, target).values()]

    assert any(f"request {good.pk} by Mira, verified here" in each for each in offered)
    assert any(f"request {bad.pk} by Mira, taken back" in each for each in offered)
    there = target_of(target)
    proposed = defaults_for(action_named("rollback-workload"), there, world_for(there, people.mira))["revision"]
    assert "verified here" in options(people, target)[proposed].meaning
    [line] = options(people, target)[proposed].lines
    assert (line.before, line.after) == (OLD, NEW)
    seen = services.preview(
        actor=people.mira, action="rollback-workload", target=target.pk, params={"revision": proposed}
    )
    assert figures(seen)["Where it is from"].startswith("Verified here: Patch image of catalog")


def test_a_revision_that_names_what_is_gone_is_not_rolled_back_to(
    shop: Shop, people: People, staging: Namespace
) -> None:
    needs = {"serviceAccountName": "shopkeeper", "volumes": [{"name": "limits", "configMap": {"name": "limits"}}]}
    staging.kubectl("create", "serviceaccount", "shopkeeper")
    staging.kubectl("create", "configmap", "limits", "--from-literal=a=b")
    deployed(staging, OLD, "ledger", **needs)
    deployed(staging, NEW, "ledger")
    target = shop.at(staging).knows("ledger", environment=shop.staging)

    def back() -> str:
        [revision] = options(people, target)
        try:
            seen = services.preview(
                actor=people.mira, action="rollback-workload", target=target.pk, params={"revision": revision}
            )
        except CannotPlanNow as refusal:
            return str(refusal)
        return figures(seen)["References"]

    eventually(lambda: len(options(people, target)) == 1)
    assert back() == "2 of 2 seen to be there: ConfigMap limits, ServiceAccount shopkeeper: there."
    staging.kubectl("delete", "configmap", "limits")
    staging.kubectl("delete", "serviceaccount", "shopkeeper")
    assert "needs ConfigMap limits and ServiceAccount shopkeeper, which are not there any more" in back()
