"""One answer to several questions that are asked as one: as strict as the strictest, and never weaker than any of them alone.

A denial of one denies all. Requirements add up, but the same people are not asked twice for the same rule: who agrees to a chain has
seen all of it.
"""

from collections.abc import Sequence

from .facts import Effect, Requirement, RuleAnswer, Ruling
from .tally import can_meet

STRICTEST_FIRST = (Effect.DENY, Effect.NEEDS, Effect.ALLOW)
TOO_FEW = "too-few-for-all"


def combine(whole: Ruling, parts: Sequence[tuple[str, Ruling]]) -> Ruling:
    """`whole` is the answer to all of it at once; `parts` are those to each part, with what it is about, which a denial says."""
    rulings = [*parts, ("", whole)]
    effects = {ruling.effect for _, ruling in rulings}
    effect = next(each for each in STRICTEST_FIRST if each in effects)
    answers = [_about(name, answer) for name, ruling in parts for answer in ruling.answers]
    answers += [answer for answer in whole.answers if not any(answer in ruling.answers for _, ruling in parts)]
    requirements = _added_up([ruling for _, ruling in rulings]) if effect is Effect.NEEDS else ()
    there = {person.identity for need in requirements for person in need.people}
    if not can_meet(requirements, there):
        effect, requirements = Effect.DENY, ()
        answers.append(RuleAnswer(TOO_FEW, Effect.DENY, _too_few(len(there))))
    looked_at = sum(ruling.looked_at for _, ruling in rulings)
    return Ruling(effect, tuple(dict.fromkeys(answers)), requirements, whole.policy_digest, looked_at)


def _about(name: str, answer: RuleAnswer) -> RuleAnswer:
    if answer.effect is not Effect.DENY:
        return answer
    return RuleAnswer(answer.rule, answer.effect, f"{name}: {answer.because}")


def _added_up(rulings: Sequence[Ruling]) -> tuple[Requirement, ...]:
    """Of the same rule about the same people, the one that wants most of them."""
    most: dict[tuple[str, str, frozenset[int]], Requirement] = {}
    for need in (need for ruling in rulings for need in ruling.requirements):
        key = (need.rule, need.of, frozenset(person.identity for person in need.people))
        if key not in most or most[key].count < need.count:
            most[key] = need
    return tuple(most.values())


def _too_few(there: int) -> str:
    return (
        f"All of it together needs more people than the {there} who could agree. Ask for its parts one by one, or ask an administrator to "
        "add approvers to the team."
    )
