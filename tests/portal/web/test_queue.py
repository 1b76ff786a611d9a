"""The approver's queue: order, what one needs to sign, and the way back to it after each decision."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from actions.models import Debt, Execution, Request
from actions.states import RequestState
from approvals.facts import Approver
from approvals.models import Absence, Asked, PolicyVersion, Round
from approvals.rulings import Requirement, requirement_from
from approvals.services import open_round
from inventory.models import Person, Workload
from portal.web.words import moment
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
    return [int(number) for number in re.findall(r'href="/approvals\?[^"]*request=(\d+)"', page)]


def mine(page: str) -> list[int]:
    _, found, rest = page.partition("<ul data-decide")
    return listed(rest.partition("</ul>")[0]) if found else []


def test_what_was_done_to_the_same_while_it_waited_is_said_before_one_signs(
    people: People, target: Workload, signed_in: SignedIn
) -> None:
    """Also what was asked later counts as like this before; what still waits does not."""
    now, jonas = timezone.now(), signed_in(people.jonas)
    waits, later, other = (make_request(target, people, number) for number in range(3))
    page = seen(jonas, f"?request={waits.pk}")
    assert "Nothing like this has come to an end here." in page
    assert "Look whether" not in page
    Request.objects.filter(pk=later.pk).update(state=RequestState.APPROVED)
    Execution.objects.create(
        request=later, state="succeeded", stamp="s", run_after=now, queued_at=now, started_at=now, ended_at=now
    )
    link = f'<a href="{reverse("request", args=[later.pk])}">request {later.pk}</a>, Mira)'
    for page in (seen(jonas, f"?request={waits.pk}"), jonas.get(reverse("request", args=[waits.pk])).content.decode()):
        assert f"{link}. What this plan starts from has changed by that" in page
        assert page.index(link) < page.index("Before you sign")
    assert "1 succeeded" in seen(jonas, f"?request={waits.pk}")
    untouched = fresh(other).plan_text.replace("spec.replicas", "spec.paused")
    Request.objects.filter(pk=other.pk).update(plan_text=untouched)
    assert f"{link}. Look whether this is still wanted." in seen(jonas, f"?request={other.pk}")


def test_why_one_is_asked_is_a_line_for_each_rule_and_one_for_the_people(
    people: People, target: Workload, signed_in: SignedIn
) -> None:
    waits, now = make_request(target, people), timezone.now()
    Absence.objects.create(person=people.ines, starts_at=now, ends_at=now + timedelta(hours=2))
    page = seen(signed_in(people.jonas), f"?request={waits.pk}")
    until = moment(now + timedelta(hours=2))
    assert f"<p>One of Jonas or Ines is enough; Ines is out until {until}.</p>" in page or (
        f"<p>One of Ines or Jonas is enough; Ines is out until {until}.</p>" in page
    )
    Request.objects.filter(pk=waits.pk).update(created_at=now - timedelta(hours=2))
    assert '<p data-state="degraded">As read when it was asked' in seen(signed_in(people.jonas), f"?request={waits.pk}")


def test_what_is_beside_the_list_comes_alone_for_the_keyboard(
    people: People, target: Workload, signed_in: SignedIn
) -> None:
    waits, second = make_request(target, people), make_request(target, people)
    address = f"{reverse('queue-detail')}?request={waits.pk}"
    page = signed_in(people.jonas).get(address).content.decode()
    assert f'value="{waits.digest}"' in page
    assert f'name="next" value="queue {second.pk}"' in page
    assert "queue-list" not in page
    assert signed_in(people.leila).get(address).status_code == 404


def test_an_empty_queue_says_what_would_be_there(people: People, signed_in: SignedIn) -> None:
    page = seen(signed_in(people.jonas))
    assert "Nothing to decide" in page
    assert "The queue is empty" in page


def test_the_riskiest_comes_first_and_then_the_oldest(people: People, target: Workload, signed_in: SignedIn) -> None:
    rows = [make_request(target, people, number, risk=risk) for number, risk in enumerate((1, 1, 3))]
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


def test_deciding_opens_what_was_next_and_not_the_first_again(
    people: People, target: Workload, signed_in: SignedIn
) -> None:
    first, second, third = (make_request(target, people, number) for number in range(3))
    jonas = signed_in(people.jonas)
    following = re.search('name="next" value="(queue[^"]*)"', seen(jonas, f"?request={second.pk}"))
    assert following is not None
    form = {"decision": "reject", "digest": second.digest, "note": "No", "next": following[1]}
    where = jonas.post(reverse("request-vote", args=[second.pk]), form)["Location"]
    assert f'value="{third.digest}"' in seen(jonas, where.removeprefix("/approvals"))
    approves(people.ines, third)
    page = seen(jonas, where.removeprefix("/approvals"))
    assert f"/requests/{first.pk}/vote" in page  # what was next is decided by now


def test_page_after_page_shows_each_once(people: People, target: Workload, signed_in: SignedIn) -> None:
    risks = [1 + number % 3 for number in range(103)]
    rows = [make_request(target, people, number, risk=risk) for number, risk in enumerate(risks)]
    jonas, query, found = signed_in(people.jonas), "", []
    for _ in range(3):
        page = seen(jonas, query)
        found.append(mine(page))
        more = re.search(r'href="/approvals(\?after=[^"]+)" rel="next"', page)
        query = more[1] if more else ""
    assert [len(each) for each in found] == [50, 50, 3]
    assert not query
    assert [number for each in found for number in each] == [
        row.pk for row in sorted(rows, key=lambda row: (-row.risk, row.pk))
    ]
    assert "100 or more to decide" in seen(jonas)
    assert "99+" in seen(jonas)


@pytest.mark.parametrize("query", ["?after=9,2026-01-01T00:00:00%2B00:00,1", "?after=1,x", "?after=1", "?after=%00"])
def test_a_place_that_no_page_links_to_is_not_found(people: People, signed_in: SignedIn, query: str) -> None:
    assert signed_in(people.jonas).get(f"{reverse('queue')}{query}").status_code == 404


def test_who_left_the_approvers_meanwhile_is_not_offered_it(
    people: People, target: Workload, signed_in: SignedIn
) -> None:
    waits = make_request(target, people)
    people.jonas.groups.remove(Group.objects.get(name="payments-approvers"))
    page = seen(signed_in(people.jonas))
    assert "Nothing to decide" in page
    assert mine(page) == []
    assert "Others decide" in page
    assert listed(page) == [waits.pk]
    assert mine(seen(signed_in(people.ines))) == [waits.pk]


def test_who_turns_out_to_be_the_requester_is_not_offered_it(
    people: People, target: Workload, signed_in: SignedIn
) -> None:
    make_request(target, people)
    Person.objects.filter(pk=people.jonas.pk).update(same_person_as=people.mira)
    page = seen(signed_in(people.jonas))
    assert "Nothing to decide" in page
    assert 'value="approve"' not in page


def test_who_stands_in_sees_what_they_are_asked_and_decides_it(
    people: People, target: Workload, signed_in: SignedIn
) -> None:
    """Leila sees none of team payments' services. She and Ines share a group, and Ines is away."""
    waits = make_request(target, people, asked=[people.ines])
    leila = signed_in(people.leila)
    assert listed(seen(leila)) == []
    guild = Group.objects.create(name="guild")
    guild.user_set.add(people.ines, people.leila)
    now = timezone.now()
    away = Absence.objects.create(
        person=people.ines, stand_in=people.leila, starts_at=now, ends_at=now + timedelta(days=1)
    )
    page = seen(leila)
    assert mine(page) == [waits.pk]
    assert "for Ines, who is away" in page
    assert 'value="approve"' in page
    form = {"decision": "reject", "digest": waits.digest, "note": "Not now", "next": "queue"}
    assert leila.post(reverse("request-vote", args=[waits.pk]), form)["Location"] == reverse("queue")
    assert fresh(waits).state == RequestState.REJECTED
    assert "You rejected for Ines" in leila.get(reverse("decided")).content.decode()

    other = make_request(target, people, asked=[people.ines])
    Absence.objects.filter(pk=away.pk).update(ended_at=timezone.now())
    assert listed(seen(leila)) == []
    assert leila.get(reverse("request", args=[other.pk])).status_code == 404


