"""Approving the same small change in several places at once: each is shown, and each is a vote of its own."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from actions.models import Request
from actions.states import RequestState
from approvals.models import Vote
from audit.models import EventRow
from inventory.models import Person
from tests.characters import People, fresh
from tests.portal.api.rows import make_request, make_workload
from tests.portal.web.conftest import SignedIn

SHAPE = "a" * 64


@pytest.fixture
def alike(people: People) -> list[Request]:
    """The same in three places."""
    places = [make_workload(name, "payments") for name in ("checkout", "ledger", "refunds")]
    return [make_request(place, people, shape=SHAPE) for place in places]


@pytest.fixture
def jonas(people: People, signed_in: SignedIn) -> Client:
    return signed_in(people.jonas)


def tick(*requests: Request, **fields: object) -> dict[str, object]:
    return {"item": [f"{each.pk}:{each.digest}" for each in requests], **fields}


def states(requests: list[Request]) -> list[str]:
    return [fresh(each).state for each in requests]


def test_each_is_shown_with_its_diff_and_becomes_a_vote_of_its_own(alike: list[Request], jonas: Client) -> None:
    queue = jonas.get(reverse("queue")).content.decode()
    assert "Decide 3 together: Resize" in queue
    assert "checkout production, ledger production and refunds production" in queue
    where = reverse("alike", args=[SHAPE])
    assert where in queue

    page = jonas.get(where).content.decode()
    assert re.findall(r'name="item" value="(\d+):', page) == [str(each.pk) for each in alike]
    assert page.count("+   replicas: 3") == 3
    assert re.findall(r'name="item" value="[^"]+" checked', page) == []  # in production nobody ticks for them
    assert page.count("is enough") == 3
    looked = dict(re.findall(r'name="(looked-\d+)" value="([^"]+)"', page))

    done = jonas.post(where, tick(*alike[:2], note="Same everywhere", **looked), follow=True)

    assert "2 approved" in done.content.decode()
    assert "Next: Resize refunds" in done.content.decode()
    assert states(alike) == ["approved", "approved", "awaiting_approval"]
    votes = Vote.objects.all()
    assert {(vote.entrance, vote.note, vote.looked_seconds is not None) for vote in votes} == {
        ("bulk", "Same everywhere", True)
    }
    assert {vote.digest for vote in votes} == {each.digest for each in alike[:2]}
    assert EventRow.objects.filter(verb="vote.cast").count() == 2

    jonas.post(where, tick(*alike[:2]))  # sent again, it changes nothing, and what it says stays true
    assert "2 approved" in jonas.get(done.redirect_chain[0][0]).content.decode()
    assert EventRow.objects.filter(verb="vote.cast").count() == 2


def test_what_is_not_low_or_not_alike_or_another_digest_is_refused_by_itself(
    people: People, alike: list[Request], jonas: Client
) -> None:
    target = make_workload("mail", "payments")
    risky = make_request(target, people, shape=SHAPE, risk=2)
    other = make_request(target, people, shape="b" * 64)
    shapeless = make_request(target, people)
    stale, good, _ = alike
    form = tick(risky, other, shapeless, good)
    form["item"] += [f"{stale.pk}:{'0' * 64}", "999999:" + "0" * 64]  # type: ignore[operator]  # a list of what is ticked

    page = jonas.post(reverse("alike", args=[SHAPE]), form, follow=True).content.decode()

    assert "1 approved, 5 not" in page
    assert "This is another change than the rest." in page
    assert states([risky, other, shapeless, stale, good]) == [*["awaiting_approval"] * 4, "approved"]
    refused = EventRow.objects.filter(verb="access.refused").values_list("request_id", flat=True)
    assert set(refused) == {risky.pk, other.pk, shapeless.pk}
    assert EventRow.objects.filter(verb="vote.refused").get().request_id == stale.pk


@pytest.mark.parametrize("who", ["mira", "mira_admin", "leila", "edda", "kofi"])
def test_nobody_decides_here_what_they_may_not_decide_alone(
    people: People, alike: list[Request], signed_in: SignedIn, who: str
) -> None:
    person: Person = getattr(people, who)
    client, where = signed_in(person), reverse("alike", args=[SHAPE])
    assert client.get(where).status_code == 404
    assert "0 approved, 3 not" in client.post(where, tick(*alike), follow=True).content.decode()
    assert states(alike) == ["awaiting_approval"] * 3


@pytest.mark.parametrize("items", [[], ["x:y"], ["-1:0"], ["9" * 30], [f"{number}:0" for number in range(51)]])
def test_a_form_that_no_page_of_ours_makes_decides_nothing(
    alike: list[Request], jonas: Client, items: list[str]
) -> None:
    answer = jonas.post(reverse("alike", args=[SHAPE]), {"item": items, "note": "Same <b>"})
    assert "Same &lt;b&gt;</textarea>" in answer.content.decode()
    assert answer.status_code == 422
    assert "Tick" in answer.content.decode() or "At most 50 at once." in answer.content.decode()
    assert states(alike) == ["awaiting_approval"] * 3


def test_what_was_ticked_and_written_is_still_there_after_a_problem(alike: list[Request], jonas: Client) -> None:
    form = tick(alike[1], note="Same everywhere")
    form["item"] += ["x:y"]  # type: ignore[operator]  # a list of what is ticked
    page = jonas.post(reverse("alike", args=[SHAPE]), form).content.decode()
    assert re.findall(r'name="item" value="(\d+):\w+" checked', page) == [str(alike[1].pk)]
    assert "Same everywhere</textarea>" in page


def test_two_alike_of_another_target_are_no_group_when_one_is_gone(
    people: People, alike: list[Request], jonas: Client
) -> None:
    Request.objects.filter(pk__in=[each.pk for each in alike[1:]]).update(state=RequestState.WITHDRAWN)
    assert "together: Resize" not in jonas.get(reverse("queue")).content.decode()
    assert jonas.get(reverse("alike", args=["c" * 64])).status_code == 404
