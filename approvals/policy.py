"""Decides: typed facts in, a ruling with reasons out. Fails closed.

Deny beats needs beats allow, requirements add up, nothing matching is a denial, and so is a rule that cannot be evaluated. What was
earned sets a need aside; what may be overridden, or glass that may be broken, only when that is asked for.
"""

import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field, replace

import structlog

from . import groups
from .conditions import said, value_of
from .facts import Approver, Facts
from .loader import Policy
from .rules import Needs, Rule
from .rulings import (
    BREAK_GLASS,
    FAILED,
    NO_RULE,
    OVERRIDE,
    BreakGlass,
    Effect,
    Escalation,
    Requirement,
    RuleAnswer,
    Ruling,
)
from .tally import can_meet

log = structlog.get_logger(__name__)

MOST_CHANGES = 60
"""So many moments are looked at for when it opens."""


@dataclass
class _Found:
    """What matched, before it is weighed."""

    denials: list[tuple[Rule | None, RuleAnswer]] = field(default_factory=list)
    needs: list[tuple[Rule, RuleAnswer]] = field(default_factory=list)
    allows: list[RuleAnswer] = field(default_factory=list)
    waivers: list[Rule] = field(default_factory=list)
    glass: list[Rule] = field(default_factory=list)

    @property
    def speaks(self) -> bool:
        """Whether anything but a denial speaks about this: setting a denial aside must never be a way around having no rule."""
        return bool(self.allows or self.needs)


def evaluate(
    facts: Facts, policy: Policy, *, override: bool = False, break_glass: bool = False, looks_ahead: bool = True
) -> Ruling:
    """Return what the policy says. Never raises.

    `override`: set aside the denials that may be, for what their rules then need. `break_glass`: act now and be reviewed after.
    `looks_ahead`: say of a denial when it ends by itself, which takes many times as long as the answer.
    """
    try:
        found = _matching(facts, policy)
        ruling = _weighed(found, facts, policy, override, break_glass)
        if ruling.effect is not Effect.DENY or not looks_ahead or not all(_can_end(rule) for rule, _ in found.denials):
            return ruling
        return replace(ruling, opens_at=_opens_at(facts, policy))
    except Exception:  # a policy that cannot be asked denies, whatever is wrong
        log.exception("policy.failed", policy=policy.digest)
        return Ruling(
            Effect.DENY,
            (RuleAnswer(FAILED, Effect.DENY, "The policy could not be asked, so the answer is no."),),
            (),
            policy.digest,
        )


def _weighed(found: _Found, facts: Facts, policy: Policy, override: bool, break_glass: bool) -> Ruling:
    waived = {rule.id: waiver.id for waiver in found.waivers for rule, _ in found.needs if rule.id in waiver.waives}
    needs = [(rule, _aside(answer, waived.get(rule.id, ""))) for rule, answer in found.needs]
    requirements = [each for rule, answer in needs if not answer.set_aside for each in _required(rule, facts)]
    price = _price_of_denials(found, requirements, facts)
    glass = _glass(found, facts, price, requirements)
    earned = [waiver for waiver in found.waivers if waiver.id in waived.values()]
    found.allows += [_answer(waiver, Effect.ALLOW, facts) for waiver in earned]
    denials = [answer for _, answer in found.denials]
    answers_needs = [answer for _, answer in needs]
    if break_glass and glass is not None:
        denials = [_aside(answer, BREAK_GLASS) for answer in denials]
        answers_needs = [answer if answer.set_aside else _aside(answer, BREAK_GLASS) for answer in answers_needs]
        requirements = []
        found.allows.append(RuleAnswer(glass.rule, Effect.ALLOW, glass.because))
    elif break_glass:
        denials.append(RuleAnswer(BREAK_GLASS, Effect.DENY, _no_glass(found, facts)))
    elif override and price:
        denials = [_aside(answer, OVERRIDE) for answer in denials]
        requirements += price
        answers_needs += [
            RuleAnswer(rule.id, Effect.NEEDS, f"Overridden: {answer.because}", answer.facts)
            for rule, answer in found.denials
            if rule is not None
        ]
    denials += _too_few(requirements, facts)
    answers = (*denials, *answers_needs, *found.allows)
    effects = {answer.effect for answer in answers if not answer.set_aside}
    if not effects:
        answers = (*answers, _nothing_matches())
        effects = {Effect.DENY}
    effect = next(each for each in (Effect.DENY, Effect.NEEDS, Effect.ALLOW) if each in effects)
    return Ruling(
        effect=effect,
        answers=answers,
        requirements=tuple(requirements) if effect is Effect.NEEDS else (),
        policy_digest=policy.digest,
        looked_at=len(policy.rules),
        override=tuple(price) if effect is Effect.DENY and not override else (),
        break_glass=glass if break_glass or effect is not Effect.ALLOW else None,
        expires_minutes=_expiry(
            found, {rule.id for rule, answer in needs if not answer.set_aside}, bool(override and price)
        ),
    )


