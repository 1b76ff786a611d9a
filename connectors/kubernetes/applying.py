"""Server-side apply of single fields, so that the server says whose they are before they change hands.

Each field of ours has a field manager of its own. A manager that applies anew gives up whatever it no longer sends, so with one
manager for all of them a second patch would take away what the first one had set.

An apply is first sent without force. What the server refuses for somebody else's sake is sent again with force only if nobody but us,
or nobody who declared the field (see `claims`), is in the way, or if it was said that the field may be taken over. Both carry the
version that was seen, so nobody can have claimed anything between the two.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from connectors.kubernetes import configmaps, whole, writing
from connectors.kubernetes.claims import MANAGER, Claim, Claimed
from connectors.kubernetes.configmaps import ConfigMapSeen
from connectors.kubernetes.resources import RESOURCES, WORKLOADS, single
from connectors.kubernetes.seen import Identity, ObjectRef, WorkloadSeen
from connectors.kubernetes.sending import Writer
from connectors.names import kind as known_kind

LONGEST_MANAGER = 128  # the server's own limit
Declared = dict[str, Any]
Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Applied(Generic[Seen]):
    """What there is now, and from whom a field was taken for it."""

    seen: Seen
    taken_from: tuple[Claim, ...]


class Applying:
    """The fields of one cluster's objects that can be applied one by one. Reached as `KubernetesCluster.applying`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def set_images(
        self,
        ref: ObjectRef,
        *,
        as_: Identity,
        images: Mapping[str, str],
        execution: str,
        seen: str,
        take_over: bool = False,
        dry_run: bool = False,
    ) -> Applied[WorkloadSeen]:
        """Set the image of each of these containers (container → image). Raises `Claimed`, and what every write raises."""
        containers = [{"name": container, "image": image} for container, image in sorted(images.items())]
        manager, spec = manager_of("image", *sorted(images)), {"containers": containers}
        done = self._apply(
            ref, manager, _template(spec), as_=as_, execution=execution, seen=seen, take_over=take_over, dry_run=dry_run
        )
        return Applied(whole.workload(ref.kind, done.seen), done.taken_from)

    def set_variable(
        self,
        ref: ObjectRef,
        *,
        as_: Identity,
        container: str,
        name: str,
        value: str | None,
        execution: str,
        seen: str,
        take_over: bool = False,
        dry_run: bool = False,
    ) -> Applied[WorkloadSeen]:
        """Set one variable of one container. `None` gives it up: it goes, unless somebody else declares it too."""
        variables = [] if value is None else [{"name": name, "value": value}]
        spec = {"containers": [{"name": container, "env": variables}]} if variables else {}
        done = self._apply(
            ref,
            manager_of("env", container, name),
            _template(spec),
            as_=as_,
            execution=execution,
            seen=seen,
            take_over=take_over,
            dry_run=dry_run,
        )
        return Applied(whole.workload(ref.kind, done.seen), done.taken_from)

    def set_config_text(
        self,
        ref: ObjectRef,
        *,
        as_: Identity,
        key: str,
        text: str,
        execution: str,
        seen: str,
        take_over: bool = False,
        dry_run: bool = False,
    ) -> Applied[ConfigMapSeen]:
        """Set the text under one key of a ConfigMap."""
        done = self._apply(
            ref,
            manager_of("key", key),
            {"data": {key: text}},
            as_=as_,
            execution=execution,
            seen=seen,
            take_over=take_over,
            dry_run=dry_run,
        )
        return Applied(configmaps.config_map(done.seen), done.taken_from)

    def _apply(
        self,
        ref: ObjectRef,
        manager: str,
        declared: Declared,
        *,
        as_: Identity,
        execution: str,
        seen: str,
        take_over: bool,
        dry_run: bool,
    ) -> Applied[Declared]:
        path = single(known_kind(ref.kind, WORKLOADS | {configmaps.KIND}), ref.namespace, ref.name)
        body = _body(ref, declared, execution, seen)

        def send(*, force: bool) -> Declared:
            return self._writer.apply(
                path, body, Declared, as_=as_, what=str(ref), dry_run=dry_run, manager=manager, force=force
            )

        try:
            return Applied(send(force=False), ())
        except Claimed as refusal:
            others = tuple(claim for claim in refusal.claims if not claim.ours)
            owned = tuple(claim for claim in others if claim.declared)
            if owned and not take_over:
                raise Claimed(refusal.sentence, refusal.detail, owned) from refusal
        return Applied(send(force=True), others)


def manager_of(*parts: str) -> str:
    """The field manager of one field, or of the fields that are set together. A dot is in no container's name."""
    name = f"{MANAGER}-{parts[0]}-{'.'.join(parts[1:])}"
    if len(name) <= LONGEST_MANAGER:
        return name
    return f"{name[: LONGEST_MANAGER - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _template(spec: Declared) -> Declared:
    return {"spec": {"template": {"spec": spec}}} if spec else {}


def _body(ref: ObjectRef, declared: Declared, execution: str, seen: str) -> Declared:
    precondition = writing.precondition(ref, execution, seen)
    metadata = {"name": ref.name, "namespace": ref.namespace, **precondition["metadata"]}
    version = RESOURCES[ref.kind].api.removeprefix("/apis/").removeprefix("/api/")
    return {"apiVersion": version, "kind": ref.kind, "metadata": metadata, **declared}
