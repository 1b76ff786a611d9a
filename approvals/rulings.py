"""What a policy answers: the effect, why in plain words, who has to agree, and what else could be asked for.

A ruling is stored with the request as JSON, so it holds nothing but values.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .facts import Approver

OVERRIDE, BREAK_GLASS = "override", "break-glass"
NO_RULE, FAILED, TOO_FEW = "no-rule-matches", "policy-failed", "too-few-for-all"
RESERVED = frozenset({OVERRIDE, BREAK_GLASS, NO_RULE, FAILED, TOO_FEW})
"""What answers say where no rule of a policy speaks, so no rule may be called that."""


class Effect(StrEnum):
    ALLOW = "allow"
    NEEDS = "needs"
    DENY = "deny"


@dataclass(frozen=True)
class RuleAnswer:
    """One rule that matched, in words a requester understands.

    `facts` are the facts its condition named and what they were, as text. `set_aside` says what made it not count: the id of a rule that
    waives it, `override` or `break-glass`; empty when it counts.
    """

    rule: str
    effect: Effect
    because: str
    facts: tuple[tuple[str, str], ...] = ()
    set_aside: str = ""


@dataclass(frozen=True)
class Escalation:
    """Who is asked too when nobody has answered for so many minutes."""

    after_minutes: int
    of: str
    people: tuple[Approver, ...]


@dataclass(frozen=True)
class Requirement:
    """`count` different people out of `people`, none of them the requester."""

    rule: str
    count: int
    of: str
    people: tuple[Approver, ...]
    escalation: Escalation | None = None

    @property
    def those(self) -> str:
        """Out of how many; of nobody only where others are asked later."""
        there = len(self.people)
        return f"{there} approver{'' if there == 1 else 's'}" if there else "those who are asked later"


@dataclass(frozen=True)
class BreakGlass:
    """Acting at once is possible: this requirement is then a review afterwards, within so many hours."""

    rule: str
    because: str
    review: Requirement
    hours: int


@dataclass(frozen=True)
class Ruling:
    """`override` is what it would take, beyond the requirements, to set aside every denial there is; empty when that cannot be.
    `opens_at`: the earliest moment, ISO 8601, when no schedule denies it any more. `expires_minutes`: how long approvers have, the least
    that a rule which needs somebody says; `None` for the portal's setting.
    """

    effect: Effect
    answers: tuple[RuleAnswer, ...]
    requirements: tuple[Requirement, ...]
    policy_digest: str
    looked_at: int = 0
    override: tuple[Requirement, ...] = ()
    break_glass: BreakGlass | None = None
    opens_at: str = ""
    expires_minutes: int | None = None

    @property
    def headline(self) -> str:
        """The answer in one sentence, without a full stop."""
        if self.effect is Effect.ALLOW:
            return "Runs now, by breaking glass" if self.break_glass else "Runs now, nobody has to be asked"
        if self.effect is Effect.NEEDS:
            return " and ".join(f"needs {need.count} of {need.those}" for need in self.requirements).capitalize()
        return "Denied"

    @property
    def counting(self) -> tuple[RuleAnswer, ...]:
        """The answers that made the effect."""
        return tuple(answer for answer in self.answers if answer.effect is self.effect and not answer.set_aside)

    @property
    def why(self) -> str:
        return " ".join(answer.because for answer in self.counting)

    @property
    def deciding_rules(self) -> tuple[str, ...]:
        return tuple(answer.rule for answer in self.counting)

    @property
    def set_aside(self) -> tuple[RuleAnswer, ...]:
        """What would have asked for more, and does not, with what made it so: earned, overridden, or glass that was broken."""
        return tuple(answer for answer in self.answers if answer.set_aside)

    @property
    def overruled(self) -> Counter[str]:
        """The rules that were set aside because somebody asked for that; denials as often as they are there, for each part of a chain."""
        asked = [answer for answer in self.answers if answer.set_aside in (OVERRIDE, BREAK_GLASS)]
        denials = [answer.rule for answer in asked if answer.effect is Effect.DENY]
        return Counter([*denials, *{answer.rule for answer in asked if answer.effect is not Effect.DENY}])


def requirement_from(stored: Mapping[str, Any]) -> Requirement:
    """Rebuild a requirement from the JSON it was stored as."""
    later = stored.get("escalation")
    return Requirement(
        stored["rule"], stored["count"], stored["of"], _people(stored["people"]),
        Escalation(later["after_minutes"], later["of"], _people(later["people"])) if later else None,
    )  # fmt: skip


def _people(stored: Any) -> tuple[Approver, ...]:
    return tuple(Approver(**person) for person in stored)


def ruling_from(stored: Mapping[str, Any]) -> Ruling:
    """Rebuild a ruling from the JSON it was stored as (`dataclasses.asdict`)."""
    glass = stored.get("break_glass")
    return Ruling(
        effect=Effect(stored["effect"]),
        answers=tuple(
            RuleAnswer(
                each["rule"], Effect(each["effect"]), each["because"],
                tuple((name, value) for name, value in each.get("facts", ())), each.get("set_aside", ""),
            )
            for each in stored["answers"]
        ),
        requirements=tuple(requirement_from(need) for need in stored["requirements"]),
        policy_digest=stored["policy_digest"],
        looked_at=stored["looked_at"],
        override=tuple(requirement_from(need) for need in stored.get("override", ())),
        break_glass=BreakGlass(glass["rule"], glass["because"], requirement_from(glass["review"]), glass["hours"]) if glass else None,
        opens_at=stored.get("opens_at", ""),
        expires_minutes=stored.get("expires_minutes"),
    )  # fmt: skip