def _matching(facts: Facts, policy: Policy) -> _Found:
    found = _Found()
    for rule in policy.rules:
        try:
            matches = _in_time(rule, facts) and rule.condition.holds(facts)
        except Exception as problem:  # noqa: BLE001  # whatever its library raises is a no
            log.error("policy.rule_failed", rule=rule.id, problem=str(problem))
            found.denials.append((None, _cannot(rule)))
            continue
        if matches:
            _sort(rule, facts, found)
    return found


def _sort(rule: Rule, facts: Facts, found: _Found) -> None:
    if rule.text.deny:
        found.denials.append((rule, _answer(rule, Effect.DENY, facts)))
    elif rule.needs:
        found.needs.append((rule, _answer(rule, Effect.NEEDS, facts)))
    elif rule.text.break_glass:
        found.glass.append(rule)
    elif rule.waives:
        found.waivers.append(rule)  # it allows only when it sets something aside
    else:
        found.allows.append(_answer(rule, Effect.ALLOW, facts))


def _answer(rule: Rule, effect: Effect, facts: Facts) -> RuleAnswer:
    named = tuple((name, said(value_of(facts, name))) for name in rule.condition.names)
    return RuleAnswer(rule.id, effect, _fill(rule.because, facts), named)


def _in_time(rule: Rule, facts: Facts) -> bool:
    return rule.schedule is None or rule.schedule.holds(facts.now) is (rule.text.during is not None)


def _required(rule: Rule, facts: Facts) -> Iterator[Requirement]:
    for need in rule.needs:
        yield from _places(rule.id, need, facts)


def _places(rule: str, need: Needs, facts: Facts) -> Iterator[Requirement]:
    """A quorum is so many of each group, and the rest of any of them; a vote counts for one place."""
    later = None
    if need.escalate is not None:
        later = Escalation(need.escalate.after_minutes, need.escalate.to, _others(facts, [need.escalate.to]))
    each = need.each or 0
    if each:
        for of in need.of:
            yield Requirement(rule, each, of, _others(facts, [of]), later)
    if rest := need.count - each * len(need.of):
        yield Requirement(rule, rest, groups.OR.join(need.of), _others(facts, need.of), later)


def _others(facts: Facts, named: Iterable[str]) -> tuple[Approver, ...]:
    """Four eyes: whoever asks is not among those who can answer, under any account."""
    people = {person.identity: person for of in named for person in facts.people.get(of, ())}
    return tuple(person for identity, person in people.items() if identity != facts.requester_identity)


def _price_of_denials(found: _Found, requirements: list[Requirement], facts: Facts) -> list[Requirement]:
    """What it takes, beyond the requirements, to set aside every denial; nothing when one of them cannot be, when there are too few
    people for all of it, or when nothing would be left that speaks about this.
    """
    if not found.speaks:
        return []
    price: list[Requirement] = []
    for rule, _ in found.denials:
        if rule is None or rule.text.override is None:
            return []
        price += _places(rule.id, rule.text.override, facts)
    return [] if _too_few([*requirements, *price], facts) else price


