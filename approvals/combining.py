"""One answer to several questions that are asked as one: as strict as the strictest, and never weaker than any of them alone.

A denial of one denies all. Requirements add up, but the same people are not asked twice for the same rule of two parts: who agrees to a
chain has seen all of it. What one part alone asks of them twice, the whole asks twice too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from .facts import Approver
from .policy import everybody_in
from .rulings import BREAK_GLASS, TOO_FEW, BreakGlass, Effect, Requirement, RuleAnswer, Ruling
from .tally import can_meet

STRICTEST_FIRST = (Effect.DENY, Effect.NEEDS, Effect.ALLOW)
NO_COMMON_REVIEW = (
    "Different people would review the parts of it, so glass is broken for them one by one, or not at all."
)


def combine(whole: Ruling, parts: Sequence[tuple[str, Ruling]]) -> Ruling:
    """`whole` is the answer to all of it at once; `parts` are those to each part, with what it is about, which a denial says."""
    rulings = [*parts, ("", whole)]
    effects = {ruling.effect for _, ruling in rulings}
    effect = next(each for each in STRICTEST_FIRST if each in effects)
    answers = [_about(name, answer) for name, ruling in parts for answer in ruling.answers]
    answers += [answer for answer in whole.answers if not any(answer in ruling.answers for _, ruling in parts)]
    all_of_it = [ruling for _, ruling in rulings]
    requirements = _added_up([ruling.requirements for ruling in all_of_it]) if effect is Effect.NEEDS else ()
    there = {person.identity for need in requirements for person in everybody_in(need)}
    if not can_meet([replace(need, people=everybody_in(need)) for need in requirements], there):
        effect, requirements = Effect.DENY, ()
        answers.append(RuleAnswer(TOO_FEW, Effect.DENY, _too_few(len(there))))
    glass = _glass(all_of_it)
    if glass is None and any(ruling.break_glass and ruling.effect is Effect.ALLOW for ruling in all_of_it):
        effect, requirements = Effect.DENY, ()
        answers.append(RuleAnswer(BREAK_GLASS, Effect.DENY, NO_COMMON_REVIEW))
    return Ruling(
        effect, tuple(dict.fromkeys(answers)), requirements, whole.policy_digest,
        looked_at=sum(ruling.looked_at for ruling in all_of_it),
        override=_override(all_of_it),
        break_glass=glass,
        opens_at=_opens_at(all_of_it),
        expires_minutes=min((each.expires_minutes for each in all_of_it if each.expires_minutes), default=None),
    )  # fmt: skip


def _override(rulings: Sequence[Ruling]) -> tuple[Requirement, ...]:
    """What it takes to set every denial aside; nothing when one of them cannot be."""
    denying = [ruling for ruling in rulings if ruling.effect is Effect.DENY]
    if not all(ruling.override for ruling in denying):
        return ()
    return _added_up([ruling.override for ruling in denying])


def _glass(rulings: Sequence[Ruling]) -> BreakGlass | None:
    """Only when each part that would have to wait lets it be broken, and the same people review all of it: most of them, soonest."""
    waiting = [ruling for ruling in rulings if ruling.effect is not Effect.ALLOW or ruling.break_glass]
    offers = [ruling.break_glass for ruling in waiting if ruling.break_glass]
    if not offers or len(offers) < len(waiting) or len({_asked_as(offer.review) for offer in offers}) > 1:
        return None
    strictest = min(offers, key=lambda offer: (-offer.review.count, offer.hours, offer.rule))
    return replace(strictest, hours=min(offer.hours for offer in offers))


def _opens_at(rulings: Sequence[Ruling]) -> str:
    denying = [ruling for ruling in rulings if ruling.effect is Effect.DENY]
    return max((ruling.opens_at for ruling in denying), default="") if all(r.opens_at for r in denying) else ""


def _about(name: str, answer: RuleAnswer) -> RuleAnswer:
    if answer.effect is not Effect.DENY:
        return answer
    return replace(answer, because=f"{name}: {answer.because}")


def _added_up(asked: Sequence[Sequence[Requirement]]) -> tuple[Requirement, ...]:
    """Of the same rule about the same people, also those asked later, as many as the one that wants most of them in all."""
    first: dict[object, Requirement] = {}
    most: Counter[object] = Counter()
    for needs in asked:
        wanted: Counter[object] = Counter()
        for need in needs:
            later = need.escalation
            key = (need.rule, _asked_as(need), later and (later.after_minutes, later.of, _humans(later.people)))
            first.setdefault(key, need)
            wanted[key] += need.count
        most |= wanted  # of each key the larger
    return tuple(replace(need, count=most[key]) for key, need in first.items())


def _asked_as(need: Requirement) -> tuple[str, frozenset[int]]:
    return need.of, _humans(need.people)


def _humans(people: Sequence[Approver]) -> frozenset[int]:
    return frozenset(person.identity for person in people)


def _too_few(there: int) -> str:
    return (
        f"All of it together needs more people than the {there} who could agree. Ask for its parts one by one, or ask an administrator to "
        "add approvers to the team."
    )
