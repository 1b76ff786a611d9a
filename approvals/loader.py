"""Reads policy files and refuses them when anything is wrong, with file and line: at start-up, not when somebody needs an answer.

YAML is read as plainly as JSON: `no` is a word and not false, `012` is not ten, a key is there once, and there are no aliases.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.canonical import digest

from .conditions import MAX_LENGTH, BadCondition, Condition, compile_condition, require_fact

MAX_RULES = 500
MAX_DEPTH = 4
DEFAULT_DIRECTORY = Path(__file__).parent / "policies"


class BadPolicy(ValueError):
    """A policy file cannot be used. The text names file, line and reason."""


class Needs(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    count: int = Field(ge=1, le=20)
    of: Literal["owning-team-approvers"]


class RuleText(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    when: str = Field(min_length=1, max_length=MAX_LENGTH)
    because: str = Field(min_length=1, max_length=500)
    allow: Literal[True] | None = None
    deny: Literal[True] | None = None
    needs: Needs | None = None


@dataclass(frozen=True)
class Rule:
    id: str
    condition: Condition
    because: str
    allow: bool
    deny: bool
    needs: Needs | None


@dataclass(frozen=True)
class Policy:
    """Compiled rules in file order. `digest` is over their content, so a decision can name exactly what decided."""

    rules: tuple[Rule, ...]
    digest: str


class PlainLoader(yaml.SafeLoader):
    """YAML whose scalars mean what they mean in JSON; everything else is text."""

    yaml_implicit_resolvers = {}


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+", "-0123456789"),
    ("null", r"null", "n"),
):
    PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


@cache
def load(directory: Path = DEFAULT_DIRECTORY) -> Policy:
    """Read every .yaml file of a directory, in name order. Raises `BadPolicy`."""
    found: list[tuple[str, RuleText]] = []
    for path in sorted(directory.glob("*.yaml")):
        found.extend(_read(path))
    if not found:
        raise BadPolicy(
            f"{directory}: no rules. Without a rule that allows, everything is denied; that is hardly meant."
        )
    if len(found) > MAX_RULES:
        raise BadPolicy(f"{directory}: {len(found)} rules, at most {MAX_RULES}.")
    rules, seen = [], dict[str, str]()
    for where, text in found:
        if text.id in seen:
            raise BadPolicy(f"{where}: rule {text.id} is there already ({seen[text.id]}).")
        seen[text.id] = where
        rules.append(_compile(where, text))
    return Policy(tuple(rules), digest([text.model_dump() for _, text in found]))


def _read(path: Path) -> Iterator[tuple[str, RuleText]]:
    for where, item in _items(path):
        try:
            text = RuleText.model_validate(item)
        except ValidationError as problem:
            reasons = "; ".join(
                f"{'.'.join(map(str, error['loc'])) or 'rule'}: {error['msg']}"
                for error in problem.errors(include_url=False)
            )
            raise BadPolicy(f"{where}: {reasons}") from problem
        if sum(effect is not None for effect in (text.allow, text.deny, text.needs)) != 1:
            raise BadPolicy(f"{where}: rule {text.id} must have exactly one of allow, deny, needs.")
        yield where, text


def _items(path: Path) -> list[tuple[str, Any]]:
    """The items of the list in a file, each with its file and line."""
    try:
        source = path.read_text(encoding="utf-8")
        depth = 0
        for event in yaml.parse(source, Loader=PlainLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise BadPolicy(f"{_at(path, event)}: nested {depth} deep; a list of rules is {MAX_DEPTH} at most.")
            if isinstance(event, yaml.AliasEvent):
                raise BadPolicy(f"{_at(path, event)}: aliases are not used in policies; write the rule out.")
        loader = PlainLoader(source)
        node = loader.get_single_node()
        if not isinstance(node, yaml.SequenceNode):
            raise BadPolicy(f"{path.name}:1: a policy is a list of rules; see docs/policy.md.")
        _refuse_repeated_keys(path, node)
        return [(_at(path, each), loader.construct_document(each)) for each in node.value]
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise BadPolicy(f"{path.name}:{line}: not YAML: {getattr(problem, 'problem', None) or problem}") from problem
    except UnicodeDecodeError as problem:
        raise BadPolicy(f"{path.name}:1: not UTF-8, at byte {problem.start}.") from problem
    except BadPolicy:
        raise
    except ValueError as problem:
        raise BadPolicy(f"{path.name}:1: a number has too many digits.") from problem


def _refuse_repeated_keys(path: Path, node: yaml.Node) -> None:
    """YAML would take the last one and not say so."""
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _refuse_repeated_keys(path, each)
    elif isinstance(node, yaml.MappingNode):
        keys = set[str]()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BadPolicy(f"{_at(path, key)}: a key is a word.")
            if key.value in keys:
                raise BadPolicy(f"{_at(path, key)}: {key.value} is there twice.")
            keys.add(key.value)
            _refuse_repeated_keys(path, value)


def _at(path: Path, place: Any) -> str:
    return f"{path.name}:{place.start_mark.line + 1}"


def _compile(where: str, text: RuleText) -> Rule:
    try:
        condition = compile_condition(text.when)
        for placeholder in re.findall(r"\{([^{}]*)\}", text.because):
            section, _, name = placeholder.partition(".")
            require_fact(section, name)
    except BadCondition as problem:
        raise BadPolicy(f"{where}: rule {text.id}: {problem}") from problem
    return Rule(text.id, condition, text.because, bool(text.allow), bool(text.deny), text.needs)
