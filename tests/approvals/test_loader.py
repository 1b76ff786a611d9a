"""A policy that is wrong is refused when it is read, with file, line and reason; not when somebody waits for an answer."""

from pathlib import Path

import pytest

from approvals import loader
from approvals.reading import BadPolicy
from approvals.rulings import RESERVED

GOOD = '- id: allows\n  when: "true"\n  allow: true\n  because: Yes.\n'
TAGGED = (
    "!!int abc", "!!int ''", "!!timestamp foo", "!!timestamp 2026-99-99", "!!bool maybe", "!!float x", "!!binary x", "!!set {a}",
    "!!omap [a: 1]", "! x",
)  # fmt: skip
ALIASES = '- &{n} {{id: a, when: "true", allow: true, because: Yes.}}\n- *{n}\n'


def rule(**parts: str) -> str:
    """A good rule on the lines 5 to 8, after another one, with some parts replaced; an empty one is left out."""
    lines = {"id": "second", "when": '"true"', "allow": "true", "because": "Yes.", **parts}
    return GOOD + "- " + "  ".join(f"{name}: {text}\n" for name, text in lines.items() if text)


def approvers(count: str) -> str:
    return f"{{count: {count}, of: owning-team-approvers}}"


def schedule(**parts: str) -> str:
    lines = {"schedule": "s", "zone": "Europe/Berlin", **parts}
    return GOOD + "- " + "  ".join(f"{name}: {text}\n" for name, text in lines.items())


