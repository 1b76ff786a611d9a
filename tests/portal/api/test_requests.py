"""The whole loop for programs, on the real cluster: preview, ask, decide, take back; and every way it is refused."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from actions.models import Execution, Request
from actions.states import ExecutionState, RequestState
from audit import queries
from inventory.models import Workload
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, workload
from tests.portal.api.conftest import Caller

RESTART = "/api/actions/restart-workload/preview"


def ask(client: APIClient, target: Workload, action: str = "restart-workload", key: str = "", **body: Any) -> Any:
    said = {"action": action, "target": target.pk, "reason": "The pool is stuck.", **body}
    return client.post("/api/requests", said, format="json", headers={"Idempotency-Key": key} if key else {})


@pytest.fixture
def staged(shop: Shop, namespace: Namespace) -> Workload:
    """A Deployment of 2 in staging, where owners act at once."""
    namespace.apply(workload("catalog"))
    namespace.roll_out("deployment", "catalog")
    return shop.knows("catalog", environment=shop.staging)


def test_a_preview_says_what_would_happen_and_writes_nothing(
    checkout: Workload, people: People, script: Caller, namespace: Namespace
) -> None:
    seen = script(people.mira, "request").post(RESTART, {"target": checkout.pk}, format="json")
    body = seen.json()
    assert seen.status_code == 200
    assert body["plan"]["target"]["object"]["name"] == "checkout"
    assert (body["ruling"]["effect"], body["ruling"]["headline"]) == ("needs", "Needs 1 of 2 approvers")
    assert [each["name"] for each in body["ruling"]["requirements"][0]["people"]] == ["Ines", "Jonas"]
    assert not Request.objects.exists()
    assert namespace.effects() == []


def test_a_program_asks_an_approver_decides_and_it_runs(checkout: Workload, people: People, script: Caller) -> None:
    mira, jonas = script(people.mira, "read", "request"), script(people.jonas, "read", "approve")
    digest = mira.post(RESTART, {"target": checkout.pk}, format="json").json()["digest"]
    made = ask(mira, checkout, digest=digest)
    where = made["Location"]
    assert (made.status_code, made.json()["state"], made.json()["run"]) == (201, "awaiting_approval", None)
    assert [each["id"] for each in jonas.get("/api/approvals").json()["to_decide"]] == [made.json()["id"]]

    voted = jonas.post(f"{where}/votes", {"decision": "approve", "digest": digest}, format="json")
    assert (voted.status_code, voted.json()["state"], voted.json()["run"]) == (201, "approved", "queued")

    work_off(Request.objects.get())
    detail = mira.get(where).json()
    assert detail["run"] == "succeeded"
    assert {entry["status"] for entry in detail["execution"]["journal"]} == {"succeeded"}
    assert detail["approval"]["votes"][0]["voter"] == {"username": "jonas", "name": "Jonas"}
    assert {row.verb for row in queries.events_of_request(made.json()["id"])} >= {"vote.cast", "execution.succeeded"}
    assert Request.objects.get().entrance == "api"


@pytest.mark.parametrize(
    ("who", "rule"),
    [
        ("mira", "four-eyes"),
        ("mira_admin", "four-eyes"),
        ("edda", "only-who-was-asked"),
        ("kofi", "only-who-was-asked"),
    ],
)
def test_a_vote_that_does_not_count_is_refused_loudly(
    checkout: Workload, people: People, script: Caller, who: str, rule: str
) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    body = {"decision": "approve", "digest": request.digest}
    answer = script(getattr(people, who)).post(f"/api/requests/{request.pk}/votes", body, format="json")
    assert (answer.status_code, answer.json()["code"], answer.json()["rules"]) == (403, "vote-refused", [rule])
    assert queries.count_up_to(queries.Filter(verb="vote.refused"), 9) == 1
    assert fresh(request).state == RequestState.AWAITING_APPROVAL


def test_an_outsider_cannot_see_or_touch_a_request(checkout: Workload, people: People, script: Caller) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    leila, digest = script(people.leila), request.digest
    bodies = {
        "votes": {"decision": "approve", "digest": digest}, "withdraw": None, "cancel": None, "undo/preview": None,
        "undo": {"reason": "no"}, "resolve": {"outcome": "failed", "note": "no"},
    }  # fmt: skip
    assert leila.get(f"/api/requests/{request.pk}").status_code == 404
    assert leila.get("/api/requests").json()["items"] == []
    for path, body in bodies.items():
        assert leila.post(f"/api/requests/{request.pk}/{path}", body, format="json").status_code == 404, path
    assert fresh(request).state == RequestState.AWAITING_APPROVAL


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"decision": "yes"}, "decision"), ({"digest": "0" * 63}, "digest"), ({"digest": "0" * 64 + "\n"}, "digest"),
        ({"digest": None}, "digest"), ({"note": "x" * 2001}, "note"), ({"note": ["x"]}, "note"), ({"voter": 1}, "voter"),
    ],
)  # fmt: skip
def test_a_wrong_vote_is_refused_by_field(
    checkout: Workload, people: People, script: Caller, body: dict[str, Any], field: str
) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    said = {"decision": "approve", "digest": request.digest} | body
    answer = script(people.jonas).post(f"/api/requests/{request.pk}/votes", said, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert fresh(request).state == RequestState.AWAITING_APPROVAL


def test_a_vote_on_another_digest_does_not_count(checkout: Workload, people: People, script: Caller) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    said = {"decision": "approve", "digest": "0" * 64}
    answer = script(people.jonas).post(f"/api/requests/{request.pk}/votes", said, format="json")
    assert (answer.status_code, answer.json()["rules"]) == (409, ["one-digest"])


def test_a_changed_plan_is_not_submitted(checkout: Workload, people: People, script: Caller) -> None:
    answer = ask(script(people.mira), checkout, digest="0" * 64)
    assert (answer.status_code, answer.json()["code"]) == (409, "plan-changed")
    assert not Request.objects.exists()


def test_the_policy_says_no_and_it_is_on_record(checkout: Workload, people: People, script: Caller) -> None:
    client = script(people.mira)
    answer = ask(client, checkout, "resize-workload", params={"replicas": 0, "allow_zero": True})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["rules"]) == (403, "denied", ["production-never-zero"])
    assert client.get(f"/api/requests/{problem['request']}").json()["state"] == "denied"


def test_what_cannot_be_planned_says_why(checkout: Workload, people: People, script: Caller) -> None:
    answer = ask(script(people.mira), checkout, "resize-workload", params={"replicas": 2})
    assert (answer.status_code, answer.json()["code"], answer.json()["temporary"]) == (409, "cannot-plan", False)
    assert "2 replicas already" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"replicas": -1}, "replicas"), ({"replicas": 2**31}, "replicas"), ({"replicas": 3.0}, "replicas"),
        ({"replicas": "3"}, "replicas"), ({"replicas": True}, "replicas"), ({"replicas": [3]}, "replicas"),
        ({"replicas": 3, "force": True}, "force"), ({}, "params"), ({"replicas": 3, "allow_zero": "yes"}, "allow_zero"),
    ],
)  # fmt: skip
def test_wrong_params_are_refused_by_field(
    ghost: Workload, people: People, script: Caller, params: dict[str, Any], field: str
) -> None:
    for path in ("/api/requests", "/api/actions/resize-workload/preview"):
        body = {"target": ghost.pk, "params": params}
        if path == "/api/requests":
            body |= {"action": "resize-workload", "reason": "Black Friday"}
        answer = script(people.mira).post(path, body, format="json")
        assert answer.status_code == 422
        assert any(each.split(".")[-1] == field for each in answer.json()["errors"]), answer.json()


def test_a_key_makes_one_request_however_often_it_is_sent(checkout: Workload, people: People, script: Caller) -> None:
    client = script(people.mira)
    first, second = ask(client, checkout, key="build-77"), ask(client, checkout, key="build-77")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    other = ask(client, checkout, key="build-77", reason="Something else.")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert Request.objects.count() == 1


def test_a_key_is_one_persons_own(checkout: Workload, people: People, script: Caller) -> None:
    ask(script(people.mira), checkout, key="build-77")
    assert ask(script(people.jonas), checkout, key="build-77").json()["requester"]["username"] == "jonas"


def test_a_denial_sent_again_is_still_a_denial(checkout: Workload, people: People, script: Caller) -> None:
    client, params = script(people.mira), {"replicas": 0, "allow_zero": True}
    answers = [ask(client, checkout, "resize-workload", "off", params=params) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert Request.objects.count() == 1


@pytest.mark.parametrize("key", ["x" * 65, "two words", "\u00e9", "a\tb"])
def test_a_key_that_is_not_one_is_refused(people: People, script: Caller, checkout: Workload, key: str) -> None:
    answer = ask(script(people.mira), checkout, key=key)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["Idempotency-Key"])


def test_withdrawing_is_for_the_requester_and_before_the_end(
    checkout: Workload, people: People, script: Caller
) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    path = f"/api/requests/{request.pk}/withdraw"
    refused = script(people.jonas).post(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
    done, again = script(people.mira).post(path), script(people.mira).post(path)
    assert (done.status_code, done.json()["state"]) == (200, "withdrawn")
    assert (again.status_code, again.json()["code"]) == (409, "too-late")


def test_a_queued_run_is_cancelled(staged: Workload, people: People, script: Caller) -> None:
    request = asks(people.mira, "restart-workload", staged)
    answer = script(people.mira).post(f"/api/requests/{request.pk}/cancel")
    assert (answer.status_code, answer.json()["execution"]["cancel_requested_by"]["username"]) == (202, "mira")
    assert work_off(request).state == ExecutionState.CANCELLED


def test_undoing_is_a_request_of_its_own(staged: Workload, people: People, script: Caller) -> None:
    client = script(people.mira)
    made = ask(client, staged, "resize-workload", params={"replicas": 3}).json()
    work_off(Request.objects.get())
    preview = client.post(f"/api/requests/{made['id']}/undo/preview").json()
    assert preview["plan"]["params"]["replicas"] == 2

    said = {"reason": "The rush is over.", "digest": preview["digest"]}
    undone = [
        client.post(f"/api/requests/{made['id']}/undo", said, format="json", headers={"Idempotency-Key": "back"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in undone] == [201, 201]
    assert undone[0].json()["undo_of"] == made["id"] != undone[0].json()["id"] == undone[1].json()["id"]

    twice = client.post(f"/api/requests/{made['id']}/undo", {"reason": "Again."}, format="json")
    assert (twice.status_code, twice.json()["code"]) == (409, "too-late")


def test_what_is_unclear_is_resolved_by_an_approver(staged: Workload, people: People, script: Caller) -> None:
    request = asks(people.mira, "restart-workload", staged)
    Execution.objects.update(state=ExecutionState.NEEDS_HUMAN)
    path, body = f"/api/requests/{request.pk}/resolve", {"outcome": "failed", "note": "Nothing has restarted."}
    assert [each["id"] for each in script(people.jonas).get("/api/approvals").json()["unclear"]] == [request.pk]
    assert script(people.edda).post(path, body, format="json").json()["code"] == "not-allowed"
    assert script(people.jonas, "request").post(path, body, format="json").json()["code"] == "insufficient-scope"
    assert script(people.jonas).post(path, body, format="json").json()["run"] == "failed"


def test_a_stale_request_shows_what_is_different(
    checkout: Workload, people: People, script: Caller, namespace: Namespace
) -> None:
    request = asks(people.mira, "resize-workload", checkout, replicas=3)
    namespace.kubectl("scale", "deployment/checkout", "--replicas=4")
    namespace.roll_out("deployment", "checkout")
    approves(people.jonas, request)
    work_off(request)
    detail = script(people.mira).get(f"/api/requests/{request.pk}").json()
    assert detail["state"] == "stale"
    assert any("4" in line["now"] for line in detail["differences"]), detail["differences"]


def test_a_program_asks_for_later_and_runs_it_now(staged: Workload, people: People, script: Caller) -> None:
    mira, at = script(people.mira, "read", "request"), timezone.now() + timedelta(hours=5)
    made = ask(mira, staged, not_before=at.isoformat(timespec="seconds"))
    assert (made.status_code, made.json()["run"]) == (201, "queued")
    assert datetime.fromisoformat(made.json()["not_before"]) == at.replace(microsecond=0)
    address = f"{made['Location']}/start-now"
    assert script(people.jonas, "request").post(address).json()["code"] == "not-allowed"
    started = mira.post(address)
    assert started.status_code == 202
    assert datetime.fromisoformat(started.json()["execution"]["queued_at"]) < timezone.now()
    assert mira.post(address).json()["code"] == "too-late"


def test_what_people_agreed_to_for_later_is_run_now_with_the_scope_and_the_standing_of_an_approver(
    checkout: Workload, people: People, script: Caller
) -> None:
    at = (timezone.now() + timedelta(hours=5)).isoformat()
    address = f"{ask(script(people.mira, 'request'), checkout, not_before=at)['Location']}/start-now"
    approves(people.jonas, Request.objects.get())
    assert script(people.jonas, "request").post(address).json()["code"] == "insufficient-scope"
    team, jonas = checkout.service.team, script(people.jonas, "request", "approve")
    assert team is not None
    people.jonas.groups.remove(team.approvers)
    assert jonas.post(address).json()["code"] == "not-allowed"
    people.jonas.groups.add(team.approvers)
    assert jonas.post(address).status_code == 202


def test_a_program_is_offered_less_that_needs_less(checkout: Workload, people: People, script: Caller) -> None:
    params = {"role": "afterdeck-view-logs", "minutes": 600, "identity": "token"}
    asked = {"target": checkout.pk, "params": params}
    answer = script(people.mira, "request").post("/api/actions/get-namespace-access/less", asked, format="json")
    assert answer.status_code == 200
    offer = answer.json()["offer"]
    assert offer["less"] == [{"name": "minutes", "value": 480, "asked": 600, "now": None}]
    assert offer["preview"]["ruling"]["effect"] == "needs"
    asked = {"target": checkout.pk, "params": {"replicas": 3}}
    answer = script(people.mira, "request").post("/api/actions/resize-workload/less", asked, format="json")
    assert answer.json() == {"offer": None}
    assert not Request.objects.exists()
