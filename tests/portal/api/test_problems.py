"""Every error is an RFC 9457 problem with a stable code, whoever raised it, and a bug tells nothing of our insides."""

import itertools
import json
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, UnreadablePostError

from actions import errors as refusals
from actions import queries
from actions.errors import Refused
from portal.api.errors import IdempotencyKeyReused, problem_details
from tests.characters import People
from tests.portal.api.conftest import Caller

REFUSALS: list[tuple[Refused, int, str, dict[str, Any]]] = [
    (refusals.BadParams({"replicas": ["Too many."]}), 422, "bad-params", {"errors": {"replicas": ["Too many."]}}),
    (refusals.NotFound("No."), 404, "not-found", {}),
    (refusals.NotAllowed("No."), 403, "not-allowed", {}),
    (refusals.CannotPlanNow("Paused."), 409, "cannot-plan", {"temporary": False}),
    (refusals.Denied("No.", 7, ["freeze"]), 403, "denied", {"request": 7, "rules": ["freeze"]}),
    (refusals.PlanChanged("Look again."), 409, "plan-changed", {}),
    (refusals.VoteDoesNotCount("You asked.", "four-eyes"), 403, "vote-refused", {"rules": ["four-eyes"]}),
    (refusals.TooLate("It ran."), 409, "too-late", {}),
    (refusals.OneAtATime("Wait."), 429, "one-at-a-time", {}),
    (IdempotencyKeyReused("Twice."), 422, "idempotency-key-reused", {}),
]


def body_of(problem: Exception) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(problem_details(problem, {}).content)
    return body


@pytest.mark.parametrize(("refusal", "status", "code", "members"), REFUSALS, ids=lambda value: str(value)[:20])
def test_every_refusal_has_its_status(refusal: Refused, status: int, code: str, members: dict[str, Any]) -> None:
    answer = problem_details(refusal, {})
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert json.loads(answer.content) == {
        "type": f"urn:afterdeck:problem:{code}", "title": refusal.title, "status": status, "detail": str(refusal), "instance": "",
        "code": code, **members,
    }  # fmt: skip


def test_no_kind_of_refusal_is_forgotten() -> None:
    def kinds(kind: type[Refused]) -> set[type[Refused]]:
        return {kind}.union(*map(kinds, kind.__subclasses__()))

    of_the_gate_and_the_api = {kind for kind in kinds(Refused) if not kind.__module__.startswith("portal.web")}
    assert of_the_gate_and_the_api - {Refused} == {type(refusal) for refusal, *_ in REFUSALS}


def test_what_the_outside_did_not_answer_may_be_asked_again() -> None:
    answer = problem_details(refusals.CannotPlanNow("No answer.", temporary=True), {})
    assert (answer["Retry-After"], json.loads(answer.content)["temporary"]) == ("5", True)


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (Http404("x"), 404),
        (PermissionDenied("x"), 403),
        (SuspiciousOperation("x"), 400),
        (UnreadablePostError("x"), 400),
    ],
)
def test_what_django_raises_becomes_a_problem_without_its_text(problem: Exception, status: int) -> None:
    body = body_of(problem)
    assert (body["status"], "x" in body["detail"].split()) == (status, False)


def test_a_bug_is_a_500_that_tells_where_to_look_and_nothing_else(
    people: People, script: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("password=hunter2 at /srv/app/secret.py")

    client = script(people.mira)
    monkeypatch.setattr(queries, "requests_visible_to", fail)
    answer = client.get("/api/requests")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert answer.json()["instance"] == answer["X-Request-ID"] != ""
    assert "hunter2" not in answer.content.decode() and "secret.py" not in answer.content.decode()


NOWHERE = (
    "/api/", "/api/nothing", "/api/requests/", "/api/requests/x", "/api/requests/-1", f"/api/requests/{'9' * 5000}", "/api/me/",
    "/api/services/..", "/api/services/a%00b", "/api/services/a%0a", "/api/services/%D0%B0", "/api/%2e%2e/admin", "/api/a%0Ab",
    "/api/services/%ff",
)  # fmt: skip


def test_an_address_that_is_none_answers_as_the_api_does(people: People, script: Caller) -> None:
    client = script(people.mira)
    for path, method in itertools.product(NOWHERE, ("GET", "POST", "DELETE", "PATCH")):
        answer = client.generic(method, path)
        assert answer["Content-Type"] == "application/problem+json", path
        assert answer.json()["code"] in ("not-found", "method-not-allowed"), path


def test_a_number_that_no_row_can_have_is_not_found(people: People, script: Caller) -> None:
    assert script(people.mira).get(f"/api/requests/{2**63}").status_code == 404


def test_a_method_that_is_not_there_gets_405_and_those_there_are(people: People, script: Caller) -> None:
    client = script(people.mira)
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        answer = client.generic(method, "/api/requests")
        assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed"), method
        assert answer["Allow"] == "GET, POST, HEAD"


def test_a_format_that_is_not_there_gets_406(people: People, script: Caller) -> None:
    answer = script(people.mira).get("/api/me", HTTP_ACCEPT="text/csv")
    assert (answer.status_code, answer["Content-Type"]) == (406, "application/problem+json")


WRONG_QUERIES = {
    "state=done": "state", "run=": "run", "workload=x": "workload", "workload=1.0": "workload", "workload=1_0": "workload",
    "workload=%D9%A1": "workload", "limit=0": "limit", "limit=201": "limit", "limit=NaN": "limit", "cursor=abc": "cursor",
    "cursor=" + "x" * 501: "cursor", "service=a%00b": "service", "stat=approved": "stat",
    "requester__password__startswith=a": "requester__password__startswith", "state=approved&state=denied": "state",
}  # fmt: skip


def test_a_wrong_query_is_refused_by_field(people: People, script: Caller) -> None:
    client = script(people.mira)
    for query, field in WRONG_QUERIES.items():
        answer = client.get(f"/api/requests?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad-query"), query
        assert list(answer.json()["errors"]) == [field]


def test_too_many_query_parameters_are_refused(people: People, script: Caller) -> None:
    answer = script(people.mira).get("/api/requests?" + "&".join(f"a{n}=1" for n in range(2000)))
    assert answer.status_code == 400
