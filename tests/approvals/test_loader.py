"""A policy that is wrong is refused when it is read, with file, line and reason; not when somebody waits for an answer."""

from pathlib import Path

import pytest

from approvals import loader
from approvals.loader import BadPolicy

GOOD = '- id: allows\n  when: "true"\n  allow: true\n  because: Yes.\n'
ALIASES = '- &{n} {{id: a, when: "true", allow: true, because: Yes.}}\n- *{n}\n'


def rule(**parts: str) -> str:
    """A good rule on the lines 5 to 8, after another one, with some parts replaced; an empty one is left out."""
    lines = {"id": "second", "when": '"true"', "allow": "true", "because": "Yes.", **parts}
    return GOOD + "- " + "  ".join(f"{name}: {text}\n" for name, text in lines.items() if text)


def approvers(count: str) -> str:
    return f"{{count: {count}, of: owning-team-approvers}}"


REFUSED = {
    "a fact that is none": (rule(when="actor.is_ownr"), "policy.yaml:5: rule second: there is no fact actor.is_ownr. Known: actor."),
    "a section that is none": (rule(when="user.name == 'x'"), "policy.yaml:5: rule second: there is no fact 'user'. Known: actor"),
    "a wrong fact that is not reached": (rule(when="actor.is_owner || actor.typo"), "there is no fact actor.typo"),
    "a wrong fact in brackets": (rule(when="actor.is_owner || (actor).typo"), "there is no fact actor.typo"),
    "an index": (rule(when="""actor.is_owner || actor["typo"] == 1"""), "an index; compare the fact itself"),
    "a name with a dot before it": (rule(when="'.actor.is_owner'"), "a name that begins with a dot is not used"),
    "a function that is none": (rule(when="actor.is_owner || exec(actor.name)"), "there is no function exec"),
    "a method that is none": (rule(when="actor.is_owner || actor.name.format()"), "there is no function format"),
    "a loop": (rule(when="actor.teams.all(t, t == t)"), "there is no function all"),
    "a loop with a space": (rule(when="actor.teams . exists (t, true)"), "there is no function exists"),
    "a regular expression": (rule(when="actor.name.matches('(a+)+$')"), "Loops and regular expressions have no bound."),
    "a regular expression as a function": (rule(when="matches(actor.name, '(a+)+$')"), "there is no function matches"),
    "not a condition": (rule(when="'actor.is_owner ||'"), "policy.yaml:5: rule second: the condition does not work"),
    "text for a condition": (rule(when="actor.name"), "the condition must be true or false, not StringType('Mira')."),
    "a number for a condition": (rule(when="'1'"), "the condition must be true or false, not IntType(1)."),
    "a condition of wrong types": (rule(when="actor.name < 1"), "the condition does not work"),
    "a long condition": (rule(when=f"'{'true && ' * 200}true'"), "policy.yaml:5: when: String should have at most 1000 characters"),
    "a deep condition": (rule(when=f"'{'(' * 21}true{')' * 21}'"), "nested 21 deep, at most 20."),
    "a long chain": (rule(when=f"'{'1+' * 400}1 == 3'"), "the condition is too long a chain"),
    "an empty condition": (rule(when='""'), "policy.yaml:5: when: String should have at least 1 character"),
    "no condition": (rule(when=""), "policy.yaml:5: when: Field required"),
    "no reason": (rule(because=""), "policy.yaml:5: because: Field required"),
    "no effect": (rule(allow=""), "policy.yaml:5: rule second must have exactly one of allow, deny, needs."),
    "two effects": (rule(deny="true"), "policy.yaml:5: rule second must have exactly one of allow, deny, needs."),
    "an effect twice": (rule(because="Yes.\n  allow: true"), "policy.yaml:9: allow is there twice."),
    "a condition twice": (rule(because='Yes.\n  when: "false"'), "policy.yaml:9: when is there twice."),
    "a rule twice": (rule(id="allows"), "policy.yaml:5: rule allows is there already (policy.yaml:1)."),
    "an unknown key": (rule(notify="everybody"), "policy.yaml:5: notify: Extra inputs are not permitted"),
    "an id that is none": (rule(id="Second Rule"), "policy.yaml:5: id: String should match pattern"),
    "a yes that is a word": (rule(allow="yes"), "policy.yaml:5: allow: Input should be True"),
    "a no that is a word": (rule(because="no", id="no", allow="no"), "policy.yaml:5: allow: Input should be True"),
    "an octal number": (rule(allow="", needs=approvers("012")), "needs.count: Input should be a valid integer"),
    "a clock for a number": (rule(allow="", needs=approvers("1:30")), "needs.count: Input should be a valid integer"),
    "a number with a line": (rule(allow="", needs=approvers("1_0")), "needs.count: Input should be a valid integer"),
    "a fraction of people": (rule(allow="", needs=approvers("1.0")), "needs.count: Input should be a valid integer"),
    "nobody": (rule(allow="", needs=approvers("0")), "needs.count: Input should be greater than or equal to 1"),
    "a group that is none": (rule(allow="", needs="{count: 1, of: everybody}"), "needs.of: Input should be 'owning-team-approvers'"),
    "a reason with a fact that is none": (rule(because='"Hello {actor.nme}."'), "policy.yaml:5: rule second: there is no fact actor.nme"),
    "a reason with an attribute": (rule(because='"{actor.__class__}"'), "there is no fact actor.__class__"),
    "a reason with a path": (rule(because='"{actor.name.__class__}"'), "there is no fact actor.name.__class__"),
    "a reason with a format": (rule(because='"{actor.name!r:>9}"'), "there is no fact actor.name!r:>9"),
    "a reason with people": (rule(because='"{people.owning}"'), "there is no fact people.owning"),
    "a reason with a number": (rule(because='"{0}"'), "there is no fact 0."),
    "an alias": (ALIASES.format(n="a"), "policy.yaml:2: aliases are not used in policies"),
    "an alias with a dash": (ALIASES.format(n="-a"), "policy.yaml:2: aliases are not used in policies"),
    "a merged key": ('- &a {id: a}\n- {<<: *a, when: "true", allow: true, because: x}', "policy.yaml:2: aliases are not used"),
    "an object of Python": ("- !!python/object/apply:os.system ['true']", "policy.yaml:1: not YAML: could not determine a constructor"),
    "a map": ("id: allows", "policy.yaml:1: a policy is a list of rules"),
    "nothing": ("", "policy.yaml:1: a policy is a list of rules"),
    "words": (GOOD + "- just words", "policy.yaml:5: rule: Input should be a valid dictionary"),
    "a key that is a list": (GOOD + "- ? [a]\n  : b", "policy.yaml:5: a key is a word."),
    "not YAML": (GOOD + "- {id: second", "policy.yaml:5: not YAML: "),
    "a tab": (GOOD + "-\tid: second\n\twhen: x", "policy.yaml:5: not YAML: "),
    "two documents": (GOOD + "---\n" + GOOD, "policy.yaml:5: not YAML: but found another document"),
    "100 000 brackets": ("[" * 100_000, "policy.yaml:1: nested 5 deep; a list of rules is 4 at most."),
    "a long number": (rule(allow="", needs=approvers("9" * 5000)), "policy.yaml:1: a number has too many digits."),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_wrong_policy_is_refused_with_file_line_and_reason(tmp_path: Path, wrong: str) -> None:
    text, reason = REFUSED[wrong]
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(BadPolicy) as refusal:
        loader.load(tmp_path)
    assert str(refusal.value).startswith("policy.yaml:")
    assert reason in str(refusal.value)


def test_the_rule_that_the_wrong_ones_were_made_of_is_right(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(rule())
    assert [each.id for each in loader.load(tmp_path).rules] == ["allows", "second"]


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes(b"- id: \xff\xfe")
    with pytest.raises(BadPolicy, match=r"policy\.yaml:1: not UTF-8, at byte 6\."):
        loader.load(tmp_path)


def test_an_alias_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    levels = "\n".join(f"- &l{n} [{', '.join([f'*l{n - 1}'] * 10) if n else 'x'}]" for n in range(10))
    (tmp_path / "policy.yaml").write_text(levels)
    with pytest.raises(BadPolicy, match=r"policy\.yaml:2: aliases are not used"):
        loader.load(tmp_path)


def test_a_rule_is_there_once_over_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text("# More of it.\n" + GOOD)
    with pytest.raises(BadPolicy, match=r"b\.yaml:2: rule allows is there already \(a\.yaml:1\)\."):
        loader.load(tmp_path)


def test_a_directory_without_rules_is_hardly_meant(tmp_path: Path) -> None:
    with pytest.raises(BadPolicy, match="no rules"):
        loader.load(tmp_path)


def test_there_is_an_end_to_rules(tmp_path: Path) -> None:
    text = "".join(GOOD.replace("allows", f"allows-{n}") for n in range(loader.MAX_RULES + 1))
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(BadPolicy, match="501 rules, at most 500"):
        loader.load(tmp_path)


def test_the_digest_is_of_what_is_said_and_not_of_how_it_is_written(tmp_path: Path) -> None:
    spellings = {
        "plain": GOOD,
        "flow": '# Why.\n- {because: "Yes.", allow: true, when: "true", id: allows}\n',
        "other": GOOD.replace("Yes.", "No!"),
    }
    digests = {}
    for name, text in spellings.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.yaml").write_text(text)
        digests[name] = loader.load(tmp_path / name).digest
    assert digests["plain"] == digests["flow"] != digests["other"]


def test_the_shipped_policy_loads() -> None:
    assert [each.id for each in loader.load().rules][:2] == ["nobody-outside", "owners-outside-production"]
