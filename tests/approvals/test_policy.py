"""What the shipped policy answers, rule by rule, hit and missed; and that whatever cannot be decided is a no."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celpy import InterpretedRunner
from hypothesis import given
from hypothesis import strategies as st

from approvals import loader, policy
from approvals.facts import (
    ActionFacts,
    ActorFacts,
    Approver,
    ContextFacts,
    EnvironmentFacts,
    Facts,
    PlanFacts,
    TargetFacts,
)
from approvals.rulings import Effect, Ruling, ruling_from

MIRA, JONAS, INES = (Approver(number, name.lower(), name) for number, name in enumerate(("Mira", "Jonas", "Ines"), 1))

OWNER = Facts(
    actor=ActorFacts("Mira", is_owner=True, is_approver=False, is_admin=False, may_ask=True, teams=("payments",)),
    action=ActionFacts("resize-workload", 2),
    target=TargetFacts("workload", "checkout-api", "payments", 1, "", self_heals=False),
    environment=EnvironmentFacts("production", 3),
    plan=PlanFacts(objects=1, pods=2, replicas_before=4, replicas_after=6, percent=50.0),
    context=ContextFacts(),
    now=datetime(2026, 11, 24, 9, tzinfo=UTC),
    requester_identity=MIRA.identity,
    people={"owning-team-approvers": (MIRA, JONAS, INES)},
)
RESTART = ActionFacts("restart-workload", 1)
STAGING = EnvironmentFacts("staging", 1)
GUEST = replace(OWNER.actor, name="Leila", is_owner=False)
OWNED = replace(OWNER.target, self_heals=True)
ONE_OF_BOTH = replace(OWNER.actor, is_admin=True)
STRANGER = replace(GUEST, may_ask=False)
ADMIN = replace(GUEST, is_admin=True)
NODE = TargetFacts("node", "cluster-sandbox", "platform", 1, "", self_heals=False)
UNDO = ContextFacts(undo_of_succeeded=True, undo_by_requester=True, hours_since_original=24.0)


def size(before: int, after: int) -> PlanFacts:
    return PlanFacts(1, abs(after - before), before, after, (after - before) * 100 / before, to_zero=after == 0)


CASES: list[tuple[str, dict[str, Any], Effect, set[str]]] = [
    ("an owner in production", {}, Effect.NEEDS, {"production-needs-approver"}),
    ("an owner in staging", {"environment": STAGING}, Effect.ALLOW, {"owners-outside-production"}),
    ("an owner just below production", {"environment": EnvironmentFacts("canary", 2)}, Effect.ALLOW, {"owners-outside-production"}),
    ("a stranger", {"actor": STRANGER}, Effect.DENY, {"nobody-outside"}),
    ("a stranger in staging", {"actor": STRANGER, "environment": STAGING}, Effect.DENY, {"nobody-outside"}),
    ("an administrator without a team", {"actor": replace(STRANGER, is_admin=True)}, Effect.DENY, {"nobody-outside"}),
    ("a guest in production", {"actor": GUEST}, Effect.NEEDS, {"guests-need-owner"}),
    ("a guest in staging", {"actor": GUEST, "environment": STAGING}, Effect.NEEDS, {"guests-need-owner"}),
    ("access for a working day", {"plan": PlanFacts(minutes=480), "environment": STAGING}, Effect.ALLOW, {"owners-outside-production"}),
    ("access for longer", {"plan": PlanFacts(minutes=481), "environment": STAGING}, Effect.DENY, {"access-for-a-working-day"}),
    ("access in production", {"plan": PlanFacts(minutes=10)}, Effect.NEEDS, {"production-needs-approver"}),
    ("the way back within a day", {"context": UNDO}, Effect.ALLOW, {"undo-approved-along"}),
    ("the way back a moment later", {"context": replace(UNDO, hours_since_original=24.001)}, Effect.NEEDS, {"production-needs-approver"}),
    ("the way back by somebody else", {"context": replace(UNDO, undo_by_requester=False)}, Effect.NEEDS, {"production-needs-approver"}),
    ("not quite the way back", {"context": replace(UNDO, undo_of_succeeded=False)}, Effect.NEEDS, {"production-needs-approver"}),
    ("the way back by a guest", {"context": UNDO, "actor": GUEST}, Effect.NEEDS, {"guests-need-owner"}),
    ("zero in production", {"plan": size(4, 0)}, Effect.DENY, {"production-never-zero"}),
    ("half the memory in production", {"plan": PlanFacts(memory_percent=-50.0)}, Effect.NEEDS, {"production-needs-approver"}),
    (
        "less than half the CPU in production", {"plan": PlanFacts(cpu_percent=-50.1)}, Effect.DENY,
        {"production-containers-shrink-at-most-half"},
    ),
    (
        "more than the nodes hold, in staging", {"plan": PlanFacts(node_headroom=-1), "environment": STAGING}, Effect.NEEDS,
        {"more-than-the-nodes-hold"},
    ),
    (
        "as much as the nodes hold", {"plan": PlanFacts(node_headroom=0), "environment": STAGING}, Effect.ALLOW,
        {"owners-outside-production"},
    ),
    (
        "what a vertical autoscaler decides",
        {"plan": PlanFacts(vpa=True), "environment": STAGING, "action": ActionFacts("resize-containers", 2)}, Effect.DENY,
        {"vertical-autoscaler-decides"},
    ),
    ("replicas beside one", {"plan": PlanFacts(vpa=True), "environment": STAGING}, Effect.ALLOW, {"owners-outside-production"}),
    (
        "what is somebody else's, in staging", {"plan": PlanFacts(takes_over=1), "environment": STAGING}, Effect.NEEDS,
        {"what-somebody-else-declares"},
    ),
    ("what is somebody else's", {"plan": PlanFacts(takes_over=1)}, Effect.NEEDS, {"production-needs-approver"}),
    (
        "what reaches other teams, in staging", {"plan": PlanFacts(other_teams=1), "environment": STAGING}, Effect.NEEDS,
        {"workloads-of-other-teams"},
    ),
    ("what reaches other teams", {"plan": PlanFacts(other_teams=1)}, Effect.NEEDS, {"production-needs-approver"}),
    ("an image from elsewhere", {"plan": PlanFacts(other_repository=True)}, Effect.DENY, {"same-repository-in-production"}),
    (
        "an image from elsewhere, in staging", {"plan": PlanFacts(other_repository=True), "environment": STAGING}, Effect.NEEDS,
        {"another-repository"},
    ),
    ("an image that nobody saw run well", {"plan": PlanFacts(unverified=True)}, Effect.DENY, {"verified-before-production"}),
    (
        "an image that nobody saw run well, in staging", {"plan": PlanFacts(unverified=True), "environment": STAGING}, Effect.ALLOW,
        {"owners-outside-production"},
    ),
    ("zero in staging", {"plan": size(4, 0), "environment": STAGING}, Effect.ALLOW, {"owners-outside-production"}),
    ("a restart of nothing", {"plan": PlanFacts(1, 0, 0, 0), "action": RESTART}, Effect.NEEDS, {"production-needs-approver"}),
    ("half of it", {"plan": size(4, 2)}, Effect.NEEDS, {"production-needs-approver"}),
    ("less than half of it", {"plan": size(5, 2)}, Effect.DENY, {"production-shrink-at-most-half"}),
    ("less than half of it in staging", {"plan": size(5, 2), "environment": STAGING}, Effect.ALLOW, {"owners-outside-production"}),
    ("less than half of it as the way back", {"plan": size(5, 2), "context": UNDO}, Effect.DENY, {"production-shrink-at-most-half"}),
    ("what Git takes back, even in staging", {"target": OWNED, "environment": STAGING}, Effect.DENY, {"not-what-git-takes-back"}),
    ("a node, by an administrator", {"target": NODE, "actor": ADMIN}, Effect.ALLOW, {"administrators-on-nodes"}),
    ("a node, by one of its team", {"target": NODE, "actor": ONE_OF_BOTH}, Effect.ALLOW, {"administrators-on-nodes"}),
    ("a node, by its team", {"target": NODE}, Effect.DENY, {"nodes-for-administrators"}),
    ("a node, by its team in staging", {"target": NODE, "environment": STAGING}, Effect.DENY, {"nodes-for-administrators"}),
    ("a node, by a stranger", {"target": NODE, "actor": STRANGER}, Effect.DENY, {"nobody-outside", "nodes-for-administrators"}),
    ("nobody else to ask", {"people": {"owning-team-approvers": (MIRA,)}}, Effect.DENY, {"production-needs-approver"}),
    ("nobody to ask at all", {"people": {}}, Effect.DENY, {"production-needs-approver"}),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "effect", "rules"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_the_shipped_policy_answers(facts: dict[str, Any], effect: Effect, rules: set[str]) -> None:
    ruling = rule(replace(OWNER, **facts))
    assert (ruling.effect, set(ruling.deciding_rules)) == (effect, rules)
    assert ruling.why
    assert "{" not in ruling.why


def test_every_shipped_rule_is_hit_and_missed_by_the_cases() -> None:
    answered = [{answer.rule for answer in rule(replace(OWNER, **facts)).answers} for _, facts, _, _ in CASES]
    for each in loader.load().rules:
        assert any(each.id in rules for rules in answered), f"{each.id} is never hit."
        assert any(each.id not in rules for rules in answered), f"{each.id} is never missed."


def rule(facts: Facts, directory: Path | None = None) -> Ruling:
    return policy.evaluate(facts, loader.load(directory) if directory else loader.load())


def written(directory: Path, text: str) -> Path:
    (directory / "policy.yaml").write_text(text)
    return directory


def test_the_requester_is_never_among_those_who_can_answer() -> None:
    [need] = rule(OWNER).requirements
    assert need.people == (JONAS, INES)
    assert rule(OWNER).headline == "Needs 1 of 2 approvers"


def test_deny_beats_needs_beats_allow_and_requirements_add_up(tmp_path: Path) -> None:
    needs = "needs: {count: %d, of: owning-team-approvers}"
    lines = {
        "allows": "allow: true", "asks-one": needs % 1, "asks-two": needs % 2, "denies": "deny: true",
    }  # fmt: skip
    for count, effect in ((1, Effect.ALLOW), (2, Effect.NEEDS), (3, Effect.NEEDS), (4, Effect.DENY)):
        directory = tmp_path / str(count)
        directory.mkdir()
        rules = [
            f'- {{id: {name}, when: "true", {line}, because: Because.}}' for name, line in [*lines.items()][:count]
        ]
        facts = replace(OWNER, people={"owning-team-approvers": (MIRA, JONAS, INES, Approver(4, "leila", "Leila"))})
        ruling = rule(facts, written(directory, "\n".join(rules)))
        assert ruling.effect is effect
        wanted = [need.count for need in ruling.requirements]
        assert wanted == ([1, 2][: count - 1] if effect is Effect.NEEDS else [])


def test_what_all_there_are_could_not_agree_to_together_is_a_no(tmp_path: Path) -> None:
    needs = 'when: "true", needs: {count: %d, of: owning-team-approvers}, because: Because.'
    rules = written(tmp_path, f"- {{id: asks-one, {needs % 1}}}\n- {{id: asks-two, {needs % 2}}}")
    ruling = rule(OWNER, rules)
    assert (ruling.effect, ruling.deciding_rules, ruling.requirements) == (Effect.DENY, ("asks-two",), ())
    assert ruling.why == (
        "3 of the approvers of team payments would have to agree, but there are 2 besides you. "
        "Ask an administrator to add approvers to the team."
    )


def test_what_no_rule_speaks_about_is_a_no(tmp_path: Path) -> None:
    ruling = rule(OWNER, written(tmp_path, '- {id: never, when: "false", allow: true, because: Never.}'))
    assert (ruling.effect, ruling.deciding_rules) == (Effect.DENY, ("no-rule-matches",))


@pytest.mark.parametrize(
    "condition",
    [
        "10 / (plan.pods - 2) > 0 || true == true && plan.pods == 0",  # divides by zero only with these facts
        "plan.pods * 9223372036854775807 >= 0",  # overflows only with these facts
        'timestamp(actor.is_owner ? "2026-01-01T00:00:00Z" : actor.name) < now',
        "actor.is_owner || actor.name < 1",
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_a_no(tmp_path: Path, condition: str) -> None:
    text = f"- {{id: allows, when: \"true\", allow: true, because: Yes.}}\n- {{id: odd, when: '{condition}', allow: true, because: Odd.}}"
    facts = replace(OWNER, actor=replace(OWNER.actor, is_owner=False))
    ruling = rule(facts, written(tmp_path, text))
    assert (ruling.effect, ruling.deciding_rules) == (Effect.DENY, ("odd",))
    assert ruling.why == "Rule odd could not be evaluated, so the answer is no. Tell an administrator."


def test_a_rule_is_asked_anew_only_when_the_facts_that_it_names_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
- {id: owners, when: actor.is_owner && environment.criticality < 3, allow: true, because: Yours.}
- {id: restarts, when: action.id == "restart-workload", deny: true, because: No.}
- {id: mornings, when: now.getHours() < 10, allow: true, because: Early.}
"""
    shipped, ask, asked = written(tmp_path, text), InterpretedRunner.evaluate, list[str]()
    rule(replace(OWNER, actor=GUEST), shipped)  # it is read now, and tried

    def counted(runner: InterpretedRunner, values: Any) -> Any:
        asked.append("+".join(values))
        return ask(runner, values)

    monkeypatch.setattr(InterpretedRunner, "evaluate", counted)
    for facts, deciding, anew in (
        (replace(OWNER, environment=EnvironmentFacts("dev", 0)), "owners", ["actor+environment"]),
        (replace(OWNER, target=OWNED, plan=PlanFacts(pods=9)), "mornings", []),
        (replace(OWNER, action=ActionFacts("restart-workload", 3)), "restarts", ["action"]),
        (replace(OWNER, environment=STAGING), "owners", ["actor+environment"]),
        (replace(OWNER, now=OWNER.now.replace(hour=20)), "no-rule-matches", ["now"]),
        (OWNER, "mornings", []),
    ):
        asked.clear()
        assert deciding in rule(facts, shipped).deciding_rules
        assert asked == anew


