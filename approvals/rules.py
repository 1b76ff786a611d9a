"""A rule as it is written and as it is compiled: what a policy file's items may hold.

Every wrong key, value, name or reference is refused with what was probably meant.
"""

import re
from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from . import groups
from .conditions import MAX_LENGTH, Condition, require_zone, suggestion
from .rulings import RESERVED
from .schedules import DAYS, Schedule, moment_of

NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MOST_MINUTES = 60 * 24 * 30


class Text(BaseModel):
    """Nothing unknown, nothing coerced."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def no_unknown_key(cls, value: Any) -> Any:
        if isinstance(value, dict) and (odd := [str(key) for key in value if key not in cls.known()]):
            text = f"there is no key {odd[0]!r}.{suggestion(odd[0], cls.known())}"
            raise PydanticCustomError("unknown_key", "{text}", {"text": text, "key": odd[0]})
        return value

    @classmethod
    def known(cls) -> set[str]:
        return {field.alias or name for name, field in cls.model_fields.items()}


def _group(of: str) -> str:
    groups.parse(of)
    return of


def _zone(name: str) -> str:
    require_zone(name)
    return name


def _clock(text: str) -> str:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text, re.ASCII):
        raise ValueError(f"{text!r} is no time of a day; write it as 09:00. The end of a day is 00:00.")
    return text


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise ValueError(f"{text!r} is no date; write it as 2026-12-20 or 2026-12-20T18:00.") from problem
    if moment.tzinfo is not None:
        raise ValueError("write it by the clock of the schedule's zone, without an offset.")
    if not 2000 <= moment.year <= 2100:
        raise ValueError("a year between 2000 and 2100.")
    return text


def _listed(value: Any) -> Any:
    """One may be written without the brackets."""
    return value if isinstance(value, list) else [value]


def _once_each(named: list[str]) -> list[str]:
    if twice := next((each for each in named if named.count(each) > 1), None):
        raise ValueError(f"{twice} is there twice.")
    return named


GroupName = Annotated[str, AfterValidator(_group)]
Groups = Annotated[
    list[GroupName], BeforeValidator(_listed), AfterValidator(_once_each), Field(min_length=1, max_length=10)
]
Count = Annotated[int, Field(ge=1, le=20)]
Minutes = Annotated[int, Field(ge=1, le=MOST_MINUTES)]


class Escalate(Text):
    after_minutes: Minutes
    to: GroupName


class Needs(Text):
    """`each`: at least so many of every group, for a quorum across them."""

    count: Count
    of: Groups
    each: Count | None = None
    expires_minutes: Minutes | None = None
    escalate: Escalate | None = None

    @model_validator(mode="after")
    def quorum_fits(self) -> "Needs":
        if self.escalate and self.expires_minutes and self.escalate.after_minutes >= self.expires_minutes:
            raise ValueError("it expires before it would be escalated.")
        if self.each is not None and self.each * len(self.of) > self.count:
            raise ValueError(f"{self.each} of each of {len(self.of)} groups are more than {self.count}.")
        return self


class Review(Text):
    """Of what was done by breaking glass."""

    count: Count
    of: GroupName
    within_hours: Annotated[int, Field(ge=1, le=24 * 7)]


def _own_name(rule: str) -> str:
    if rule in RESERVED:
        raise ValueError(f"{rule} is what answers say where no rule speaks. Call the rule something else.")
    return rule


class RuleText(Text):
    id: Annotated[str, AfterValidator(_own_name)] = Field(pattern=NAME, max_length=64)
    when: str = Field(min_length=1, max_length=MAX_LENGTH)
    because: str = Field(min_length=1, max_length=500)
    during: str | None = None
    outside: str | None = None
    allow: Literal[True] | None = None
    deny: Literal[True] | None = None
    needs: Annotated[list[Needs], Field(min_length=1, max_length=10)] | None = None
    waives: Annotated[list[str], BeforeValidator(_listed), Field(min_length=1, max_length=100)] | None = None
    break_glass: Review | None = None
    override: Needs | None = None

    @field_validator("needs", mode="before")
    @classmethod
    def one_is_enough(cls, value: Any) -> Any:
        return value if value is None else _listed(value)

    @model_validator(mode="after")
    def one_effect(self) -> "RuleText":
        effects = (self.allow, self.deny, self.needs, self.waives, self.break_glass)
        if sum(effect is not None for effect in effects) != 1:
            raise ValueError("it must have exactly one of allow, deny, needs, waives, break_glass.")
        if self.override is not None and self.deny is None:
            raise ValueError("only what is denied can be overridden.")
        if self.during is not None and self.outside is not None:
            raise ValueError("it speaks either during a schedule or outside of one.")
        return self


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Span(Text):
    start: Annotated[str, AfterValidator(_moment)] = Field(alias="from")
    until: Annotated[str, AfterValidator(_moment)]


class ScheduleText(Text):
    schedule: str = Field(pattern=NAME, max_length=64)
    zone: Annotated[str, AfterValidator(_zone)]
    days: Annotated[list[Day], BeforeValidator(_listed), Field(max_length=7)] = []
    start: Annotated[str, AfterValidator(_clock)] = Field(default="00:00", alias="from")
    until: Annotated[str, AfterValidator(_clock)] = "00:00"
    dates: list[Span] = Field(default=[], max_length=100)

    @model_validator(mode="after")
    def has_a_time(self) -> "ScheduleText":
        if not self.days and not self.dates:
            raise ValueError(
                "it needs days, such as [mon, tue], or dates, such as [{from: 2026-12-20, until: 2027-01-02}]."
            )
        if not self.days and {"start", "until"} & self.model_fields_set:
            raise ValueError("from and until are hours of days; dates have their own.")
        if any(datetime.fromisoformat(span.start) >= datetime.fromisoformat(span.until) for span in self.dates):
            raise ValueError("dates end after they begin.")
        return self

    def compiled(self) -> Schedule:
        zone = ZoneInfo(self.zone)

        def moment(text: str) -> datetime:
            return moment_of(datetime.fromisoformat(text), zone)

        return Schedule(
            self.schedule, zone, frozenset(DAYS.index(day) for day in self.days), time.fromisoformat(self.start),
            time.fromisoformat(self.until), tuple((moment(span.start), moment(span.until)) for span in self.dates),
        )  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """`schedule` and whether the rule speaks `during` it or outside of it. `where` is file and line."""

    id: str
    condition: Condition
    because: str
    where: str
    text: RuleText
    schedule: Schedule | None = None

    @property
    def needs(self) -> list[Needs]:
        return self.text.needs or []

    @property
    def waives(self) -> frozenset[str]:
        return frozenset(self.text.waives or ())

    @property
    def groups(self) -> frozenset[str]:
        """Everybody it may ask, by the names that policies use."""
        asked = [*self.needs, *([self.text.override] if self.text.override else [])]
        named = {of for need in asked for of in need.of}
        named |= {need.escalate.to for need in asked if need.escalate}
        return frozenset(named | ({self.text.break_glass.of} if self.text.break_glass else set()))
