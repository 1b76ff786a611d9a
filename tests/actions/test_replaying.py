"""Another policy is asked about what was asked for before, with the facts that were kept; and the command that asks it."""

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from actions.models import Request
from actions.replaying import Kind, Replay, replay
from approvals import loader
from approvals.facts import Approver, EnvironmentFacts, Facts, PlanFacts
from inventory.models import Person
from tests.approvals.written import OWNER
from tests.characters import People
from tests.portal.web.conftest import Town

SHIPPED = (loader.DEFAULT_DIRECTORY / "default.yaml").read_text()
NEED = "needs: {count: 1, of: owning-team-approvers, escalate: {after_minutes: 120, to: administrators}}"


@pytest.fixture
def town(people: People) -> Town:
    return Town()


@pytest.fixture
def asked(town: Town, people: People) -> dict[str, Request]:
    """What was asked for, with the facts as they are kept."""
    workload = town.workload(town.service("checkout-api"))
    approvers = (Approver(people.jonas.identity, "jonas", "Jonas"), Approver(people.ines.identity, "ines", "Ines"))
    owner = replace(OWNER, requester_identity=people.mira.identity, people={"owning-team-approvers": approvers})

    def ask(facts: Facts, **fields: Any) -> Request:
        return town.request(people.mira, workload, facts=[facts.stored()], **fields)

    return {
        "production": ask(owner),
        "staging": ask(replace(owner, environment=EnvironmentFacts("staging", 1))),
        "shrinks": ask(replace(owner, plan=PlanFacts(percent=-60.0, replicas_after=2)), state="denied"),
        "before facts": town.request(people.mira, workload),
    }


def against(text: str) -> Replay:
    return replay(loader.load_texts({"changed.yaml": text}), loader.load(), Request.objects.all(), limit=100)


def told(found: Replay) -> dict[Kind, set[int]]:
    return {kind: {each.request.pk for each in found.of(kind)} for kind in Kind if found.of(kind)}


def test_the_same_policy_answers_the_same(asked: dict[str, Request]) -> None:
    found = against("# Another comment.\n" + SHIPPED)
    assert (found.looked_at, found.without, found.differences) == (3, 1, ())


def test_what_a_change_lets_through_and_what_it_asks_more_for_is_listed(asked: dict[str, Request]) -> None:
    looser = SHIPPED.replace(f"  {NEED}\n", "  allow: true\n")
    looser = looser.replace("waives: [production-needs-approver]", "waives: [guests-need-owner]")
    assert told(against(looser)) == {Kind.LOOSER: {asked["production"].pk}}
    assert told(against(SHIPPED.replace("plan.percent < -50.0", "plan.percent < -70.0"))) == {
        Kind.LOOSER: {asked["shrinks"].pk}
    }

    stricter = SHIPPED.replace(NEED, NEED.replace("count: 1", "count: 2"))
    assert told(against(stricter)) == {Kind.STRICTER: {asked["production"].pk}}
    renamed = SHIPPED.replace("- id: owners-outside-production", "- id: owners-elsewhere")
    assert told(against(renamed)) == {Kind.OTHERWISE: {asked["staging"].pk}}


def test_people_whom_no_policy_named_before_are_looked_up(asked: dict[str, Request], people: People) -> None:
    text = SHIPPED.replace(NEED, "needs: {count: 1, of: administrators}")
    [difference] = against(text).differences
    assert [need.people for need in difference.after.requirements] == [
        (Approver(people.kofi.identity, "kofi", people.kofi.name),)
    ]
    Person.objects.filter(pk=people.kofi.pk).update(is_active=False)
    assert Kind.STRICTER in told(against(text))  # nobody is there to ask


def test_a_way_around_that_is_new_is_a_difference(asked: dict[str, Request]) -> None:
    """The answer is the same, and somebody could set it aside, or act at once: that is looser."""
    denied, owed = "deny: true, because: No.", "needs: {count: 1, of: owning-team-approvers}, because: Ask."
    glass = '- {id: glass, when: "true", break_glass: {count: 1, of: owning-team-approvers, within_hours: 9}, because: Act.}'

    def one(effect: str) -> loader.Policy:
        return loader.load_texts({"one.yaml": f'- {{id: one, when: "true", {effect}}}\n'})

    hard, soft = one(denied), one(f"override: {{count: 1, of: owning-team-approvers}}, {denied}")
    kinds = {each.kind for each in replay(soft, hard, Request.objects.all(), limit=9).differences}
    assert kinds <= {Kind.LOOSER}
    broken = loader.load_texts({"one.yaml": f'- {{id: one, when: "true", {owed}}}\n{glass}'})
    found = replay(broken, one(owed), Request.objects.all(), limit=9).differences
    assert {each.kind for each in found} == {Kind.LOOSER}


