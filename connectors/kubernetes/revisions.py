"""The earlier pod templates that a cluster keeps of a workload, and what makes one of them current again. Pure.

A Deployment keeps them as its ReplicaSets, the other kinds as ControllerRevisions. Both add something of their own to the template
that no workload has, so it is taken off, and the two sides can be compared by one hash.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from connectors.kubernetes import wire
from connectors.kubernetes.reading import REVISION, controller, template_hash
from connectors.kubernetes.seen import RevisionSeen
from connectors.kubernetes.template import references

CHANGE_CAUSE = "kubernetes.io/change-cause"
Template = dict[str, Any]


def of_replicaset(seen: wire.KeptReplicaSet) -> RevisionSeen | None:
    """`None` as long as the controller has not numbered it."""
    number = seen.metadata.annotations.get(REVISION, "")
    template = _without(seen.spec.template, "labels", "pod-template-hash")
    return _revision(int(number), seen.metadata, template) if number.isdecimal() else None


def of_controller_revision(seen: wire.ControllerRevision) -> RevisionSeen:
    template = {key: value for key, value in seen.data.spec.template.items() if key != "$patch"}
    return _revision(seen.revision, seen.metadata, template)


def owned(by: str, kept: Iterable[wire.Kept]) -> list[wire.Kept]:
    return [each for each in kept if (owner := controller(each.metadata)) and owner.uid == by]


def _revision(number: int, meta: wire.Meta, template: Template) -> RevisionSeen:
    known = msgspec.convert(template, wire.Template)
    return RevisionSeen(
        number=number,
        name=meta.name,
        template_hash=template_hash(template),
        images=tuple(container.image for container in known.spec.containers),
        references=tuple(str(each) for each in references(template) if not each.optional),
        change_cause=meta.annotations.get(CHANGE_CAUSE, ""),
        created_at=meta.creation_timestamp,
        template=template,
    )


def _without(template: Template, part: str, key: str) -> Template:
    meta = dict(template.get("metadata") or {})
    rest = {name: value for name, value in (meta.pop(part, None) or {}).items() if name != key}
    return {**template, "metadata": {**meta, part: rest} if rest else meta}


def difference(old: Any, new: Any) -> Any:
    """The JSON merge patch (RFC 7396) that makes exactly `new` of `old`: what is gone is null, and lists are replaced whole."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    gone = dict.fromkeys(old.keys() - new.keys())
    return gone | {
        key: difference(old.get(key), value) for key, value in new.items() if key not in old or old[key] != value
    }
