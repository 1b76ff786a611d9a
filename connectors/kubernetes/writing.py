"""What a write must carry: who it is for, what they had seen, and which execution it belongs to.

The precondition is in the patch itself (`metadata.resourceVersion` and `metadata.uid`), so the server compares and
changes in one step. The execution's id goes into an annotation of the same object with the same patch, so that
reading back tells whether the change was ours.
"""

from collections.abc import Mapping
from typing import Any

from connectors.errors import InvalidName
from connectors.kubernetes.seen import AUTO_SYNC, EXECUTION, OPERATORS, RESTARTED_AT, Identity, ObjectRef
from connectors.kubernetes.transport import Query
from connectors.names import count, resource_version, timestamp, uid

FIELD_MANAGER = "afterdeck"
Patch = dict[str, Any]


def impersonation(identity: Identity) -> list[tuple[str, str]]:
    """Headers that make the cluster decide, and log, as if this person had called.

    The names of Kubernetes itself (`system:masters`) are nobody's to borrow.
    """
    if OPERATORS not in identity.groups:
        raise InvalidName(f"Nobody acts on a cluster without being in the group {OPERATORS}.")
    for value in (identity.user, *identity.groups):
        if (
            not 1 <= len(value) <= 256
            or not value.isprintable()
            or value.strip() != value
            or value.startswith("system:")
        ):
            raise InvalidName(f"{value[:40]!a} cannot be the name of a person or group on a cluster.")
    groups = [("Impersonate-Group", _header(group)) for group in sorted(set(identity.groups))]
    return [("Impersonate-User", _header(identity.user)), *groups]


def _header(value: str) -> str:
    """UTF-8 on the wire: http.client writes a header's characters as Latin-1."""
    return value.encode("utf-8").decode("latin-1")


def options(*, dry_run: bool, manager: str = FIELD_MANAGER) -> Query:
    named = [("fieldManager", manager)] if manager else []
    return [*named, *([("dryRun", "All")] if dry_run else [])]


def restart(ref: ObjectRef, *, stamp: str | None, execution: str, seen: str) -> Patch:
    restarted_at = None if stamp is None else timestamp(stamp)
    template = {"metadata": {"annotations": {RESTARTED_AT: restarted_at}}}
    return {**precondition(ref, execution, seen), "spec": {"template": template}}


def template(ref: ObjectRef, *, change: Patch, notes: Mapping[str, str | None], execution: str, seen: str) -> Patch:
    """Change the pod template, and annotations of the workload; `None` takes one away."""
    patch = precondition(ref, execution, seen)
    patch["metadata"]["annotations"].update(notes)
    return {**patch, "spec": {"template": change}}


def scale(ref: ObjectRef, *, replicas: int, execution: str, seen: str) -> Patch:
    return {**precondition(ref, execution, seen), "spec": {"replicas": count(replicas)}}


def autoscaler_bounds(ref: ObjectRef, *, min_replicas: int, max_replicas: int, execution: str, seen: str) -> Patch:
    least = count(min_replicas, "the least number of replicas", least=1)  # 0 would switch the autoscaler off
    most = count(max_replicas, "the largest number of replicas", least=least)
    return {**precondition(ref, execution, seen), "spec": {"minReplicas": least, "maxReplicas": most}}


def auto_sync(ref: ObjectRef, *, switch: Any, note: str | None, execution: str, seen: str) -> Patch:
    """Of an Application its whole `automated`, as `argocd app set --sync-policy` does: older versions ignore its `enabled`."""
    patch = precondition(ref, execution, seen)
    patch["metadata"]["annotations"][AUTO_SYNC] = note
    spec = {"syncPolicy": {"automated": switch}} if ref.kind == "Application" else {"suspend": switch}
    return {**patch, "spec": spec}


def eviction(ref: ObjectRef) -> Patch:
    """Of this pod, not of the one that has its name by then. Disruption budgets are heeded, as by `kubectl drain`."""
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "deleteOptions": {"preconditions": {"uid": uid(ref.uid)}},
    }


def precondition(ref: ObjectRef, execution: str, seen: str) -> Patch:
    """Metadata that make a patch one of this very object as it was seen, marked with who sent it."""
    if not 1 <= len(execution) <= 128 or not execution.isascii() or not execution.isprintable():
        raise InvalidName(f"{execution[:40]!a} cannot be the id of an execution.")
    return {
        "metadata": {
            "uid": uid(ref.uid),
            "resourceVersion": resource_version(seen),
            "annotations": {EXECUTION: execution},
        }
    }
