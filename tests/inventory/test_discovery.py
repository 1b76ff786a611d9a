"""What is seen in a cluster, in the words of the inventory."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from connectors.kubernetes import GitOpsOwner, ObjectRef, PodSeen, WorkloadSeen, reading, wire
from connectors.kubernetes.seen import ContainerSeen, NamespaceSeen
from inventory import discovery
from inventory.discovery import Place, Pods

HERE = Place("production", "payments")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def seen(
    *,
    replicas: int = 4,
    ready: int = 4,
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    conditions: list[dict[str, str]] | None = None,
) -> WorkloadSeen:
    metadata = {
        "name": "api",
        "namespace": "payments-production",
        "uid": "u1",
        "annotations": annotations or {},
        "labels": labels or {},
    }
    spec = {"replicas": replicas, "template": {"spec": {"containers": [{"name": "app", "image": "shop/api:1.4.2"}]}}}
    status = {"readyReplicas": ready, "conditions": conditions or []}
    return reading.workload(
        "Deployment", msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, wire.Workload)
    )


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def pods(*reasons: str, healthy: int = 0) -> Pods:
    return Pods(count=healthy + len(reasons), troubles=Counter(reasons))


def pod(owner: str = "api-5d7", *, kind: str = "ReplicaSet", **fields: Any) -> PodSeen:
    values: dict[str, Any] = {
        "namespace": "payments-production", "name": "p", "uid": "p", "phase": "Running", "ready": True, "restarts": 0, "trouble": "",
        "message": "", "template_hash": "5d7", "owner_uid": "r", "owner_kind": kind, "owner_name": owner, "created_at": NOON, "node": "n",
    }  # fmt: skip
    return PodSeen(**(values | fields))


@pytest.mark.parametrize(
    ("these", "trouble"),
    [
        (pods(healthy=4), ""),
        (pods("CrashLoopBackOff", healthy=5), "1 of 6 crashes again and again"),
        (pods("CrashLoopBackOff", "CrashLoopBackOff"), "2 of 2 crash again and again"),
        (pods("ImagePullBackOff", "ErrImagePull"), "the image cannot be pulled"),
        (pods("ErrImagePull", healthy=3), "the image of 1 of 4 cannot be pulled"),
        (pods("OOMKilled", healthy=1), "1 of 2 ran out of memory"),
        (pods("Unschedulable", "Unschedulable", healthy=1), "2 of 3 find no machine to run on"),
        (pods("CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff"), "the image of 2 of 3 cannot be pulled"),
        (pods("SomethingNew", healthy=1), "1 of 2: SomethingNew"),
        (pods("{0.__class__}\x1b[31m", healthy=1), "1 of 2: (0.__class__)"),
    ],
)
def test_what_is_wrong_with_pods_in_plain_words(these, trouble):
    assert discovery.trouble_of(seen(), these) == trouble


@pytest.mark.parametrize(
    ("workload", "trouble"),
    [
        (seen(), ""),
        (seen(replicas=0, ready=0), ""),
        (seen(ready=3), "1 of 4 not ready"),
        (seen(ready=6), ""),  # the surge of a rollout, or on the way down
        (
            seen(ready=2, conditions=[condition("Progressing", "False", "ProgressDeadlineExceeded")]),
            "the rollout does not end",
        ),
        (
            seen(ready=2, conditions=[condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: team")]),
            "pods cannot be made: exceeded quota: team",
        ),
    ],
)
def test_what_is_wrong_with_a_workload_in_plain_words(workload, trouble):
    assert discovery.trouble_of(workload, Pods()) == trouble


@pytest.mark.parametrize(
    ("image", "labels", "version"),
    [
        ("shop/api:1.4.2", {}, "1.4.2"),
        ("registry.example:5000/shop/api", {}, ""),
        ("registry.example:5000/shop/api:2", {}, "2"),
        ("shop/api:1.4.2@sha256:0123456789abcdef", {}, "1.4.2"),
        ("shop/api@sha256:0123456789abcdef", {}, "sha256:0123456789ab"),
        ("shop/api:1.4.2", {"app.kubernetes.io/version": "1.5.0"}, "1.5.0"),
        ("", {}, ""),
    ],
)
def test_a_version_is_the_label_or_else_the_tag(image, labels, version):
    assert discovery.version_of(labels, [ContainerSeen("app", image)]) == version


def test_a_workload_without_images_has_no_version():
    assert discovery.version_of({}, []) == ""


@pytest.mark.parametrize(
    ("annotations", "labels", "service"),
    [
        ({}, {}, "api"),
        ({}, {"app.kubernetes.io/name": "checkout"}, "checkout"),
        ({"afterdeck.dev/service": "shop-db"}, {"app.kubernetes.io/name": "postgresql"}, "shop-db"),
        ({"afterdeck.dev/service": "../admin"}, {"app.kubernetes.io/name": "checkout"}, "checkout"),
        ({}, {"app.kubernetes.io/name": "Not_A_Name"}, "api"),
    ],
)
def test_which_service_a_workload_is(annotations, labels, service):
    found = discovery.workload_sighting(seen(annotations=annotations, labels=labels), HERE, Pods(), None)
    assert found.service == service


@pytest.mark.parametrize(
    ("annotations", "owner"),
    [
        ({}, "payments"),
        ({"afterdeck.dev/owner": "data"}, "data"),
        ({"afterdeck.dev/owner": "Not a team"}, "payments"),
    ],
)
def test_the_workload_names_its_owner_or_else_its_namespace_does(annotations, owner):
    assert discovery.claims_of(annotations, HERE).owner == owner


def test_hostile_annotations_hide_nothing_but_themselves():
    hostile = {f"afterdeck.dev/{name}": "\x1b[31m" + "\u202e" * 10_000 + "[" * 10_000 for name in
               ("owner", "tier", "display-name", "description", "links", "secrets", "service")}  # fmt: skip
    found = discovery.workload_sighting(seen(annotations=hostile), HERE, Pods(), None)

    assert (found.service, found.claims.owner, found.claims.tier, found.claims.links) == ("api", "payments", None, {})
    assert found.claims.name.isprintable()
    assert len(found.claims.name) <= 120


@pytest.mark.parametrize(
    ("label", "places"),
    [
        ({"afterdeck.dev/environment": "production"}, {"n": Place("production", "")}),
        ({}, {}),
        ({"afterdeck.dev/environment": ""}, {}),
        ({"afterdeck.dev/environment": "no.such_label"}, {}),
        ({"afterdeck.dev/environment": "x" * 64}, {}),
    ],
)
def test_only_namespaces_with_an_environment_count(label, places):
    assert discovery.places_of([NamespaceSeen("n", label, {})]) == places


def test_pods_are_added_up_without_those_that_are_going():
    sums, _ = discovery.add_up(
        [
            pod(restarts=2),
            pod(ready=False, trouble="CrashLoopBackOff", restarts=5),
            pod(terminating=True),
            pod(trouble="Error"),
        ]
    )
    these = sums["payments-production", "Deployment", "api"]

    assert (these.count, these.restarts, these.troubles) == (3, 7, {"CrashLoopBackOff": 1})


@pytest.mark.parametrize(("last", "trouble"), [("Failed", "the last run failed"), ("Succeeded", ""), ("Running", "")])
def test_a_cronjob_is_in_trouble_when_its_last_run_failed(last, trouble):
    earlier = pod("loader-29400017", kind="Job", phase="Failed" if last != "Failed" else "Succeeded")
    later = pod("loader-29400077", kind="Job", phase=last, created_at=NOON + timedelta(hours=1))
    _, last_runs = discovery.add_up([later, earlier])
    cronjob = reading.cronjob(msgspec.convert({"metadata": {"name": "loader", "namespace": "payments-production"},
                                               "spec": {"schedule": "@hourly"}}, wire.CronJob))  # fmt: skip

    found = discovery.cronjob_sighting(cronjob, HERE, last_runs[discovery.key_of(cronjob.ref)])
    assert (found.trouble, found.wanted) == (trouble, 0)


def test_an_autoscaler_belongs_to_what_it_points_at():
    hpa = reading.autoscaler(
        msgspec.convert(
            {"metadata": {"name": "scaler", "namespace": "payments-production"},
             "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "api"}, "minReplicas": 2, "maxReplicas": 9}},
            wire.Autoscaler,
        )
    )  # fmt: skip
    assert discovery.target_of(hpa) == discovery.key_of(ObjectRef("Deployment", "payments-production", "api", "u1"))
    assert discovery.workload_sighting(seen(), HERE, Pods(), hpa).autoscaler == {"name": "scaler", "min": 2, "max": 9}


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        (None, ""),
        (GitOpsOwner("argocd", "shop-production"), "Argo CD, app shop-production"),
        (GitOpsOwner("helm", "shop"), "Helm, release shop"),
        (GitOpsOwner("other", "x\n" * 500), None),
    ],
)
def test_who_else_writes_it(owner, said):
    found = discovery.managed_by(owner)
    assert len(found) <= 253
    assert said is None or found == said


def test_a_workload_reads_the_secrets_that_are_synced_into_a_secret_of_its_pods():
    sighting = discovery.workload_sighting(
        seen(annotations={"afterdeck.dev/secrets": '["secret/said"]'}), HERE, Pods(), None
    )
    synced = {
        ("payments-production", "stripe"): frozenset({"secret/payments/stripe"}),
        ("payments-production", "other"): frozenset({"secret/other"}),
        ("payments-staging", "stripe"): frozenset({"secret/staging"}),
    }
    found = discovery.with_synced(sighting, ["stripe", "not-synced"], synced)
    assert found.claims.secrets == {"secret/said", "secret/payments/stripe"}


@pytest.mark.parametrize(
    "spec",
    [
        {
            "containers": [
                {"name": "a", "env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}]}
            ]
        },
        {"containers": [{"name": "a", "envFrom": [{"secretRef": {"name": "db", "optional": True}}]}]},
        {"containers": [], "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "db"}}]}]},
        {"containers": [], "volumes": [{"name": "v", "secret": {"secretName": "db"}}]},
        {"containers": [], "volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "db"}}]}}]},
    ],
)
def test_a_secret_is_read_by_pods_that_name_it_in_their_environment_or_volumes(spec):
    whole = {"metadata": {}, "spec": {"template": {"spec": spec}}}
    assert reading.workload("Deployment", msgspec.convert(whole, wire.Workload)).secrets == ("db",)
    job = {"schedule": "@daily", "jobTemplate": {"spec": {"template": {"spec": spec}}}}
    assert reading.cronjob(msgspec.convert({"metadata": {}, "spec": job}, wire.CronJob)).secrets == ("db",)
