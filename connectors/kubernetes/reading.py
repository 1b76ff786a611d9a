"""From the server's objects to what we say we saw. Pure: no calls, no clocks."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from connectors.kubernetes import wire
from connectors.kubernetes.gitops import claimed_by
from connectors.kubernetes.seen import (
    EXECUTION,
    RESTARTED_AT,
    AutoscalerSeen,
    BudgetSeen,
    Condition,
    ContainerSeen,
    CronJobSeen,
    EventSeen,
    ObjectRef,
    PodSeen,
    QuotaSeen,
    ReplicaSetSeen,
    WorkloadSeen,
)
from connectors.kubernetes.template import references

REVISION = "deployment.kubernetes.io/revision"
TEMPLATE_HASHES = ("pod-template-hash", "controller-revision-hash")
STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def reference(kind: str, meta: wire.Meta) -> ObjectRef:
    return ObjectRef(kind, meta.namespace, meta.name, meta.uid)


def workload(kind: str, seen: wire.Workload) -> WorkloadSeen:
    meta, spec, status = seen.metadata, seen.spec, seen.status
    template = msgspec.convert(spec.template, wire.Template)
    strategy = spec.strategy if kind == "Deployment" else spec.update_strategy
    return WorkloadSeen(
        ref=reference(kind, meta),
        generation=meta.generation,
        resource_version=meta.resource_version,
        observed_generation=status.observed_generation,
        **_counts(kind, spec, status),  # type: ignore[arg-type]  # its keys are the six counts
        paused=spec.paused,
        strategy=strategy.type,
        max_surge=str(strategy.rolling_update.max_surge),
        max_unavailable=str(strategy.rolling_update.max_unavailable),
        min_ready_seconds=spec.min_ready_seconds,
        progress_deadline_seconds=spec.progress_deadline_seconds,
        revision_history_limit=spec.revision_history_limit,
        partition=strategy.rolling_update.partition,
        conditions=tuple(
            Condition(c.type, c.status, c.reason, c.message, c.last_update_time) for c in status.conditions
        ),
        template_hash=template_hash(spec.template),
        template_labels=template.metadata.labels,
        annotations=meta.annotations,
        labels=meta.labels,
        selector=spec.selector.match_labels,
        selector_query=selector_query(spec.selector),
        restarted_at=template.metadata.annotations.get(RESTARTED_AT),
        execution=meta.annotations.get(EXECUTION),
        containers=containers(template),
        revision=meta.annotations.get(REVISION),
        current_revision=status.current_revision,
        update_revision=status.update_revision,
        # Whoever only reports status does not own what is wanted.
        managers=tuple(sorted({m.manager for m in meta.managed_fields if m.manager and not m.subresource})),
        owner=claimed_by(kind, meta),
        created_at=meta.creation_timestamp,
        secrets=_secrets(spec.template),
    )


def _secrets(template: dict[str, Any]) -> tuple[str, ...]:
    return tuple(named.name for named in references(template) if named.kind == "Secret")


def _counts(kind: str, spec: wire.WorkloadSpec, status: wire.WorkloadStatus) -> dict[str, int]:
    if kind == "DaemonSet":
        return {
            "wanted": status.desired_number_scheduled,
            "replicas": status.current_number_scheduled,
            "ready": status.number_ready,
            "updated": status.updated_number_scheduled,
            "available": status.number_available,
            "unavailable": status.number_unavailable,
        }
    wanted = 1 if spec.replicas is None else spec.replicas
    # A StatefulSet does not report how many are unavailable.
    unavailable = status.unavailable_replicas if kind == "Deployment" else max(0, wanted - status.available_replicas)
    return {
        "wanted": wanted,
        "replicas": status.replicas,
        "ready": status.ready_replicas,
        "updated": status.updated_replicas,
        "available": status.available_replicas,
        "unavailable": unavailable,
    }


def template_hash(template: dict[str, Any]) -> str:
    """Of what was declared: older servers add a `creationTimestamp` of null, but not everywhere."""
    meta = template.get("metadata") or {}
    if meta.get("creationTimestamp", "") is None:
        template = {**template, "metadata": {k: v for k, v in meta.items() if k != "creationTimestamp"}}
    return hashlib.sha256(msgspec.json.encode(template, order="sorted")).hexdigest()


def containers(template: wire.Template) -> tuple[ContainerSeen, ...]:
    return tuple(
        ContainerSeen(
            name=c.name,
            image=c.image,
            cpu_request=c.resources.requests.get("cpu", ""),
            cpu_limit=c.resources.limits.get("cpu", ""),
            memory_request=c.resources.requests.get("memory", ""),
            memory_limit=c.resources.limits.get("memory", ""),
        )
        for c in template.spec.containers
    )


def cronjob(seen: wire.CronJob) -> CronJobSeen:
    template = seen.spec.job_template.spec.template
    return CronJobSeen(
        ref=reference("CronJob", seen.metadata),
        schedule=seen.spec.schedule,
        suspended=seen.spec.suspend,
        active=len(seen.status.active),
        last_scheduled_at=seen.status.last_schedule_time,
        containers=containers(msgspec.convert(template, wire.Template)),
        labels=seen.metadata.labels,
        annotations=seen.metadata.annotations,
        owner=claimed_by("CronJob", seen.metadata),
        resource_version=seen.metadata.resource_version,
        execution=seen.metadata.annotations.get(EXECUTION),
        time_zone=seen.spec.time_zone,
        concurrency=seen.spec.concurrency_policy,
        deadline=seen.spec.job_template.spec.active_deadline_seconds,
        secrets=_secrets(template),
    )


def pod(seen: wire.Pod) -> PodSeen:
    meta, status = seen.metadata, seen.status
    owner = controller(meta) or wire.OwnerReference(kind="", name="", uid="")
    trouble, message = _trouble(status)
    return PodSeen(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        phase=status.phase,
        ready=any(c.type == "Ready" and c.status == "True" for c in status.conditions),
        restarts=sum(c.restart_count for c in status.container_statuses),
        trouble=trouble,
        message=message,
        template_hash=next((meta.labels[label] for label in TEMPLATE_HASHES if label in meta.labels), ""),
        owner_uid=owner.uid,
        owner_kind=owner.kind,
        owner_name=owner.name,
        created_at=meta.creation_timestamp,
        node=seen.spec.node_name,
        terminating=meta.deletion_timestamp is not None,
        images={c.name: c.image_id for c in status.container_statuses},
    )


def _trouble(status: wire.PodStatus) -> tuple[str, str]:
    """The first reason why a pod does not run as it should, in the server's words."""
    for container in (*status.init_container_statuses, *status.container_statuses):
        waiting, ended = container.state.waiting, container.state.terminated
        if waiting and waiting.reason not in STARTING:
            return waiting.reason, waiting.message
        if ended and ended.exit_code != 0:
            return ended.reason or "Error", ended.message or f"Ended with exit code {ended.exit_code}."
    if status.phase == "Failed":
        return status.reason or "Failed", status.message
    for condition in status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return condition.reason, condition.message
    return "", ""


