"""Kubernetes: what we read of a cluster, and the few things we change in it."""

from connectors.kubernetes.cluster import KubernetesCluster
from connectors.kubernetes.configuration import ClusterConfig
from connectors.kubernetes.seen import (
    OPERATORS,
    RESTARTED_AT,
    AutoscalerSeen,
    BudgetSeen,
    Condition,
    EventSeen,
    GitOpsOwner,
    Identity,
    ObjectRef,
    PodSeen,
    QuotaSeen,
    ReconcilerSeen,
    RevisionSeen,
    WorkloadSeen,
)

__all__ = [
    "OPERATORS",
    "RESTARTED_AT",
    "AutoscalerSeen",
    "BudgetSeen",
    "ClusterConfig",
    "Condition",
    "EventSeen",
    "GitOpsOwner",
    "Identity",
    "KubernetesCluster",
    "ObjectRef",
    "PodSeen",
    "QuotaSeen",
    "ReconcilerSeen",
    "RevisionSeen",
    "WorkloadSeen",
]