def test_how_it_was_asked_for_counts(asked: dict[str, Request]) -> None:
    frozen = (
        SHIPPED
        + '\n- {id: frozen, when: "true", deny: true, override: {count: 1, of: owning-team-approvers}, because: Frozen.}\n'
    )
    Request.objects.filter(pk=asked["production"].pk).update(overrides=True)
    after = {each.request.pk: each.after.effect for each in against(frozen).differences}
    assert after[asked["production"].pk] == "needs"
    assert after[asked["staging"].pk] == "deny"


def command(*words: str) -> str:
    out = StringIO()
    call_command("policy", *words, stdout=out, no_color=True)
    return out.getvalue()


def changed(directory: Path, text: str, tests: str = "") -> str:
    (directory / "changed.yaml").write_text(text)
    if tests:
        (directory / "changed.test.yaml").write_text(tests)
    return str(directory)


def test_the_command_replays(asked: dict[str, Request], tmp_path: Path) -> None:
    said = command("replay", changed(tmp_path, SHIPPED.replace("plan.percent < -50.0", "plan.percent < -70.0")))
    assert said == (
        f"looser: request {asked['shrinks'].pk}, Restart checkout-api (mira)\n"
        "  now:  Denied, by production-shrink-at-most-half\n"
        "  then: Needs 1 of 2 approvers, by production-needs-approver\n"
        "3 requests: 1 would be answered otherwise (1 looser, 0 stricter, 0 otherwise). "
        "1 from before facts were kept are left out.\n"
    )


def test_the_command_checks(people: People, tmp_path: Path) -> None:
    text = SHIPPED.replace(
        "count: 1, of: administrators", "count: 1, of: [administrators, 'group:sre', 'person:mira', 'team:nobodies']"
    )
    said = command("check", changed(tmp_path, text))
    assert "Against what decides now: changed frozen-at-year-end." in said
    assert [line.split(": ", 1)[1] for line in said.splitlines() if "changed.yaml:" in line] == [
        "rule frozen-at-year-end asks group:sre, and that is nobody.",
        "rule frozen-at-year-end asks team:nobodies, and that is nobody.",
    ]
    with pytest.raises(CommandError, match=r"changed\.yaml:1: it is a list"):
        command("check", changed(tmp_path, "rules: none"))


def test_the_command_tests(people: People, tmp_path: Path) -> None:
    rules = '- {id: allows, when: actor.is_owner, allow: true, because: Yours.}\n- {id: never, when: "false", deny: true, because: No.}\n'
    right = "- {test: an owner, expect: allow, rules: [allows]}\n"
    assert command("test", changed(tmp_path, rules, right)) == "No test hits rule never.\n1 of 1 tests pass.\n"
    out = StringIO()
    expected = "expect: allow, rules: [allows], needs: 1, opens_at: x, offers: [override]"
    wrong = f"- {{test: a stranger, facts: {{actor.is_owner: false}}, {expected}}}\n"
    with pytest.raises(CommandError, match="does not answer as its tests say"):
        call_command("policy", "test", changed(tmp_path, rules, right + wrong), stdout=out, no_color=True)
    assert out.getvalue().splitlines()[:6] == [
        "changed.test.yaml:2: a stranger",
        "  allow was expected, and the answer is deny: No rule of the policy speaks about this, so the answer is no.",
        "  allows should decide, and no-rule-matches did.",
        "  1 should have to agree, and it takes 0.",
        "  override should be offered, and it was nothing.",
        "  It should open at x, and it does at no time.",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "facts: {actor.is_ownr: true}",
            "t.test.yaml:1: test x: facts: there is no fact actor.is_ownr. Did you mean actor.is_owner?",
        ),
        ("facts: {plan.pods: many}", "plan.pods is a whole number, and not 'many'."),
        ("facts: {actor.is_owner: 1}", "actor.is_owner is true or false, and not 1."),
        ("facts: {now: tomorrow}", "now is a time, such as 2026-11-24T09:00+01:00, and not 'tomorrow'."),
        ("facts: {now: 2026-11-24T09:00}", "now says its offset"),
        (
            'facts: {now: "9999-12-31T23:59-12:00"}',
            "t.test.yaml:1: test x: facts: now is a year between 2000 and 2100.",
        ),
        ('facts: {now: "0001-01-01T00:00+12:00"}', "now is a year between 2000 and 2100."),
        ("facts: {actor.teams: payments}", "actor.teams is a list of text"),
        ("people: {everybody: 1}", "nobody is called 'everybody'"),
        ("rules: [allow]", "test x: there is no rule allow. Did you mean allows?"),
        ("expects: deny", "there is no key 'expects'. Did you mean expect?"),
    ],
)
def test_a_wrong_test_is_refused_with_file_line_and_reason(tmp_path: Path, text: str, reason: str) -> None:
    rules = "- {id: allows, when: actor.is_owner, allow: true, because: Yours.}\n"
    (tmp_path / "p.yaml").write_text(rules)
    (tmp_path / "t.test.yaml").write_text(f"- {{test: x, expect: deny, {text}}}\n")
    with pytest.raises(CommandError) as refusal:
        command("test", str(tmp_path))
    assert reason in str(refusal.value)
