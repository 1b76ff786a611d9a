"""A chain is never a way around the policy: what agrees to all of it agrees to each part, and a part that is denied denies all."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from approvals.combining import NO_COMMON_REVIEW, STRICTEST_FIRST, combine
from approvals.facts import Approver
from approvals.rulings import OVERRIDE, TOO_FEW, BreakGlass, Effect, Escalation, Requirement, RuleAnswer, Ruling
from approvals.tally import CountedVote, Outcome, can_meet, tally

PEOPLE = tuple(Approver(number, f"p{number}", f"P{number}") for number in range(1, 6))
REQUESTER = 99
NEED = Requirement("asks", 1, "owning-team-approvers", PEOPLE)


@st.composite
def rulings(draw: st.DrawFn) -> Ruling:
    effect = draw(st.sampled_from(Effect))
    names = st.sampled_from(["production", "guests", "large"])
    requirement = st.builds(
        Requirement, names, st.integers(1, 3), st.just("owning-team-approvers"),
        st.sets(st.sampled_from(PEOPLE), min_size=1).map(lambda people: tuple(sorted(people, key=lambda each: each.identity))),
    )  # fmt: skip
    needs = draw(st.lists(requirement, min_size=1, max_size=3)) if effect is Effect.NEEDS else []
    rules = [need.rule for need in needs] or [draw(names)]
    return Ruling(
        effect, tuple(RuleAnswer(rule, effect, "Because.") for rule in rules), tuple(needs), "policy", len(rules)
    )


@given(st.lists(rulings(), min_size=1, max_size=5), st.sets(st.integers(1, 5)))
def test_what_agrees_to_all_agrees_to_each(parts: list[Ruling], agreed: set[int]) -> None:
    whole = combine(parts[0], [(f"part {number}", part) for number, part in enumerate(parts[1:])])

    strictness = [STRICTEST_FIRST.index(part.effect) for part in parts]
    assert STRICTEST_FIRST.index(whole.effect) <= min(strictness)
    votes = [CountedVote(identity, True, "digest") for identity in agreed]
    if (
        whole.effect is Effect.NEEDS
        and tally(whole.requirements, votes, requester=REQUESTER, digest="digest") is Outcome.APPROVED
    ):
        assert all(can_meet(part.requirements, agreed) for part in parts)
    assert whole.effect is not Effect.NEEDS or whole.requirements
    assert whole.effect is Effect.NEEDS or not whole.requirements


@given(rulings())
def test_one_question_is_answered_as_it_is(part: Ruling) -> None:
    whole = combine(part, [])
    if part.effect is not Effect.NEEDS:
        assert whole.effect is part.effect


def test_the_same_people_are_not_asked_twice_for_the_same_rule() -> None:
    def asks(count: int, rule: str = "production") -> Ruling:
        need = Requirement(rule, count, "owning-team-approvers", PEOPLE)
        return Ruling(Effect.NEEDS, (RuleAnswer(rule, Effect.NEEDS, "Because."),), (need,), "policy")

    assert [need.count for need in combine(asks(1), [("a", asks(1))]).requirements] == [1]
    assert [need.count for need in combine(asks(1), [("a", asks(2))]).requirements] == [2]
    assert [need.count for need in combine(asks(1), [("a", asks(1, "guests"))]).requirements] == [1, 1]
    assert combine(asks(3), [("a", asks(3, "guests"))]).deciding_rules == (TOO_FEW,)


def test_what_one_part_asks_twice_of_the_same_people_stays_twice_in_the_whole() -> None:
    def needs(*asked: Requirement) -> Ruling:
        return Ruling(Effect.NEEDS, (RuleAnswer("double", Effect.NEEDS, "Because."),), asked, "policy")

    one = Requirement("double", 1, "administrators", PEOPLE)
    assert [need.count for need in combine(needs(one, one), [("a", needs(one))]).requirements] == [2]
    later = replace(one, escalation=Escalation(30, "on-call", PEOPLE[:1]))
    assert combine(needs(one), [("a", needs(later))]).requirements == (later, one)


def test_glass_is_broken_as_the_strictest_part_says_and_only_with_one_review() -> None:
    def offers(rule: str, count: int, hours: int, of: str = "administrators") -> Ruling:
        glass = BreakGlass(rule, "Because.", Requirement(rule, count, of, PEOPLE), hours)
        return Ruling(Effect.NEEDS, (RuleAnswer("asks", Effect.NEEDS, "Ask."),), (NEED,), "policy", break_glass=glass)

    mild, strict, soon = offers("mild", 1, 24), offers("strict", 2, 48), offers("soon", 1, 4)
    whole = combine(mild, [("a", strict), ("b", soon)]).break_glass
    assert whole is not None
    assert (whole.rule, whole.review.count, whole.hours) == ("strict", 2, 4)
    others = offers("others", 1, 24, "on-call")
    assert combine(mild, [("a", others)]).break_glass is None
    broken = [replace(each, effect=Effect.ALLOW, requirements=()) for each in (mild, strict, others)]
    assert combine(broken[0], [("a", broken[1])]).effect is Effect.ALLOW
    refused = combine(broken[0], [("a", broken[2])])
    assert (refused.effect, refused.why) == (Effect.DENY, NO_COMMON_REVIEW)


def test_a_denial_says_which_part_it_is_about() -> None:
    no = Ruling(Effect.DENY, (RuleAnswer("never", Effect.DENY, "Never."),), (), "policy")
    yes = Ruling(Effect.ALLOW, (RuleAnswer("owners", Effect.ALLOW, "Yours."),), (), "policy")
    for all_of_it in (yes, no):
        whole = combine(all_of_it, [("Restart api", yes), ("Resize api", no)])
        assert (whole.effect, whole.why) == (Effect.DENY, "Resize api: Never.")


def test_a_denial_that_is_set_aside_stays_so_and_says_of_which_part() -> None:
    needs = (Requirement("freeze", 1, "administrators", PEOPLE),)
    frozen = RuleAnswer("freeze", Effect.DENY, "Frozen.", (("now", "today"),), OVERRIDE)
    overridden = Ruling(Effect.NEEDS, (frozen, RuleAnswer("freeze", Effect.NEEDS, "Overridden.")), needs, "policy")
    whole = combine(overridden, [("restart", overridden)])
    assert [(each.because, each.facts) for each in whole.set_aside] == [("restart: Frozen.", frozen.facts)]
