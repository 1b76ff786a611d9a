"""The gate ledger: what the page says of each rule is what happened to the requests that it asked about."""

import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from actions import ledger
from actions.ledger import Gate
from actions.models import Execution, Request
from approvals.models import Round, Vote
from inventory.models import Incident, Person
from tests.characters import People
from tests.portal.api.rows import make_request, make_workload
from tests.portal.web.conftest import SignedIn

RULE = "production-needs-approver"
LOOKED = re.compile(r'name="looked" value="([^"]+)"')


@pytest.fixture
def asked(people: People) -> list[Request]:
    target = make_workload("ledger", "payments")
    return [make_request(target, people, number) for number in range(4)]


def decide(signed_in: SignedIn, person: Person, request: Request, decision: str, looked: str = "") -> None:
    body = {"decision": decision, "digest": request.digest, "note": "Look first.", "looked": looked}
    assert signed_in(person).post(f"/requests/{request.pk}/vote", body).status_code == 302


def waited(request: Request, minutes: float) -> None:
    Round.objects.filter(request=request).update(opened_at=F("closed_at") - timedelta(minutes=minutes))


def gates(person: Person) -> list[Gate]:
    now = timezone.now()
    return ledger.gates(person, now - timedelta(days=1), now + timedelta(minutes=1))


def test_a_gate_is_counted_by_what_came_of_its_requests(
    people: People, signed_in: SignedIn, asked: list[Request]
) -> None:
    decide(signed_in, people.jonas, asked[0], "approve")
    decide(signed_in, people.ines, asked[1], "reject")
    decide(signed_in, people.ines, asked[2], "approve")
    for request, minutes in zip(asked, (10, 20, 60), strict=False):
        waited(request, minutes)
    started = timezone.now() - timedelta(minutes=5)
    Execution.objects.filter(request=asked[0]).update(state="reverted", started_at=started, ended_at=timezone.now())
    Execution.objects.filter(request=asked[2]).update(state="succeeded", started_at=started, ended_at=timezone.now())
    incident = Incident.objects.create(reference="INC-1", title="502", opened_at=timezone.now())
    incident.services.add(asked[0].service)

    (gate,) = gates(people.mira)
    assert (gate.rule, gate.requests, gate.decided, gate.waiting) == (RULE, 4, 3, 1)
    assert (gate.said_no, gate.no_percent, gate.yes_in_a_row) == (1, 33, 1)
    assert [round(seconds / 60) for seconds in (gate.wait_p50 or 0, gate.wait_p95 or 0, gate.waited)] == [20, 56, 90]
    assert (gate.ran, gate.taken_back, gate.incidents) == (2, 1, 2)

    page = signed_in(people.edda).get("/insights").content.decode()
    assert RULE in page and "33 % of 3" in page
    assert gates(people.leila) == [] and RULE not in signed_in(people.leila).get("/insights?days=90").content.decode()


def test_only_the_gate_whose_approver_said_no_said_no(
    people: People, signed_in: SignedIn, asked: list[Request]
) -> None:
    entry = Round.objects.get(request=asked[0]).requirements[0]
    other = {**entry, "rule": "security-looks", "people": [{**entry["people"][0], "identity": people.leila.identity}]}
    Round.objects.filter(request=asked[0]).update(requirements=[entry, other])
    decide(signed_in, people.jonas, asked[0], "reject")
    assert {gate.rule: gate.said_no for gate in gates(people.edda)} == {RULE: 1, "security-looks": 0}


def test_looking_is_measured_by_the_page_and_cannot_be_made_up(
    people: People, signed_in: SignedIn, asked: list[Request]
) -> None:
    stamps = {
        name: LOOKED.findall(signed_in(person).get(f"/requests/{asked[0].pk}").content.decode())[0]
        for name, person in (("jonas", people.jonas), ("ines", people.ines))
    }
    decide(signed_in, people.jonas, asked[0], "approve", stamps["jonas"])
    decide(signed_in, people.jonas, asked[1], "approve", stamps["ines"])  # of another person
    decide(signed_in, people.jonas, asked[2], "approve", stamps["jonas"] + "x")
    decide(signed_in, people.jonas, asked[3], "approve")
    seen = {vote.round_id: vote.looked_seconds for vote in Vote.objects.all()}
    assert [seen[request.round_id or 0] for request in asked] == [pytest.approx(0, abs=30), None, None, None]
    (gate,) = gates(people.mira)
    assert gate.looks == 1


def gate(**fields: float | None) -> Gate:
    usual = {
        "requests": 60, "decided": 60, "waiting": 0, "expired": 0, "said_no": 10, "yes_in_a_row": 5, "wait_p50": 60.0,
        "wait_p95": 600.0, "waited": 3600.0, "looked_p50": 40.0, "looks": 60, "ran": 50, "taken_back": 1, "incidents": 0,
    }  # fmt: skip
    return Gate(RULE, **{**usual, **fields})  # type: ignore[arg-type]  # counts and seconds, by name


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, ""), ({"yes_in_a_row": 49}, ""), ({"yes_in_a_row": 50}, "not said no in its last 50"),
        ({"yes_in_a_row": 50, "taken_back": 9}, "18 % of what it agreed to"), ({"looked_p50": 2.0}, "within 2 s"),
        ({"looked_p50": 2.0, "looks": 3}, ""), ({"wait_p95": 5 * 3600.0}, "waited for hours"),
        ({"expired": 61}, "expired"), ({"looked_p50": None, "wait_p95": None, "decided": 0, "ran": 0}, ""),
    ],
)  # fmt: skip
def test_a_suggestion_has_a_reason(fields: dict[str, float | None], says: str) -> None:
    said = ledger.suggestions(gate(**fields))
    assert (says in " ".join(said)) if says else said == []
    assert len(said) <= 1
