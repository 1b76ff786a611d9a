"""Decides: typed facts in, a ruling with reasons out. Fails closed.

Deny beats needs beats allow, requirements add up, nothing matching is a denial, and so is a rule that cannot be evaluated.
"""

import re

import structlog
from celpy.celtypes import BoolType

from .facts import Approver, Effect, Facts, Requirement, RuleAnswer, Ruling
from .loader import Policy, Rule
from .tally import can_meet

log = structlog.get_logger(__name__)


def evaluate(facts: Facts, policy: Policy) -> Ruling:
    """Return what the policy says. Never raises for a policy that loaded."""
    answers: list[RuleAnswer] = []
    requirements: list[Requirement] = []
    for rule in policy.rules:
        matches = _matches(rule, facts)
        if matches is None:
            answers.append(
                RuleAnswer(
                    rule.id,
                    Effect.DENY,
                    f"Rule {rule.id} could not be evaluated, so the answer is no. Tell an administrator.",
                )
            )
            continue
        if not matches:
            continue
        because = _fill(rule.because, facts)
        if rule.deny:
            answers.append(RuleAnswer(rule.id, Effect.DENY, because))
        elif rule.needs:
            answers.append(RuleAnswer(rule.id, Effect.NEEDS, because))
            people = _others(facts, rule.needs.of)
            requirements.append(Requirement(rule.id, rule.needs.count, rule.needs.of, people))
            there = {person.identity for need in requirements for person in need.people}
            if not can_meet(requirements, there):
                wanted = sum(need.count for need in requirements)
                answers.append(RuleAnswer(rule.id, Effect.DENY, _nobody(facts, wanted, len(there))))
        else:
            answers.append(RuleAnswer(rule.id, Effect.ALLOW, because))
    if not answers:
        answers.append(
            RuleAnswer("no-rule-matches", Effect.DENY, "No rule of the policy speaks about this, so the answer is no.")
        )
    effects = {answer.effect for answer in answers}
    effect = next(each for each in (Effect.DENY, Effect.NEEDS, Effect.ALLOW) if each in effects)
    kept = tuple(requirements) if effect is Effect.NEEDS else ()
    return Ruling(effect, tuple(answers), kept, policy.digest, len(policy.rules))


def _matches(rule: Rule, facts: Facts) -> bool | None:
    try:
        answer = rule.condition.answer(facts)
    except Exception as problem:  # noqa: BLE001  # whatever its library raises: what cannot be evaluated is a no
        log.error("policy.rule_failed", rule=rule.id, problem=str(problem))
        return None
    return bool(answer) if isinstance(answer, BoolType) else None


def _others(facts: Facts, group: str) -> tuple[Approver, ...]:
    """Four eyes: whoever asks is not among those who can answer, under any account."""
    return tuple(person for person in facts.people.get(group, ()) if person.identity != facts.requester_identity)


def _nobody(facts: Facts, wanted: int, there: int) -> str:
    return (
        f"{wanted} of the approvers of team {facts.target.team} would have to agree, but there {'is' if there == 1 else 'are'} "
        f"{there or 'none'} besides you. Ask an administrator to add approvers to the team."
    )


def _fill(template: str, facts: Facts) -> str:
    """Replace {section.fact} by looking the two names up in the facts, and nothing else: no format strings, no attributes."""

    def value(match: re.Match[str]) -> str:
        found = getattr(getattr(facts, match[1]), match[2])
        return f"{found:g}" if isinstance(found, float) else str(found)

    return re.sub(r"\{(\w+)\.(\w+)\}", value, template)
