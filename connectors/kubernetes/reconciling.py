"""What Argo CD and Flux are told to do, and telling them to leave it for a while.

Their own objects are custom resources, which a cluster need not have and which the portal need not be allowed to read. Then an owner
is known by name only, and says so.
"""

from typing import Any

import msgspec

from connectors.errors import Forbidden, InvalidName, Missing
from connectors.kubernetes import wire, writing
from connectors.kubernetes.fields import fields
from connectors.kubernetes.gitops import reconciler, with_fields, with_reconciler
from connectors.kubernetes.resources import RECONCILERS, collection, single
from connectors.kubernetes.seen import GitOpsOwner, Identity, ObjectRef, ReconcilerSeen
from connectors.kubernetes.sending import Writer
from connectors.kubernetes.transport import Transport
from connectors.kubernetes.whole import Whole
from connectors.names import dns_subdomain
from connectors.names import kind as known_kind


class Reconciling:
    """The objects of Argo CD and Flux in one cluster. Reached as `KubernetesCluster.reconciling`."""

    def __init__(self, transport: Transport, writer: Writer) -> None:
        self._transport, self._writer = transport, writer

    def ask(self, owner: GitOpsOwner | None, whole: Whole) -> GitOpsOwner | None:
        """What else there is to know of the owner of an object: which of its fields are the owner's, and how soon it acts."""
        if owner is None or not owner.resource:
            return owner
        known = with_fields(owner, whole)
        try:
            found = self._of(owner)
        except (Missing, Forbidden, InvalidName):
            return known
        return with_reconciler(known, _seen(owner.resource, found)) if found else known

    def _of(self, owner: GitOpsOwner) -> Whole | None:
        """An object does not say in which namespace its Application is, unless that is an unusual one."""
        if owner.namespace:
            path = single(owner.resource, owner.namespace, owner.application)
            return self._transport.get(path, Whole, what=f"{owner.resource} {owner.application}")
        query = [("fieldSelector", f"metadata.name={dns_subdomain(owner.application)}")]
        return next(self._transport.pages(collection(owner.resource), Whole, what="applications", query=query), None)

    def read(self, ref: ObjectRef) -> ReconcilerSeen:
        path = single(known_kind(ref.kind, RECONCILERS), ref.namespace, ref.name)
        return _seen(ref.kind, self._transport.get(path, Whole, what=str(ref)))

    def set_auto_sync(
        self,
        ref: ObjectRef,
        *,
        as_: Identity,
        switch: Any,
        note: str | None,
        execution: str,
        seen: str,
        dry_run: bool = False,
    ) -> ReconcilerSeen:
        """Make what turns it on and off exactly `switch` (as in `ReconcilerSeen`), and leave a note on it, or take that away."""
        path = single(known_kind(ref.kind, RECONCILERS), ref.namespace, ref.name)
        patch = writing.auto_sync(ref, switch=switch, note=note, execution=execution, seen=seen)
        return _seen(ref.kind, self._writer.merge(path, patch, Whole, as_=as_, what=str(ref), dry_run=dry_run))


def _seen(kind: str, whole: Whole) -> ReconcilerSeen:
    return reconciler(kind, msgspec.convert(whole, wire.Reconciler), fields(whole))
