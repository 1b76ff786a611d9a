"""How rules are weighed: what beats what, what may be set aside and what never, and that whatever cannot be decided is a no."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from approvals import loader, trials
from approvals.facts import Approver, ContextFacts, HistoryFacts, PlanFacts
from approvals.rulings import Effect, ruling_from
from approvals.schedules import Schedule

from .written import APPROVER, INES, JONAS, KOFI, MIRA, OVERRIDABLE, OWNER, asked, written

GLASS = "break_glass: {count: 1, of: administrators, within_hours: 24}"


def test_the_shipped_policy_passes_its_own_tests_which_hit_every_rule() -> None:
    ran = trials.try_out(loader.load(), loader.read_files(loader.DEFAULT_DIRECTORY, tests=True))
    assert len(ran.ran) > 60
    assert (ran.failed, ran.never_hit) == ((), ())


def test_the_requester_is_never_among_those_who_can_answer() -> None:
    ruling = asked(loader.load())
    assert [need.people for need in ruling.requirements] == [(JONAS, INES)]
    assert ruling.headline == "Needs 1 of 2 approvers"


def test_deny_beats_needs_beats_allow_and_requirements_add_up() -> None:
    facts = replace(OWNER, people={"owning-team-approvers": (MIRA, JONAS, INES, Approver(5, "leila", "Leila"))})
    rules = [
        "allows: allow: true",
        f"asks-one: {APPROVER}",
        f"asks-two: {APPROVER.replace('1', '2')}",
        "denies: deny: true",
    ]
    for count, effect, needs in (
        (1, Effect.ALLOW, []), (2, Effect.NEEDS, [1]), (3, Effect.NEEDS, [1, 2]), (4, Effect.DENY, []),
    ):  # fmt: skip
        ruling = asked(written(*rules[:count]), facts)
        assert (ruling.effect, [need.count for need in ruling.requirements]) == (effect, needs)


def test_what_all_there_are_could_not_agree_to_together_is_a_no() -> None:
    ruling = asked(written(f"asks-one: {APPROVER}", f"asks-two: {APPROVER.replace('1', '2')}"))
    assert (ruling.effect, ruling.deciding_rules, ruling.requirements) == (Effect.DENY, ("asks-two",), ())
    assert ruling.why == (
        "3 of the approvers of team payments would have to agree, but there are 2 besides you. Ask an administrator to add some."
    )


def test_what_no_rule_speaks_about_is_a_no() -> None:
    ruling = asked(written('never: when: "false", allow: true'))
    assert (ruling.effect, ruling.deciding_rules) == (Effect.DENY, ("no-rule-matches",))


@pytest.mark.parametrize(
    "condition",
    [
        "10 / (plan.pods - 4) > 0",  # divides by zero only with these facts
        "plan.pods * 9223372036854775807 >= 0",  # overflows only with these facts
        'timestamp(actor.name) < now',
        'timestamp("2026-13-01T00:00:00Z") < now',
        "now.getHours(actor.name) > 3",
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_evaluated_is_a_no(condition: str) -> None:
    ruling = asked(written("allows: allow: true", f"odd: when: '{condition}', allow: true"))
    assert (ruling.effect, ruling.deciding_rules) == (Effect.DENY, ("odd",))
    assert ruling.why == "Rule odd could not be evaluated, so the answer is no. Tell an administrator."


@pytest.mark.parametrize("terms", [{}, {"override": True}, {"break_glass": True}])
def test_nothing_is_a_way_around_a_rule_that_cannot_be_evaluated(terms: dict[str, Any]) -> None:
    rules = written(f"glass: {GLASS}", f"asks: {APPROVER}", f"odd: when: 10 / (plan.pods - 4) > 0, {OVERRIDABLE}")
    ruling = asked(rules, **terms)
    assert (ruling.effect, ruling.override, ruling.break_glass) == (Effect.DENY, (), None)
    assert "odd" in ruling.deciding_rules


def test_a_policy_that_breaks_in_some_other_way_is_a_no() -> None:
    ruling = asked(written("allows: allow: true", f"asks: {APPROVER}"), replace(OWNER, people=None))  # type: ignore[arg-type]  # on purpose
    assert (ruling.effect, ruling.why) == (Effect.DENY, "The policy could not be asked, so the answer is no.")


def test_an_answer_says_the_facts_that_its_condition_names() -> None:
    [answer] = asked(
        written("far: when: environment.criticality >= 3 && plan.percent < 1.5 && actor.is_owner, allow: true")
    ).answers
    assert answer.facts == (("environment.criticality", "3"), ("plan.percent", "0"), ("actor.is_owner", "yes"))


def test_a_time_is_said_by_the_clock_that_it_names() -> None:
    here = replace(OWNER, now=datetime(2026, 12, 24, 9, tzinfo=timezone(timedelta(hours=5))))
    ruling = asked(written('late: when: now.getHours() == 4, allow: true, because: "At {now}."'), here)
    assert (ruling.why, ruling.answers[0].facts) == ("At 2026-12-24 04:00 UTC.", (("now", "2026-12-24 04:00 UTC"),))


def test_a_reason_is_filled_with_facts_and_with_nothing_that_a_fact_says() -> None:
    rules = written('says: allow: true, because: "{target.service} at {plan.percent} %, by {actor.name}."')
    actor = replace(OWNER.actor, name="{actor.__class__.__init__.__globals__} %s {0}")
    ruling = asked(rules, replace(OWNER, actor=actor, plan=PlanFacts(percent=50.0)))
    assert ruling.why == "checkout-api at 50 %, by {actor.__class__.__init__.__globals__} %s {0}."


def test_a_quorum_asks_for_some_of_each_group_and_for_the_rest_of_any() -> None:
    facts = replace(OWNER, people={"on-call": (JONAS, INES), "administrators": (KOFI,), "group:sre": (INES, KOFI)})
    ruling = asked(written("both: needs: {count: 3, of: [on-call, administrators], each: 1}"), facts)
    assert [(need.count, need.of, need.people) for need in ruling.requirements] == [
        (1, "on-call", (JONAS, INES)),
        (1, "administrators", (KOFI,)),
        (1, "on-call or administrators", (JONAS, INES, KOFI)),
    ]
    one_person_less = replace(facts, people={"on-call": (JONAS, KOFI), "administrators": (KOFI,)})
    denied = asked(written("both: needs: {count: 3, of: [on-call, administrators], each: 1}"), one_person_less)
    assert denied.effect is Effect.DENY
    assert denied.why.startswith(
        "3 of the people on call for team payments or administrators would have to agree, but there are 2 besides you."
    )


def test_what_is_earned_sets_aside_the_need_it_names_and_says_so() -> None:
    earned = "earned: when: context.open_incident, waives: asks"
    rules = written(f"asks: {APPROVER}", earned)
    assert asked(rules).effect is Effect.NEEDS
    incident = replace(OWNER, context=ContextFacts(open_incident=True))
    ruling = asked(rules, incident)
    assert (ruling.effect, ruling.deciding_rules) == (Effect.ALLOW, ("earned",))
    assert [(answer.rule, answer.set_aside) for answer in ruling.set_aside] == [("asks", "earned")]
    both = asked(written(f"asks: {APPROVER}", f"asks-too: {APPROVER}", earned), incident)
    assert (both.effect, both.deciding_rules) == (Effect.NEEDS, ("asks-too",))


def test_what_is_earned_allows_nothing_where_there_was_nothing_to_set_aside() -> None:
    rules = written(f'asks: when: "false", {APPROVER}', "earned: waives: asks")
    assert asked(rules).deciding_rules == ("no-rule-matches",)


def test_a_denial_that_can_be_overridden_says_the_price_and_is_set_aside_for_it_alone() -> None:
    rules = written("allows: allow: true", f"frozen: {OVERRIDABLE}")
    denied = asked(rules)
    assert (denied.effect, [need.of for need in denied.override]) == (Effect.DENY, ["administrators"])
    overridden = asked(rules, override=True)
    assert (overridden.effect, overridden.requirements) == (Effect.NEEDS, denied.override)
    assert [(answer.rule, answer.set_aside) for answer in overridden.set_aside] == [("frozen", "override")]
    assert overridden.why == "Overridden: Because."


def test_an_override_adds_to_what_has_to_be_agreed_to_anyway() -> None:
    ruling = asked(written(f"asks: {APPROVER}", f"frozen: {OVERRIDABLE}"), override=True)
    assert [need.rule for need in ruling.requirements] == ["asks", "frozen"]


@pytest.mark.parametrize(
    "rules",
    [
        ["allows: allow: true", f"frozen: {OVERRIDABLE}", "denies: deny: true"],  # another no
        [f"frozen: {OVERRIDABLE}"],  # nothing speaks about it
        ["allows: allow: true", "frozen: deny: true, override: {count: 2, of: administrators}"],  # too few people
        ["asks: needs: {count: 1, of: administrators}", f"frozen: {OVERRIDABLE}"],  # too few for both
    ],
)
def test_an_override_is_offered_only_where_it_helps(rules: list[str]) -> None:
    assert asked(written(*rules)).override == ()
    assert asked(written(*rules), override=True).effect is Effect.DENY
    assert asked(written(*rules, f"glass: {GLASS}"), break_glass=True).effect is Effect.DENY


def test_glass_is_broken_for_what_somebody_could_have_agreed_to() -> None:
    for rules in ([f"asks: {APPROVER}"], ["allows: allow: true", f"frozen: {OVERRIDABLE}"]):
        rules = [*rules, f"glass: {GLASS}"]
        offered = asked(written(*rules)).break_glass
        assert offered is not None
        assert (offered.hours, offered.review.people) == (24, (KOFI,))
        ruling = asked(written(*rules), break_glass=True)
        assert (ruling.effect, ruling.requirements, ruling.break_glass) == (Effect.ALLOW, (), offered)
        assert "break-glass" in {answer.set_aside for answer in ruling.set_aside}


@pytest.mark.parametrize(
    ("rules", "facts", "why"),
    [
        ([f"asks: {APPROVER}"], {}, "No rule of the policy lets you break glass here."),
        (["allows: allow: true", f"glass: {GLASS}"], {}, "There is no glass to break"),
        (
            [f"asks: {APPROVER}", f"glass: {GLASS}"], {"history": HistoryFacts(open_debts=1)},
            "You have broken glass before, and nobody has reviewed that yet.",
        ),
        ([f"asks: {APPROVER}", f"glass: {GLASS}"], {"people": {"owning-team-approvers": (JONAS,)}}, "There is no glass to break"),
    ],
)  # fmt: skip
def test_glass_is_narrow(rules: list[str], facts: dict[str, Any], why: str) -> None:
    ruling = asked(written(*rules), replace(OWNER, **facts), break_glass=True)
    assert (ruling.effect, ruling.break_glass) == (Effect.DENY, None)
    assert ruling.why.startswith(why)


def test_of_several_rules_about_glass_the_strictest_counts_in_whatever_order() -> None:
    facts = replace(OWNER, people={**OWNER.people, "administrators": (KOFI, INES)})
    strict = GLASS.replace("count: 1", "count: 2")
    for rules in ([f"mild: {GLASS}", f"strict: {strict}"], [f"strict: {strict}", f"mild: {GLASS}"]):
        offered = asked(written(f"asks: {APPROVER}", *rules), facts).break_glass
        assert offered is not None
        assert (offered.rule, offered.review.count) == ("strict", 2)


def test_a_denial_by_a_schedule_says_when_it_opens() -> None:
    freeze = "- {schedule: freeze, zone: Europe/Berlin, dates: [{from: 2026-11-20, until: 2026-12-01}]}"
    office = "- {schedule: office, zone: Europe/Berlin, days: [mon, tue, wed, thu, fri], from: '09:00', until: '17:00'}"
    saturday = replace(OWNER, now=datetime(2026, 11, 28, 12, tzinfo=UTC))
    for rules, opens in (
        (["allows: allow: true", freeze, "frozen: during: freeze, deny: true"], "2026-11-30T23:00:00+00:00"),
        (["allows: allow: true", office, "closed: outside: office, deny: true"], "2026-11-30T08:00:00+00:00"),
        ([office, "allows: during: office, allow: true"], "2026-11-30T08:00:00+00:00"),
        (
            [freeze, office, "frozen: during: freeze, deny: true", "allows: during: office, allow: true"],
            "2026-12-01T08:00:00+00:00",
        ),
        (["allows: allow: true", freeze, "frozen: during: freeze, deny: true", "never: deny: true"], ""),
        (["allows: allow: true", freeze, "never: deny: true"], ""),
        (["allows: allow: true", freeze, "waits: during: freeze, allow: true"], ""),
    ):
        assert asked(written(*rules), saturday).opens_at == opens


def test_schedules_are_not_looked_through_for_what_no_time_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of buttons would take seconds: it means asking all rules again at each moment."""
    looked: list[datetime] = []
    change = Schedule.next_change

    def looks(schedule: Schedule, at: datetime) -> datetime | None:
        looked.append(at)
        return change(schedule, at)

    monkeypatch.setattr(Schedule, "next_change", looks)
    freeze = "- {schedule: freeze, zone: Europe/Berlin, dates: [{from: 2026-11-20, until: 2026-12-01}]}"
    frozen = written("allows: allow: true", freeze, "frozen: during: freeze, deny: true")
    assert asked(written("allows: allow: true", freeze, "never: deny: true")).opens_at == ""
    assert asked(frozen, looks_ahead=False).effect is Effect.DENY
    assert looked == []
    assert asked(frozen).opens_at
    assert looked


