"""What would happen, as frozen values: the target, the changes, the steps, and the plan that holds them.

What is inside `Plan.content()` is what happens, and its digest is what an approver signs; `impact` and `numbers` are what we
observed around it, shown to people and to the policy but outside the digest, because a pod more or less, which an autoscaler may
add at any moment, does not change what would be done.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from audit.canonical import canonical_text, digest
from connectors.kubernetes import ObjectRef


class TargetKind(StrEnum):
    WORKLOAD = "workload"
    SECRET = "secret"  # noqa: S105  (no password: a kind of target)
    NODE = "node"


@dataclass(frozen=True)
class Target:
    """What an action acts on, as values. `key` names the object for exclusivity, `ref` for the connector.

    Of a secret, `ref` is its kind, mount and path in `vault`, and `cluster` is where its consumers are, "" when there are none.
    """

    kind: TargetKind
    key: str
    label: str
    service: str
    environment: str
    cluster: str
    ref: ObjectRef
    vault: str = ""


@dataclass(frozen=True)
class Line:
    """One changed field: `before` or `after` is empty when it is added or removed."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """What the server's dry run says would differ on one object."""

    object: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Step:
    """One effect. `verb` and `args` are read by the action's `apply`; `args` holds text, numbers, booleans and null only.

    `final`: once it has begun nothing is taken back any more. `undoes`, of a step that takes back: the step it is the inverse of;
    it is left out when that one never began. `looks`: it changes nothing outside, so having done it is no reason to take anything back.
    """

    id: str
    title: str
    verb: str
    args: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    final: bool = False
    undoes: str = ""
    looks: bool = False


@dataclass(frozen=True)
class Option:
    """One value that can be chosen for a parameter now: what it is called, what is behind it, and since when there is such a one.

    `lines` are what differs from the present one, for a choice between versions.
    """

    value: str | int
    label: str
    meaning: str = ""
    at: datetime | None = None
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Impact:
    """One thing to know before signing: label, the number, a sentence of meaning. `worry` marks at most one or two."""

    label: str
    figure: str
    meaning: str
    worry: bool = False


@dataclass(frozen=True)
class Plan:
    """The frozen answer to "what exactly would happen".

    `preconditions` must still hold when it runs. `revert` is the inverse used when verification fails, empty when there is none
    and `no_revert` says why; with a `final` step, there can be both. `undo` is the parameters of the deliberate inverse, of
    `undo_action` or else of the same action. `soak_seconds` is how long the result must stay good; `deadline_seconds` how long it
    may take to get there. `lasts_seconds` makes it a grant: it ends by itself, counted from when the steps are done. `parts` are
    the plans of a chain, in order. `holds` are the keys of other targets that it changes too, so that nothing else may meanwhile.
    `numbers` feeds the policy and is not signed.
    """

    action: str
    target: Target
    params: Mapping[str, Any]
    summary: str
    preconditions: Mapping[str, str | int | bool | None]
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    revert: tuple[Step, ...]
    no_revert: str
    undo: Mapping[str, Any] | None
    no_undo: str
    irreversible: tuple[str, ...]
    eject: tuple[str, ...]
    soak_seconds: int
    deadline_seconds: int
    numbers: Mapping[str, int | float] = field(default_factory=dict)
    impact: tuple[Impact, ...] = ()
    undo_action: str = ""
    lasts_seconds: int | None = None
    parts: "tuple[Plan, ...]" = ()
    holds: tuple[str, ...] = ()

    def content(self) -> dict[str, Any]:
        """Everything that is signed, as JSON values."""
        return {
            "action": self.action,
            "target": {
                "kind": self.target.kind.value, "key": self.target.key, "label": self.target.label, "service": self.target.service,
                "environment": self.target.environment, "cluster": self.target.cluster, "vault": self.target.vault, "object": {
                    "kind": self.target.ref.kind, "namespace": self.target.ref.namespace, "name": self.target.ref.name,
                    "uid": self.target.ref.uid,
                },
            },
            "params": dict(self.params),
            "summary": self.summary,
            "preconditions": dict(self.preconditions),
            "changes": [
                {"object": c.object, "lines": [{"path": x.path, "before": x.before, "after": x.after} for x in c.lines]}
                for c in self.changes
            ],
            "steps": [_step(step) for step in self.steps],
            "revert": [_step(step) for step in self.revert],
            "no_revert": self.no_revert,
            "undo": None if self.undo is None else dict(self.undo),
            "undo_action": self.undo_action,
            "no_undo": self.no_undo,
            "irreversible": list(self.irreversible),
            "eject": list(self.eject),
            "soak_seconds": self.soak_seconds,
            "deadline_seconds": self.deadline_seconds,
            "lasts_seconds": self.lasts_seconds,
            "parts": [part.content() for part in self.parts],
            "holds": list(self.holds),
        }  # fmt: skip

    @property
    def granting(self) -> "Plan":
        """What of it begins and ends: of a chain the part that ends by itself, and otherwise the plan itself."""
        return next((part for part in self.parts if part.lasts_seconds is not None), self)

    @property
    def text(self) -> str:
        return canonical_text(self.content())

    @property
    def digest(self) -> str:
        return digest(self.content())


def _step(step: Step) -> dict[str, Any]:
    return {
        "id": step.id, "title": step.title, "verb": step.verb, "args": dict(step.args), "final": step.final, "undoes": step.undoes,
        "looks": step.looks,
    }  # fmt: skip


def plan_from(content: Mapping[str, Any]) -> Plan:
    """Rebuild a plan from its stored content, also from one that was stored before plans had all that they have now.

    What was observed around it is not part of it.
    """
    target = content["target"]
    return Plan(
        action=content["action"],
        target=Target(
            TargetKind(target["kind"]), target["key"], target["label"], target["service"], target["environment"],
            target["cluster"], ObjectRef(**target["object"]), target.get("vault", ""),
        ),
        params=content["params"],
        summary=content["summary"],
        preconditions=content["preconditions"],
        changes=tuple(Change(c["object"], tuple(Line(**line) for line in c["lines"])) for c in content["changes"]),
        steps=tuple(Step(**step) for step in content["steps"]),
        revert=tuple(Step(**step) for step in content["revert"]),
        no_revert=content["no_revert"],
        undo=content["undo"],
        no_undo=content["no_undo"],
        irreversible=tuple(content["irreversible"]),
        eject=tuple(content["eject"]),
        soak_seconds=content["soak_seconds"],
        deadline_seconds=content["deadline_seconds"],
        undo_action=content.get("undo_action", ""),
        lasts_seconds=content.get("lasts_seconds"),
        parts=tuple(plan_from(part) for part in content.get("parts", ())),
        holds=tuple(content.get("holds", ())),
    )  # fmt: skip
