"""Who else writes an object: Argo CD, Flux or Helm.

A change that such an owner takes back a few seconds later is worse than a refusal, so a plan has to know. The label
`app.kubernetes.io/instance` alone proves nothing, because Helm sets it too.
"""

import re
from dataclasses import replace
from typing import Any

from connectors.kubernetes.managing import declared_by, last_applied
from connectors.kubernetes.seen import AUTO_SYNC, EXECUTION, GitOpsOwner, ObjectRef, ReconcilerSeen
from connectors.kubernetes.wire import Meta, Reconciler

TRACKING_ID = "argocd.argoproj.io/tracking-id"
FLUX = {"kustomize.toolkit.fluxcd.io": "Kustomization", "helm.toolkit.fluxcd.io": "HelmRelease"}
HELM_RELEASE = "meta.helm.sh/release-name"

SELF_HEAL_SECONDS = 5
"""Argo CD's `--self-heal-timeout-seconds`, as it comes. What an installation sets it to cannot be read from a cluster."""

FLUX_INTERVAL_SECONDS = 600
"""Where an interval cannot be read."""

MANAGERS = {
    "Application": frozenset({"argocd-controller", "argocd-application-controller"}),
    "Kustomization": frozenset({"kustomize-controller"}),
    "HelmRelease": frozenset({"helm-controller"}),
}
"""Field managers, under which they write."""

LEFT_ALONE = {
    "kustomize.toolkit.fluxcd.io/reconcile": {"disabled"},
    "kustomize.toolkit.fluxcd.io/ssa": {"Ignore", "IfNotPresent"},
}
"""Annotations by which Flux leaves a single object alone."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def claimed_by(kind: str, meta: Meta) -> GitOpsOwner | None:
    """The owner that the object itself names."""
    application, _, tracked = meta.annotations.get(TRACKING_ID, "").partition(":")
    # `<application>:<group>/<kind>:<namespace>/<name>`. Argo CD ignores one copied from another object, and so do we.
    if application and tracked.endswith(f"/{kind}:{meta.namespace}/{meta.name}"):
        namespace, _, name = application.rpartition("_")  # `<namespace>_<application>` outside its own
        return GitOpsOwner("argocd", name, resource="Application", namespace=namespace)
    for group, resource in FLUX.items():
        if name := meta.labels.get(f"{group}/name", ""):
            namespace = meta.labels.get(f"{group}/namespace", meta.namespace)
            return GitOpsOwner("flux", name, resource=resource, namespace=namespace)
    if HELM_RELEASE in meta.annotations:
        return GitOpsOwner("helm", meta.annotations[HELM_RELEASE], auto_sync=False, self_heal=False)
    return None


def with_fields(owner: GitOpsOwner, whole: dict[str, Any]) -> GitOpsOwner:
    """What of the object is the owner's, as the object itself says. Argo CD applies in one of two ways."""
    if owner.resource not in MANAGERS:
        return owner
    declared = declared_by(whole, MANAGERS[owner.resource])
    if owner.kind == "argocd" and (applied := last_applied(whole)) is not None:
        declared = applied | (declared or frozenset())
    annotations = whole.get("metadata", {}).get("annotations", {})
    if owner.kind == "flux" and any(annotations.get(name) in values for name, values in LEFT_ALONE.items()):
        declared = frozenset()
    return replace(owner, declares=declared)


def with_reconciler(owner: GitOpsOwner, seen: ReconcilerSeen) -> GitOpsOwner:
    """What the owner's own object says about how much it does by itself, and how soon."""
    active = not seen.suspended
    return replace(
        owner, auto_sync=active, self_heal=active and seen.heals, within_seconds=seen.within_seconds, reconciler=seen
    )


def reconciler(kind: str, spec: Reconciler, fields: dict[str, str]) -> ReconcilerSeen:
    meta = spec.metadata
    if kind == "Application":
        switch: Any = spec.spec.sync_policy.automated if spec.spec.sync_policy else None
        suspended = switch is None or switch.get("enabled") is False
        heals, within = bool(switch and switch.get("selfHeal")), SELF_HEAL_SECONDS
    else:  # a Kustomization applies again at each interval; a HelmRelease only looks for drift if it is told to
        switch, suspended = spec.spec.suspend, bool(spec.spec.suspend)
        heals = kind == "Kustomization" or spec.spec.drift_detection.mode == "enabled"
        within = duration(spec.spec.interval) or FLUX_INTERVAL_SECONDS
    return ReconcilerSeen(
        ref=ObjectRef(kind, meta.namespace, meta.name, meta.uid),
        resource_version=meta.resource_version,
        suspended=suspended,
        switch=switch,
        heals=heals,
        within_seconds=within,
        note=meta.annotations.get(AUTO_SYNC, ""),
        execution=meta.annotations.get(EXECUTION),
        sync_status=spec.status.sync.status,
        written_by=_written_by(kind, meta),
        fields=fields,
    )


def _written_by(kind: str, meta: Meta) -> str:
    """An Application may come from an ApplicationSet or from another Application, and these may take a suspension back."""
    for owner in meta.owner_references:
        if owner.controller or owner.kind == "ApplicationSet":
            return f"{owner.kind} {owner.name}"
    above = claimed_by(kind, meta)
    # Flux applies only the fields that are in git, and `suspend` hardly ever is.
    return f"{above.resource} {above.application}" if above and above.kind == "argocd" else ""


def duration(text: str) -> int:
    """Whole seconds of a duration as Go writes it; 0 when it is none."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return 0
    return int(sum(float(number) * _SECONDS[unit] for number, unit in parts))