def test_the_shortest_time_to_decide_counts_also_that_of_an_override() -> None:
    hour = "needs: {count: 1, of: owning-team-approvers, expires_minutes: 60}"
    rules = written(
        f"asks: {hour}", f"frozen: {OVERRIDABLE.replace('administrators', 'administrators, expires_minutes: 5')}"
    )
    assert asked(rules, override=True).expires_minutes == 5
    assert asked(written(f"asks: {hour}", f"asks-too: {hour.replace('60', '90')}")).expires_minutes == 60
    assert asked(written(f"asks: {APPROVER}")).expires_minutes is None


def test_whoever_is_asked_later_counts_among_those_who_could_agree() -> None:
    rules = written("asks: needs: {count: 1, of: person:nobody, escalate: {after_minutes: 30, to: administrators}}")
    [need] = asked(rules).requirements
    assert need.escalation is not None
    assert (need.people, need.escalation.people, need.escalation.after_minutes) == ((), (KOFI,), 30)


@pytest.mark.parametrize("terms", [{}, {"override": True}, {"break_glass": True}])
def test_a_ruling_can_be_stored_and_read_back(terms: dict[str, Any]) -> None:
    later = "needs: {count: 1, of: owning-team-approvers, escalate: {after_minutes: 5, to: administrators}}"
    ruling = asked(written(f"asks: {later}", f"frozen: {OVERRIDABLE}", f"glass: {GLASS}"), **terms)
    assert ruling_from(json.loads(json.dumps(asdict(ruling)))) == ruling
