"""Who else writes an object is read from what they leave on it, and nothing else."""

import pytest

from connectors.kubernetes.gitops import claimed_by, with_sync_policy
from connectors.kubernetes.seen import GitOpsOwner
from connectors.kubernetes.wire import Application, ApplicationSpec, Automated, Meta, SyncPolicy

TRACKED = "argocd.argoproj.io/tracking-id"


@pytest.mark.parametrize(
    ("labels", "annotations", "owner"),
    [
        ({}, {}, None),
        ({"app.kubernetes.io/instance": "shop"}, {}, None),  # Helm sets it too
        ({}, {TRACKED: "shop:apps/Deployment:payments/api"}, GitOpsOwner("argocd", "shop")),
        ({}, {TRACKED: "argo_shop:apps/Deployment:payments/api"}, GitOpsOwner("argocd", "shop")),
        ({}, {TRACKED: "shop:apps/Deployment:payments/other"}, None),  # copied from another object
        ({}, {TRACKED: "shop"}, None),
        ({}, {TRACKED: ""}, None),
        ({"kustomize.toolkit.fluxcd.io/name": "apps"}, {}, GitOpsOwner("flux", "apps")),
        ({"helm.toolkit.fluxcd.io/name": "api"}, {"meta.helm.sh/release-name": "api"}, GitOpsOwner("flux", "api")),
        ({}, {"meta.helm.sh/release-name": "api"}, GitOpsOwner("helm", "api", auto_sync=False, self_heal=False)),
    ],
)
def test_the_owner_is_who_the_object_names(labels, annotations, owner):
    assert claimed_by("Deployment", Meta("api", "payments", labels=labels, annotations=annotations)) == owner


@pytest.mark.parametrize(
    ("policy", "auto_sync", "self_heal"),
    [
        (None, False, False),
        (SyncPolicy(), False, False),
        (SyncPolicy(Automated()), True, False),
        (SyncPolicy(Automated(self_heal=True)), True, True),
        (SyncPolicy(Automated(enabled=False, self_heal=True)), False, False),
    ],
)
def test_what_an_application_does_by_itself(policy, auto_sync, self_heal):
    application = Application(Meta("shop"), ApplicationSpec(policy))

    owner = with_sync_policy(GitOpsOwner("argocd", "shop"), application)

    assert (owner.auto_sync, owner.self_heal) == (auto_sync, self_heal)
