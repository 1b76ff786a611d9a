"""The buttons of a service, each with what the policy will answer before anybody clicks.

What a person is to the service is looked up once; the policy is asked for each action on each workload. The answer is for the least
the action can do: the form asks again with the exact plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from actions.registry import AnyAction, all_actions
from actions.ruling import Standing, rule, standing_of
from approvals.facts import Effect, Ruling
from inventory.models import Environment, Person, Workload

from .action import address_of


@dataclass(frozen=True)
class Act:
    """One button. `state` is allowed, needed, denied or unknown; `why` is for whoever wants to know, and for whoever cannot."""

    action: AnyAction
    workload: Workload
    href: str
    state: str
    answer: str
    why: str
    rules: tuple[str, ...]

    @property
    def possible(self) -> bool:
        return self.state in ("allowed", "needed")


@dataclass(frozen=True)
class Place:
    """The workloads of a service in one environment and what can be done to each of them."""

    environment: Environment
    workloads: tuple[tuple[Workload, tuple[Act, ...]], ...]

    @property
    def refusals(self) -> tuple[Act, ...]:
        """One for each reason, not for each button."""
        refused = [act for _, acts in self.workloads for act in acts if not act.possible]
        return tuple({act.why: act for act in refused}.values())


def places_of(person: Person, workloads: Sequence[Workload], now: datetime) -> tuple[Place, ...]:
    """All workloads are of one service. In the order of the environments."""
    if not workloads:
        return ()
    standing = standing_of(person, workloads[0].service)
    grouped: dict[Environment, list[tuple[Workload, tuple[Act, ...]]]] = {}
    for workload in workloads:
        acts = tuple(act_of(action, workload, person, now, standing) for action in fitting(workload))
        grouped.setdefault(workload.environment, []).append((workload, acts))
    return tuple(Place(environment, tuple(found)) for environment, found in grouped.items())


def fitting(workload: Workload) -> list[AnyAction]:
    """The actions that work on this kind of object, the least risky first."""
    return sorted(
        (action for action in all_actions() if workload.kind in action.kinds), key=lambda each: (each.risk, each.title)
    )


def act_of(action: AnyAction, workload: Workload, person: Person, now: datetime, standing: Standing) -> Act:
    href = address_of(action.id, workload)
    cluster = workload.cluster
    if cluster.unreachable_since:
        why = f"Cluster {cluster.name} does not answer, so nothing there can be planned."
        return Act(action, workload, href, "unknown", "Cannot plan now", why, ())
    if cluster.read_only:
        return Act(
            action, workload, href, "denied", "Read only", f"Cluster {cluster.name} is connected for reading only.", ()
        )
    ruling = rule(action, workload, person, now, standing=standing)
    return Act(action, workload, href, STATES[ruling.effect], answer_of(ruling), ruling.why, ruling.deciding_rules)


STATES = {Effect.ALLOW: "allowed", Effect.NEEDS: "needed", Effect.DENY: "denied"}


def answer_of(ruling: Ruling) -> str:
    """The answer as a button has room for it: Runs now, Needs 1 of 3, Denied."""
    if ruling.effect is Effect.NEEDS:
        return "Needs " + " and ".join(f"{need.count} of {len(need.people)}" for need in ruling.requirements)
    return "Runs now" if ruling.effect is Effect.ALLOW else "Denied"
