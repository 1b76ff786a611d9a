"""What a condition may say, checked when it is read: the facts by name and type, a few functions, and nothing that has no bound.

CEL's own checker finds unknown names and types that do not fit, in all of a condition, before anybody needs an answer. What it
would allow and we do not, loops over lists and regular expressions, is refused here.
"""

import difflib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any, get_type_hints
from zoneinfo import available_timezones

from cel_expr_python import cel

from .facts import SECTIONS, Facts

MAX_LENGTH = 1000
MAX_NESTING = 20

FUNCTIONS = {"size", "int", "double", "string", "timestamp", "duration"}
METHODS = {
    "startsWith", "endsWith", "contains", "size", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek",
    "getDayOfYear", "getHours", "getMinutes",
}  # fmt: skip
UNBOUND = {"all", "exists", "exists_one", "existsOne", "map", "filter", "matches", "transformList", "transformMap"}
"""Loops and regular expressions."""

LISTED = 12
"""So many of what is known are named at once."""

_TEXT = re.compile(r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""")
_ODD = {
    re.compile(r"""\w["']"""): "text has no letter before its quotes.",
    re.compile(r"//"): "a comment is written in YAML, after #.",
    re.compile(r"`"): "facts are named without quotes.",
    re.compile(r"\{"): "maps and objects are not used.",
}
"""What CEL knows and we do not need; some of it would hide a part of the condition from the checks here."""
_CALL = re.compile(r"(\.?)\s*([A-Za-z_]\w*)\s*\(")
_NAME = re.compile(rf"\b(?:({'|'.join(SECTIONS)})\s*\.\s*([A-Za-z_]\w*)|(now))\b")
_ZONE = re.compile(r"""\.get[A-Z]\w*\(\s*["']([^"']*)["']\s*\)""")
_WHERE = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")


class BadCondition(ValueError):
    """The text says why, and what to write instead, without file and line: the loader knows them."""


class CannotEvaluate(Exception):
    """A condition that was checked has no answer for these facts, such as a division by zero."""


def _type_of(hint: Any) -> cel.Type:
    simple = {bool: cel.Type.BOOL, int: cel.Type.INT, float: cel.Type.DOUBLE, str: cel.Type.STRING}
    return simple.get(hint) or cel.Type.List(cel.Type.STRING)


def _variables() -> dict[str, cel.Type]:
    hints = get_type_hints(Facts)
    found = {
        f"{section}.{name}": _type_of(hint)
        for section in SECTIONS
        for name, hint in get_type_hints(hints[section]).items()
    }
    return {**found, "now": cel.Type.TIMESTAMP}


VARIABLES = _variables()
"""Every fact by the name that conditions use, with its type."""


class Condition:
    """One checked condition. `names` are the facts it names, in the order it does."""

    def __init__(self, text: str, program: cel.Expression, names: tuple[str, ...]) -> None:
        self.text, self.names, self._program = text, names, program

    def holds(self, facts: Facts) -> bool:
        """Raises `CannotEvaluate`."""
        answer = self._program.eval(data={name: value_of(facts, name) for name in self.names})
        if answer.type() != cel.Type.BOOL:
            raise CannotEvaluate(str(answer.value()))
        return bool(answer.value())


def value_of(facts: Facts, name: str) -> Any:
    """A fact by the name that conditions use."""
    if name == "now":
        return facts.now
    section, _, fact = name.partition(".")
    value = getattr(getattr(facts, section), fact)
    if VARIABLES[name] == cel.Type.DOUBLE:
        return float(value)
    return list(value) if isinstance(value, tuple) else value


def said(value: Any) -> str:
    """A fact's value in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@cache
def _environment() -> cel.Env:
    return cel.NewEnv(variables=VARIABLES)


def compile_condition(text: str) -> Condition:
    """Raises `BadCondition`."""
    if len(text) > MAX_LENGTH:
        raise BadCondition(f"{len(text)} characters, at most {MAX_LENGTH}; make several rules of it.")
    if '"""' in text or "'''" in text:
        raise BadCondition("text has one quote before it and one after it.")
    bare = _TEXT.sub("''", text)
    _check_form(bare)
    for zone in _ZONE.findall(text):
        require_zone(zone)
    names = tuple(dict.fromkeys(match[3] or f"{match[1]}.{match[2]}" for match in _NAME.finditer(bare)))
    for name in names:
        require_fact(name)
    try:
        program = _environment().compile(text)
    except RuntimeError as problem:  # whatever is wrong, its library raises just this
        raise BadCondition(_explained(str(problem))) from problem
    if program.return_type() != cel.Type.BOOL:
        raise BadCondition(f"a condition is true or false, and this is {program.return_type().name().lower()}.")
    return Condition(text, program, names)


def require_fact(name: str) -> None:
    """Raises `BadCondition` when there is no such fact."""
    if name not in VARIABLES:
        raise BadCondition(f"there is no fact {name}.{suggestion(name, VARIABLES)}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """ " Did you mean …?", or else what there is; of facts, those of the same section."""
    names = sorted(known)
    section, dot, fact = name.partition(".")
    near = {each.removeprefix(section + dot): each for each in names if dot and each.startswith(section + dot)}
    candidates = near or {each: each for each in names}
    if close := difflib.get_close_matches(fact if near else name, list(candidates), n=1, cutoff=0.6):
        return f" Did you mean {candidates[close[0]]}?"
    listed = list(candidates.values())
    if not listed:
        return " There is none."
    return f" Known: {', '.join(listed[:LISTED])}{' and others' if len(listed) > LISTED else ''}."


def _check_form(bare: str) -> None:
    depth = deepest = 0
    for character in bare:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        raise BadCondition(f"nested {deepest} deep, at most {MAX_NESTING}.")
    for odd, why in _ODD.items():
        if odd.search(bare):
            raise BadCondition(why)
    for dot, name in _CALL.findall(bare):
        known = METHODS if dot else FUNCTIONS
        if name in UNBOUND:
            raise BadCondition(f"{name} is not used: loops and regular expressions have no bound.")
        if name not in known and name != "in":
            raise BadCondition(f"there is no function {name}.{suggestion(name, known)}")


@cache
def zones() -> frozenset[str]:
    return frozenset(available_timezones())


def require_zone(name: str) -> None:
    """Raises `BadCondition` when there is no such time zone."""
    if name not in zones():
        raise BadCondition(f"there is no time zone {name!r}.{suggestion(name, zones())}")


def _explained(problem: str) -> str:
    """What the checker said, without its frame, and what usually helps."""
    if "recursion" in problem:
        return "it is too long a chain; make several rules of it."
    found = _WHERE.search(problem)
    text, place = (found[3], f", at character {int(found[2]) + 1}") if found else (problem, "")
    if undeclared := re.search(r"undeclared reference to '([^']+)'", text):
        return f"there is no fact {undeclared[1]}.{suggestion(undeclared[1], VARIABLES)}"
    if overload := re.search(r"no matching overload for '([^']+)' applied to '([^']+)'", text):
        pairs = {"(double, int)", "(int, double)", "(bool, double, int)", "(bool, int, double)"}
        number = (
            " A number with a point is compared with one that has a point: 40.0, not 40."
            if overload[2] in pairs
            else ""
        )
        return f"{overload[1].strip('_').replace('_', ' ')} does not go with {overload[2]}{place}.{number}"
    return f"{text.partition(' expecting ')[0]}{place}."
