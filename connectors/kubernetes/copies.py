"""A Kubernetes Secret that we keep equal to a secret of a vault ourselves, where no operator does.

Values go in and never come out: to patch needs no right to read, and of the answer the server sends the metadata only. Even what is
there is looked up by a patch that changes nothing, so whoever may do this still cannot read a Secret.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.kubernetes import wire, writing
from connectors.kubernetes.reading import reference
from connectors.kubernetes.resources import single
from connectors.kubernetes.seen import EXECUTION, Identity, ObjectRef
from connectors.kubernetes.sending import Writer
from connectors.names import resource_version, uid

KIND = "Secret"
VERSION = "afterdeck.dev/copied-version"


class OnlyMetadata(wire.Wire):
    metadata: wire.Meta


@dataclass(frozen=True, slots=True)
class CopySeen:
    ref: ObjectRef
    resource_version: str
    version: str | None  # of the vault's secret, that we copied last
    execution: str | None
    owned: bool  # somebody makes and deletes it, and would take back what we write
    written_at: datetime | None  # when we last did


class Copies:
    """Reached as `KubernetesCluster.copies`. Everything is done as the person, who needs `patch` on that one Secret."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def look(self, namespace: str, name: str, *, as_: Identity) -> CopySeen:
        """Raises `Missing`, and `Forbidden` when the person may not patch it."""
        return self._patch(ObjectRef(KIND, namespace, name, ""), {}, as_=as_, dry_run=True)

    def write(
        self, ref: ObjectRef, *, as_: Identity, values: Mapping[str, str], version: str, execution: str, seen: str
    ) -> CopySeen:
        """Set these keys and leave the others. Raises `Conflict` when it is no longer at `seen`, `Unknown` when no answer came."""
        notes = {EXECUTION: execution, VERSION: version}
        meta = {"uid": uid(ref.uid), "resourceVersion": resource_version(seen), "annotations": notes}
        data = {key: b64encode(value.encode("utf-8")).decode("ascii") for key, value in values.items()}
        return self._patch(ref, {"metadata": meta, "data": data}, as_=as_, dry_run=False)

    def _patch(self, ref: ObjectRef, patch: writing.Patch, *, as_: Identity, dry_run: bool) -> CopySeen:
        path, what = single(KIND, ref.namespace, ref.name), f"{KIND} {ref.namespace}/{ref.name}"
        meta = self._writer.merge(
            path, patch, OnlyMetadata, as_=as_, what=what, dry_run=dry_run, metadata_only=True
        ).metadata
        times = [each.time for each in meta.managed_fields if each.manager == writing.FIELD_MANAGER and each.time]
        return CopySeen(
            ref=reference(KIND, meta),
            resource_version=meta.resource_version,
            version=meta.annotations.get(VERSION),
            execution=meta.annotations.get(EXECUTION),
            owned=bool(meta.owner_references),
            written_at=max(times, default=None),
        )
