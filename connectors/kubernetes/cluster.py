"""One cluster, as the rest of Afterdeck sees it."""

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from connectors.kubernetes.configuration import ClusterConfig
from connectors.kubernetes.seen import (
    AutoscalerSeen,
    BudgetSeen,
    CronJobSeen,
    EventSeen,
    Identity,
    NamespaceSeen,
    ObjectRef,
    PodSeen,
    QuotaSeen,
    ReplicaSetSeen,
    WorkloadSeen,
)
from connectors.protocol import Health
from connectors.registry import register_connector


@register_connector
class KubernetesCluster:
    kind: ClassVar[str] = "kubernetes"

    def __init__(self, name: str, config: ClusterConfig) -> None:
        self.name = name
        self.read_only = config.read_only
        self.simulated = config.simulated

    def health(self) -> Health:
        raise NotImplementedError

    def namespaces(self) -> list[NamespaceSeen]:
        raise NotImplementedError

    def list_workloads(self, namespace: str | None = None) -> Iterator[WorkloadSeen]:
        raise NotImplementedError

    def list_cronjobs(self, namespace: str | None = None) -> Iterator[CronJobSeen]:
        raise NotImplementedError

    def list_pods(self, namespace: str | None = None) -> Iterator[PodSeen]:
        raise NotImplementedError

    def read_workload(self, kind: str, namespace: str, name: str) -> WorkloadSeen:
        raise NotImplementedError

    def pods_of(self, workload: WorkloadSeen) -> list[PodSeen]:
        raise NotImplementedError

    def replicasets_of(self, workload: WorkloadSeen) -> list[ReplicaSetSeen]:
        raise NotImplementedError

    def warnings_of(self, workload: WorkloadSeen, since: datetime) -> list[EventSeen]:
        raise NotImplementedError

    def autoscaler_of(self, ref: ObjectRef) -> AutoscalerSeen | None:
        raise NotImplementedError

    def read_autoscaler(self, namespace: str, name: str) -> AutoscalerSeen:
        raise NotImplementedError

    def budgets_of(self, workload: WorkloadSeen) -> list[BudgetSeen]:
        raise NotImplementedError

    def quotas(self, namespace: str) -> list[QuotaSeen]:
        raise NotImplementedError

    def restart(
        self, ref: ObjectRef, *, as_: Identity, stamp: str | None, execution: str, seen: str, dry_run: bool = False
    ) -> WorkloadSeen:
        raise NotImplementedError

    def scale(
        self, ref: ObjectRef, *, as_: Identity, replicas: int, execution: str, seen: str, dry_run: bool = False
    ) -> WorkloadSeen:
        raise NotImplementedError

    def set_autoscaler_bounds(
        self,
        ref: ObjectRef,
        *,
        as_: Identity,
        min_replicas: int,
        max_replicas: int,
        execution: str,
        seen: str,
        dry_run: bool = False,
    ) -> AutoscalerSeen:
        raise NotImplementedError
