"""Who else writes an object: Argo CD, Flux or Helm.

A change that such an owner takes back a few seconds later is worse than a refusal, so a plan has to know. The label
`app.kubernetes.io/instance` alone proves nothing, because Helm sets it too.
"""

from dataclasses import replace

from connectors.kubernetes.seen import GitOpsOwner
from connectors.kubernetes.wire import Application, Meta

TRACKING_ID = "argocd.argoproj.io/tracking-id"
FLUX_LABELS = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")
HELM_RELEASE = "meta.helm.sh/release-name"


def claimed_by(kind: str, meta: Meta) -> GitOpsOwner | None:
    """The owner that the object itself names."""
    application, _, tracked = meta.annotations.get(TRACKING_ID, "").partition(":")
    # `<application>:<group>/<kind>:<namespace>/<name>`. Argo CD ignores one copied from another object, and so do we.
    if application and tracked.endswith(f"/{kind}:{meta.namespace}/{meta.name}"):
        return GitOpsOwner("argocd", application.rpartition("_")[2])  # `<namespace>_<application>` outside its own
    for label in FLUX_LABELS:
        if label in meta.labels:
            return GitOpsOwner("flux", meta.labels[label])
    if HELM_RELEASE in meta.annotations:
        return GitOpsOwner("helm", meta.annotations[HELM_RELEASE], auto_sync=False, self_heal=False)
    return None


def with_sync_policy(owner: GitOpsOwner, application: Application) -> GitOpsOwner:
    """What Argo CD's own object says about how much it does by itself."""
    policy = application.spec.sync_policy
    automated = policy.automated if policy else None
    auto_sync = automated is not None and automated.enabled is not False
    return replace(owner, auto_sync=auto_sync, self_heal=bool(auto_sync and automated and automated.self_heal))
