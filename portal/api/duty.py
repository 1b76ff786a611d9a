"""What tools send that know who is on call, what is broken, and who is away."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field

from .bodies import Body


def _text(value: Any) -> Any:
    """A moment comes as text with its offset: a bare number would be read as seconds since 1970."""
    if not isinstance(value, str):
        raise ValueError("a time with its offset, like 2026-12-24T18:00:00+01:00")
    return value


Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_text)]


class ShiftBody(Body):
    person: str = Field(min_length=1, max_length=150, description="A username")
    starts_at: Moment
    ends_at: Moment


class ScheduleBody(Body):
    shifts: list[ShiftBody] = Field(max_length=500, description="All that are not over yet")


class IncidentBody(Body):
    title: str = Field(min_length=1, max_length=300)
    services: list[str] = Field(min_length=1, max_length=100, description="Slugs of the services that it is about")
    url: str = Field("", max_length=500, description="Where its story is told")
    opened_at: Moment | None = Field(None, description="When it began; now, if it is not said")


class AbsenceBody(Body):
    ends_at: Moment
    starts_at: Moment | None = Field(None, description="Now, if it is not said")
    stand_in: str = Field("", max_length=150, description="The username of who decides in one's place")
    note: str = Field("", max_length=200)
