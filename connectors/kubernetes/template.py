"""What a pod template says of its containers' variables and of the objects beside it, from a revision that the cluster keeps. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.kubernetes.seen import RevisionSeen

NAMED_IN = {
    "configMapRef": ("ConfigMap", "name"),
    "configMapKeyRef": ("ConfigMap", "name"),
    "configMap": ("ConfigMap", "name"),
    "secretRef": ("Secret", "name"),
    "secretKeyRef": ("Secret", "name"),
    "secret": ("Secret", "secretName"),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
}
"""Where a pod's spec names an object beside it: the field, what it names, and in which field of it the name is."""

AT_START = frozenset({"configMapRef", "configMapKeyRef", "secretRef", "secretKeyRef"})
"""Where it becomes the environment of a process, which nobody can change while that runs."""


@dataclass(frozen=True, slots=True)
class VariableSeen:
    """A variable that a container declares itself. `source` says where its value comes from when it is not written there."""

    container: str
    name: str
    value: str = field(repr=False)  # may be a secret, whatever its name
    source: str


@dataclass(frozen=True, slots=True)
class ReferenceSeen:
    """An object that the template names. `at_start`: what a container reads of it, it reads only when it starts."""

    kind: str
    name: str
    optional: bool
    at_start: bool

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def variables(revision: RevisionSeen) -> tuple[VariableSeen, ...]:
    """In the order in which they are declared; what an `envFrom` brings along is not among them."""
    containers = (revision.template.get("spec") or {}).get("containers") or ()
    return tuple(
        VariableSeen(container["name"], each["name"], str(each.get("value") or ""), _source(each.get("valueFrom")))
        for container in containers
        for each in container.get("env") or ()
    )


def _source(value_from: Mapping[str, Any] | None) -> str:
    for key, inside in (value_from or {}).items():
        kind, name = NAMED_IN.get(key, ("", ""))
        return f"{kind} {inside[name]}" if kind else key
    return ""


def references(template: Mapping[str, Any]) -> tuple[ReferenceSeen, ...]:
    """Each object once, by kind and name. Where it is named twice, what is stricter holds."""
    found: dict[tuple[str, str], ReferenceSeen] = {}
    for each in _all_of(template.get("spec") or {}):
        before = found.get((each.kind, each.name), each)
        optional, at_start = before.optional and each.optional, before.at_start or each.at_start
        found[each.kind, each.name] = ReferenceSeen(each.kind, each.name, optional, at_start)
    return tuple(found[key] for key in sorted(found))


def _all_of(spec: Mapping[str, Any]) -> Iterator[ReferenceSeen]:
    single_files = {
        mount["name"]
        for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
        for mount in container.get("volumeMounts") or ()
        if mount.get("subPath") or mount.get("subPathExpr")
    }
    for key, part in spec.items():
        if key != "volumes":
            yield from _named(part, at_start=False)
    for volume in spec.get("volumes") or ():
        # A file that is mounted on its own stays what it was when the container started.
        yield from _named(volume, at_start=volume.get("name") in single_files)
    for each in spec.get("imagePullSecrets") or ():
        if each.get("name"):
            yield ReferenceSeen("Secret", each["name"], optional=False, at_start=True)
    if account := spec.get("serviceAccountName"):
        yield ReferenceSeen("ServiceAccount", account, optional=False, at_start=True)


def _named(part: Any, *, at_start: bool) -> Iterator[ReferenceSeen]:
    if isinstance(part, list):
        for item in part:
            yield from _named(item, at_start=at_start)
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        kind, name = NAMED_IN.get(key, ("", ""))
        # A projected volume says `secret: {name: …}`, a volume of its own `secret: {secretName: …}`.
        if kind and isinstance(value, dict) and (called := value.get(name) or value.get("name")):
            yield ReferenceSeen(kind, called, bool(value.get("optional")), at_start or key in AT_START)
        yield from _named(value, at_start=at_start)
