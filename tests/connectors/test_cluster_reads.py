"""What is there is seen, page by page, and only what belongs to a workload is said to be its own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.errors import Forbidden
from connectors.kubernetes import transport
from sandbox import manifests
from tests.cluster import Namespace, eventually
from tests.connectors.conftest import deployment

APPLICATIONS = "applications.argoproj.io"
WORLD = Path(manifests.__file__).parent / "world" / "10-argo-cd.yaml"


def tracked_by(application: str, namespace: Namespace, name: str) -> dict[str, str]:
    return {"argocd.argoproj.io/tracking-id": f"{application}:apps/Deployment:{namespace.name}/{name}"}


def test_namespaces_come_with_their_labels(cluster, namespace):
    namespace.kubectl("label", "namespace", namespace.name, "afterdeck.dev/environment=staging")

    labels = {seen.name: seen.labels for seen in cluster.namespaces()}

    assert labels[namespace.name]["afterdeck.dev/environment"] == "staging"


def test_a_workload_at_rest(cluster, checkout):
    assert (checkout.wanted, checkout.replicas, checkout.ready, checkout.updated, checkout.available) == (1, 1, 1, 1, 1)
    assert checkout.unavailable == 0
    assert checkout.observed_generation == checkout.generation
    assert (checkout.strategy, checkout.max_surge, checkout.max_unavailable) == ("RollingUpdate", "25%", "25%")
    assert [container.image for container in checkout.containers] == ["registry.example/app:1"]
    assert {condition.type: condition.reason for condition in checkout.conditions}["Progressing"] == (
        "NewReplicaSetAvailable"
    )
    assert (checkout.revision, checkout.owner, checkout.execution) == ("1", None, None)


def test_a_list_shows_what_reading_each_shows(cluster, namespace, checkout):
    assert list(cluster.list_workloads(namespace.name)) == [replace(checkout, fields={})]


def test_a_list_is_read_in_pages(cluster, namespace, monkeypatch):
    monkeypatch.setattr(transport, "PAGE", 2)
    namespace.apply(*(deployment(f"service-{number}", replicas=0) for number in range(5)))

    seen = [workload.ref.name for workload in cluster.list_workloads(namespace.name)]

    assert seen == [f"service-{number}" for number in range(5)]
    assert (
        len([e for e in namespace.recorded() if (e["verb"], e["objectRef"]["resource"]) == ("list", "deployments")])
        == 3
    )


def test_a_list_of_one_namespace_stays_in_it(cluster, namespace, checkout):
    everywhere = {workload.ref for workload in cluster.list_workloads()}

    assert checkout.ref in everywhere
    assert {workload.ref.namespace for workload in cluster.list_workloads(namespace.name)} == {namespace.name}


def test_only_pods_that_it_controls_are_a_workloads_own(cluster, namespace, checkout):
    stranger = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "stranger", "labels": {**checkout.selector, "pod-template-hash": "none"}},
        "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]},
    }
    namespace.apply(stranger)

    [pod] = cluster.pods_of(checkout)

    assert pod.workload == ("Deployment", "checkout")
    assert (pod.phase, pod.ready, pod.trouble) == ("Running", True, "")
    assert {"stranger", pod.name} == {seen.name for seen in cluster.list_pods(namespace.name)}


def test_revisions_come_newest_first(cluster, namespace, checkout):
    namespace.kubectl("set", "image", "deployment/checkout", "app=registry.example/app:2")
    namespace.roll_out("deployment", "checkout")

    revisions = cluster.replicasets_of(checkout)

    assert [(r.revision, r.images) for r in revisions] == [
        ("2", ("registry.example/app:2",)),
        ("1", ("registry.example/app:1",)),
    ]


def test_warnings_are_about_the_workload_and_not_its_neighbour(cluster, namespace, checkout):
    namespace.apply(deployment("neighbour"))
    namespace.roll_out("deployment", "neighbour")
    neighbour = cluster.read_workload("Deployment", namespace.name, "neighbour")
    for workload in (checkout, neighbour):
        pod = cluster.pods_of(workload)[0]
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        namespace.apply(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"{workload.ref.name}-warning"},
                "involvedObject": {"kind": "Pod", "name": pod.name, "namespace": namespace.name, "uid": pod.uid},
                "type": "Warning",
                "reason": "Unhealthy",
                "message": f"about {workload.ref.name}",
                "lastTimestamp": now,
                "count": 3,
            }
        )

    hour = timedelta(hours=1)
    seen = [e for e in cluster.warnings_of(checkout, datetime.now(UTC) - hour) if e.reason == "Unhealthy"]

    assert [(event.message, event.count) for event in seen] == [("about checkout", 3)]
    assert cluster.warnings_of(checkout, datetime.now(UTC) + hour) == []


def test_a_budget_counts_for_the_workload_whose_pods_it_selects(cluster, namespace, checkout):
    for name, selector in (("checkout", checkout.selector), ("other", {"app": "other"})):
        labels = ",".join(f"{key}={value}" for key, value in selector.items())
        namespace.kubectl("create", "pdb", name, f"--selector={labels}", "--min-available=50%")

    [budget] = cluster.budgets_of(checkout)

    assert (budget.name, budget.min_available, budget.max_unavailable) == ("checkout", "50%", "")
    assert eventually(lambda: cluster.budgets_of(checkout)[0].current_healthy) == 1


def test_a_quota_says_what_is_used(cluster, namespace):
    namespace.kubectl("create", "quota", "team", "--hard=pods=10")

    quota = eventually(lambda: [q for q in cluster.quotas(namespace.name) if q.used])[0]

    assert (quota.name, quota.hard, quota.used) == ("team", {"pods": "10"}, {"pods": "0"})


def test_no_autoscaler_is_said_to_be_none(cluster, checkout):
    assert cluster.autoscaler_of(checkout.ref) is None


def test_a_cronjob_is_seen(cluster, namespace):
    namespace.kubectl("create", "cronjob", "report", "--image=registry.example/report:3", "--schedule=0 3 * * *")

    [cronjob] = cluster.list_cronjobs(namespace.name)

    assert (cronjob.ref.name, cronjob.schedule, cronjob.suspended, cronjob.active) == ("report", "0 3 * * *", False, 0)
    assert cronjob.containers[0].image == "registry.example/report:3"


def test_an_owner_that_cannot_be_asked_is_still_named(cluster, namespace):
    namespace.apply(deployment("shop", replicas=0, annotations=tracked_by("gone", namespace, "shop")))

    owner = cluster.read_workload("Deployment", namespace.name, "shop").owner

    assert (owner.kind, owner.application, owner.self_heal, owner.reconciler) == ("argocd", "gone", None, None)


def test_an_argo_cd_application_says_whether_it_takes_changes_back(cluster, namespace):
    if not namespace.kubectl("get", "crd", APPLICATIONS, "--ignore-not-found"):
        namespace.apply(*(found for found in manifests.read(WORLD) if found["kind"] == "CustomResourceDefinition"))
    namespace.kubectl("wait", "--for=condition=Established", f"crd/{APPLICATIONS}", "--timeout=30s")
    name = f"shop-{namespace.name}"
    policy = {"automated": {"prune": True, "selfHeal": True}}
    application = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {"syncPolicy": policy},
    }
    namespace.apply(application, deployment("shop", replicas=0, annotations=tracked_by(name, namespace, "shop")))

    owner = cluster.read_workload("Deployment", namespace.name, "shop").owner

    assert (owner.kind, owner.application, owner.auto_sync, owner.self_heal) == ("argocd", name, True, True)
    assert (owner.within_seconds, owner.reconciler.ref.name) == (5, name)
    assert "spec.replicas" in owner.declares
    assert "status.replicas" not in owner.declares


def test_the_portals_own_account_cannot_read_a_secret(cluster, namespace):
    with pytest.raises(Forbidden):
        cluster._transport.get(f"/api/v1/namespaces/{namespace.name}/secrets", dict, what="secrets")
