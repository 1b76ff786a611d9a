"""What is sent about the policy: another one to replay, and a question about somebody else."""

from typing import Annotated, Any

from pydantic import Field

from approvals.reading import MAX_CHARACTERS

from .bodies import Body, Id, Moment

MOST_FILES = 20


class ReplayBody(Body):
    files: dict[
        Annotated[str, Field(min_length=1, max_length=100)], Annotated[str, Field(max_length=MAX_CHARACTERS)]
    ] = Field(min_length=1, max_length=MOST_FILES, description="Name to text of the files of another policy")
    days: int = Field(30, ge=1, le=365, description="Requests of so many days")


class SimulationBody(Body):
    person: str = Field(min_length=1, max_length=150, description="The username of whoever would ask")
    at: Moment | None = Field(None, description="When they would; now, if it is not said")
    action: str = Field(max_length=64)
    target: Id = Field(description="The id of what it would act on")
    params: dict[str, Any] = Field(default={}, description="The action's parameters; see its schema")
