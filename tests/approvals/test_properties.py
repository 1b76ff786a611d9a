"""What holds for every policy and all facts, however odd: hypothesis looks for the one that breaks it."""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from approvals import loader
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
    facts_from,
)
from approvals.rulings import Effect, Requirement, Ruling

from .written import APPROVER, OVERRIDABLE, asked, written

GROUPS = ("owning-team-approvers", "administrators", "on-call")
CONDITIONS = (
    *["true"] * 5, "false", "false", "actor.is_owner", "plan.percent < 0.0", "context.open_incident", "10 / plan.pods > 1",
    "history.open_debts == 0", 'now.getHours("Europe/Berlin") < 12',
)  # fmt: skip
SCHEDULES = (
    "- {schedule: office, zone: Europe/Berlin, days: [mon, tue, wed, thu, fri], from: '09:00', until: '17:00'}",
    "- {schedule: freeze, zone: UTC, dates: [{from: 2026-12-01, until: 2026-12-20}]}",
)

people = st.builds(Approver, st.integers(1, 8), st.just("p"), st.just("P"))
crew = st.lists(people, min_size=3, max_size=6, unique_by=lambda each: each.identity).map(tuple)
texts = st.text(max_size=20)
whole, share = st.integers(-(2**31), 2**31), st.floats(allow_nan=False, allow_infinity=False)
facts = st.builds(
    Facts,
    actor=st.builds(
        ActorFacts, texts, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.lists(texts, max_size=2).map(tuple), st.booleans()
    ),
    action=st.builds(ActionFacts, st.sampled_from(["restart-workload", "resize-workload", "x"]), st.integers(1, 3)),
    target=st.builds(TargetFacts, st.sampled_from(["workload", "node"]), texts, texts, st.integers(1, 3), texts, st.booleans()),
    environment=st.builds(EnvironmentFacts, texts, st.integers(0, 3)),
    plan=st.builds(PlanFacts, pods=whole, percent=share, unavailable=whole, to_zero=st.booleans(), minutes=whole),
    context=st.builds(ContextFacts, st.booleans(), st.booleans(), share, texts, st.booleans(), texts),
    history=st.builds(HistoryFacts, share, whole, whole, st.integers(0, 2), st.integers(0, 9), st.sampled_from([0, 0, 0, 1])),
    now=st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23), timezones=st.just(UTC)),  # noqa: DTZ001  # bounds are naive here
    requester_identity=st.integers(1, 4),
    people=st.fixed_dictionaries(dict.fromkeys(GROUPS, crew)),
)  # fmt: skip
near = facts.flatmap(
    lambda each: st.integers(0, 60 * 24 * 60).map(
        lambda n: replace(each, now=datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=n))
    )
)
terms = st.sampled_from([(False, False), (True, False), (True, False), (False, True)]).map(
    lambda each: {"override": each[0], "break_glass": each[1]}
)


@st.composite
def needs(draw: st.DrawFn) -> str:
    return f"{{count: {draw(st.sampled_from([1, 1, 2]))}, of: {draw(st.sampled_from(GROUPS))}}}"


@st.composite
def rules(draw: st.DrawFn, number: int) -> str:
    effect = draw(st.sampled_from(["allow: true", "deny: true", "override", "needs", "waives: asks", "glass"]))
    effect = {
        "override": f"deny: true, override: {draw(needs())}",
        "needs": f"needs: {draw(needs())}",
        "glass": "break_glass: {count: 1, of: administrators, within_hours: 24}",
    }.get(effect, effect)
    during = draw(st.sampled_from([*[""] * 6, "during: office, ", "outside: office, ", "during: freeze, "]))
    return f"r{number}: when: '{draw(st.sampled_from(CONDITIONS))}', {during}{effect}"


@st.composite
def policies(draw: st.DrawFn) -> list[str]:
    """`asks` is always there, so that something can be waived; of what matters together, each about every second time."""
    often = [
        "allows: allow: true",
        f"frozen: {OVERRIDABLE}",
        glass("glass-a", 1, 8),
        glass("glass-b", 2, 4),
        "earned: waives: asks",
        "denies: when: actor.is_owner, deny: true",
    ]
    chosen = [rule for rule in often if draw(st.booleans())]
    asks = f"asks: when: '{draw(st.sampled_from(['true', 'false']))}', {APPROVER}"
    return [asks, *chosen, *(draw(rules(number)) for number in range(draw(st.sampled_from([0, 0, 1, 2]))))]


def glass(name: str, count: int, hours: int) -> str:
    return f"{name}: break_glass: {{count: {count}, of: administrators, within_hours: {hours}}}"


def weighed(texts: list[str], facts: Facts, terms: dict[str, bool]) -> Ruling:
    return asked(written(*SCHEDULES, *texts), facts, **terms)


STRICTNESS = {Effect.ALLOW: 0, Effect.NEEDS: 1, Effect.DENY: 2}


