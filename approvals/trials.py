"""Unit tests of a policy, written in YAML beside its rules: given these facts, what must the answer be?

They are run before a policy goes live, by `manage.py policy test` and on the policy page, and are no part of its digest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import AfterValidator, Field

from .conditions import require_fact, suggestion
from .facts import (
    ActionFacts,
    ActorFacts,
    Approver,
    ContextFacts,
    EnvironmentFacts,
    Facts,
    PlanFacts,
    TargetFacts,
)
from .loader import Policy
from .policy import evaluate
from .reading import BadPolicy, items_of, validated
from .rules import GroupName, Text
from .rulings import BREAK_GLASS, NO_RULE, Ruling

REQUESTER = 1
PLAIN = Facts(
    actor=ActorFacts("Mira", is_owner=True, is_approver=False, is_admin=False, may_ask=True, teams=("payments",)),
    action=ActionFacts("restart-workload", 1),
    target=TargetFacts("workload", "checkout-api", "payments", 1, "", self_heals=False),
    environment=EnvironmentFacts("production", 3),
    plan=PlanFacts(pods=4, replicas_before=4, replicas_after=4),
    context=ContextFacts(),
    now=datetime(2026, 11, 24, 9, tzinfo=UTC),
    requester_identity=REQUESTER,
)
"""What a test is about unless it says otherwise: an owner restarts four pods in production on a Tuesday morning."""
OTHERS = 2
"""So many people besides the requester are in each group that a test does not speak about."""


def _facts(values: dict[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        require_fact(name)
        _typed(name, value)
    return values


def _typed(name: str, value: Any) -> Any:
    """A fact's value as facts hold it. Raises `ValueError`."""
    if name == "now":
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError as problem:
            raise ValueError(f"now is a time, such as 2026-11-24T09:00+01:00, and not {value!r}.") from problem
        if moment.tzinfo is None:
            raise ValueError("now says its offset, such as 2026-11-24T09:00+01:00.")
        if not 2000 <= moment.year <= 2100:
            raise ValueError("now is a year between 2000 and 2100.")
        return moment.astimezone(UTC)
    section, _, fact = name.partition(".")
    kind = get_type_hints(type(getattr(PLAIN, section)))[fact]
    if kind is float and type(value) is int:
        return float(value)
    if kind in (bool, int, float, str):
        if type(value) is not kind:
            raise ValueError(f"{name} is {WORDS[kind]}, and not {value!r}.")
        return value
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name} is a list of text, and not {value!r}.")
    return tuple(value)


WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}

FactValues = Annotated[dict[str, Any], AfterValidator(_facts)]
People = dict[GroupName, Annotated[int, Field(ge=0, le=50)]]


class GivenText(Text):
    """What all tests after it in the file are about."""

    given: FactValues


class TrialText(Text):
    """`needs` is how many people have to agree in all; `asked_later` is who is asked too, after how many minutes; `offers` is what else
    could be asked for.
    """

    test: str = Field(min_length=1, max_length=200)
    facts: FactValues = {}
    people: People = {}
    override: bool = False
    break_glass: bool = False
    expect: Literal["allow", "needs", "deny"]
    rules: list[str] | None = None
    needs: int | None = None
    asked_later: dict[GroupName, int] | None = None
    offers: list[Literal["override", "break-glass"]] | None = None
    opens_at: str | None = None


@dataclass(frozen=True)
class Trial:
    """One test that was run. `wrong` says what came out otherwise, a sentence each; empty when it passed. `answered` are the rules hit."""

    name: str
    where: str
    wrong: tuple[str, ...]
    answered: tuple[str, ...]


@dataclass(frozen=True)
class Trials:
    ran: tuple[Trial, ...]
    never_hit: tuple[str, ...]

    @property
    def failed(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.ran if trial.wrong)


def try_out(policy: Policy, files: Mapping[str, str]) -> Trials:
    """Run every test in these files. Raises `BadPolicy` when a file cannot be read."""
    ran = tuple(trial for name, source in files.items() for trial in _ran(policy, name, source))
    hit = {rule for trial in ran for rule in trial.answered}
    return Trials(ran, tuple(rule.id for rule in policy.rules if rule.id not in hit))


def _ran(policy: Policy, name: str, source: str) -> Iterator[Trial]:
    given: dict[str, Any] = {}
    for item in items_of(name, source):
        if isinstance(item.value, dict) and "given" in item.value:
            given = validated(GivenText, item).given
            continue
        text = validated(TrialText, item)
        known = {*(rule.id for rule in policy.rules), NO_RULE, BREAK_GLASS}
        for odd in (each for each in text.rules or () if each not in known):
            where = item.find(("rules",))[0]
            raise BadPolicy(f"{where}: test {text.test}: there is no rule {odd}.{suggestion(odd, known)}")
        facts = _given({**given, **text.facts}, _people(policy, text.people))
        ruling = evaluate(facts, policy, override=text.override, break_glass=text.break_glass)
        answered = tuple(answer.rule for answer in ruling.answers)
        glass = (ruling.break_glass.rule,) if ruling.break_glass else ()
        yield Trial(text.test, item.where, tuple(_differences(text, ruling)), (*answered, *glass))


def _given(values: Mapping[str, Any], people: Mapping[str, tuple[Approver, ...]]) -> Facts:
    facts = replace(PLAIN, people=people)
    for name, value in values.items():
        section, _, fact = name.partition(".")
        typed = _typed(name, value)
        changed = replace(getattr(facts, section), **{fact: typed}) if fact else typed
        facts = replace(facts, **{section: changed})
    return facts


def _people(policy: Policy, told: Mapping[str, int]) -> dict[str, tuple[Approver, ...]]:
    """Different people in each group, and never the requester: four eyes are not for tests to try."""
    groups: dict[str, tuple[Approver, ...]] = {}
    number = REQUESTER
    for of in sorted(policy.groups | set(told)):
        members = list[Approver]()
        for _ in range(told.get(of, OTHERS)):
            number += 1
            members.append(Approver(number, f"person-{number}", f"Person {number}"))
        groups[of] = tuple(members)
    return groups


def _differences(text: TrialText, ruling: Ruling) -> Iterator[str]:
    if text.expect != ruling.effect:
        yield f"{text.expect} was expected, and the answer is {ruling.effect.value}: {ruling.why}"
    if text.rules is not None and set(text.rules) != set(ruling.deciding_rules):
        yield f"{_list(text.rules)} should decide, and {_list(ruling.deciding_rules)} did."
    if text.needs is not None and text.needs != (asked := sum(need.count for need in ruling.requirements)):
        yield f"{text.needs} should have to agree, and it takes {asked}."
    later = {need.escalation.of: need.escalation.after_minutes for need in ruling.requirements if need.escalation}
    if text.asked_later is not None and text.asked_later != later:
        yield f"{_when(text.asked_later)} should be asked later, and it is {_when(later)}."
    offers = [name for name, there in (("override", ruling.override), ("break-glass", ruling.break_glass)) if there]
    if text.offers is not None and set(text.offers) != set(offers):
        yield f"{_list(text.offers)} should be offered, and it was {_list(offers)}."
    if text.opens_at is not None and text.opens_at != ruling.opens_at:
        yield f"It should open at {text.opens_at or 'no time'}, and it does at {ruling.opens_at or 'no time'}."


def _when(later: Mapping[str, int]) -> str:
    return _list([f"{of} after {minutes} min" for of, minutes in later.items()])


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
