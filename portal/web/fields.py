"""An action's parameters as form fields, from their one schema: whoever adds an action writes no form.

The schema says what a field is (its JSON type, bounds and choices, and `json_schema_extra={"widget": ...}` where that is
not enough), the action's defaults say what is true now, and what a person typed comes back as they typed it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from actions.protocol import Option, Params

from . import plans

MOST_INSIDE = 50
MAX_TYPED = 2000
"""No parameter is longer; what is gets cut before it is validated, so it is still refused, but not carried around."""


SHORT = 64
"""Characters that fit into half the width."""


@dataclass(frozen=True)
class Choice:
    """`meaning` says what is behind a value, `at` since when there is such a one, `diff` what would differ; each may be missing."""

    value: str
    label: str
    chosen: bool
    meaning: str = ""
    at: datetime | None = None
    diff: plans.Diff | None = None


@dataclass(frozen=True)
class Field:
    """One parameter to fill in. `now` is what is true at this moment, or empty when the action does not know."""

    name: str
    label: str
    hint: str
    widget: str  # stepper, choice, switch, text, area
    value: str
    now: str
    minimum: str
    maximum: str
    choices: tuple[Choice, ...]
    required: bool
    advanced: bool
    problems: tuple[str, ...]
    wide: bool = False
    """Whether it needs the whole width: sentences beside each choice, and text that may be long."""

    @property
    def key(self) -> str:
        """What its parts on the page are called: a dot would mean something to a selector."""
        return key_of(self.name)

    @property
    def is_on(self) -> bool:
        return self.value.lower() in ("true", "on", "1", "yes")


def key_of(name: str) -> str:
    return name.replace(".", "-")


def names_of(params: type[Params]) -> tuple[str, ...]:
    return tuple(params.model_fields)


PLAIN = (
    (r"Input should be greater than or equal to (\S+)", r"At least \1"),
    (r"Input should be less than or equal to (\S+)", r"At most \1"),
    (r"Input should be a valid (?:integer|number).*", "Write a whole number in digits, such as 4"),
    (r"String should have at most (\d+) characters?", r"At most \1 characters"),
    (r"String should have at least (\d+) characters?", r"At least \1 characters"),
    (r"Field required", "This is needed"),
    (r"Input should be (.*)", r"Choose \1"),
)
"""What the schema's library says, and how people say it."""


def proposes(params: type[Params]) -> bool:
    """Whether the form opens with a proposal, chosen from what there is, and not with what is true already."""
    return any(schema.get("widget") == "choice" or schema.get("proposed") for schema in _properties(params).values())


def to_be_written(params: type[Params], shown: Mapping[str, Any]) -> bool:
    """Whether a form that wants something written has nothing yet: then what is missing is no mistake."""
    wanted = [
        name for name, schema in _properties(params).items()
        if _widget(schema) in ("text", "area") and not schema.get("advanced") and name in shown
    ]  # fmt: skip
    return bool(wanted) and not any(str(shown[name]).strip() for name in wanted)


def plain(problem: str) -> str:
    """A validator's message as a sentence."""
    for pattern, words in PLAIN:
        if found := re.fullmatch(pattern, problem):
            problem = found.expand(words)
            break
    return f"{problem[:1].upper()}{problem[1:].rstrip('.')}."


