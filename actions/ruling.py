"""Gathers the typed facts a policy sees about one plan, and asks the policy."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from approvals import loader, policy
from approvals.combining import combine
from approvals.facts import (
    ActionFacts,
    ActorFacts,
    Approver,
    ContextFacts,
    EnvironmentFacts,
    Facts,
    HistoryFacts,
    PlanFacts,
    TargetFacts,
)
from approvals.rulings import Effect, Ruling
from inventory import incidents, on_call
from inventory import queries as inventory
from inventory.models import Incident, Person, Service, Workload

from .eligibility import people_for
from .models import Request
from .past import history_of
from .policies import current_policy
from .protocol import Plan, plan_from
from .registry import AnyAction, action_named
from .states import ExecutionState
from .targets import Row, environment_of, row_at, service_of, target_of
from .terms import AS_USUAL, Terms

WAY_BACK = ("undo_of_succeeded", "undo_by_requester", "hours_since_original")
"""The facts that a part of a chain has of the whole."""


@dataclass(frozen=True)
class Relation:
    """What a person is to a service: the same for all its workloads and actions, so it is looked up once for many rulings, together with
    the policy that is asked.
    """

    actor: ActorFacts
    people: dict[str, tuple[Approver, ...]]
    policy: loader.Policy
    accounts: frozenset[int] = frozenset()
    incident: Incident | None = None
    """Reported by somebody else."""


def relation_of(person: Person, service: Service, now: datetime, shipped: loader.Policy | None = None) -> Relation:
    asked = shipped or current_policy()
    owner = inventory.is_owner(person, service)
    shift = on_call.on_call_now(service.team, now) if service.team else []
    groups = list(person.groups.values_list("name", "team__slug"))
    mine = frozenset(inventory.accounts_of(person))
    return Relation(
        actor=ActorFacts(
            name=person.name,
            is_owner=owner,
            is_approver=inventory.is_approver(person, service.team),
            is_admin=person.is_superuser,
            may_ask=owner or inventory.may_ask(person, service),
            teams=tuple(sorted(slug for _, slug in groups if slug)),
            is_on_call=on_call.put_on_call(mine, service.team, now),
            groups=tuple(sorted(name for name, _ in groups)),
        ),
        people=people_for(sorted(asked.groups), service, now, shift),
        policy=asked,
        accounts=mine,
        incident=incidents.open_incident(service, now, not_by=mine),
    )


def rule(action: AnyAction, row: Row, person: Person, now: datetime, relation: Relation | None = None) -> Ruling:
    """Ask the policy before there is a plan, about the least the action can do: what a button can promise before a click."""
    related = relation or relation_of(person, service_of(row), now)
    [facts] = facts_of(action, row, person, now, None, related.policy, relation=related)
    return policy.evaluate(facts, related.policy, looks_ahead=False)


def decide(facts: Sequence[Facts], plan: Plan | None, shipped: loader.Policy, terms: Terms) -> Ruling:
    """What a policy says to facts that were gathered, of the whole and then of each part.

    A chain is asked for as a whole, and each of its parts as if it were alone: it never gets more than they would.
    """
    whole, *alone = (_answer(each, shipped, terms) for each in facts)
    if plan is None or not plan.parts:
        return whole
    return combine(whole, [(part.summary, ruling) for part, ruling in zip(plan.parts, alone, strict=True)])


def _answer(facts: Facts, shipped: loader.Policy, terms: Terms) -> Ruling:
    """Nothing is overridden and no glass is broken where nothing asks for it."""
    plain = policy.evaluate(facts, shipped)
    if plain.effect is Effect.ALLOW or not (terms.override or terms.break_glass):
        return plain
    return policy.evaluate(facts, shipped, override=terms.override, break_glass=terms.break_glass)


def facts_of(
    action: AnyAction,
    row: Row,
    person: Person,
    now: datetime,
    plan: Plan | None,
    shipped: loader.Policy,
    undo_of: Request | None = None,
    relation: Relation | None = None,
    terms: Terms = AS_USUAL,
    again: Request | None = None,
) -> tuple[Facts, ...]:
    """What a policy sees of the whole, and then of each part of a chain. `again`: the request that is asked about once more.

    A part is the way back of something because the whole is; an incident of one service lets nobody act on another.
    """
    whole = _facts(action, row, person, now, plan, shipped, undo_of, relation, terms, again)
    parts = plan.parts if plan is not None else ()
    alone = (
        _facts(action_named(part.action), row_at(part.target), person, now, part, shipped, None, None, terms, again) for part in parts
    )  # fmt: skip
    back = {name: getattr(whole.context, name) for name in WAY_BACK}
    return (whole, *(replace(each, context=replace(each.context, **back)) for each in alone))


def incident_of(service: Service, terms: Terms, now: datetime) -> Incident | None:
    """The open one that the ticket names, or else one that is open for the service: nobody has to tell it again."""
    return incidents.open_incident(service, now, terms.ticket) or incidents.open_incident(service, now)


def _facts(
    action: AnyAction,
    row: Row,
    person: Person,
    now: datetime,
    plan: Plan | None,
    shipped: loader.Policy,
    undo_of: Request | None,
    relation: Relation | None,
    terms: Terms,
    again: Request | None,
) -> Facts:
    service, environment = service_of(row), environment_of(row)
    team = service.team
    runs_at, asked_at = max(now, terms.not_before or now), again.created_at if again else now
    related = relation or relation_of(person, service, runs_at, shipped)
    history = HistoryFacts()
    if plan is not None:
        history = history_of(
            target_key=target_of(row).key, action=action.id, service=service, environment=environment, person=person,
            at=runs_at, now=now, of=again,
        )  # fmt: skip
    return Facts(
        actor=related.actor,
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
        context=_context(
            undo_of, plan, person, max(asked_at, terms.not_before or asked_at), _told(service, terms, now, related)
        ),
        now=runs_at,
        requester_identity=person.identity,
        people=related.people,
        history=history,
    )


def _told(service: Service, terms: Terms, now: datetime, relation: Relation) -> dict[str, Any]:
    named = incidents.open_incident(service, now, terms.ticket, not_by=relation.accounts) if terms.ticket else None
    incident = named or relation.incident
    return {
        "ticket": terms.ticket,
        "open_incident": incident is not None,
        "incident": incident.reference if incident else "",
        "scheduled": terms.not_before is not None,
    }


def _numbers(plan: Plan | None, row: Row) -> PlanFacts:
    """Every number of the plan that the policy has a name for. Without a plan: the least that could happen."""
    if plan is None:
        wanted = row.wanted if isinstance(row, Workload) else 0
        return PlanFacts(pods=wanted, replicas_before=wanted, replicas_after=max(1, wanted))
    blank = PlanFacts(objects=len(plan.changes))
    told = [each.name for each in fields(PlanFacts) if each.name in plan.numbers]
    return replace(blank, **{name: type(getattr(blank, name))(plan.numbers[name]) for name in told})


def _context(
    undo_of: Request | None, plan: Plan | None, person: Person, asked_at: datetime, told: dict[str, Any]
) -> ContextFacts:
    """The way back stays as agreed as it was when it was asked for, however long it stood in line: its hours count until then, or until
    the time that it was asked for.
    """
    execution = getattr(undo_of, "execution", None)
    if undo_of is None or execution is None:  # it never ran, so nothing is its way back
        return ContextFacts(**told)
    ended = execution.ended_at or asked_at
    return ContextFacts(
        undo_of_succeeded=execution.state == ExecutionState.SUCCEEDED and _is_the_way_back(plan, undo_of),
        undo_by_requester=undo_of.requester.identity == person.identity,
        hours_since_original=round((asked_at - ended).total_seconds() / 3600, 3),
        **told,
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
