"""The contract of an action: one Python file that plans, applies, verifies and takes back.

Plans, steps and verdicts are frozen values. What is inside `Plan.content()` is what happens, and its digest is what an approver
signs; `impact` and `numbers` are what we observed around it, shown to people and to the policy but outside the digest, because a
pod more or less, which an autoscaler may add at any moment, does not change what would be done.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from audit.canonical import canonical_text, digest
from connectors.kubernetes import Identity, KubernetesCluster, ObjectRef


class Risk(IntEnum):
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class TargetKind(StrEnum):
    WORKLOAD = "workload"


class Params(BaseModel):
    """Base of every action's parameters: nothing unknown, nothing coerced. Forms, API, OpenAPI and policy facts follow from it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


P = TypeVar("P", bound=Params)


class CannotPlan(Exception):
    """What is asked for cannot be planned; the text says why and what to do next."""


class Drifted(Exception):
    """Just before the effect, the object is no longer what was planned on. Nothing was changed; the text says what differs."""


@dataclass(frozen=True)
class Target:
    """What an action acts on, as values. `key` names the object for exclusivity, `ref` for the connector."""

    kind: TargetKind
    key: str
    label: str
    service: str
    environment: str
    cluster: str
    ref: ObjectRef


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
    """One effect. `verb` and `args` are read by the action's `apply`; `args` holds text, numbers, booleans and null only."""

    id: str
    title: str
    verb: str
    args: Mapping[str, str | int | bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Option:
    """One value that can be chosen for a parameter now: what it is called, what is behind it, and since when there is such a one."""

    value: str | int
    label: str
    meaning: str = ""
    at: datetime | None = None


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
    and `no_revert` says why. `soak_seconds` is how long the result must stay good; `deadline_seconds` how long it may take to get
    there. `numbers` feeds the policy and is not signed.
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

    def content(self) -> dict[str, Any]:
        """Everything that is signed, as JSON values."""
        return {
            "action": self.action,
            "target": {
                "kind": self.target.kind.value, "key": self.target.key, "label": self.target.label, "service": self.target.service,
                "environment": self.target.environment, "cluster": self.target.cluster, "object": {
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
            "no_undo": self.no_undo,
            "irreversible": list(self.irreversible),
            "eject": list(self.eject),
            "soak_seconds": self.soak_seconds,
            "deadline_seconds": self.deadline_seconds,
        }  # fmt: skip

    @property
    def text(self) -> str:
        return canonical_text(self.content())

    @property
    def digest(self) -> str:
        return digest(self.content())


def _step(step: Step) -> dict[str, Any]:
    return {"id": step.id, "title": step.title, "verb": step.verb, "args": dict(step.args)}


def plan_from(content: Mapping[str, Any]) -> Plan:
    """Rebuild a plan from its stored content. What was observed around it is not part of it."""
    target = content["target"]
    return Plan(
        action=content["action"],
        target=Target(
            TargetKind(target["kind"]), target["key"], target["label"], target["service"], target["environment"],
            target["cluster"], ObjectRef(**target["object"]),
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
    )  # fmt: skip


class Outcome(StrEnum):
    OK = "ok"
    WAIT = "wait"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """What one observation says: as planned, not there yet, or it will not get there.

    The engine does the soak: `OK` must hold for `soak_seconds`, `WAIT` starts it again, `FAILED` ends it. An action that wants a
    dip during the soak to count as failure sees in `world.run.good_since` that the soak has begun. `evidence` is shown and kept:
    short names to text or numbers. `sentence` is what a person reads first.
    """

    outcome: Outcome
    sentence: str
    evidence: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What an effect may know of the run it belongs to. `stamp` is RFC 3339, chosen once per run.

    `applied_at` is when the steps were done; `good_since` is when the present stretch of good observations began, or None, and
    `baseline` the evidence of that moment. `evidence` is what `apply` returned, of all steps together.
    """

    id: str
    stamp: str
    applied_at: datetime | None = None
    good_since: datetime | None = None
    baseline: Mapping[str, str | int] = field(default_factory=dict)
    evidence: Mapping[str, str | int] = field(default_factory=dict)


def nobody_holds() -> None:
    """While planning there is no run to hold."""


@dataclass(frozen=True)
class World:
    """The outside, as an action may use it: a cluster, the person to act as, the time, and how long a result must stay good.

    `hold` is called between the read that decides and the write: it raises when the run was taken from this worker meanwhile. The
    read's resource version is then older than that check, so a write of whoever took the run makes ours a conflict.
    """

    cluster: KubernetesCluster
    person: Identity
    now: datetime
    soak_seconds: int = 30
    run: Run | None = None
    hold: Callable[[], None] = nobody_holds

    @property
    def current_run(self) -> Run:
        """The run an effect belongs to. Raises `LookupError` while planning: nothing may be done then."""
        if self.run is None:
            raise LookupError("There is no run while planning.")
        return self.run


class Action(ABC, Generic[P]):
    """Subclass, set the class attributes, decorate with `@register`. See docs/extending.md."""

    id: ClassVar[str]
    title: ClassVar[str]
    icon: ClassVar[str]
    risk: ClassVar[Risk]
    target: ClassVar[TargetKind] = TargetKind.WORKLOAD
    kinds: ClassVar[tuple[str, ...]]
    params: type[P]

    @abstractmethod
    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        """Sensible values for the form, from what is true now. Raises `CannotPlan`."""

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        """What there is to choose from now, for parameters of which the schema cannot know that. Raises `CannotPlan`."""
        return {}

    @abstractmethod
    def plan(self, target: Target, params: P, world: World) -> Plan:
        """Say what would happen; read and dry-run only. Raises `CannotPlan` with the reason and the way out."""

    @abstractmethod
    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        """Do one step so that a second call changes nothing, and return evidence read back from the outside.

        Reads first: if the step is there already by this run, it is confirmed without another write. Raises `Drifted`, and the
        connector's errors; `Unknown` when nobody can say whether it happened.
        """

    @abstractmethod
    def verify(self, plan: Plan, world: World) -> Verdict:
        """Compare what is observed now with what was planned."""

    @abstractmethod
    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        """Compare what is observed now with what was there before."""
