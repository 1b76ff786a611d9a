"""What an administrator of a cluster approved to be run by hand: a pod's template, and the few values that may be chosen for it.

The values become variables of the environment, never a part of a command, and each is one of a list, a number between two others, or
one line that matches a pattern as a whole. Patterns are matched in linear time (pydantic's engine is Rust's), so that nobody can
make one that takes for ever.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import SchemaError

from audit.redact import redact_text
from connectors.errors import clean
from connectors.kubernetes.jobs import TaskTemplateSeen

from .protocol import CannotPlan, Params, Target

TITLE, DESCRIPTION = "afterdeck.dev/display-name", "afterdeck.dev/description"
DEADLINE, PARAMETERS = "afterdeck.dev/deadline-seconds", "afterdeck.dev/parameters"
SERVICE, NAME = "afterdeck.dev/service", "app.kubernetes.io/name"

LONGEST, DEFAULT_DEADLINE = 24 * 3600, 3600
MOST_TEXT = 256
MOST_JSON = 16_384

Name = Annotated[str, StringConstraints(pattern=r"\A[A-Z][A-Z0-9_]{0,62}\z")]
Word = Annotated[str, StringConstraints(pattern=r"\A[^\p{C}]{1,100}\z")]


class _Parameter(BaseModel):
    """`help` is what the form says below the field."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Name
    help: str = Field(default="", max_length=200)


class WholeNumber(_Parameter):
    type: Literal["int"]
    min: int = Field(ge=-(10**15), le=10**15)
    max: int = Field(ge=-(10**15), le=10**15)
    default: int | None = None

    def field(self) -> tuple[Any, Any]:
        return int, Field(default=_default(self.default), ge=self.min, le=self.max, description=self.help)


class OneOf(_Parameter):
    type: Literal["choice"]
    choices: list[Word] = Field(min_length=1, max_length=50)
    default: str | None = None

    def field(self) -> tuple[Any, Any]:
        return Literal[tuple(self.choices)], Field(default=_default(self.default), description=self.help)


class Line(_Parameter):
    """`pattern` is of the `regex` crate of Rust, and the whole text has to match it."""

    type: Literal["text"]
    pattern: str = Field(max_length=200)
    max_length: int = Field(ge=1, le=MOST_TEXT)
    default: str | None = None

    def field(self) -> tuple[Any, Any]:
        TypeAdapter(
            Annotated[str, StringConstraints(pattern=self.pattern)]
        )  # by itself: `a)|(.*` must not close our group
        whole = StringConstraints(pattern=rf"\A(?:{self.pattern})\z", max_length=self.max_length)
        text = Annotated[str, whole, AfterValidator(_one_line)]
        return text, Field(default=_default(self.default), description=self.help)


Parameter = Annotated[WholeNumber | OneOf | Line, Field(discriminator="type")]
_parameters = TypeAdapter(Annotated[list[Parameter], Field(max_length=20)])


class Values(Params):
    """Base of the values of a task, checked as every action's parameters are. A default has to be a value that could be chosen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

    @model_validator(mode="after")
    def no_credentials(self) -> "Values":
        for name, value in self:
            if isinstance(value, str) and redact_text(value) != value:
                raise ValueError(
                    f"{name} looks like a credential, and values are seen by many. Let the task read it from a Secret."
                )
        return self


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("Write one line of text that can be printed.")
    return text


def _default(value: int | str | None) -> Any:
    return ... if value is None else value


class Task:
    """A template as the portal reads it. Raises `CannotPlan` where it cannot be used."""

    def __init__(self, seen: TaskTemplateSeen) -> None:
        self.seen, self.name = seen, seen.ref.name
        self.title = clean(seen.annotations.get(TITLE, ""), 100) or self.name
        self.description = clean(seen.annotations.get(DESCRIPTION, ""), 300)
        self.deadline = self._read_deadline()
        self.parameters = self._read_parameters()
        self.values = self._model()

    @property
    def defaults(self) -> dict[str, str]:
        return {each.name: str(each.default) for each in self.parameters if each.default is not None}

    def _read_deadline(self) -> int:
        text = self.seen.annotations.get(DEADLINE, str(DEFAULT_DEADLINE))
        if not (text.isascii() and text.isdecimal() and len(text) < 7 and 10 <= int(text) <= LONGEST):
            raise self._unusable(f"its {DEADLINE} is not a number from 10 to {LONGEST}")
        return int(text)

    def _read_parameters(self) -> list[WholeNumber | OneOf | Line]:
        text = self.seen.annotations.get(PARAMETERS, "[]")
        if len(text) > MOST_JSON:
            raise self._unusable(f"its {PARAMETERS} are longer than {MOST_JSON} characters")
        try:
            found = _parameters.validate_json(text)
        except ValidationError as wrong:
            first = wrong.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise self._unusable(f"its {PARAMETERS} say {where}: {clean(first['msg'], 100)}") from wrong
        names = [each.name for each in found]
        if len(names) != len(set(names)):
            raise self._unusable(f"its {PARAMETERS} name one twice")
        for each in found:
            if isinstance(each, Line) and any(f"$({each.name})" in word for word in self.seen.commands):
                raise self._unusable(f"{each.name} would become a part of its command; let it read its environment")
        return found

    def _model(self) -> type[Values]:
        """Made for this template, so that form, API and errors come from it as from any action's parameters."""
        try:
            fields: Any = {each.name: each.field() for each in self.parameters}
            model = create_model("Values", __base__=Values, **fields)
        except SchemaError as wrong:
            raise self._unusable("a pattern of its parameters cannot be used") from wrong
        try:
            model.model_validate_strings(self.defaults)
        except ValidationError as wrong:
            odd = [each["loc"][0] for each in wrong.errors() if each["type"] != "missing" and each["loc"]]
            if odd:
                raise self._unusable(f"the default of {odd[0]} is none of its values") from wrong
        return model

    def _unusable(self, why: str) -> CannotPlan:
        return CannotPlan(f"The task {self.name} cannot be used: {why}. Tell an administrator of the cluster.")


def belongs_to(seen: TaskTemplateSeen, target: Target) -> bool:
    """A template may name the service it is for, as workloads do; one that names none is for all of its namespace."""
    meant = seen.annotations.get(SERVICE) or seen.labels.get(NAME)
    return not meant or meant == target.service
