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


def patch(cluster: KubernetesCluster, path: str, spec: dict[str, Any]) -> None:
    cluster._transport.merge(
        path, {"spec": spec}, dict, headers=impersonation(Identity("mira")), query=options(dry_run=False), what="it", who="mira"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("owner", "spec"),
    [
        (ARGO, {"source": {"repoURL": "https://elsewhere.example/deploy.git"}}),
        (ARGO, {"destination": {"namespace": "kube-system"}}),
        (ARGO, {"source": None}),
        (ARGO, {"syncPolicy": {"syncOptions": ["Replace=true"]}}),
        (FLUX, {"path": "./elsewhere"}),
        (FLUX, {"suspend": True, "serviceAccountName": "admin"}),
    ],
)
def test_nothing_else_can_be_changed(
    cluster: KubernetesCluster, place: Namespace, owner: Manifest, spec: dict[str, Any]
) -> None:
    with pytest.raises(Permanent, match="Afterdeck changes nothing of an owner but whether it acts by itself"):
        patch(cluster, path_of(owner, place), spec)


def test_its_auto_sync_can(cluster: KubernetesCluster, place: Namespace) -> None:
    for spec in ({"syncPolicy": {"automated": None}}, {"syncPolicy": {"automated": {"selfHeal": True}}}):
        patch(cluster, path_of(ARGO, place), spec)
    for suspended in (True, None):
        patch(cluster, path_of(FLUX, place), {"suspend": suspended})