@settings(max_examples=200)
@given(policies(), st.sampled_from(CONDITIONS), st.booleans(), st.integers(0, 6), near, terms)
def test_one_denial_more_never_lets_anything_through(
    texts: list[str], condition: str, overridable: bool, place: int, facts: Facts, terms: dict[str, bool]
) -> None:
    override = ", override: {count: 1, of: administrators}" if overridable else ""
    more = [*texts[:place], f"more: when: '{condition}', deny: true{override}", *texts[place:]]
    before, after = (
        weighed(texts, facts, {**terms, "break_glass": False}),
        weighed(more, facts, {**terms, "break_glass": False}),
    )
    assert STRICTNESS[after.effect] >= STRICTNESS[before.effect]
    if not terms["override"] and "more" in {answer.rule for answer in after.answers}:
        assert after.effect is Effect.DENY


@settings(max_examples=200)
@given(policies(), near, terms, st.randoms(use_true_random=False))
def test_the_order_of_rules_never_matters(
    texts: list[str], facts: Facts, terms: dict[str, bool], shuffler: random.Random
) -> None:
    shuffled = texts[:]
    shuffler.shuffle(shuffled)
    first, second = weighed(texts, facts, terms), weighed(shuffled, facts, terms)

    def by_rule(wanted: tuple[Requirement, ...]) -> list[Any]:
        return sorted(wanted, key=lambda need: (need.rule, need.of))

    assert (first.effect, first.break_glass, first.opens_at) == (second.effect, second.break_glass, second.opens_at)
    assert by_rule(first.requirements) == by_rule(second.requirements)
    assert by_rule(first.override) == by_rule(second.override)
    assert first.expires_minutes == second.expires_minutes


@settings(max_examples=200)
@given(policies(), near, terms)
def test_what_was_earned_sets_no_denial_aside_and_glass_none_without_an_override(
    texts: list[str], facts: Facts, terms: dict[str, bool]
) -> None:
    ruling = weighed(texts, facts, terms)
    overridable = {text.partition(":")[0] for text in texts if "override:" in text}
    for answer in ruling.set_aside:
        if answer.effect is Effect.DENY:
            assert answer.set_aside in ("override", "break-glass")
            assert answer.rule in overridable
            assert terms[answer.set_aside.replace("-", "_")]
    if any(answer.effect is Effect.DENY and not answer.set_aside for answer in ruling.answers):
        assert ruling.effect is Effect.DENY
    if terms["break_glass"] and facts.history.open_debts:
        assert ruling.effect is Effect.DENY


@given(policies(), facts, terms)
def test_there_is_always_an_answer_and_the_requester_is_never_among_those_asked(
    texts: list[str], facts: Facts, terms: dict[str, bool]
) -> None:
    ruling = weighed(texts, facts, terms)
    assert ruling.counting
    assert ruling.answers
    assert (ruling.effect is Effect.NEEDS) is bool(ruling.requirements)
    glass = [ruling.break_glass.review] if ruling.break_glass else []
    for need in (*ruling.requirements, *ruling.override, *glass):
        assert facts.requester_identity not in {person.identity for person in need.people}


@given(policies(), near)
def test_a_moment_at_which_it_opens_is_one_at_which_it_is_open(texts: list[str], facts: Facts) -> None:
    ruling = weighed(texts, facts, {})
    if ruling.opens_at:
        then = datetime.fromisoformat(ruling.opens_at)
        assert then > facts.now
        assert weighed(texts, replace(facts, now=then), {}).effect is not Effect.DENY


@given(facts)
def test_facts_that_were_kept_are_the_facts_that_there_were(facts: Facts) -> None:
    assert facts_from(json.loads(json.dumps(facts.stored()))) == facts


@given(facts)
def test_facts_that_were_kept_before_one_was_added_have_its_default(facts: Facts) -> None:
    stored = facts.stored()
    del stored["history"], stored["plan"]["minutes"]
    stored["plan"]["gone"] = 1
    expected = replace(facts, history=HistoryFacts(), plan=replace(facts.plan, minutes=0))
    assert facts_from(stored) == expected


@given(near)
def test_the_shipped_policy_always_answers_and_never_lets_strangers_or_lone_production_through(facts: Facts) -> None:
    ruling = asked(loader.load(), facts)
    assert not any("could not be evaluated" in answer.because for answer in ruling.answers)
    if not facts.actor.may_ask:
        assert ruling.effect is Effect.DENY
    if facts.environment.criticality == 3 and ruling.effect is Effect.ALLOW and facts.target.kind != "node":
        undo = facts.context.undo_of_succeeded and facts.context.undo_by_requester
        earned = facts.actor.is_on_call and facts.context.open_incident and facts.action.risk == 1
        assert undo or earned
    for need in ruling.requirements:
        assert len(need.people) >= need.count