def controller(meta: wire.Meta) -> wire.OwnerReference | None:
    return next((owner for owner in meta.owner_references if owner.controller), None)


def replicaset(seen: wire.ReplicaSet) -> ReplicaSetSeen:
    meta = seen.metadata
    return ReplicaSetSeen(
        name=meta.name,
        uid=meta.uid,
        revision=meta.annotations.get(REVISION, ""),
        template_hash=meta.labels.get("pod-template-hash", ""),
        replicas=seen.spec.replicas,
        ready=seen.status.ready_replicas,
        images=tuple(c.image for c in seen.spec.template.spec.containers),
        created_at=meta.creation_timestamp,
    )


def autoscaler(seen: wire.Autoscaler) -> AutoscalerSeen:
    meta, target = seen.metadata, seen.spec.scale_target_ref
    return AutoscalerSeen(
        ref=reference("HorizontalPodAutoscaler", meta),
        min_replicas=seen.spec.min_replicas,
        max_replicas=seen.spec.max_replicas,
        current=seen.status.current_replicas,
        target=f"{target.kind}/{target.name}",
        generation=meta.generation,
        resource_version=meta.resource_version,
        execution=meta.annotations.get(EXECUTION),
        annotations=meta.annotations,
        owner=claimed_by("HorizontalPodAutoscaler", meta),
    )


def budget(seen: wire.Budget) -> BudgetSeen:
    return BudgetSeen(
        name=seen.metadata.name,
        min_available=str(seen.spec.min_available),
        max_unavailable=str(seen.spec.max_unavailable),
        disruptions_allowed=seen.status.disruptions_allowed,
        current_healthy=seen.status.current_healthy,
        desired_healthy=seen.status.desired_healthy,
    )


def quota(seen: wire.Quota) -> QuotaSeen:
    scoped = bool(seen.spec.scopes or seen.spec.scope_selector)
    return QuotaSeen(seen.metadata.name, seen.status.hard, seen.status.used, scoped)


def event(seen: wire.Event) -> EventSeen:
    series = seen.series
    last = series.last_observed_time if series else None
    at = last or seen.last_timestamp or seen.event_time or seen.metadata.creation_timestamp or LONG_AGO
    count = max(seen.count, series.count if series else 0, 1)
    return EventSeen(at, seen.type, seen.reason, seen.message, count, seen.involved_object.name)


def selector_query(selector: wire.Selector) -> str:
    """A label selector as the server takes it in a URL."""
    terms = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for term in selector.match_expressions:
        values = ",".join(term.values or ())
        terms.append(
            {
                "In": f"{term.key} in ({values})",
                "NotIn": f"{term.key} notin ({values})",
                "Exists": term.key,
                "DoesNotExist": f"!{term.key}",
            }[term.operator]
        )
    return ",".join(terms)


def selects(selector: wire.Selector, labels: wire.Text) -> bool:
    """Whether the server would say that `selector` matches `labels`."""

    def holds(term: wire.SelectorTerm) -> bool:
        value, values = labels.get(term.key), term.values or ()
        return {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[term.operator]

    return selector.match_labels.items() <= labels.items() and all(map(holds, selector.match_expressions))
