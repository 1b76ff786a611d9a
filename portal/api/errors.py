"""Every error of the API as an RFC 9457 problem, whoever raised it: the gate, the framework, or a bug of ours.

`code` is stable, for programs; `detail` is a sentence, for people; `errors` names fields; `instance` is the X-Request-ID under
which our logs and the audit record know the call. A bug says no more than that.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, JsonResponse, UnreadablePostError
from rest_framework import exceptions

from actions.errors import BadParams, CannotPlanNow, Denied, OneAtATime, Refused, VoteDoesNotCount
from audit.writer import correlation

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5

TRANSLATED: dict[type[Exception], exceptions.APIException] = {
    Http404: exceptions.NotFound(),
    PermissionDenied: exceptions.PermissionDenied(),
    SuspiciousOperation: exceptions.ParseError("This request is not one that we answer."),
    UnreadablePostError: exceptions.ParseError("The body ended before it was complete."),
}


class IdempotencyKeyReused(Refused):
    """The same key came with another question: one of the two is a mistake."""

    code, status, title = "idempotency-key-reused", 422, "This key was used for another request"


def problem_details(problem: Exception, context: Mapping[str, Any]) -> JsonResponse:
    for kind, translation in TRANSLATED.items():
        if isinstance(problem, kind):
            problem = translation
    if isinstance(problem, Refused):
        return _answer(problem.status, problem.code, problem.title, str(problem), _members(problem), _headers(problem))
    if isinstance(problem, exceptions.APIException):
        title = HTTPStatus(problem.status_code).phrase
        return _answer(
            problem.status_code, _code(problem), title, _sentence(problem), _fields(problem), _headers(problem)
        )
    log.error("api.failed", exc_info=problem)
    detail = "Something went wrong on our side, and nothing more was done. Our log has it under this instance."
    return _answer(500, "internal", "Internal error", detail, {}, {})


def _answer(
    status: int, code: str, title: str, detail: str, members: Mapping[str, Any], headers: Mapping[str, str]
) -> JsonResponse:
    body = {
        "type": f"urn:afterdeck:problem:{code}", "title": title, "status": status, "detail": detail,
        "instance": correlation.get(), "code": code, **members,
    }  # fmt: skip
    return JsonResponse(body, status=status, headers=dict(headers), content_type=MEDIA_TYPE)


def _members(refusal: Refused) -> dict[str, Any]:
    """What this kind of refusal tells beyond its sentence."""
    match refusal:
        case BadParams():
            return {"errors": refusal.fields}
        case Denied():
            return {"request": refusal.request_id, "rules": refusal.rules}
        case VoteDoesNotCount():
            return {"rules": [refusal.rule]}
        case CannotPlanNow():
            return {"temporary": refusal.temporary}
        case _:
            return {}


def _headers(problem: Exception) -> dict[str, str]:
    headers = {}
    if challenge := getattr(problem, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if isinstance(problem, OneAtATime) or (isinstance(problem, CannotPlanNow) and problem.temporary):
        headers["Retry-After"] = str(RETRY_SECONDS)
    return headers


def _code(problem: exceptions.APIException) -> str:
    return "bad-query" if isinstance(problem, exceptions.ValidationError) else problem.default_code.replace("_", "-")


def _sentence(problem: exceptions.APIException) -> str:
    if isinstance(problem, exceptions.ValidationError):
        return " ".join(f"{field}: {text}" for field, text in _leaves(problem.detail))
    return str(problem.detail)


def _fields(problem: exceptions.APIException) -> dict[str, Any]:
    if not isinstance(problem, exceptions.ValidationError):
        return {}
    fields: dict[str, list[str]] = {}
    for field, text in _leaves(problem.detail):
        fields.setdefault(field, []).append(text)
    return {"errors": fields}


def _leaves(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(detail, dict):
        for name, inside in detail.items():
            yield from _leaves(inside, f"{path}.{name}" if path else str(name))
    elif isinstance(detail, list):
        for inside in detail:
            yield from _leaves(inside, path)
    else:
        yield path, str(detail)
