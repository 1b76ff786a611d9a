"""One field is applied, as the person, and nobody's claim on it is passed over in silence."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.errors import Conflict, ReadOnly
from connectors.kubernetes import ClusterConfig, KubernetesCluster, ObjectRef, WorkloadSeen
from connectors.kubernetes.applying import Applied, manager_of
from connectors.kubernetes.claims import Claim, Claimed, claims_in
from connectors.kubernetes.template import VariableSeen, variables
from sandbox.stack import Endpoints
from tests.cluster import Namespace, made_namespace
from tests.connectors.conftest import MIRA, at_rest, deployment, patches

DIGEST = "registry.example/app@sha256:" + "a" * 64
OTHER = "registry.example/app@sha256:" + "b" * 64
IMAGE = 'spec.template.spec.containers[name="app"].image'


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


@pytest.fixture
def checkout(cluster: KubernetesCluster, namespace: Namespace) -> Iterator[WorkloadSeen]:
    """Applied by a client, as most are: so its fields have a writer and no owner."""
    namespace.apply(deployment("checkout", replicas=0))
    yield at_rest(cluster, namespace, "checkout")
    namespace.kubectl("delete", "deployment/checkout")


def image(
    cluster: KubernetesCluster, seen: WorkloadSeen, image: str = DIGEST, *, execution: str = "e-1", **how: bool
) -> Applied[WorkloadSeen]:
    return cluster.applying.set_images(
        seen.ref, as_=MIRA, images={"app": image}, execution=execution, seen=seen.resource_version, **how
    )


def variable(
    cluster: KubernetesCluster, seen: WorkloadSeen, value: str | None, name: str = "LOG_LEVEL", **how: bool
) -> Applied[WorkloadSeen]:
    return cluster.applying.set_variable(
        seen.ref, as_=MIRA, container="app", name=name, value=value, execution="e-2", seen=seen.resource_version, **how
    )


def environment(namespace: Namespace) -> list[dict[str, Any]]:
    [container] = namespace.get("deployment", "checkout")["spec"]["template"]["spec"]["containers"]
    found: list[dict[str, Any]] = container.get("env", [])
    return found


def by_server(namespace: Namespace, *more: str, manager: str = "helm", **container: Any) -> str:
    """Somebody else's server-side apply of the whole Deployment."""
    made = deployment("checkout", replicas=0)
    made["spec"]["template"]["spec"]["containers"][0] |= container
    arguments = ("apply", "--server-side", f"--field-manager={manager}", *more, "-f", "-")
    return namespace.kubectl(*arguments, stdin=json.dumps(made))


def test_only_that_field_changes_and_it_says_who_wrote_it_before(cluster, namespace, checkout):
    done = image(cluster, checkout)

    assert done.seen.containers[0].image == DIGEST
    assert done.seen.execution == "e-1"
    assert done.taken_from == (Claim("kubectl-client-side-apply", IMAGE, declared=False),)
    changed = {path for path, text in done.seen.fields.items() if checkout.fields.get(path) != text}
    assert changed == {
        "metadata.annotations.afterdeck.dev/execution",
        "spec.template.spec.containers[app].image",
    }
    assert patches(namespace)[-1]["impersonatedUser"]["username"] == "mira"


def test_patches_of_different_fields_do_not_undo_each_other(cluster, namespace, checkout):
    image(cluster, checkout)
    variable(cluster, at_rest(cluster, namespace, "checkout"), "debug")
    variable(cluster, at_rest(cluster, namespace, "checkout"), "3", name="RETRIES")
    done = image(cluster, at_rest(cluster, namespace, "checkout"), OTHER, execution="e-3")

    assert done.taken_from == ()  # our own is nobody else's
    assert done.seen.containers[0].image == OTHER
    assert environment(namespace) == [{"name": "LOG_LEVEL", "value": "debug"}, {"name": "RETRIES", "value": "3"}]


def test_what_we_added_goes_when_it_is_given_up(cluster, namespace, checkout):
    variable(cluster, checkout, "debug")

    gone = variable(cluster, at_rest(cluster, namespace, "checkout"), None).seen

    assert environment(namespace) == []
    assert gone.template_hash == checkout.template_hash


