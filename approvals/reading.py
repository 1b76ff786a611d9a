"""Reads lists from YAML that is as plain as JSON, and says file, line and reason for whatever is wrong in them.

`no` is a word and not false, `012` is not ten, a key is there once, and there are no aliases and no tags.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from .rules import Text

MAX_CHARACTERS = 200_000
MAX_DEPTH = 6
Item = TypeVar("Item", bound=Text)

SAYINGS = {
    "missing": "is missing",
    "string_type": "is text",
    "string_pattern_mismatch": "is lower-case words joined by dashes, such as production-needs-approver",
    "string_too_short": "is empty",
    "string_too_long": "has at most {max_length} characters",
    "int_type": "is a whole number",
    "float_type": "is a number",
    "bool_type": "is true or false",
    "greater_than_equal": "is at least {ge}",
    "less_than_equal": "is at most {le}",
    "literal_error": "is {expected}",
    "list_type": "is a list",
    "dict_type": "is a map of keys to values",
    "model_type": "is a map of keys to values",
    "too_short": "has at least {min_length} in it",
    "too_long": "has at most {max_length} in it",
}
"""How the library calls what is wrong, and how we do."""


class BadPolicy(ValueError):
    """A policy file cannot be used. The text names file, line and reason, a line for each."""


@dataclass(frozen=True)
class Written:
    """One item of a list: its value, and where it and its parts are written."""

    file: str
    node: yaml.Node
    value: Any

    @property
    def where(self) -> str:
        return _at(self.file, self.node)

    def find(self, path: tuple[int | str, ...]) -> tuple[str, str]:
        """File and line of a part, or of what it is missing from; and what the part is called."""
        place, node, names = self.node, self.node, list[str]()
        for part in path:
            if isinstance(node, yaml.MappingNode) and isinstance(part, str):
                names.append(part)
                pair = next((pair for pair in node.value if pair[0].value == part), None)
                if pair is None:
                    break
                place, node = pair
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                names.append(str(part + 1))
                place = node = node.value[part]
        return _at(self.file, place), ".".join(names)


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


def items_of(name: str, source: str) -> list[Written]:
    """The items of the list in a file. Raises `BadPolicy`."""
    if len(source) > MAX_CHARACTERS:
        raise BadPolicy(f"{name}:1: {len(source)} characters, at most {MAX_CHARACTERS}; make several files of it.")
    try:
        _require_bounds(name, source)
        loader = PlainLoader(source)
        node = loader.get_single_node()
        if not isinstance(node, yaml.SequenceNode):
            raise BadPolicy(f"{name}:1: it is a list, each item with a dash before it; see docs/policy.md.")
        _require_plain(name, node)
        return [Written(name, each, loader.construct_document(each)) for each in node.value]
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise BadPolicy(f"{name}:{line}: not YAML: {getattr(problem, 'problem', None) or problem}.") from problem


def validated(model: type[Item], item: Written) -> Item:
    """One item as its model. Raises `BadPolicy`, with a line for each thing that is wrong."""
    try:
        return model.model_validate(item.value)
    except ValidationError as problem:
        raise BadPolicy("\n".join(_sentences(item, problem))) from problem


def _sentences(item: Written, problem: ValidationError) -> Iterator[str]:
    value = item.value if isinstance(item.value, dict) else {}
    named = next((f"{kind} {value[key]}: " for kind, key in KINDS.items() if isinstance(value.get(key), str)), "")
    for error in problem.errors(include_url=False, include_input=False):
        about = error.get("ctx", {})
        where, spot = item.find(error["loc"])
        saying = SAYINGS.get(error["type"])
        if "key" in about:
            yield f"{item.find((*error['loc'], about['key']))[0]}: {named}{spot}{': ' if spot else ''}{about['text']}"
        elif saying is None:
            text = error["msg"].removeprefix("Value error, ")
            yield f"{where}: {named}{spot}{': ' if spot else ''}{text}"
        else:
            text = saying.format(**about).replace("True", "true, or left out")
            yield f"{where}: {named}{spot or 'an item'} {text}."


KINDS = {"rule": "id", "schedule": "schedule", "test": "test"}
"""What an item is, by the key that names it."""


def _require_bounds(name: str, source: str) -> None:
    """Before anything is built of it."""
    depth = 0
    for event in yaml.parse(source, Loader=PlainLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise BadPolicy(f"{_at(name, event)}: nested {depth} deep, at most {MAX_DEPTH}.")
        if isinstance(event, yaml.AliasEvent):
            raise BadPolicy(f"{_at(name, event)}: aliases are not used in policies; write it out.")
        if tag := getattr(event, "tag", None):  # only of what has one written before it
            said = tag.replace("tag:yaml.org,2002:", "!!")[:80]
            raise BadPolicy(f"{_at(name, event)}: tags such as {said} are not used in policies; write it plainly.")


def _require_plain(name: str, node: yaml.Node) -> None:
    """YAML would take the last of two keys and not say so, and keep what a database cannot."""
    if isinstance(node, yaml.ScalarNode):
        if odd := re.search("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", node.value):
            raise BadPolicy(f"{_at(name, node)}: the character {odd[0]!a} cannot be shown.")
        if node.tag.endswith(":int") and len(node.value) > 18:
            raise BadPolicy(f"{_at(name, node)}: a number has too many digits.")
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _require_plain(name, each)
    elif isinstance(node, yaml.MappingNode):
        keys = set[str]()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BadPolicy(f"{_at(name, key)}: a key is a word.")
            if key.value in keys:
                raise BadPolicy(f"{_at(name, key)}: {key.value} is there twice.")
            keys.add(key.value)
            _require_plain(name, key)
            _require_plain(name, value)


def _at(name: str, place: Any) -> str:
    return f"{name}:{place.start_mark.line + 1}"