def plainly(wrong: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """What is wrong with one field, in sentences."""
    return [plain(each) for each in wrong.get(name, ())]


def typed(params: type[Params], form: Mapping[str, str]) -> dict[str, Any]:
    """What a form says about the parameters, and nothing else of it. An optional field left empty was not given."""
    said: dict[str, Any] = {}
    for name, schema in _properties(params).items():
        text = form.get(name, "")[:MAX_TYPED]
        if schema.get("type") == "object":
            said[name] = _inside(name, form)
        elif schema.get("type") == "boolean":
            said[name] = "true" if text else "false"
        elif text != "" or params.model_fields[name].is_required():
            said[name] = text
    return said


def shown(params: type[Params], form: Mapping[str, str]) -> dict[str, Any]:
    """What was typed, as it was typed, to be shown again."""
    said: dict[str, Any] = {}
    for name, schema in _properties(params).items():
        if schema.get("type") == "object":
            said[name] = _inside(name, form)
        elif schema.get("type") == "boolean":
            said[name] = "true" if name in form else "false"
        elif name in form:
            said[name] = form[name][:MAX_TYPED]
    return said


def _inside(name: str, form: Mapping[str, str]) -> dict[str, str]:
    """What a form says about a parameter that is a mapping: fields by its name, a dot, and theirs."""
    keys = [key for key in form if key.startswith(f"{name}.")][:MOST_INSIDE]
    return {key.removeprefix(f"{name}."): form[key][:MAX_TYPED] for key in keys}


def chosen_in(params: type[Params], form: Mapping[str, Any]) -> str:
    """The choices that decide which fields there are inside another parameter, as one text to compare."""
    names = [name for name, schema in _properties(params).items() if schema.get("widget") == "choice"]
    return "|".join(_text(form.get(name)) for name in names)


def has_inside(params: type[Params]) -> tuple[str, ...]:
    """The parameters that are mappings."""
    return tuple(name for name, schema in _properties(params).items() if schema.get("type") == "object")


def inner_fields(
    inner: Mapping[str, type[Params]],
    values: Mapping[str, Any],
    problems: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Field, ...]:
    """All fields inside the parameters that are mappings, opening with their defaults."""
    found: list[Field] = []
    for name, params in inner.items():
        wrong = {
            key.removeprefix(f"{name}."): said for key, said in (problems or {}).items() if key.startswith(f"{name}.")
        }
        every = fields_of(params, values=values.get(name, {}), now=dict.fromkeys(names_of(params)), problems=wrong)
        found += [replace(field, name=f"{name}.{field.name}") for field in every]
    return tuple(found)


def fields_of(
    params: type[Params],
    *,
    values: Mapping[str, Any],
    now: Mapping[str, Any],
    problems: Mapping[str, Sequence[str]] | None = None,
    options: Mapping[str, Sequence[Option]] | None = None,
) -> tuple[Field, ...]:
    """The fields that apply here: what the action has a value for, what is required, and what the person filled in.
    `options` are what the action offers to choose from, where the schema cannot know.

    An optional parameter of which the action says nothing (bounds of an autoscaler that is not there) is left out.
    """
    wrong = {name: [plain(each) for each in said] for name, said in (problems or {}).items()}
    return tuple(
        _field(name, schema, params, values, now, tuple(wrong.get(name, ())), (options or {}).get(name, ()))
        for name, schema in _properties(params).items()
        if schema.get("type") != "object"
        and (
            name in now
            or params.model_fields[name].is_required()
            or values.get(name) not in (None, "", "false", False)
            or name in wrong
        )
    )


def _field(
    name: str,
    schema: Mapping[str, Any],
    params: type[Params],
    values: Mapping[str, Any],
    now: Mapping[str, Any],
    problems: tuple[str, ...],
    options: Sequence[Option],
) -> Field:
    value, widget = _text(values.get(name, schema.get("default"))), "choice" if options else _widget(schema)
    offered = options or [Option(each, _text(each).replace("-", " ")) for each in schema.get("enum", [])]
    return Field(
        name=name,
        label=params.model_fields[name].title or name.replace("_", " ").capitalize(),
        hint=schema.get("description", ""),
        widget=widget,
        value=value,
        now="" if schema.get("proposed") else _text(now.get(name)),
        minimum=_text(schema.get("minimum", _after(schema.get("exclusiveMinimum"), 1))),
        maximum=_text(schema.get("maximum", _after(schema.get("exclusiveMaximum"), -1))),
        choices=tuple(_choice(each, value) for each in offered),
        required=params.model_fields[name].is_required(),
        advanced=bool(schema.get("advanced")),
        problems=problems,
        wide=widget in ("choice", "area") or (widget == "text" and schema.get("maxLength", MAX_TYPED) > SHORT),
    )


def _choice(option: Option, value: str) -> Choice:
    diff = plans.diff_of(option.label, option.lines) if option.lines else None
    text = _text(option.value)
    return Choice(text, option.label, text == value, option.meaning, option.at, diff)


def _properties(params: type[Params]) -> dict[str, dict[str, Any]]:
    schema = params.model_json_schema()
    shared = schema.get("$defs", {})
    return {name: _plain(each, shared) for name, each in schema.get("properties", {}).items()}


def _plain(schema: dict[str, Any], shared: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Follow a reference to a shared definition, and take `X or nothing` for X."""
    if "$ref" in schema:
        return {**shared.get(schema["$ref"].rpartition("/")[2], {}), **{k: v for k, v in schema.items() if k != "$ref"}}
    if "const" in schema:  # a list of one
        return {**schema, "enum": [schema["const"]]}
    options = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
    if len(options) == 1:
        return {**_plain(options[0], shared), **{k: v for k, v in schema.items() if k != "anyOf"}}
    return schema


def _widget(schema: Mapping[str, Any]) -> str:
    asked = schema.get("widget")
    if asked in ("stepper", "choice", "switch", "text", "area"):
        return str(asked)
    if schema.get("enum"):
        return "choice"
    return {"boolean": "switch", "integer": "stepper"}.get(str(schema.get("type")), "text")


def _after(bound: object, step: int) -> int | None:
    return bound + step if isinstance(bound, int) else None


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
