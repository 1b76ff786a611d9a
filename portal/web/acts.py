"""The buttons of a service, each with what the policy will answer before anybody clicks.

What a person is to the service is looked up once; the policy is asked for each action on each workload. The answer is for the least
the action can do: the form asks again with the exact plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from actions.registry import AnyAction, all_actions
from actions.ruling import Relation, relation_of, rule
from actions.targets import Row, environment_of, kind_of, object_kind, service_of
from approvals.rulings import Effect, Ruling
from inventory.models import Environment, Person, Secret, Workload

from .goals import address_of


@dataclass(frozen=True)
class Act:
    """One button. `state` is allowed, needed, denied or unknown; `why` is for whoever wants to know, and for whoever cannot."""

    action: AnyAction
    row: Row
    href: str
    state: str
    answer: str
    why: str
    rules: tuple[str, ...]

    @property
    def environment(self) -> Environment:
        return environment_of(self.row)

    @property
    def possible(self) -> bool:
        return self.state in ("allowed", "needed")


class Acts(tuple[Act, ...]):
    """What can be done to one target, the least risky first."""

    __slots__ = ()

    @property
    def first(self) -> list[Act]:
        """The everyday ones; all of them when there are few."""
        everyday = [act for act in self if act.action.everyday]
        return list(self) if len(self) <= FEW or not everyday else everyday

    @property
    def more(self) -> list[Act]:
        first = self.first
        return [act for act in self if act not in first]


FEW = 4


@dataclass(frozen=True)
class Place:
    """The workloads of a service in one environment and what can be done to each of them."""

    environment: Environment
    workloads: tuple[tuple[Workload, Acts], ...]

    @property
    def refusals(self) -> tuple[Act, ...]:
        """One for each reason, not for each button."""
        refused = [act for _, acts in self.workloads for act in acts if not act.possible]
        return tuple({act.why: act for act in refused}.values())


def places_of(person: Person, workloads: Sequence[Workload], now: datetime) -> tuple[Place, ...]:
    """All workloads are of one service. In the order of the environments."""
    if not workloads:
        return ()
    relation = relation_of(person, workloads[0].service, now)
    grouped: dict[Environment, list[tuple[Workload, Acts]]] = {}
    for workload in workloads:
        acts = Acts(act_of(action, workload, person, now, relation) for action in fitting(workload))
        grouped.setdefault(workload.environment, []).append((workload, acts))
    return tuple(Place(environment, tuple(found)) for environment, found in grouped.items())


def acts_on(person: Person, row: Row, now: datetime, relation: Relation | None = None) -> Acts:
    """What can be done to one target."""
    related = relation or relation_of(person, service_of(row), now)
    return Acts(act_of(action, row, person, now, related) for action in fitting(row))


def fitting(row: Row) -> list[AnyAction]:
    """The actions that people are offered for this kind of object, the least risky first."""
    kind, target = object_kind(row), kind_of(row)
    fit = (each for each in all_actions() if each.listed and each.target is target and kind in each.kinds)
    return sorted((each for each in fit if _makes_sense(each, row)), key=lambda each: (each.risk, each.title))


def _makes_sense(action: AnyAction, row: Row) -> bool:
    if action.offered_when is None:
        return True
    column, value = action.offered_when
    return bool(getattr(row, column)) is value


def act_of(action: AnyAction, row: Row, person: Person, now: datetime, relation: Relation) -> Act:
    href = address_of(action.id, row)
    system = row.vault if isinstance(row, Secret) else row.cluster
    what = f"{'Vault' if isinstance(row, Secret) else 'Cluster'} {system.name}"
    if system.unreachable_since:
        why = f"{what} does not answer, so nothing there can be planned."
        return Act(action, row, href, "unknown", "Cannot plan now", why, ())
    if system.read_only:
        return Act(action, row, href, "denied", "Read only", f"{what} is connected for reading only.", ())
    ruling = rule(action, row, person, now, relation=relation)
    return Act(action, row, href, STATES[ruling.effect], answer_of(ruling), ruling.why, ruling.deciding_rules)


STATES = {Effect.ALLOW: "allowed", Effect.NEEDS: "needed", Effect.DENY: "denied"}


def answer_of(ruling: Ruling) -> str:
    """The answer as a button has room for it: Runs now, Needs 1 of 3, Denied."""
    if ruling.effect is Effect.NEEDS:
        return "Needs " + " and ".join(f"{need.count} of {len(need.people)}" for need in ruling.requirements)
    return "Runs now" if ruling.effect is Effect.ALLOW else "Denied"
