"""What tools send that know who is on call, what is broken, and who is away."""

from pydantic import Field

from .bodies import Body, Moment


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
