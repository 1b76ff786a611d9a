"""The contract of an action: one Python file that plans, applies, verifies and takes back.

Everything its author needs is imported from here; plans and their parts are in `plans`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from connectors.kubernetes import Identity, KubernetesCluster
from connectors.kubernetes.jobs import LogSeen
from connectors.vault import VaultServer

from .plans import Change, Impact, Line, Option, Plan, Step, Target, TargetKind, plan_from

__all__ = [
    "QUANTITY", "Action", "CannotPlan", "Change", "Drifted", "Ending", "HandOver", "Impact", "LeftAlone", "Line", "NotYet", "Option",
    "Outcome", "Params", "Plan", "Risk", "Run", "Step", "StepFailed", "Target", "TargetKind", "Verdict", "World",
    "nobody_holds", "plan_from",
]  # fmt: skip


class Risk(IntEnum):
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Params(BaseModel):
    """Base of every action's parameters: nothing unknown, nothing coerced. Forms, API, OpenAPI and policy facts follow from it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


P = TypeVar("P", bound=Params)

QUANTITY = "quantity"
"""The `format` in the schema of a parameter that is an amount as Kubernetes writes it: it can be more and less, like a number."""


class CannotPlan(Exception):
    """What is asked for cannot be planned; the text says why and what to do next."""


class LeftAlone(CannotPlan):
    """A change for a while is not set back: what is there now is somebody else's, or nothing is there any more."""


class Drifted(Exception):
    """Just before the effect, the object is no longer what was planned on. Nothing was changed; the text says what differs."""


class NotYet(Exception):
    """A step is begun and not done: it is done again soon, until the plan's deadline. No worker is held meanwhile.

    `evidence` is kept with the step.
    """

    def __init__(self, sentence: str, evidence: Mapping[str, str | int] | None = None) -> None:
        super().__init__(sentence)
        self.evidence = dict(evidence or {})


class StepFailed(Exception):
    """A step is begun and will not get there. What was done is taken back; the text says why."""


class Outcome(StrEnum):
    OK = "ok"
    WAIT = "wait"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """What one observation says: as planned, not there yet, or it will not get there.

    The engine does the soak: `OK` must hold for `soak_seconds`, `WAIT` starts it again, `FAILED` ends it. An action that wants a
    dip during the soak to count as failure sees in `world.run.good_since` that the soak has begun. `evidence` is shown and kept:
    short names to text or numbers. `sentence` is what a person reads first. `proof` says what a workload runs that was seen to be
    good, so that it can be gone back to and promoted: `{"template": hash, "images": {container: image}}`.
    """

    outcome: Outcome
    sentence: str
    evidence: Mapping[str, str | int] = field(default_factory=dict)
    proof: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Run:
    """What an effect may know of the run it belongs to. `stamp` is RFC 3339, chosen once per run.

    `applied_at` is when the steps were done; `good_since` is when the present stretch of good observations began, or None, and
    `baseline` the evidence of that moment. `evidence` is what `apply` returned, of all steps together. `began` are
    the steps that happened or may have, `None` when that is not known.
    """

    id: str
    stamp: str
    applied_at: datetime | None = None
    good_since: datetime | None = None
    baseline: Mapping[str, str | int] = field(default_factory=dict)
    evidence: Mapping[str, str | int] = field(default_factory=dict)
    began: frozenset[str] | None = None


def nobody_holds() -> None:
    """While planning there is no run to hold."""


def nowhere_else(name: str) -> KubernetesCluster:
    raise CannotPlan(f"The cluster {name} is not connected here. Ask an administrator to connect it.")


@dataclass(frozen=True)
class World:
    """The outside, as an action may use it: a cluster, a vault, the person to act as, the time, how long a result must stay good.

    `hold` is called between the read that decides and the write: it raises when the run was taken from this worker meanwhile. The
    read's resource version is then older than that check, so a write of whoever took the run makes ours a conflict. `supplied` are
    values that a person typed for this one step; they are in memory and nowhere else. `temporary` are the plans of the changes that
    are in force on the target for a while, oldest first.
    """

    kubernetes: KubernetesCluster | None
    person: Identity
    now: datetime
    soak_seconds: int = 30
    run: Run | None = None
    hold: Callable[[], None] = nobody_holds
    bao: VaultServer | None = None
    elsewhere: Callable[[str], KubernetesCluster] = nowhere_else
    supplied: Mapping[str, str] | None = field(default=None, repr=False)
    temporary: Sequence[Plan] = ()

    @property
    def cluster(self) -> KubernetesCluster:
        """Raises `CannotPlan` when the target has none."""
        if self.kubernetes is None:
            raise CannotPlan("Nothing in a connected cluster belongs to this.")
        return self.kubernetes

    @property
    def vault(self) -> VaultServer:
        """The target's vault; for targets without one, the vault that is connected. Raises `CannotPlan` when none is."""
        if self.bao is None:
            raise CannotPlan("No vault is connected. Ask an administrator to connect one.")
        return self.bao

    def cluster_named(self, name: str) -> KubernetesCluster:
        """Raises `CannotPlan` when there is none of that name."""
        if self.kubernetes is not None and self.kubernetes.name == name:
            return self.kubernetes
        return self.elsewhere(name)

    @property
    def current_run(self) -> Run:
        """The run an effect belongs to. Raises `LookupError` while planning: nothing may be done then."""
        if self.run is None:
            raise LookupError("There is no run while planning.")
        return self.run

    def refuse_while_planning(self) -> None:
        """For a step that may have nothing to write and so would not ask for its run. Raises `LookupError`."""
        _ = self.current_run


