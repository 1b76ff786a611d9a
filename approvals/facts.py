"""What the policy sees: frozen, typed, bounded values that travel without rows, and are kept with a request so that another policy can
be asked about it later.

`Facts` is the whole world of a policy: conditions can name the fields below and nothing else. `people` is for the answer (who can
approve), not for conditions.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ActorFacts:
    name: str
    is_owner: bool
    is_approver: bool
    is_admin: bool
    may_ask: bool
    teams: tuple[str, ...] = ()
    is_on_call: bool = False
    groups: tuple[str, ...] = ()


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
    """`undo_of_succeeded`: the plan is the exact way back of a run that succeeded and was no undo itself. `ticket` is the reference that
    was given; `open_incident`: one is open for the service, and `incident` is its reference. `scheduled`: it is to run later, and `now` is
    then that moment.
    """

    undo_of_succeeded: bool = False
    undo_by_requester: bool = False
    hours_since_original: float = 0.0
    ticket: str = ""
    open_incident: bool = False
    incident: str = ""
    scheduled: bool = False


@dataclass(frozen=True)
class HistoryFacts:
    """What happened before. `minutes_since_target`: since anything last ran on this target, `PLENTY` when nothing did. `clean_runs`: runs
    of this action on this service and environment that succeeded in a row, of the last 50, without one that was taken back or
    undone, failed, or waits for a person; an undo is none of them. What ran in a chain ran on each of its targets. `open_debts`:
    the requester's break-glass runs that nobody has reviewed yet; what went stale before it ran is none of them.
    """

    minutes_since_target: float = float(PLENTY)
    target_runs_last_hour: int = 0
    actor_requests_last_hour: int = 0
    service_reverts_last_day: int = 0
    clean_runs: int = 0
    open_debts: int = 0


@dataclass(frozen=True)
class Approver:
    """Somebody who could decide. `identity` is one number for one human. `away_until` is a date, empty for whoever is there."""

    identity: int
    username: str
    name: str
    on_call: bool = False
    away_until: str = ""


SECTIONS = ("actor", "action", "target", "environment", "plan", "context", "history")
"""What conditions can name, besides `now`."""


@dataclass(frozen=True)
class Facts:
    """`people` has, by the names that policies use (`owning-team-approvers`, `group:sre`), who that is for this service now."""

    actor: ActorFacts
    action: ActionFacts
    target: TargetFacts
    environment: EnvironmentFacts
    plan: PlanFacts
    context: ContextFacts
    now: datetime
    requester_identity: int = 0
    people: Mapping[str, tuple[Approver, ...]] = field(default_factory=dict)
    history: HistoryFacts = HistoryFacts()

    def stored(self) -> dict[str, Any]:
        """As JSON values, to be kept with the request."""
        sections = {name: asdict(getattr(self, name)) for name in SECTIONS}
        people = {of: [asdict(person) for person in group] for of, group in self.people.items()}
        return {
            **sections,
            "now": self.now.isoformat(),
            "requester_identity": self.requester_identity,
            "people": people,
        }


def facts_from(stored: Mapping[str, Any]) -> Facts:
    """Rebuild facts from what was kept. What has been added to facts since then has its default; what is gone is left out."""
    kinds: dict[str, Any] = {
        "actor": ActorFacts, "action": ActionFacts, "target": TargetFacts, "environment": EnvironmentFacts, "plan": PlanFacts,
        "context": ContextFacts, "history": HistoryFacts,
    }  # fmt: skip
    sections = {name: _section(kind, stored.get(name, {})) for name, kind in kinds.items()}
    people = {of: tuple(_section(Approver, person) for person in group) for of, group in stored["people"].items()}
    return Facts(
        **sections,
        now=datetime.fromisoformat(stored["now"]),
        requester_identity=stored["requester_identity"],
        people=people,
    )


def _section(kind: Any, values: Mapping[str, Any]) -> Any:
    known = {each.name for each in fields(kind)}
    return kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in known}
    )