def _glass(found: _Found, facts: Facts, price: list[Requirement], requirements: list[Requirement]) -> BreakGlass | None:
    """Narrow: only for what somebody could have agreed to, by whoever has no debt left, and with somebody there to review it.

    Of several rules the strictest counts: most people, soonest.
    """
    if facts.history.open_debts or not (price if found.denials else requirements) or _too_few(requirements, facts):
        return None
    offers = [(rule, rule.text.break_glass) for rule in found.glass if rule.text.break_glass]
    if not offers:
        return None
    rule, review = min(offers, key=lambda offer: (-offer[1].count, offer[1].within_hours, offer[0].id))
    asked = Requirement(rule.id, review.count, review.of, _others(facts, [review.of]))
    if _too_few([asked], facts):
        return None
    return BreakGlass(rule.id, _fill(rule.because, facts), asked, review.within_hours)


def _no_glass(found: _Found, facts: Facts) -> str:
    if facts.history.open_debts:
        return "You have broken glass before, and nobody has reviewed that yet. Ask an approver to look at it first."
    if not found.glass:
        return "No rule of the policy lets you break glass here."
    return "There is no glass to break: nobody has to be asked, what is denied cannot be overridden, or nobody is there to review it."


def _too_few(requirements: list[Requirement], facts: Facts) -> list[RuleAnswer]:
    """A denial when the people who are asked, now or later, could not meet all of it however they voted."""
    everybody = {person.identity for need in requirements for person in everybody_in(need)}
    widest = [Requirement(need.rule, need.count, need.of, everybody_in(need)) for need in requirements]
    if not requirements or can_meet(widest, everybody):
        return []
    wanted, there = sum(need.count for need in requirements), len(everybody)
    who = groups.OR.join(dict.fromkeys(of for need in requirements for of in need.of.split(groups.OR)))
    named = groups.describe(who, team=facts.target.team, service=facts.target.service)
    return [
        RuleAnswer(
            requirements[-1].rule, Effect.DENY,
            f"{wanted} of the {named} would have to agree, but there {'is' if there == 1 else 'are'} {there or 'none'} besides you. "
            "Ask an administrator to add some.",
        )
    ]  # fmt: skip


def everybody_in(need: Requirement) -> tuple[Approver, ...]:
    """Whom it asks, and whom it asks later."""
    return (*need.people, *(need.escalation.people if need.escalation else ()))


def _can_end(rule: Rule | None) -> bool:
    """Whether what a rule denies can be otherwise at another time, all else being as it is."""
    return rule is not None and (rule.schedule is not None or "now" in rule.condition.names)


def _opens_at(facts: Facts, policy: Policy) -> str:
    """The first moment at which the schedules let it be asked for, all else being as it is; empty when they are not what is in its way."""
    at = facts.now
    for _ in range(MOST_CHANGES if policy.schedules else 0):
        moments = [moment for schedule in policy.schedules.values() if (moment := schedule.next_change(at)) is not None]
        if not moments:
            break
        at = min(moments)
        then = replace(facts, now=at)
        if _weighed(_matching(then, policy), then, policy, override=False, break_glass=False).effect is not Effect.DENY:
            return at.isoformat()
    return ""


def _expiry(found: _Found, counting: Set[str], overridden: bool) -> int | None:
    asked = [need for rule, _ in found.needs if rule.id in counting for need in rule.needs]
    if overridden:
        asked += [rule.text.override for rule, _ in found.denials if rule is not None and rule.text.override]
    return min((need.expires_minutes for need in asked if need.expires_minutes), default=None)


def _aside(answer: RuleAnswer, why: str) -> RuleAnswer:
    return RuleAnswer(answer.rule, answer.effect, answer.because, answer.facts, why)


def _cannot(rule: Rule) -> RuleAnswer:
    text = f"Rule {rule.id} could not be evaluated, so the answer is no. Tell an administrator."
    return RuleAnswer(rule.id, Effect.DENY, text)


def _nothing_matches() -> RuleAnswer:
    return RuleAnswer(NO_RULE, Effect.DENY, "No rule of the policy speaks about this, so the answer is no.")


def _fill(template: str, facts: Facts) -> str:
    """Replace {section.fact} by looking it up in the facts, and nothing else: no format strings, no attributes."""
    return re.sub(r"\{(\w+\.\w+|now)\}", lambda match: said(value_of(facts, match[1])), template)