@dataclass(frozen=True)
class Ending:
    """What ends a grant: an action and its parameters."""

    action: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class HandOver:
    """A credential on its way to the one who may have it. `value` is never kept; `handle` is, to end it by: a lease, an accessor."""

    kind: str
    value: Mapping[str, str] = field(repr=False)
    handle: Mapping[str, str | int] = field(default_factory=dict)


class Action(ABC, Generic[P]):
    """Subclass, set the class attributes, decorate with `@register`. See docs/extending.md."""

    id: ClassVar[str]
    title: ClassVar[str]
    icon: ClassVar[str]
    risk: ClassVar[Risk]
    target: ClassVar[TargetKind] = TargetKind.WORKLOAD
    kinds: ClassVar[tuple[str, ...]]
    offered_when: ClassVar[tuple[str, bool] | None] = None
    """What the inventory has to say of a target for this to be offered on it, a column and its value: what is off is not switched off."""
    listed: ClassVar[bool] = True
    """Whether people are offered it. What is not listed is only reached as the undo or the end of something else."""
    preposition: ClassVar[str] = ""
    """Between the title and what it is done to, where people need one: get access *to*, patch image *of*."""
    everyday: ClassVar[bool] = False
    """Whether it has a button of its own on a service's page; the others are behind "More"."""
    gives_access: ClassVar[bool] = False
    only_stops: ClassVar[bool] = False
    """Taking it back is no more than stopping it: what it had done by then stays done."""
    """Whether what it does, with `lasts_seconds`, is somebody's access, which must end, or a change, which may be left as it is."""
    params: type[P]

    @abstractmethod
    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        """Sensible values for the form, from what is true now. Raises `CannotPlan`."""

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        """What there is to choose from now, for parameters of which the schema cannot know that. Raises `CannotPlan`."""
        return {}

    def present(self, target: Target, params: P, world: World) -> Mapping[str, Any]:
        """What is true now of what `params` are about, where it depends on them. Raises `CannotPlan`."""
        return self.defaults(target, world)

    def inner(self, target: Target, chosen: Mapping[str, Any], world: World) -> Mapping[str, type[Params]]:
        """What belongs into the parameters that are mappings, when this is what was chosen for the others. Raises `CannotPlan`."""
        return {}

    @abstractmethod
    def plan(self, target: Target, params: P, world: World) -> Plan:
        """Say what would happen; read and dry-run only. Raises `CannotPlan` with the reason and the way out, and `BadParams` for
        values of which only the outside says whether they fit.
        """

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

    def logs(self, plan: Plan, world: World) -> Sequence[LogSeen]:
        """What the work that this run started has written so far. Asked for while it is verified; redacted and kept with the run."""
        return ()

    def waits_for(self, plan: Plan) -> Literal["", "start", "value"]:
        """What the requester has to do before an agreed run begins: `start` it, because its time counts from then, or hand in a
        `value` that may be kept nowhere, for the first step.
        """
        return ""

    def ending(self, plan: Plan, others: Sequence[Plan]) -> Ending | None:
        """What the end of a grant does. `others` are the plans of the grants on the same target that go on, oldest first.

        `None` when nothing is left to do, because one of them holds what this one held. The parameters of what ends *access* get
        `Grant.handle` besides: the mark of the run that gave it, and what a credential left.
        """
        if plan.undo is None:
            return None
        return Ending(plan.undo_action or plan.action, plan.undo)

    def hand_over(self, plan: Plan, handle: Mapping[str, str | int], ends_at: datetime, world: World) -> HandOver:
        """Make the credential of a grant, for the person who asked, now. Only of actions that give access by one.

        `handle` is what is kept of the grant: the mark of its run, and what the last credential left. An earlier one is ended first,
        unless the end of the grant does that. Raises `CannotPlan` when there is none to give.
        """
        raise CannotPlan(f"{self.title} gives no credential: what was asked for is there already.")

    def revoke(self, plan: Plan, handle: Mapping[str, str | int], world: World) -> None:
        """End a credential that was made and that nobody has got, where the end of the grant would not end it along."""
        return