def test_a_reason_is_filled_with_facts_and_with_nothing_that_a_fact_says(tmp_path: Path) -> None:
    text = '- {id: says, when: "true", allow: true, because: "{target.service} at {plan.percent} %, by {actor.name}."}'
    actor = replace(OWNER.actor, name="{actor.__class__.__init__.__globals__} %s {0}")
    ruling = rule(replace(OWNER, actor=actor), written(tmp_path, text))
    assert ruling.why == "checkout-api at 50 %, by {actor.__class__.__init__.__globals__} %s {0}."


def test_a_ruling_can_be_stored_and_read_back() -> None:
    ruling = rule(OWNER)
    assert ruling_from(asdict_json(ruling)) == ruling


def asdict_json(ruling: Ruling) -> Any:
    return json.loads(json.dumps(asdict(ruling)))


texts = st.text(max_size=20)
facts = st.builds(
    Facts,
    actor=st.builds(ActorFacts, texts, st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.tuples(texts)),
    action=st.builds(ActionFacts, st.sampled_from(["restart-workload", "resize-workload", "x"]), st.integers(1, 3)),
    target=st.builds(TargetFacts, texts, texts, texts, st.integers(1, 3), texts, st.booleans()),
    environment=st.builds(EnvironmentFacts, texts, st.integers(0, 3)),
    plan=st.builds(PlanFacts, *[st.integers(0, 2**31)] * 4, st.floats(-100, 1e6), st.integers(0, 2**31)),
    context=st.builds(ContextFacts, st.booleans(), st.booleans(), st.floats(0, 1e6)),
    now=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # bounds are naive here
    requester_identity=st.integers(1, 4),
    people=st.just(OWNER.people),
)


@given(facts)
def test_the_shipped_policy_always_answers_and_never_lets_strangers_or_lone_production_through(facts: Facts) -> None:
    ruling = rule(facts)
    assert ruling.answers
    assert not any("could not be evaluated" in answer.because for answer in ruling.answers)
    if not facts.actor.may_ask:
        assert ruling.effect is Effect.DENY
    if facts.environment.criticality == 3 and ruling.effect is Effect.ALLOW:
        assert facts.context.undo_of_succeeded
        assert facts.context.undo_by_requester
    for need in ruling.requirements:
        assert facts.requester_identity not in {person.identity for person in need.people}
        assert len(need.people) >= need.count
