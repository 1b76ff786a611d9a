"""Reads policy files and refuses them when anything is wrong, with file and line: at start-up, not when somebody needs an answer.

A condition may name the facts and nothing else, is bounded in length and nesting, and is tried once against sample facts so that
a condition that is not true or false never gets as far as a request.
"""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import celpy
import yaml
from celpy.celtypes import BoolType
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.canonical import digest

from .facts import ActionFacts, ActorFacts, ContextFacts, EnvironmentFacts, Facts, PlanFacts, TargetFacts

MAX_CONDITION = 1000
MAX_NESTING = 20
MAX_RULES = 500
SECTIONS = ("actor", "action", "target", "environment", "plan", "context")

SAMPLE = Facts(
    ActorFacts("Mira", True, False, False, True, ("payments",)),
    ActionFacts("restart-workload", 1),
    TargetFacts("workload", "checkout-api", "payments", 1, "", False),
    EnvironmentFacts("production", 3),
    PlanFacts(),
    ContextFacts(),
    datetime(2026, 1, 1, tzinfo=UTC),
)


class BadPolicy(ValueError):
    """A policy file cannot be used. The text names file, line and reason."""


class Needs(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    count: int = Field(ge=1, le=20)
    of: Literal["owning-team-approvers"]


class RuleText(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    when: str = Field(min_length=1, max_length=MAX_CONDITION)
    because: str = Field(min_length=1, max_length=500)
    allow: Literal[True] | None = None
    deny: Literal[True] | None = None
    needs: Needs | None = None


@dataclass(frozen=True)
class Rule:
    id: str
    condition: celpy.Runner
    because: str
    allow: bool
    deny: bool
    needs: Needs | None


@dataclass(frozen=True)
class Policy:
    """Compiled rules in file order. `digest` is over their content, so a decision can name exactly what decided."""

    rules: tuple[Rule, ...]
    digest: str


def cel_facts(facts: Facts) -> dict[str, Any]:
    """The facts as CEL values: the sections and nothing else (`people` is for the answer, not for conditions)."""
    return {name: celpy.json_to_cel(_plain(getattr(facts, name))) for name in SECTIONS} | {
        "now": celpy.celtypes.TimestampType(facts.now)
    }


def _plain(section: object) -> dict[str, Any]:
    fields = dataclasses.asdict(section)  # type: ignore[call-overload]  # every section is a dataclass
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


FACT_NAMES = {name: set(_plain(getattr(SAMPLE, name))) for name in SECTIONS}
DEFAULT_DIRECTORY = Path(__file__).parent / "policies"


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
    source = path.read_text()
    if source.count("*") > 0 and re.search(r"(^|[\s,\[{])\*\w", source):
        raise BadPolicy(f"{path.name}: YAML aliases are not used in policies; write the rule out.")
    try:
        node = yaml.compose(source, Loader=yaml.SafeLoader)
        content = yaml.safe_load(source)
    except yaml.YAMLError as problem:
        raise BadPolicy(f"{path.name}: not YAML: {problem}") from problem
    if not isinstance(content, list) or node is None:
        raise BadPolicy(f"{path.name}:1: a policy is a list of rules; see docs/policy.md.")
    for item, item_node in zip(content, node.value, strict=True):
        where = f"{path.name}:{item_node.start_mark.line + 1}"
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


def _compile(where: str, text: RuleText) -> Rule:
    _check_nesting(where, text)
    environment = celpy.Environment()
    try:
        tree = environment.compile(text.when)
        _check_names(where, text, tree)
        program = environment.program(tree)
        answer = program.evaluate(cel_facts(SAMPLE))
    except (celpy.CELParseError, celpy.CELEvalError) as problem:
        raise BadPolicy(f"{where}: rule {text.id}: the condition does not work: {problem.args[0]}") from problem
    if not isinstance(answer, BoolType):
        raise BadPolicy(f"{where}: rule {text.id}: the condition must be true or false, not {answer!r}.")
    for section, name in re.findall(r"\{(\w+)\.(\w+)\}", text.because):
        _require_fact(where, text, section, name)
    return Rule(text.id, program, text.because, bool(text.allow), bool(text.deny), text.needs)


def _check_nesting(where: str, text: RuleText) -> None:
    depth = deepest = 0
    for character in text.when:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        raise BadPolicy(f"{where}: rule {text.id}: nested {deepest} deep, at most {MAX_NESTING}.")
    if re.search(r"\.(map|filter|all|exists|exists_one|matches)\s*\(", text.when):
        raise BadPolicy(
            f"{where}: rule {text.id}: loops and regular expressions have no bound here; compare facts directly."
        )


def _check_names(where: str, text: RuleText, tree: Any) -> None:
    for member in tree.find_data("member_dot"):
        base, name = member.children
        idents = list(base.find_data("ident"))
        if len(idents) == 1 and str(idents[0].children[0]) in FACT_NAMES:
            _require_fact(where, text, str(idents[0].children[0]), str(name))
    for ident in tree.find_data("ident"):
        if str(ident.children[0]) not in (*FACT_NAMES, "now"):
            raise BadPolicy(
                f"{where}: rule {text.id}: there is no fact {str(ident.children[0])!r}. Known: {', '.join(FACT_NAMES)}, now."
            )


def _require_fact(where: str, text: RuleText, section: str, name: str) -> None:
    known = FACT_NAMES.get(section)
    if known is None or name not in known:
        options = ", ".join(f"{section}.{each}" for each in sorted(known or ())) or ", ".join(FACT_NAMES)
        raise BadPolicy(f"{where}: rule {text.id}: there is no fact {section}.{name}. Known: {options}.")
