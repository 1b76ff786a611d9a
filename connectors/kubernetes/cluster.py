"""One cluster, as the rest of Afterdeck sees it: what is there, and the few things that can be changed.

Reads are done as the portal, writes as the person who asked. Every name is checked before any call, and whatever goes
wrong is one of `connectors.errors`.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

import msgspec
from urllib3 import Timeout

from connectors.errors import Conflict, ConnectorError, Forbidden, Held, Missing, ReadOnly, Transient
from connectors.kubernetes import configmaps, reading, revisions, syncing, wire, writing
from connectors.kubernetes.access import Access
from connectors.kubernetes.applying import Applying
from connectors.kubernetes.configuration import ClusterConfig
from connectors.kubernetes.copies import Copies
from connectors.kubernetes.jobs import Jobs
from connectors.kubernetes.nodes import Nodes
from connectors.kubernetes.reconciling import Reconciling
from connectors.kubernetes.resources import SCALABLE, WORKLOADS, collection, single
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
    RevisionSeen,
    WorkloadSeen,
)
from connectors.kubernetes.sending import Writer
from connectors.kubernetes.sizing import Sizing
from connectors.kubernetes.synced import SyncedSeen, force
from connectors.kubernetes.template import references
from connectors.kubernetes.transport import Transport
from connectors.kubernetes.whole import Whole
from connectors.kubernetes.whole import autoscaler as _autoscaler
from connectors.kubernetes.whole import workload as _workload
from connectors.names import kind as known_kind
from connectors.protocol import Health
from connectors.registry import register_connector

AUTOSCALER = "HorizontalPodAutoscaler"
HEALTH_TIMEOUT = Timeout(connect=2, read=2.5)


@register_connector
class KubernetesCluster:
    """Safe to share between threads. Reads the kubeconfig at the first call, not before."""

    kind: ClassVar[str] = "kubernetes"

    def __init__(self, name: str, config: ClusterConfig) -> None:
        self.name = name
        self.read_only = config.read_only
        self.simulated = config.simulated
        self._transport = Transport(name, config)
        self._writer = Writer(self._transport, self._refuse_to_write)
        self.access = Access(self._transport, self._writer)
        self.applying = Applying(self._writer)
        self.copies = Copies(self._writer)
        self.reconciling = Reconciling(self._transport, self._writer)
        self.jobs = Jobs(self._transport, self._writer)
        self.nodes = Nodes(self._transport, self._writer)
        self.sizing = Sizing(self._transport, self._writer)

    def health(self) -> Health:
        try:
            version = self._transport.get(
                "/version", wire.Version, what="its version", timeout=HEALTH_TIMEOUT
            ).git_version
        except ConnectorError as error:
            return Health(ok=False, sentence=error.sentence, checked_at=datetime.now(UTC))
        sentence = f"The cluster {self.name} answers as Kubernetes {version}."
        return Health(ok=True, sentence=sentence, checked_at=datetime.now(UTC), version=version)

    # What is there

    def namespaces(self) -> list[NamespaceSeen]:
        found = self._transport.pages(collection("Namespace"), wire.Namespace, what="namespaces")
        return [
            NamespaceSeen(n.metadata.name, n.metadata.labels, n.metadata.annotations, n.metadata.uid) for n in found
        ]

    def list_workloads(self, namespace: str | None = None) -> Iterator[WorkloadSeen]:
        """Deployments, StatefulSets and DaemonSets. What an Argo CD application does by itself is left open
        (`None`).
        """
        for kind in ("Deployment", "StatefulSet", "DaemonSet"):
            for found in self._transport.pages(collection(kind, namespace), wire.Workload, what=f"{kind}s"):
                yield reading.workload(kind, found)

    def list_cronjobs(self, namespace: str | None = None) -> Iterator[CronJobSeen]:
        found = self._transport.pages(collection("CronJob", namespace), wire.CronJob, what="CronJobs")
        return map(reading.cronjob, found)

    def list_pods(self, namespace: str | None = None) -> Iterator[PodSeen]:
        return map(reading.pod, self._transport.pages(collection("Pod", namespace), wire.Pod, what="pods"))

    def list_autoscalers(self, namespace: str | None = None) -> Iterator[AutoscalerSeen]:
        """Without the fields of the whole object, as in every list."""
        found = self._transport.pages(collection(AUTOSCALER, namespace), wire.Autoscaler, what="autoscalers")
        return map(reading.autoscaler, found)

    def quotas(self, namespace: str) -> list[QuotaSeen]:
        found = self._transport.pages(collection("ResourceQuota", namespace), wire.Quota, what="quotas")
        return [reading.quota(quota) for quota in found]

    def synced_secrets(self, namespace: str | None = None) -> list[SyncedSeen]:
        """The Secrets that an operator keeps equal to a vault's. None where no such operator is installed."""
        return syncing.look(self._transport, namespace)

    def read_synced(self, ref: ObjectRef) -> SyncedSeen:
        return syncing.read(self._transport, ref)

    # One workload and what belongs to it

    def read_workload(self, kind: str, namespace: str, name: str) -> WorkloadSeen:
        """Raises `Missing` when it is gone. Asks the object of Argo CD or Flux too, if one owns it."""
        path = single(known_kind(kind, WORKLOADS), namespace, name)
        whole = self._transport.get(path, Whole, what=f"{kind} {namespace}/{name}")
        seen = _workload(kind, whole)
        return replace(seen, owner=self.reconciling.ask(seen.owner, whole))

    def pods_of(self, workload: WorkloadSeen) -> list[PodSeen]:
        """The pods that it, or one of its ReplicaSets, controls. A pod that merely has the same labels is not one."""
        owners = {workload.ref.uid, *(replicaset.uid for replicaset in self.replicasets_of(workload))}
        query = [("labelSelector", workload.selector_query)]
        found = self._transport.pages(
            collection("Pod", workload.ref.namespace), wire.Pod, what=f"pods of {workload.ref}", query=query
        )
        return [seen for seen in map(reading.pod, found) if seen.owner_uid in owners]

    def replicasets_of(self, workload: WorkloadSeen) -> list[ReplicaSetSeen]:
        """The revisions of a Deployment, newest first. The other kinds have none."""
        if workload.ref.kind != "Deployment":
            return []
        query = [("labelSelector", workload.selector_query)]
        found = self._transport.pages(
            collection("ReplicaSet", workload.ref.namespace),
            wire.ReplicaSet,
            what=f"revisions of {workload.ref}",
            query=query,
        )
        owned = [r for r in found if (owner := reading.controller(r.metadata)) and owner.uid == workload.ref.uid]
        seen = [reading.replicaset(replicaset) for replicaset in owned]
        return sorted(seen, key=lambda r: int(r.revision) if r.revision.isdecimal() else 0, reverse=True)

    def revisions_of(self, workload: WorkloadSeen) -> list[RevisionSeen]:
        """The pod templates that the cluster keeps of it, the current one included, newest first."""
        query, what = [("labelSelector", workload.selector_query)], f"revisions of {workload.ref}"
        if workload.ref.kind == "Deployment":
            path = collection("ReplicaSet", workload.ref.namespace)
            sets = self._transport.pages(path, wire.KeptReplicaSet, what=what, query=query)
            numbered = map(revisions.of_replicaset, revisions.owned(workload.ref.uid, sets))
        else:
            path = collection("ControllerRevision", workload.ref.namespace)
            kept = self._transport.pages(path, wire.ControllerRevision, what=what, query=query)
            numbered = map(revisions.of_controller_revision, revisions.owned(workload.ref.uid, kept))
        return sorted(filter(None, numbered), key=lambda revision: revision.number, reverse=True)

    def read_config_map(self, namespace: str, name: str) -> configmaps.ConfigMapSeen:
        """Raises `Missing` when it is gone."""
        whole = self._transport.get(single("ConfigMap", namespace, name), Whole, what=f"ConfigMap {namespace}/{name}")
        seen = configmaps.config_map(whole)
        return replace(seen, owner=self.reconciling.ask(seen.owner, whole))

    def readers_of(self, config_map: ObjectRef) -> list[ObjectRef]:
        """The workloads whose pods are declared to read that ConfigMap."""
        found = (
            reading.reference(kind, workload.metadata)
            for kind in sorted(WORKLOADS)
            for workload in self._transport.pages(
                collection(kind, config_map.namespace), wire.Workload, what=f"what reads {config_map}"
            )
            if any(
                (each.kind, each.name) == (config_map.kind, config_map.name)
                for each in references(workload.spec.template)
            )
        )
        return list(found)

    def exists(self, kind: str, namespace: str, name: str) -> bool | None:
        """Whether there is such an object, without reading what is in it; `None` when that is not ours to know."""
        try:
            self._transport.metadata(single(kind, namespace, name), wire.Namespace, what=f"{kind} {namespace}/{name}")
        except Missing:
            return False
        except Forbidden:
            return None
        return True

    def warnings_of(self, workload: WorkloadSeen, since: datetime) -> list[EventSeen]:
        """Warnings about the workload, its ReplicaSets and its pods, oldest first, pods that are gone included."""
        replicasets = self.replicasets_of(workload)
        uids = {workload.ref.uid, *(r.uid for r in replicasets), *(p.uid for p in self.pods_of(workload))}
        parents = {r.name for r in replicasets} or {workload.ref.name}
        found = self._transport.pages(
            collection("Event", workload.ref.namespace),
            wire.Event,
            what=f"events of {workload.ref}",
            query=[("fieldSelector", "type=Warning")],
        )
        ours = (
            reading.event(event)
            for event in found
            if event.involved_object.uid in uids
            or (event.involved_object.kind == "Pod" and event.involved_object.name.rpartition("-")[0] in parents)
        )
        return sorted((event for event in ours if event.at >= since), key=lambda event: event.at)

    def autoscaler_of(self, ref: ObjectRef) -> AutoscalerSeen | None:
        """The autoscaler that owns this workload's replicas."""
        target = f"{known_kind(ref.kind, WORKLOADS)}/{ref.name}"
        found = self._transport.pages(collection(AUTOSCALER, ref.namespace), wire.Autoscaler, what="autoscalers")
        ours = next((seen for seen in map(reading.autoscaler, found) if seen.target == target), None)
        return None if ours is None else self.read_autoscaler(ours.ref.namespace, ours.ref.name)

    def read_autoscaler(self, namespace: str, name: str) -> AutoscalerSeen:
        path = single(AUTOSCALER, namespace, name)
        whole = self._transport.get(path, Whole, what=f"{AUTOSCALER} {namespace}/{name}")
        seen = _autoscaler(whole)
        return replace(seen, owner=self.reconciling.ask(seen.owner, whole))

    def budgets_of(self, workload: WorkloadSeen) -> list[BudgetSeen]:
        """The PodDisruptionBudgets that count its pods."""
        found = self._transport.pages(
            collection("PodDisruptionBudget", workload.ref.namespace), wire.Budget, what="disruption budgets"
        )
        labels = dict(workload.template_labels)
        return [
            reading.budget(budget)
            for budget in found
            if budget.spec.selector is not None and reading.selects(budget.spec.selector, labels)
        ]

    # What can be changed. `seen` is the resourceVersion the caller has seen; `Conflict` when the object has moved on,
    # or when another object has its name by now. `Unknown` when no answer came: read back before anything else.

    def restart(
        self, ref: ObjectRef, *, as_: Identity, stamp: str | None, execution: str, seen: str, dry_run: bool = False
    ) -> WorkloadSeen:
        """Set `restartedAt` on the pod template, as `kubectl rollout restart` does; `None` takes it away again.

        `stamp` is chosen once per execution, so a second call changes nothing.
        """
        known_kind(ref.kind, WORKLOADS)
        patch = writing.restart(ref, stamp=stamp, execution=execution, seen=seen)
        return _workload(ref.kind, self._write(ref, patch, as_=as_, dry_run=dry_run))

    def restore_template(
        self, ref: ObjectRef, *, as_: Identity, revision: RevisionSeen, execution: str, seen: str, dry_run: bool = False
    ) -> WorkloadSeen:
        """Make the pod template exactly that of a revision, as `kubectl rollout undo` does. A Deployment's `change-cause` goes along,
        because its controller notes it on whichever revision is current.

        What to send depends on what is there, so that is read first; `seen` holds for the reading as for the writing.
        """
        path = single(known_kind(ref.kind, WORKLOADS), ref.namespace, ref.name)
        there = msgspec.convert(self._transport.get(path, Whole, what=str(ref)), wire.Workload)
        if there.metadata.resource_version != seen:
            raise Conflict(f"{ref} is no longer what it was when it was read. Nothing was changed.")
        notes = {revisions.CHANGE_CAUSE: revision.change_cause or None} if ref.kind == "Deployment" else {}
        change = revisions.difference(there.spec.template, revision.template)
        patch = writing.template(ref, change=change, notes=notes, execution=execution, seen=seen)
        return _workload(ref.kind, self._write(ref, patch, as_=as_, dry_run=dry_run))

    def scale(
        self, ref: ObjectRef, *, as_: Identity, replicas: int, execution: str, seen: str, dry_run: bool = False
    ) -> WorkloadSeen:
        """Set an absolute number of replicas, on the object itself: `/scale` would take neither annotation nor UID."""
        known_kind(ref.kind, SCALABLE)
        patch = writing.scale(ref, replicas=replicas, execution=execution, seen=seen)
        return _workload(ref.kind, self._write(ref, patch, as_=as_, dry_run=dry_run))

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
        """Set both bounds of the HorizontalPodAutoscaler `ref`."""
        known_kind(ref.kind, frozenset({AUTOSCALER}))
        patch = writing.autoscaler_bounds(
            ref, min_replicas=min_replicas, max_replicas=max_replicas, execution=execution, seen=seen
        )
        return _autoscaler(self._write(ref, patch, as_=as_, dry_run=dry_run))

    def force_sync(
        self, synced: SyncedSeen, *, as_: Identity, stamp: str, execution: str, before: str, dry_run: bool = False
    ) -> None:
        """Tell its operator to look at the vault again. `SyncedSeen.moved` says later whether it has, and has written.

        `stamp` is chosen once per step, so that reading back tells whether it was told. `before` is the `synced_version` that was
        there before the secret was changed in the vault.
        """
        known_kind(synced.ref.kind, syncing.KINDS)
        patch = force(synced, stamp=stamp, execution=execution, before=before)
        self._write(synced.ref, patch, as_=as_, dry_run=dry_run)

    def evict(self, ref: ObjectRef, *, as_: Identity, dry_run: bool = False) -> None:
        """Ask the pod `ref` to go, whoever made it makes another. `Missing` or `Conflict` when that very pod is gone already.

        `Held` while a disruption budget keeps it.
        """
        known_kind(ref.kind, frozenset({"Pod"}))
        path, body = f"{single(ref.kind, ref.namespace, ref.name)}/eviction", writing.eviction(ref)
        try:
            self._writer.create(path, body, Whole, as_=as_, what=str(ref), dry_run=dry_run)
        except Transient as error:
            if "disruption budget" in error.detail:
                raise Held(f"A disruption budget keeps {ref} for now.", error.detail) from error
            raise

    def _write(self, ref: ObjectRef, patch: writing.Patch, *, as_: Identity, dry_run: bool) -> Whole:
        path = single(ref.kind, ref.namespace, ref.name)
        return self._writer.merge(path, patch, Whole, as_=as_, what=str(ref), dry_run=dry_run)

    def _refuse_to_write(self, dry_run: bool) -> None:
        if self.read_only and not dry_run:
            raise ReadOnly(f"The cluster {self.name} is connected for reading only. Nothing was sent.")
