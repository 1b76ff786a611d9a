"""What a condition may say, checked when it is read: the facts by name, a few functions, and nothing that has no bound.

CEL finds a wrong name only when it gets there, and `a || b` does not get to `b` as long as `a` holds. So the names and functions of
the whole condition are looked at here, however it is nested, and it is tried once against sample facts.
"""

import dataclasses
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import celpy
from celpy.celtypes import BoolType, TimestampType, Value

from .facts import ActionFacts, ActorFacts, ContextFacts, EnvironmentFacts, Facts, PlanFacts, TargetFacts

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAX_LENGTH = 1000
MAX_NESTING = 20
KEPT = 256
"""Answers kept for each condition, by the facts that it names. They are a few kB."""

SECTIONS = ("actor", "action", "target", "environment", "plan", "context")

FUNCTIONS = {"has", "size", "int", "double", "string", "timestamp", "duration"}
METHODS = {
    "startsWith", "endsWith", "size", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
    "getHours", "getMinutes",
}  # fmt: skip
"""Loops and regular expressions are not among them: they have no bound."""

NOT_USED = {
    "member_index": "an index; compare the fact itself, or use `in`",
    "member_object": "an object",
    "map_lit": "a map",
    "dot_ident": "a name that begins with a dot",
    "dot_ident_arg": "a function that begins with a dot",
}

SAMPLE = Facts(
    ActorFacts("Mira", True, False, False, True, ("payments",)),
    ActionFacts("restart-workload", 1),
    TargetFacts("workload", "checkout-api", "payments", 1, "", False),
    EnvironmentFacts("production", 3),
    PlanFacts(),
    ContextFacts(),
    datetime(2026, 1, 1, tzinfo=UTC),
)


class BadCondition(ValueError):
    """The text says why, without file and line: the loader knows them."""


class Condition:
    """One checked condition. Its answer follows from the sections of the facts that it names, so the last ones are kept by these.

    The buttons on a page differ in little that rules look at, and to ask CEL anew takes a hundred times as long.
    """

    def __init__(self, program: celpy.Runner, names: frozenset[str]) -> None:
        """`names`: the sections, and perhaps `now`. `people` is for the answer, so no condition can name it."""
        self._program, self.names = program, tuple(sorted(names))
        self._answer = lru_cache(maxsize=KEPT)(self._evaluate)

    def answer(self, facts: Facts) -> Value:
        """What CEL says, which need not be a boolean. Raises whatever its library does, and does so each time."""
        return self._answer(*(getattr(facts, name) for name in self.names))

    def _evaluate(self, *values: Any) -> Value:
        return self._program.evaluate({name: _cel(value) for name, value in zip(self.names, values, strict=True)})


def _cel(fact: Any) -> Value:
    return TimestampType(fact) if isinstance(fact, datetime) else celpy.json_to_cel(_plain(fact))


def _plain(section: "DataclassInstance") -> dict[str, Any]:
    fields = dataclasses.asdict(section)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


FACT_NAMES = {name: set(_plain(getattr(SAMPLE, name))) for name in SECTIONS}


def compile_condition(text: str) -> Condition:
    """Raises `BadCondition`."""
    _check_nesting(text)
    environment = celpy.Environment()
    try:
        tree = environment.compile(text)
        _check_tree(tree)
        names = frozenset(str(ident.children[0]) for ident in tree.find_data("ident"))
        condition = Condition(environment.program(tree), names)
        answer = condition.answer(SAMPLE)
    except (celpy.CELParseError, celpy.CELEvalError) as problem:
        raise BadCondition(f"the condition does not work: {problem.args[0]}") from problem
    except RecursionError as problem:
        raise BadCondition("the condition is too long a chain; make several rules of it.") from problem
    if not isinstance(answer, BoolType):
        raise BadCondition(f"the condition must be true or false, not {answer!r}.")
    return condition


def require_fact(section: str, name: str) -> None:
    """Raises `BadCondition` when there is no such fact."""
    known = FACT_NAMES.get(section)
    if known is None or name not in known:
        options = ", ".join(f"{section}.{each}" for each in sorted(known or ())) or ", ".join(FACT_NAMES)
        raise BadCondition(f"there is no fact {section}.{name}. Known: {options}.")


def _check_nesting(text: str) -> None:
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        raise BadCondition(f"nested {deepest} deep, at most {MAX_NESTING}.")


def _check_tree(tree: Any) -> None:
    for construct, name in NOT_USED.items():
        if next(tree.find_data(construct), None) is not None:
            raise BadCondition(f"{name} is not used in conditions.")
    for call in tree.find_data("ident_arg"):
        _require_function(str(call.children[0]), FUNCTIONS)
    for call in tree.find_data("member_dot_arg"):
        _require_function(str(call.children[1]), METHODS)
    for member in tree.find_data("member_dot"):
        base, name = member.children
        idents = list(base.find_data("ident"))
        if len(idents) == 1 and str(idents[0].children[0]) in FACT_NAMES:
            require_fact(str(idents[0].children[0]), str(name))
    for ident in tree.find_data("ident"):
        if str(ident.children[0]) not in (*FACT_NAMES, "now"):
            raise BadCondition(f"there is no fact {str(ident.children[0])!r}. Known: {', '.join(FACT_NAMES)}, now.")


def _require_function(name: str, known: set[str]) -> None:
    if name not in known:
        raise BadCondition(
            f"there is no function {name}. Known: {', '.join(sorted(known))}. Loops and regular expressions have no bound."
        )
