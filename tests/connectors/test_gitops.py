"""Who else writes an object, and which fields of it, is read from what they leave on it, and nothing else."""

import json

import pytest

from connectors.kubernetes.gitops import claimed_by, duration, reconciler, with_fields, with_reconciler
from connectors.kubernetes.managing import covers, declared_by
from connectors.kubernetes.seen import GitOpsOwner
from connectors.kubernetes.wire import DriftDetection, Meta, OwnerReference, Reconciler, ReconcilerSpec, SyncPolicy

TRACKED = "argocd.argoproj.io/tracking-id"
KUSTOMIZED = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
SHOP = GitOpsOwner("argocd", "shop", resource="Application")
FLUX = GitOpsOwner("flux", "apps", resource="Kustomization", namespace="flux-system")


@pytest.mark.parametrize(
    ("labels", "annotations", "owner"),
    [
        ({}, {}, None),
        ({"app.kubernetes.io/instance": "shop"}, {}, None),  # Helm sets it too
        ({}, {TRACKED: "shop:apps/Deployment:payments/api"}, SHOP),
        ({}, {TRACKED: "argo_shop:apps/Deployment:payments/api"}, GitOpsOwner("argocd", "shop", resource="Application", namespace="argo")),
        ({}, {TRACKED: "shop:apps/Deployment:payments/other"}, None),  # copied from another object
        ({}, {TRACKED: "shop"}, None),
        ({}, {TRACKED: ""}, None),
        (KUSTOMIZED, {}, FLUX),
        (
            {"helm.toolkit.fluxcd.io/name": "api"}, {"meta.helm.sh/release-name": "api"},
            GitOpsOwner("flux", "api", resource="HelmRelease", namespace="payments"),
        ),
        ({}, {"meta.helm.sh/release-name": "api"}, GitOpsOwner("helm", "api", auto_sync=False, self_heal=False)),
    ],
)  # fmt: skip
def test_the_owner_is_who_the_object_names(labels, annotations, owner):
    assert claimed_by("Deployment", Meta("api", "payments", labels=labels, annotations=annotations)) == owner


@pytest.mark.parametrize(
    ("kind", "spec", "auto_sync", "self_heal", "within"),
    [
        ("Application", ReconcilerSpec(), False, False, 5),
        ("Application", ReconcilerSpec(SyncPolicy()), False, False, 5),
        ("Application", ReconcilerSpec(SyncPolicy({})), True, False, 5),
        ("Application", ReconcilerSpec(SyncPolicy({"selfHeal": True})), True, True, 5),
        ("Application", ReconcilerSpec(SyncPolicy({"enabled": False, "selfHeal": True})), False, False, 5),
        ("Kustomization", ReconcilerSpec(interval="1h30m"), True, True, 5400),
        ("Kustomization", ReconcilerSpec(interval="10m0s", suspend=True), False, False, 600),
        ("HelmRelease", ReconcilerSpec(interval="5m"), True, False, 300),  # by default it does not look for drift
        ("HelmRelease", ReconcilerSpec(interval="5m", drift_detection=DriftDetection("warn")), True, False, 300),
        ("HelmRelease", ReconcilerSpec(interval="5m", drift_detection=DriftDetection("enabled")), True, True, 300),
    ],
)
def test_what_an_owner_does_by_itself_and_how_soon(kind, spec, auto_sync, self_heal, within):
    owner = with_reconciler(SHOP, reconciler(kind, Reconciler(Meta("shop", "argocd"), spec), {}))

    assert (owner.auto_sync, owner.self_heal, owner.within_seconds) == (auto_sync, self_heal, within)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("1h2m3s", 3723), ("1.5h", 5400), ("500ms", 0), ("", 0), ("10", 0), ("m", 0), ("٣m", 0)],
)
def test_an_interval_is_read_as_go_writes_it(text, seconds):
    assert duration(text) == seconds


def deployment(**meta):
    return {
        "metadata": {"name": "api", **meta},
        "spec": {
            "replicas": 3,
            "template": {"spec": {"containers": [{"name": "app", "image": "shop:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}},
        },
    }  # fmt: skip


APPLIED = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
    "f:spec": {
        "f:selector": {},
        "f:template": {"f:spec": {"f:containers": {'k:{"name":"app"}': {
            ".": {}, "f:image": {}, "f:name": {}, "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
        }}}},
    },
}  # fmt: skip


def test_the_server_says_which_fields_a_manager_declared():
    whole = deployment(
        labels={"app": "api"},
        managedFields=[
            {"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": APPLIED},
            {"manager": "kustomize-controller", "subresource": "status", "fieldsV1": {"f:status": {"f:x": {}}}},
            {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        ],
    )
    whole["spec"]["selector"] = {"matchLabels": {"app": "api"}}

    declared = declared_by(whole, frozenset({"kustomize-controller"}))

    container = "spec.template.spec.containers[app]"
    assert declared is not None
    assert set(declared) == {
        "metadata.labels.app", "spec.selector", f"{container}.image", f"{container}.name", f"{container}.ports[0].containerPort",
    }  # fmt: skip
    assert covers(declared, "spec.selector.matchLabels.app")
    assert not covers(declared, "spec.selectors")
    assert not covers(declared, "spec.replicas")
    assert declared_by(whole, frozenset({"argocd-controller"})) is None


def test_argo_cd_that_applies_as_a_client_leaves_what_it_applied():
    git = {
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [{"name": "app", "env": [{"name": "A", "value": "b"}]}]}},
        }
    }
    whole = deployment(annotations={"kubectl.kubernetes.io/last-applied-configuration": json.dumps(git)})

    owner = with_fields(SHOP, whole)

    container = "spec.template.spec.containers[app]"
    assert set(owner.declares or ()) == {
        "spec.replicas",
        f"{container}.name",
        f"{container}.env[A].name",
        f"{container}.env[A].value",
    }
    assert with_fields(SHOP, deployment(annotations={})).declares is None
    assert (
        with_fields(SHOP, deployment(annotations={"kubectl.kubernetes.io/last-applied-configuration": "{"})).declares
        is None
    )
    assert with_fields(FLUX, whole).declares is None


def test_flux_leaves_alone_what_it_is_told_to():
    assert (
        with_fields(FLUX, deployment(annotations={"kustomize.toolkit.fluxcd.io/reconcile": "disabled"})).declares
        == frozenset()
    )


@pytest.mark.parametrize(
    ("meta", "who"),
    [
        (Meta("shop", "argocd"), ""),
        (
            Meta("shop", "argocd", owner_references=[OwnerReference("ApplicationSet", "shops", "1")]),
            "ApplicationSet shops",
        ),
        (
            Meta("shop", "argocd", annotations={TRACKED: "root:argoproj.io/Application:argocd/shop"}),
            "Application root",
        ),
        (Meta("shop", "argocd", labels=KUSTOMIZED), ""),
    ],
)
def test_who_writes_the_owners_own_object_is_known_too(meta, who):
    assert reconciler("Application", Reconciler(meta), {}).written_by == who