def test_a_later_apply_by_whoever_deploys_it_passes(cluster, namespace, checkout):
    variable(cluster, checkout, "debug")
    image(cluster, at_rest(cluster, namespace, "checkout"))

    made = deployment("checkout", replicas=0)
    made["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/app:2"
    namespace.apply(made)

    seen = cluster.read_workload("Deployment", namespace.name, "checkout")
    assert seen.containers[0].image == "registry.example/app:2"
    assert environment(namespace) == [{"name": "LOG_LEVEL", "value": "debug"}]  # which nobody else has declared


@pytest.mark.parametrize("how", [{}, {"dry_run": True}])
def test_what_somebody_has_declared_is_not_taken_from_them_unasked(cluster, namespace, checkout, how):
    namespace.kubectl("delete", "deployment/checkout")
    by_server(namespace, image="registry.example/app:1")
    owned = at_rest(cluster, namespace, "checkout")

    with pytest.raises(Claimed) as refusal:
        image(cluster, owned, **how)

    assert refusal.value.claims == (Claim("helm", IMAGE, declared=True),)
    assert cluster.read_workload("Deployment", namespace.name, "checkout").resource_version == owned.resource_version


def test_what_was_taken_over_stays_ours_until_its_owner_insists(cluster, namespace, checkout):
    namespace.kubectl("delete", "deployment/checkout")
    by_server(namespace)
    owned = at_rest(cluster, namespace, "checkout")

    taken = image(cluster, owned, take_over=True)

    assert taken.taken_from == (Claim("helm", IMAGE, declared=True),)
    by_server(namespace, image=DIGEST)  # the same: nothing to refuse
    with pytest.raises(AssertionError, match="afterdeck-image-app"):
        by_server(namespace, image="registry.example/app:2")
    by_server(namespace, "--force-conflicts", image="registry.example/app:2")
    assert (
        cluster.read_workload("Deployment", namespace.name, "checkout").containers[0].image == "registry.example/app:2"
    )


def test_force_does_not_reach_farther_than_what_was_seen(cluster, namespace, checkout):
    namespace.kubectl("label", "deployment/checkout", "touched=yes")
    with pytest.raises(Conflict) as refusal:
        image(cluster, checkout, take_over=True)
    assert not isinstance(refusal.value, Claimed)
    another = ObjectRef("Deployment", namespace.name, "checkout", "00000000-0000-4000-8000-000000000000")
    seen = cluster.read_workload("Deployment", namespace.name, "checkout")
    with pytest.raises(Conflict):
        cluster.applying.set_images(
            another, as_=MIRA, images={"app": DIGEST}, execution="e", seen=seen.resource_version
        )
    gone = ObjectRef("Deployment", namespace.name, "nobody", another.uid)
    with pytest.raises(Conflict):
        cluster.applying.set_images(gone, as_=MIRA, images={"app": DIGEST}, execution="e", seen=seen.resource_version)
    assert cluster.exists("Deployment", namespace.name, "nobody") is False


def test_a_text_of_a_config_map_changes_and_the_others_stay(cluster, namespace):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    namespace.apply({**config, "data": {"app.yaml": "level: info\n", "other": "1"}})
    seen = cluster.read_config_map(namespace.name, "settings")

    done = cluster.applying.set_config_text(
        seen.ref, as_=MIRA, key="app.yaml", text="level: debug\n", execution="e-5", seen=seen.resource_version
    ).seen

    assert done.data == {"app.yaml": "level: debug\n", "other": "1"}
    assert (done.execution, done.immutable) == ("e-5", False)


def test_whether_something_exists_is_asked_without_what_is_in_it(cluster, namespace):
    namespace.kubectl("create", "configmap", "there", "--from-literal=a=b")
    namespace.kubectl("create", "secret", "generic", "hidden", "--from-literal=a=b")

    assert cluster.exists("ConfigMap", namespace.name, "there") is True
    assert cluster.exists("ConfigMap", namespace.name, "gone") is False
    assert cluster.exists("ServiceAccount", namespace.name, "default") is True
    assert cluster.exists("Secret", namespace.name, "hidden") is None


def test_a_read_only_connector_plans_and_does_not_apply(endpoints, namespace, checkout):
    looking = KubernetesCluster("sandbox", ClusterConfig(endpoints.kubeconfig_portal, read_only=True))
    assert image(looking, checkout, dry_run=True).seen.containers[0].image == DIGEST
    with pytest.raises(ReadOnly):
        image(looking, checkout)


def test_the_variables_are_those_that_a_revision_declares(cluster, namespace, checkout):
    variable(cluster, checkout, "debug")
    seen = at_rest(cluster, namespace, "checkout")
    now, before = cluster.revisions_of(seen)[:2]
    assert (variables(now), variables(before)) == ((VariableSeen("app", "LOG_LEVEL", "debug", ""),), ())


@pytest.mark.parametrize(
    ("message", "claim"),
    [
        ('conflict with "helm"', Claim("helm", "data.a", declared=True)),
        ('conflict with "kubectl" using apps/v1', Claim("kubectl", "data.a", declared=False)),
        ('conflict with "a" with subresource "scale" using v1 at 2026-11-24T09:00:00Z', Claim("a", "data.a", declared=False)),
        ("something new", Claim("something new", "data.a", declared=True)),
    ],
)  # fmt: skip
def test_a_claim_is_read_from_the_servers_words(message: str, claim: Claim) -> None:
    assert claims_in([(message, ".data.a")] * 2) == (claim,)


def test_a_field_manager_fits_and_no_two_fields_share_one() -> None:
    assert manager_of("image", "app") == "afterdeck-image-app"
    assert manager_of("image", "a-b") != manager_of("image", "a", "b")
    long = [manager_of("env", "app", "X" * 200 + end) for end in "ab"]
    assert len(set(long)) == 2
    assert max(map(len, long)) <= 128
