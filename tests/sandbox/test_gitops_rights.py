"""In the name of Afterdeck's group, nothing of an owner's object can change but whether it acts by itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.errors import Permanent
from connectors.kubernetes import Identity, KubernetesCluster
from connectors.kubernetes.writing import impersonation, options
from sandbox.manifests import Manifest
from sandbox.stack import Endpoints
from tests.cluster import Namespace, made_namespace
from tests.gitops import administrator, application, definitions, kustomization, path_of

ARGO, FLUX = application("shop", prune=True, selfHeal=True), kustomization("shop", "10m")
Owners = tuple[Manifest, Manifest]


@pytest.fixture(scope="module")
def place(endpoints: Endpoints) -> Iterator[Namespace]:
    definitions(administrator(endpoints))
    with made_namespace(endpoints) as made:
        made.apply(ARGO, FLUX)
        yield made


def patch(cluster: KubernetesCluster, path: str, change: dict[str, Any]) -> None:
    cluster._transport.merge(
        path, change, dict, headers=impersonation(Identity("mira")), query=options(dry_run=False), what="it", who="mira"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("owner", "change"),
    [
        (ARGO, {"spec": {"source": {"repoURL": "https://elsewhere.example/deploy.git"}}}),
        (ARGO, {"spec": {"destination": {"namespace": "kube-system"}}}),
        (ARGO, {"spec": {"source": None}}),
        (ARGO, {"spec": {"syncPolicy": {"syncOptions": ["Replace=true"]}}}),
        (ARGO, {"operation": {"sync": {"revision": "a-branch-of-mine"}}}),
        (ARGO, {"status": {"operationState": {"phase": "Succeeded"}}}),
        (ARGO, {"metadata": {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}}),
        (ARGO, {"metadata": {"annotations": {"argocd.argoproj.io/refresh": "hard"}}}),
        (FLUX, {"spec": {"path": "./elsewhere"}}),
        (FLUX, {"spec": {"suspend": True, "serviceAccountName": "admin"}}),
        (FLUX, {"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "another"}}}),
        (FLUX, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "2026-11-24T09:00:00Z"}}}),
        (FLUX, {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}]}}),
    ],
)
def test_nothing_else_can_be_changed(
    cluster: KubernetesCluster, place: Namespace, owner: Manifest, change: dict[str, Any]
) -> None:
    with pytest.raises(Permanent, match="Afterdeck changes nothing of an owner but whether it acts by itself"):
        patch(cluster, path_of(owner, place), change)


def test_its_auto_sync_can_and_the_object_says_who_did(cluster: KubernetesCluster, place: Namespace) -> None:
    notes = {"annotations": {"afterdeck.dev/execution": "a-run", "afterdeck.dev/auto-sync-suspended": "for a while"}}
    for spec in ({"syncPolicy": {"automated": None}}, {"syncPolicy": {"automated": {"selfHeal": True}}}):
        patch(cluster, path_of(ARGO, place), {"metadata": notes, "spec": spec})
    for suspended in (True, None):
        patch(cluster, path_of(FLUX, place), {"metadata": notes, "spec": {"suspend": suspended}})
