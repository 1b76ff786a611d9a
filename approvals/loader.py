"""Reads policy files and refuses them when anything is wrong, with file and line: at start-up, not when somebody needs an answer."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar

from audit.canonical import digest

from .conditions import BadCondition, compile_condition, require_fact, suggestion
from .reading import BadPolicy, Written, items_of, validated
from .rules import Rule, RuleText, ScheduleText
from .schedules import Schedule

MAX_RULES = 500
MAX_SCHEDULES = 50
MOST_SAID = 20
DEFAULT_DIRECTORY = Path(__file__).parent / "policies"
ENDING = ".yaml"
ALIKE = (".yaml", ".yml")
TESTS = ".test.yaml"
"""How files with tests of a policy end: they lie beside the rules and are none."""

Made = TypeVar("Made")
Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class Policy:
    """Compiled rules in file order. `digest` is over their content, so a decision can name exactly what decided; `files` are its texts."""

    rules: tuple[Rule, ...]
    digest: str
    files: Mapping[str, str] = field(default_factory=dict, compare=False)
    schedules: Mapping[str, Schedule] = field(default_factory=dict, compare=False)

    @property
    def groups(self) -> frozenset[str]:
        """Everybody it may ask, by the names that policies use."""
        return frozenset(of for rule in self.rules for of in rule.groups)


@dataclass
class _Read:
    """What the files say, before it is compiled; and what is wrong in them."""

    rules: dict[str, tuple[Written, RuleText]] = field(default_factory=dict)
    schedules: dict[str, tuple[Written, ScheduleText]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def attempt(
        self, make: Callable[Arguments, Made], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Made | None:
        """Go on after a mistake: whoever wrote it wants to know all of them."""
        try:
            return make(*arguments, **named)
        except BadPolicy as problem:
            self.problems.append(str(problem))
            return None

    def require_none_wrong(self) -> None:
        if self.problems:
            raise BadPolicy("\n".join(self.problems[:MOST_SAID]))


@cache
def load(directory: Path = DEFAULT_DIRECTORY) -> Policy:
    """Read the policy in a directory. Raises `BadPolicy`."""
    return load_texts(read_files(directory))


def read_files(directory: Path, *, tests: bool = False) -> dict[str, str]:
    """Name to text of every policy file, or of every file with tests of it, in name order. Raises `BadPolicy`."""
    if not directory.is_dir():
        raise BadPolicy(f"{directory}: there is no such directory.")
    texts = {}
    for path in _policy_files(directory):
        if path.name.endswith(TESTS) is not tests:
            continue
        try:
            texts[path.name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as problem:
            raise BadPolicy(f"{path.name}:1: not UTF-8, at byte {problem.start}.") from problem
        except OSError as problem:
            raise BadPolicy(f"{path.name}: {problem.strerror}.") from problem
    if not texts and not tests:
        raise BadPolicy(
            f"{directory}: no rules. Without a rule that allows, everything is denied; that is hardly meant."
        )
    return texts


def _policy_files(directory: Path) -> Iterator[Path]:
    """In name order. What looks like one and would not be read is refused: who wrote it thinks that it holds."""
    for path in sorted(directory.glob("*")):
        if path.name.endswith(ENDING):
            yield path
        elif path.name.lower().endswith(ALIKE):
            raise BadPolicy(_misnamed(path.name))
        elif path.is_dir() and not path.name.startswith("."):
            # with a dot are `.git`, and `..data` of a ConfigMap, which holds the same files
            deeper = sorted(each for each in path.rglob("*") if each.name.lower().endswith(ALIKE))
            if deeper:
                raise BadPolicy(f"{deeper[0].relative_to(directory)}: directories within are not read; move it up.")


def _misnamed(name: str) -> str:
    return f"{name}: call it {Path(name).stem}{ENDING}."


def load_texts(files: Mapping[str, str]) -> Policy:
    """Compile a policy from the texts of its files. Raises `BadPolicy`."""
    read = _Read()
    files = {name: text for name, text in files.items() if not name.endswith(TESTS)}
    read.problems.extend(_misnamed(name) for name in files if not name.endswith(ENDING))
    for name, source in files.items():
        for item in read.attempt(items_of, name, source) or ():
            read.attempt(_take, item, read)
    if len(read.rules) > MAX_RULES:
        read.problems.append(f"{len(read.rules)} rules, at most {MAX_RULES}.")
    if len(read.schedules) > MAX_SCHEDULES:
        read.problems.append(f"{len(read.schedules)} schedules, at most {MAX_SCHEDULES}.")
    read.require_none_wrong()
    if not read.rules:
        raise BadPolicy("No rules. Without a rule that allows, everything is denied; that is hardly meant.")
    times = {name: text.compiled() for name, (_, text) in read.schedules.items()}
    compiled = [read.attempt(_compile, item, text, times, read) for item, text in read.rules.values()]
    read.require_none_wrong()
    texts = [text for _, text in (*read.schedules.values(), *read.rules.values())]
    content = [text.model_dump(by_alias=True, exclude_defaults=True) for text in texts]
    return Policy(tuple(rule for rule in compiled if rule), digest(content), dict(files), times)


def _take(item: Written, read: _Read) -> None:
    if isinstance(item.value, dict) and "schedule" in item.value:
        schedule = validated(ScheduleText, item)
        earlier = read.schedules.setdefault(schedule.schedule, (item, schedule))[0]
        _require_first(item, earlier, f"schedule {schedule.schedule}")
    else:
        rule = validated(RuleText, item)
        _require_first(item, read.rules.setdefault(rule.id, (item, rule))[0], f"rule {rule.id}")


def _require_first(item: Written, earlier: Written, what: str) -> None:
    if earlier is not item:
        raise BadPolicy(f"{item.where}: {what} is there already ({earlier.where}).")


def _compile(item: Written, text: RuleText, times: Mapping[str, Schedule], read: _Read) -> Rule:
    if problems := list(_problems(item, text, times, read)):
        raise BadPolicy("\n".join(problems))
    named = text.during or text.outside
    schedule = times[named] if named else None
    return Rule(text.id, compile_condition(text.when), text.because, item.where, text, schedule)


def _problems(item: Written, text: RuleText, times: Mapping[str, Schedule], read: _Read) -> Iterator[str]:
    """What is wrong with a rule that has the right form."""

    def at(key: str, problem: object) -> str:
        return f"{item.find((key,))[0]}: rule {text.id}: {problem}"

    try:
        compile_condition(text.when)
    except BadCondition as problem:
        yield at("when", problem)
    for placeholder in re.findall(r"\{([^{}]*)\}", text.because):
        try:
            require_fact(placeholder)
        except BadCondition as problem:
            yield at("because", problem)
    for key, named in (("during", text.during), ("outside", text.outside)):
        if named is not None and named not in times:
            yield at(key, f"there is no schedule {named}.{suggestion(named, times)}")
    asking = [name for name, (_, other) in read.rules.items() if other.needs is not None]
    for waived in text.waives or ():
        if waived not in asking:
            yield at("waives", f"there is no rule {waived} that needs somebody.{suggestion(waived, asking)}")
