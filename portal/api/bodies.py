"""What callers send: strict, so that nothing unknown is dropped and nothing is coerced into what it was not.

An action's parameters are checked behind the gate, by the action's own schema. The typed twins at the end put those schemas into
OpenAPI, so that a generated client knows the parameters of every action there is.
"""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError, create_model
from rest_framework.request import Request

from actions.errors import BadParams
from actions.registry import AnyAction, all_actions
from actions.services import MAX_REASON

from .parsers import MAX_INTEGER

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[int, Field(ge=1, le=MAX_INTEGER)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PreviewBody(Body):
    target: Id = Field(description="The id of what it acts on: a workload, a secret or a node, as the action says")
    params: dict[str, Any] = Field(default={}, description="The action's parameters; see its schema")


class SubmissionBody(PreviewBody):
    action: str = Field(max_length=64)
    reason: str = Field(min_length=1, max_length=MAX_REASON)
    digest: Digest | None = Field(
        None, description="The plan you looked at. If it is no longer true, nothing is submitted."
    )


class VoteBody(Body):
    decision: Literal["approve", "reject"]
    digest: Digest = Field(description="The digest of the plan you looked at; a vote counts for that plan only")
    note: str = Field("", max_length=MAX_REASON, description="A no needs one")


class UndoBody(Body):
    reason: str = Field(min_length=1, max_length=MAX_REASON)
    digest: Digest | None = Field(
        None, description="The plan you looked at. If it is no longer true, nothing is submitted."
    )


class ResolutionBody(Body):
    outcome: Literal["succeeded", "reverted", "failed"]
    note: str = Field(min_length=1, max_length=MAX_REASON, description="What you saw")


class TokenBody(Body):
    name: str = Field(min_length=1, max_length=100, description="What uses it")
    scopes: list[Literal["read", "request", "approve", "audit", "duty"]] = Field(min_length=1, max_length=5)
    days: int = Field(30, ge=1, le=90, description="How long it works")


B = TypeVar("B", bound=Body)


def read(body: type[B], request: Request) -> B:
    """Raises `BadParams` with the field and the reason."""
    try:
        return body.model_validate(request.data)
    except ValidationError as problem:
        raise BadParams(problems_of(problem)) from problem


def problems_of(problem: ValidationError) -> Mapping[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for error in problem.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(str(part)[:100] for part in error["loc"]) or "body"
        fields.setdefault(name, []).append(error["msg"])
    return fields


def camel(action_id: str) -> str:
    return "".join(word.capitalize() for word in action_id.split("-"))


def _typed(action: AnyAction, body: type[Body], suffix: str, fields: Mapping[str, Any] = {}) -> type[Body]:
    """The body with this action's own parameters; they may be left out when none of them is needed."""
    needed = any(field.is_required() for field in action.params.model_fields.values())
    params = (action.params, ...) if needed else (action.params, Field(default_factory=action.params))
    twin: type[Body] = create_model(f"{camel(action.id)}{suffix}", __base__=body, params=params, **fields)
    return twin


PREVIEWS: Mapping[str, type[Body]] = {action.id: _typed(action, PreviewBody, "Preview") for action in all_actions()}
_SUBMISSIONS: Any = reduce(
    or_,
    [_typed(action, SubmissionBody, "Submission", {"action": (Literal[action.id], ...)}) for action in all_actions()],
)


class Submission(RootModel[Annotated[_SUBMISSIONS, Field(discriminator="action")]]):
    """A request for one of the actions; `action` says which, and so what `params` may be."""