def test_who_asked_decides_it_in_nobodys_place_either(people: People, target: Workload, signed_in: SignedIn) -> None:
    make_request(target, people)
    now = timezone.now()
    Absence.objects.create(person=people.ines, stand_in=people.mira, starts_at=now, ends_at=now + timedelta(days=1))
    assert mine(seen(signed_in(people.mira))) == []


def test_who_stands_in_for_a_colleague_decides_each_request_once(
    people: People, target: Workload, signed_in: SignedIn
) -> None:
    waits = make_request(target, people)
    asked = fresh(waits).round
    assert asked is not None
    Round.objects.filter(pk=asked.pk).update(requirements=[{**asked.requirements[0], "count": 2}])
    now = timezone.now()
    Absence.objects.create(person=people.ines, stand_in=people.jonas, starts_at=now, ends_at=now + timedelta(days=1))
    assert mine(seen(signed_in(people.jonas))) == [waits.pk]
    approves(people.jonas, waits)
    assert mine(seen(signed_in(people.jonas))) == []


def test_broken_glass_is_listed_for_its_reviewer_with_when_it_is_due(
    people: People, target: Workload, signed_in: SignedIn
) -> None:
    acted = make_request(target, people, breaks_glass=True)
    waits = fresh(acted).round
    assert waits is not None
    review = open_round(
        kind=Round.Kind.REVIEW, digest=acted.digest, requester_identity=people.mira.identity, now=timezone.now(),
        requirements=[requirement_from(need) for need in waits.requirements], expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    Request.objects.filter(pk=acted.pk).update(state=RequestState.APPROVED, round=None)
    Asked.objects.filter(round=waits).update(open=False)
    due = timezone.now() + timedelta(hours=12)
    Debt.objects.create(request=acted, round=review, identity=people.mira.identity, due_at=due)
    page = seen(signed_in(people.jonas))
    assert "Break-glass to review" in page
    assert f"due {moment(due)}" in page
    assert "1 to decide" in page
    assert "1 thing needs you" in signed_in(people.jonas).get("/").content.decode()
    assert "Break-glass to review" not in seen(signed_in(people.mira_admin))
    Debt.objects.update(settled_at=timezone.now())
    assert "Break-glass to review" not in seen(signed_in(people.jonas))


def test_a_new_policy_waits_in_the_queue_of_administrators(people: People, signed_in: SignedIn) -> None:
    now, digest = timezone.now(), "c0ffee" * 10
    asked = (Approver(people.kofi.identity, "kofi", "Kofi"), Approver(people.jonas.identity, "jonas", "Jonas"))
    question = open_round(
        kind=Round.Kind.POLICY, digest=digest, requester_identity=0, now=now, expires_at=now + timedelta(days=1),
        requirements=[Requirement("policy-change", 1, "administrators", asked)],
    )  # fmt: skip
    PolicyVersion.objects.create(digest=digest, files={}, state="proposed", seen_at=now, round=question)
    page = seen(signed_in(people.kofi))
    assert "1 to decide" in page
    assert reverse("policy-version", args=[digest]) in page
    assert "Nothing to decide" in seen(signed_in(people.jonas))  # was one when it was asked


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
