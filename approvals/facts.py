"""What the policy sees, and what it answers: frozen, typed, bounded values that travel without rows.

`Facts` is the whole world of a policy: conditions can name the fields below and nothing else. `people` is for the answer (who can
approve), not for conditions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class ActorFacts:
    name: str
    is_owner: bool
    is_approver: bool
    is_admin: bool
    may_ask: bool
    teams: tuple[str, ...] = ()


@dataclass(frozen=True)
class ActionFacts:
    id: str
    risk: int  # 1 low, 2 medium, 3 high


@dataclass(frozen=True)
class TargetFacts:
    kind: str
    service: str
    team: str
    tier: int
    managed_by: str
    self_heals: bool


@dataclass(frozen=True)
class EnvironmentFacts:
    name: str
    criticality: int


PLENTY = 1_000_000
"""What a guard says where nothing binds, or where it could not look: a condition can then compare it like any other number."""


@dataclass(frozen=True)
class PlanFacts:
    """Numbers the action took from its plan. `percent` is the change of size, negative when it shrinks; so are those of one pod's CPU
    and memory. `quota_left` and `node_headroom`: pods of the new size that would still fit afterwards, below 0 when not all of them do.
    `vpa`: a vertical autoscaler sets CPU and memory by itself. `takes_over`: fields taken from whoever declared them;
    `other_repository` and `unverified` are about the image that is put in place. `minutes`: how long access lasts, 0 for what is no
    access; `own_identity`: it is given to the person's own identity on the cluster, where nothing but us ends it. `other_teams`: whose
    workloads are restarted too, because they say that they read the secret, or reached too, because they are in the same namespace.
    """

    objects: int = 1
    pods: int = 0
    replicas_before: int = 0
    replicas_after: int = 0
    percent: float = 0.0
    unavailable: int = 0
    to_zero: bool = False
    cpu_percent: float = 0.0
    memory_percent: float = 0.0
    quota_left: int = PLENTY
    node_headroom: int = PLENTY
    vpa: bool = False
    takes_over: int = 0
    other_repository: bool = False
    unverified: bool = False
    minutes: int = 0
    own_identity: bool = False
    other_teams: int = 0


@dataclass(frozen=True)
class ContextFacts:
    """`undo_of_succeeded`: the plan is the exact way back of a run that succeeded and was no undo itself."""

    undo_of_succeeded: bool = False
    undo_by_requester: bool = False
    hours_since_original: float = 0.0


@dataclass(frozen=True)
class Approver:
    """Somebody who could decide. `identity` is one number for one human."""

    identity: int
    username: str
    name: str


@dataclass(frozen=True)
class Facts:
    actor: ActorFacts
    action: ActionFacts
    target: TargetFacts
    environment: EnvironmentFacts
    plan: PlanFacts
    context: ContextFacts
    now: datetime
    requester_identity: int = 0
    people: dict[str, tuple[Approver, ...]] = field(default_factory=dict)


class Effect(StrEnum):
    ALLOW = "allow"
    NEEDS = "needs"
    DENY = "deny"


@dataclass(frozen=True)
class RuleAnswer:
    """One rule that matched, in words a requester understands."""

    rule: str
    effect: Effect
    because: str


@dataclass(frozen=True)
class Requirement:
    """`count` different people out of `people`, none of them the requester."""

    rule: str
    count: int
    of: str
    people: tuple[Approver, ...]


@dataclass(frozen=True)
class Ruling:
    effect: Effect
    answers: tuple[RuleAnswer, ...]
    requirements: tuple[Requirement, ...]
    policy_digest: str
    looked_at: int = 0

    @property
    def headline(self) -> str:
        """The answer in one sentence, without a full stop."""
        if self.effect is Effect.ALLOW:
            return "Runs now, nobody has to be asked"
        if self.effect is Effect.NEEDS:
            return " and ".join(
                f"needs {need.count} of {len(need.people)} {'approver' if len(need.people) == 1 else 'approvers'}"
                for need in self.requirements
            ).capitalize()
        return "Denied"

    @property
    def why(self) -> str:
        return " ".join(answer.because for answer in self.answers if answer.effect is self.effect)

    @property
    def deciding_rules(self) -> tuple[str, ...]:
        return tuple(answer.rule for answer in self.answers if answer.effect is self.effect)


def ruling_from(stored: Mapping[str, Any]) -> Ruling:
    """Rebuild a ruling from the JSON it was stored as (`dataclasses.asdict`)."""
    return Ruling(
        effect=Effect(stored["effect"]),
        answers=tuple(RuleAnswer(each["rule"], Effect(each["effect"]), each["because"]) for each in stored["answers"]),
        requirements=tuple(
            Requirement(need["rule"], need["count"], need["of"], tuple(Approver(**person) for person in need["people"]))
            for need in stored["requirements"]
        ),
        policy_digest=stored["policy_digest"],
        looked_at=stored["looked_at"],
    )
