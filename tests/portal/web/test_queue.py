"""The approver's queue: order, what one needs to sign, and the way back to it after each decision."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from actions.states import RequestState
from approvals.models import Asked
from inventory.models import Workload
from tests.characters import People, approves, fresh
from tests.portal.api.rows import make_request, make_workload
from tests.portal.web.conftest import SignedIn


@pytest.fixture
def target(people: People) -> Workload:
    return make_workload("checkout", "payments")


def seen(client: Client, query: str = "") -> str:
    answer = client.get(f"{reverse('queue')}{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def listed(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'href="/approvals\?request=(\d+)"', page)]


def test_an_empty_queue_says_what_would_be_there(people: People, signed_in: SignedIn) -> None:
    page = seen(signed_in(people.jonas))
    assert "Nothing to decide" in page
    assert "The queue is empty" in page


def test_the_riskiest_comes_first_and_then_the_oldest(people: People, target: Workload, signed_in: SignedIn) -> None:
    rows = [make_request(target, people, number) for number in range(3)]
    Asked.objects.filter(round=rows[2].round).update(risk=3)
    Asked.objects.filter(round=rows[1].round).update(at=rows[0].created_at.replace(year=2025))
    page = seen(signed_in(people.jonas))
    assert listed(page) == [rows[2].pk, rows[1].pk, rows[0].pk]
    assert "3 to decide" in page
    assert f'value="{rows[2].digest}"' in page  # the first is open beside the list


def test_the_chosen_one_is_open_with_its_diff_first(people: People, target: Workload, signed_in: SignedIn) -> None:
    make_request(target, people)
    chosen = make_request(target, people)
    page = seen(signed_in(people.jonas), f"?request={chosen.pk}")
    assert page.index("+   replicas: 3") < page.index("Before you sign") < page.index("Like this before")
    assert page.index("Approve ") > 0


def test_what_one_asked_for_oneself_is_others_to_decide(people: People, target: Workload, signed_in: SignedIn) -> None:
    make_request(target, people)
    for person in (people.mira, people.mira_admin):
        page = seen(signed_in(person))
        assert "Nothing to decide" in page
        assert "Others decide" in page
        assert "Waits for Ines or Jonas" in page


def test_after_a_decision_the_queue_is_next_and_remembers_it(
    people: People, target: Workload, signed_in: SignedIn
) -> None:
    waits = make_request(target, people)
    jonas = signed_in(people.jonas)
    form = {"decision": "reject", "digest": waits.digest, "note": "Not during the rehearsal", "next": "queue"}
    answer = jonas.post(reverse("request-vote", args=[waits.pk]), form)
    assert answer["Location"] == reverse("queue")
    assert fresh(waits).state == RequestState.REJECTED
    page = seen(jonas)
    assert "My decisions" in page
    assert "“Not during the rehearsal”" in page


def test_next_leads_nowhere_else(people: People, target: Workload, signed_in: SignedIn) -> None:
    waits = make_request(target, people)
    form = {"decision": "reject", "digest": waits.digest, "note": "No", "next": "https://evil.example"}
    answer = signed_in(people.jonas).post(reverse("request-vote", args=[waits.pk]), form)
    assert answer["Location"] == reverse("request", args=[waits.pk])


def test_a_decided_request_can_still_be_looked_at(people: People, target: Workload, signed_in: SignedIn) -> None:
    waits = make_request(target, people)
    approves(people.ines, waits)
    page = seen(signed_in(people.jonas), f"?request={waits.pk}")
    assert 'value="approve"' not in page


@pytest.mark.parametrize("query", ["?request=999999", "?request=x", "?request=%00", "?request=99999999999999999999"])
def test_what_is_not_there_is_not_found(people: People, signed_in: SignedIn, query: str) -> None:
    assert signed_in(people.jonas).get(f"{reverse('queue')}{query}").status_code == 404


def test_an_outsider_sees_nobodys_queue(people: People, target: Workload, signed_in: SignedIn) -> None:
    waits = make_request(target, people)
    leila = signed_in(people.leila)
    assert listed(seen(leila)) == []
    assert leila.get(f"{reverse('queue')}?request={waits.pk}").status_code == 404


def test_fifty_waiting_requests_cost_what_two_do(people: People, target: Workload, signed_in: SignedIn) -> None:
    jonas = signed_in(people.jonas)
    for number in range(2):  # the second, so that there is something like it before
        make_request(target, people, number)
    seen(jonas)
    few = _queries(jonas)
    for number in range(2, 50):
        make_request(target, people, number)
    assert _queries(jonas) <= few


def _queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as captured:
        seen(client)
    return len(captured)


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 19, "0", "-1", "x"])
def test_a_number_that_no_request_has_is_not_found(people: People, signed_in: SignedIn, number: str) -> None:
    assert signed_in(people.jonas).get(f"{reverse('queue')}?request={number}").status_code == 404