REFUSED = {
    "a fact that is none": (
        rule(when="actor.is_ownr"),
        "policy.yaml:6: rule second: there is no fact actor.is_ownr. Did you mean actor.is_owner?",
    ),
    "a section that is none": (
        rule(when="user.name == 'x'"),
        "policy.yaml:6: rule second: there is no fact user.name. Did you mean actor.name?",
    ),
    "a fact that is like none": (
        rule(when="target.zzz == 1"),
        "there is no fact target.zzz. Known: target.kind, target.managed_by, target.self_heals",
    ),
    "a wrong fact that is not reached": (rule(when="actor.is_owner || actor.typo"), "there is no fact actor.typo"),
    "a wrong fact in brackets": (rule(when="actor.is_owner || (actor).typo"), "there is no fact actor"),
    "an index": (rule(when="""actor.is_owner || actor["typo"] == 1"""), "there is no fact actor."),
    "a name in quotes": (rule(when="'actor.`is_owner`'"), "facts are named without quotes."),
    "a function that is none": (rule(when="actor.is_owner || exec(actor.name)"), "there is no function exec"),
    "a method that is none": (rule(when="actor.is_owner || actor.name.format()"), "there is no function format"),
    "a loop": (rule(when="actor.teams.all(t, t == t)"), "all is not used: loops and regular expressions have no bound."),
    "a loop with a space": (rule(when="actor.teams . exists (t, true)"), "exists is not used"),
    "a regular expression": (rule(when="actor.name.matches('(a+)+$')"), "loops and regular expressions have no bound."),
    "a regular expression as a function": (rule(when="matches(actor.name, '(a+)+$')"), "matches is not used"),
    "a regular expression behind raw text": (
        rule(when="""r"\\" == actor.name || actor.name.matches("x")"""),
        "text has no letter before its quotes",
    ),
    "a regular expression behind a comment": (
        rule(when="""|\n    actor.is_owner // "\n    || actor.name.matches("x")"""),
        "a comment is written in YAML, after #.",
    ),
    "a map in a condition": (rule(when="'actor.name in {1: 2}'"), "maps and objects are not used."),
    "not a condition": (rule(when="'actor.is_owner ||'"), "policy.yaml:6: rule second: Syntax error"),
    "text for a condition": (rule(when="actor.name"), "a condition is true or false, and this is string."),
    "a number for a condition": (rule(when="'1'"), "a condition is true or false, and this is int."),
    "a condition of wrong types": (rule(when="actor.name < 1"), "< does not go with (string, int), at character 13."),
    "a number without a point": (rule(when="plan.percent < -50"), "compared with one that has a point: 40.0, not 40."),
    "a wrong type that is not reached": (rule(when="actor.is_owner || actor.name < 1"), "< does not go with (string, int)"),
    "a zone that is none": (
        rule(when="now.getHours('Europe/Belin') > 8"),
        "there is no time zone 'Europe/Belin'. Did you mean Europe/Berlin?",
    ),
    "a long condition": (rule(when=f"'{'true && ' * 200}true'"), "policy.yaml:6: rule second: when has at most 1000 characters."),
    "a deep condition": (rule(when=f"'{'(' * 21}true{')' * 21}'"), "nested 21 deep, at most 20."),
    "a long chain": (rule(when=f"'{'1+' * 400}1 == 3'"), "it is too long a chain; make several rules of it."),
    "an empty condition": (rule(when='""'), "policy.yaml:6: rule second: when is empty."),
    "no condition": (rule(when=""), "policy.yaml:5: rule second: when is missing."),
    "no reason": (rule(because=""), "policy.yaml:5: rule second: because is missing."),
    "no effect": (rule(allow=""), "policy.yaml:5: rule second: it must have exactly one of allow, deny, needs, waives, break_glass."),
    "two effects": (rule(deny="true"), "policy.yaml:5: rule second: it must have exactly one of allow, deny"),
    "an effect twice": (rule(because="Yes.\n  allow: true"), "policy.yaml:9: allow is there twice."),
    "a condition twice": (rule(because='Yes.\n  when: "false"'), "policy.yaml:9: when is there twice."),
    "a rule twice": (rule(id="allows"), "policy.yaml:5: rule allows is there already (policy.yaml:1)."),
    "an unknown key": (rule(notify="everybody"), "policy.yaml:9: rule second: there is no key 'notify'. Known: allow, because"),
    "a key with a slip": (rule(becuse="Yes."), "policy.yaml:9: rule second: there is no key 'becuse'. Did you mean because?"),
    "an id that is none": (rule(id="Second Rule"), "policy.yaml:5: rule Second Rule: id is lower-case words joined by dashes"),
    "a yes that is a word": (rule(allow="yes"), "policy.yaml:7: rule second: allow is true, or left out."),
    "a no that is a word": (rule(because="no", id="no", allow="no"), "policy.yaml:7: rule no: allow is true, or left out."),
    "an octal number": (rule(allow="", needs=approvers("012")), "needs.count is a whole number."),
    "a clock for a number": (rule(allow="", needs=approvers("1:30")), "needs.count is a whole number."),
    "a number with a line": (rule(allow="", needs=approvers("1_0")), "needs.count is a whole number."),
    "a fraction of people": (rule(allow="", needs=approvers("1.0")), "needs.count is a whole number."),
    "a crowd": (rule(allow="", needs=approvers("21")), "policy.yaml:8: rule second: needs.count is at most 20."),
    "nobody": (rule(allow="", needs=approvers("0")), "needs.count is at least 1."),
    "a group that is none": (
        rule(allow="", needs="{count: 1, of: everybody}"),
        "needs.of: nobody is called 'everybody'. Known: owning-team-approvers",
    ),
    "a group with a slip": (
        rule(allow="", needs="{count: 1, of: administrator}"),
        "nobody is called 'administrator'. Did you mean administrators?",
    ),
    "two groups in one word": (rule(allow="", needs="{count: 1, of: 'group:a or on-call'}"), "nobody is called 'group:a or on-call'"),
    "a group twice": (rule(allow="", needs="{count: 2, of: [on-call, on-call], each: 1}"), "needs.of: on-call is there twice."),
    "a quorum of too many": (
        rule(allow="", needs="{count: 3, of: [on-call, administrators], each: 2}"),
        "2 of each of 2 groups are more than 3.",
    ),
    "the second of several needs": (
        rule(allow="", needs="[{count: 1, of: on-call}, {count: x, of: on-call}]"),
        "needs.2.count is a whole number.",
    ),
    "too long a time": (
        rule(allow="", needs="{count: 1, of: on-call, expires_minutes: 100000}"),
        "needs.expires_minutes is at most 43200.",
    ),
    "an override of an allowance": (rule(override="{count: 1, of: on-call}"), "only what is denied can be overridden."),
    "a waiver of nothing": (rule(allow="", waives="[]"), "waives has at least 1 in it."),
    "a waiver of what needs nobody": (
        rule(allow="", waives="allows"),
        "policy.yaml:8: rule second: there is no rule allows that needs somebody. There is none.",
    ),
    "glass without an end": (rule(allow="", break_glass="{count: 1, of: on-call}"), "break_glass.within_hours is missing."),
    "a schedule that is none": (rule(during="winter"), "policy.yaml:9: rule second: there is no schedule winter. There is none."),
    "during and outside": (rule(during="a", outside="b"), "it speaks either during a schedule or outside of one."),
    **{
        f"a rule called {name}": (rule(id=name), f"policy.yaml:5: rule {name}: id: {name} is what answers say where no rule speaks.")
        for name in sorted(RESERVED)
    },
    "a schedule without a time": (schedule(), "policy.yaml:5: schedule s: it needs days, such as [mon, tue], or dates"),
    "a schedule in no zone": (
        schedule(zone="Berlin", days="mon"),
        "policy.yaml:6: schedule s: zone: there is no time zone 'Berlin'. Did you mean Europe/Berlin?",
    ),
    "a day that is none": (
        schedule(days="[monday]"),
        "policy.yaml:7: schedule s: days.1 is 'mon', 'tue', 'wed', 'thu', 'fri', 'sat' or 'sun'.",
    ),
    "a clock that is none": (
        schedule(days="mon", until='"24:00"'),
        "until: '24:00' is no time of a day; write it as 09:00. The end of a day is 00:00.",
    ),
    "dates by another clock": (schedule(dates="[{from: 2026-12-20T00:00Z, until: 2026-12-24}]"), "without an offset."),
    "dates that are none": (schedule(dates="[{from: 2026-02-30, until: 2026-12-24}]"), "dates.1.from: '2026-02-30' is no date"),
    "dates that end before": (schedule(dates="[{from: 2026-12-24, until: 2026-12-20}]"), "dates end after they begin."),
    "hours of dates": (schedule(dates="[{from: 2026-12-20, until: 2026-12-24}]", until="09:00"), "from and until are hours of days"),
    "a reason with a fact that is none": (
        rule(because='"Hello {actor.nme}."'),
        "policy.yaml:8: rule second: there is no fact actor.nme. Did you mean actor.name?",
    ),
    "a reason with an attribute": (rule(because='"{actor.__class__}"'), "there is no fact actor.__class__"),
    "a reason with a path": (rule(because='"{actor.name.__class__}"'), "there is no fact actor.name.__class__"),
    "a reason with a format": (rule(because='"{actor.name!r:>9}"'), "there is no fact actor.name!r:>9"),
    "a reason with people": (rule(because='"{people.owning}"'), "there is no fact people.owning"),
    "a reason with a number": (rule(because='"{0}"'), "there is no fact 0."),
    "a reason that no database keeps": (rule(because=r'"a\0b"'), r"policy.yaml:8: the character '\x00' cannot be shown."),
    "a reason with half a character": (rule(because=r'"\uD800"'), r"policy.yaml:8: the character '\ud800' cannot be shown."),
    "an alias": (ALIASES.format(n="a"), "policy.yaml:2: aliases are not used in policies"),
    "an alias with a dash": (ALIASES.format(n="-a"), "policy.yaml:2: aliases are not used in policies"),
    "a merged key": ('- &a {id: a}\n- {<<: *a, when: "true", allow: true, because: x}', "policy.yaml:2: aliases are not used"),
    "an object of Python": ("- !!python/object/apply:os.system ['true']", "policy.yaml:1: tags such as !!python/object/apply:os.system"),
    "a number by a tag": (rule(because="!!int abc"), "policy.yaml:8: tags such as !!int are not used in policies; write it plainly."),
    "a word by a tag": (rule(because="!!str Yes."), "policy.yaml:8: tags such as !!str are not used"),
    "a tag of our own": (rule(because="!ours Yes."), "policy.yaml:8: tags such as !ours are not used"),
    **{f"an item by the tag {tag}": (f"{GOOD}- {tag}", "policy.yaml:5: tags such as !") for tag in TAGGED},
    "a map": ("id: allows", "policy.yaml:1: it is a list"),
    "nothing": ("", "policy.yaml:1: it is a list"),
    "words": (GOOD + "- just words", "policy.yaml:5: an item is a map of keys to values."),
    "a key that is a list": (GOOD + "- ? [a]\n  : b", "policy.yaml:5: a key is a word."),
    "not YAML": (GOOD + "- {id: second", "policy.yaml:5: not YAML: "),
    "a tab": (GOOD + "-\tid: second\n\twhen: x", "policy.yaml:5: not YAML: "),
    "two documents": (GOOD + "---\n" + GOOD, "policy.yaml:5: not YAML: but found another document"),
    "100 000 brackets": ("[" * 100_000, "policy.yaml:1: nested 7 deep, at most 6."),
    "a long number": (rule(allow="", needs=approvers("9" * 5000)), "policy.yaml:8: a number has too many digits."),
    "a book": ("# " + "x" * 200_000, "policy.yaml:1: 200002 characters, at most 200000"),
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


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = rule(when="actor.nam == ''", because='"{actor.nme}"')
    with pytest.raises(BadPolicy) as refusal:
        loader.load_texts({"a.yaml": text, "b.yaml": text.replace("allows", "others").replace("second", "third")})
    assert [line.split(": ")[0] for line in str(refusal.value).splitlines()] == [
        "a.yaml:6",
        "a.yaml:8",
        "b.yaml:6",
        "b.yaml:8",
    ]


def test_tests_of_a_policy_are_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(GOOD)
    before = loader.load_texts(loader.read_files(tmp_path)).digest
    (tmp_path / "policy.test.yaml").write_text("not even YAML: [")
    assert loader.load_texts(loader.read_files(tmp_path)).digest == before
    assert list(loader.read_files(tmp_path, tests=True)) == ["policy.test.yaml"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("freeze.yml", "freeze.yml: call it freeze.yaml."),
        ("freeze.YAML", "freeze.YAML: call it freeze.yaml."),
        (".freeze.Yml", ".freeze.Yml: call it .freeze.yaml."),
        ("freeze.test.yml", "freeze.test.yml: call it freeze.test.yaml."),
        ("freezes/winter/freeze.yaml", "freezes/winter/freeze.yaml: directories within are not read; move it up."),
    ],
)
def test_a_file_that_would_not_be_read_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "policy.yaml").write_text(GOOD)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(GOOD)
    for tests in (False, True):
        with pytest.raises(BadPolicy) as refusal:
            loader.read_files(tmp_path, tests=tests)
        assert str(refusal.value) == reason


def test_what_a_config_map_and_a_repository_leave_beside_a_policy_is_no_part_of_it(tmp_path: Path) -> None:
    for directory in ("..2026_11_24", ".github", "notes"):
        (tmp_path / directory).mkdir()
    (tmp_path / "..2026_11_24" / "policy.yaml").write_text(GOOD)
    (tmp_path / "..data").symlink_to("..2026_11_24")
    (tmp_path / "policy.yaml").symlink_to("..data/policy.yaml")
    (tmp_path / ".github" / "check.yml").write_text("")
    (tmp_path / "notes" / "why.md").write_text("")
    (tmp_path / "README").write_text("")
    assert list(loader.read_files(tmp_path)) == ["policy.yaml"]


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
