"""Gathers the typed facts a policy sees about one plan, and asks the policy."""

import json
from dataclasses import dataclass, fields, replace
from datetime import datetime

from django.conf import settings

from approvals import loader, policy
from approvals.combining import combine
from approvals.facts import (
    ActionFacts,
    ActorFacts,
    Approver,
    ContextFacts,
    EnvironmentFacts,
    Facts,
    PlanFacts,
    Ruling,
    TargetFacts,
)
from inventory import queries as inventory
from inventory.models import Person, Service, Workload

from .models import Request
from .protocol import Plan, plan_from
from .registry import AnyAction, action_named
from .states import ExecutionState
from .targets import Row, environment_of, row_at, service_of

OWNING_TEAM_APPROVERS = "owning-team-approvers"


def current_policy() -> loader.Policy:
    return loader.load(settings.CONFIGURATION.policy_dir or loader.DEFAULT_DIRECTORY)


@dataclass(frozen=True)
class Standing:
    """What a person is to a service: the same for all its workloads and actions, so it is looked up once for many rulings."""

    actor: ActorFacts
    approvers: tuple[Approver, ...]


def standing_of(person: Person, service: Service) -> Standing:
    approvers = inventory.approvers_of(service.team)
    owner = inventory.is_owner(person, service)
    return Standing(
        actor=ActorFacts(
            name=person.name,
            is_owner=owner,
            is_approver=inventory.is_approver(person, service.team),
            is_admin=person.is_superuser,
            may_ask=owner or inventory.may_ask(person, service),
            teams=tuple(sorted(person.groups.filter(team__isnull=False).values_list("team__slug", flat=True))),
        ),
        approvers=tuple(Approver(each.identity, each.username, each.name) for each in approvers),
    )


def rule(
    action: AnyAction,
    row: Row,
    person: Person,
    now: datetime,
    plan: Plan | None = None,
    undo_of: Request | None = None,
    standing: Standing | None = None,
) -> Ruling:
    """Ask the policy. Without a plan the answer is for the least the action can do: what a button can promise before a click.

    A chain is asked for as a whole, and each of its parts as if it were alone: it never gets more than they would.
    """
    shipped, facts = current_policy(), facts_about(action, row, person, now, plan, undo_of, standing)
    if plan is None or not plan.parts:
        return policy.evaluate(facts, shipped)
    alone = [
        (part.summary, facts_about(action_named(part.action), row_at(part.target), person, now, part, None))
        for part in plan.parts
    ]
    answers = [(name, policy.evaluate(replace(each, context=facts.context), shipped)) for name, each in alone]
    return combine(policy.evaluate(facts, shipped), answers)


def facts_about(
    action: AnyAction,
    row: Row,
    person: Person,
    now: datetime,
    plan: Plan | None,
    undo_of: Request | None,
    standing: Standing | None = None,
) -> Facts:
    service, environment = service_of(row), environment_of(row)
    team = service.team
    stands = standing or standing_of(person, service)
    return Facts(
        actor=stands.actor,
        action=ActionFacts(action.id, int(action.risk)),
        target=TargetFacts(
            kind=action.target.value,
            service=service.slug,
            team=team.slug if team else "nobody",
            tier=service.tier,
            managed_by=row.managed_by if isinstance(row, Workload) else "",
            self_heals=bool(plan and plan.numbers.get("self_heals")),
        ),
        environment=EnvironmentFacts(environment.slug, environment.criticality),
        plan=_numbers(plan, row),
        context=_context(undo_of, plan, person, now),
        now=now,
        requester_identity=person.identity,
        people={OWNING_TEAM_APPROVERS: stands.approvers},
    )


def _numbers(plan: Plan | None, row: Row) -> PlanFacts:
    """Every number of the plan that the policy has a name for. Without a plan: the least that could happen."""
    if plan is None:
        wanted = row.wanted if isinstance(row, Workload) else 0
        return PlanFacts(pods=wanted, replicas_before=wanted, replicas_after=max(1, wanted))
    blank = PlanFacts(objects=len(plan.changes))
    told = [each.name for each in fields(PlanFacts) if each.name in plan.numbers]
    return replace(blank, **{name: type(getattr(blank, name))(plan.numbers[name]) for name in told})


def _context(undo_of: Request | None, plan: Plan | None, person: Person, now: datetime) -> ContextFacts:
    execution = getattr(undo_of, "execution", None)
    if undo_of is None or execution is None:  # it never ran, so nothing is its way back
        return ContextFacts()
    ended = execution.ended_at or now
    return ContextFacts(
        undo_of_succeeded=execution.state == ExecutionState.SUCCEEDED and _is_the_way_back(plan, undo_of),
        undo_by_requester=undo_of.requester.identity == person.identity,
        hours_since_original=round((now - ended).total_seconds() / 3600, 3),
    )


def _is_the_way_back(plan: Plan | None, undo_of: Request) -> bool:
    """Whether a plan leads exactly from where that run left things to where it found them.

    Nobody agreed to anything else: not when others have changed the same fields since, and not to do again what an undo undid.
    """
    if undo_of.undo_of_id is not None:
        return False
    if plan is None:
        return True
    agreed = plan_from(json.loads(undo_of.plan_text))
    there = {(each.object, line.path, line.before, line.after) for each in agreed.changes for line in each.lines}
    back = {(each.object, line.path, line.after, line.before) for each in plan.changes for line in each.lines}
    return there == back
