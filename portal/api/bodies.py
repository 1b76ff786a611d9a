"""What callers send: strict, so that nothing unknown is dropped and nothing is coerced into what it was not.

An action's parameters are checked behind the gate, by the action's own schema. The typed twins at the end put those schemas into
OpenAPI, so that a generated client knows the parameters of every action there is.
"""

import re
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    ValidationError,
    create_model,
)
from rest_framework.request import Request

from actions.bulk import MOST
from actions.errors import BadParams
from actions.registry import AnyAction, all_actions
from actions.services import MAX_REASON
from actions.terms import MAX_TICKET, Terms
from portal.web.moments import YEARS

from .parsers import MAX_INTEGER

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _written(value: object) -> object:
    """A number would be taken for seconds since 1970, and the first and last years there are cannot be told in every time zone."""
    if isinstance(value, str) and RFC_3339.fullmatch(value) and int(value[:4]) in YEARS:
        return value
    raise ValueError(
        "A moment as in RFC 3339, of the years 2000 to 2100 and with a time zone: 2026-12-24T18:00:00+01:00."
    )


Moment = Annotated[AwareDatetime, BeforeValidator(_written), Field(strict=False)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TermsBody(Body):
    """How it is asked for, beside what. A preview on the same terms says what they lead to."""

    ticket: str = Field("", max_length=MAX_TICKET, description="Where the story is told: a ticket, or an open incident")
    not_before: Moment | None = Field(None, description="When it is to run, if not at once; with a time zone")
    override: bool = Field(
        False, description="Denials that the policy lets somebody set aside are to be; see `override` of a ruling"
    )
    break_glass: bool = Field(
        False,
        description="Act at once and be reviewed after; see `break_glass` of a ruling, and send the digest that you looked at",
    )

    @property
    def terms(self) -> Terms:
        return Terms(self.ticket, self.not_before, self.override, self.break_glass)


class PreviewBody(TermsBody):
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


class AlikeItem(Body):
    request: Id
    digest: Digest = Field(description="The digest of the plan you looked at")


class AlikeBody(Body):
    items: list[AlikeItem] = Field(min_length=1, max_length=MOST)
    note: str = Field("", max_length=MAX_REASON, description="Kept with each of the votes")


class ProposalBody(Body):
    params: dict[str, Any] = Field(
        description="The amounts that differ, each between what is true now and what was asked. In a chain they are called as in "
        "what is wrong with them: parts.0.params.minutes"
    )
    note: str = Field("", max_length=MAX_REASON)
    digest: Digest | None = Field(
        None, description="The plan you looked at. If it is no longer true, nothing is proposed."
    )


class ConfirmationBody(Body):
    digest: Digest = Field(description="The digest of the proposal you looked at")


class UndoBody(TermsBody):
    reason: str = Field(min_length=1, max_length=MAX_REASON)
    digest: Digest | None = Field(
        None, description="The plan you looked at. If it is no longer true, nothing is submitted."
    )


class ReviewBody(Body):
    decision: Literal["accept", "object"]
    digest: Digest = Field(description="The digest of the plan that was run")
    note: str = Field("", max_length=MAX_REASON, description="To object takes one")


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
