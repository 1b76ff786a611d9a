"""Approve with changes, and being on it, through the pages: what is offered to whom, and what is sent is what was looked at."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from actions.models import Proposal, Request
from actions.states import ProposalState, RequestState
from approvals.models import Round
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks, fresh
from tests.cluster import Namespace, made_namespace, workload
from tests.portal.web.conftest import SignedIn


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        sized = workload("sized", replicas=1)
        sized["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"memory": "128Mi"}}
        made.apply(workload("checkout"), sized)
        for name in ("checkout", "sized"):
            made.roll_out("deployment", name)
        yield made
        assert made.effects() == []


@pytest.fixture
def checkout(shop: Shop) -> Workload:
    return shop.knows("checkout")


@pytest.fixture
def eight(people: People, checkout: Workload) -> Request:
    return asks(people.mira, "resize-workload", checkout, replicas=8)


def address(name: str, request: Request, *more: int) -> str:
    return reverse(name, args=[request.pk, *more])


def text(client: Client, where: str) -> str:
    return client.get(where).content.decode()


def digest_in(page: str) -> str:
    found = re.search(r'name="digest" value="(\w{64})"', page)
    assert found, "There is no plan on the page."
    return found[1]


def test_an_approver_proposes_what_they_looked_at_and_the_requester_confirms_it(
    people: People, eight: Request, signed_in: SignedIn
) -> None:
    jonas, mira, form = signed_in(people.jonas), signed_in(people.mira), address("request-propose", eight)
    assert form in text(jonas, reverse("request", args=[eight.pk]))
    assert form in text(jonas, f"{reverse('queue')}?request={eight.pk}")
    page = text(jonas, form)
    assert 'name="replicas"' in page and 'value="8" data-now="2"' in page
    assert 'name="allow_zero"' not in page  # that is no size
    unchanged = jonas.post(address("request-propose-plan", eight), {"replicas": "8"})
    assert (unchanged.status_code, "Nothing changes yet" in unchanged.content.decode()) == (200, True)
    fragment = jonas.post(address("request-propose-plan", eight), {"replicas": "5"}).content.decode()
    assert "Your yes is all that it needs: it runs as soon as Mira confirms." in fragment
    assert "<del>2 to 8</del>" in fragment and "<ins>2 to 5</ins>" in fragment
    sent = {"replicas": "5", "note": "Five will do.", "digest": digest_in(fragment)}
    assert jonas.post(form, sent).status_code == 302
    proposal = Proposal.objects.get()

    page = text(mira, reverse("request", args=[eight.pk]))
    assert "Jonas would agree to less" in page and "“Five will do.”" in page
    assert "Jonas would agree to less. Confirm it above, or keep yours." in page  # it is nobody's turn but hers
    assert "waits for Mira" in page
    assert eight.workload
    other = asks(people.mira, "resize-workload", eight.workload, replicas=3)
    for who, said in ((jonas, "you proposed less"), (signed_in(people.ines), "Jonas proposed less")):
        listed = text(who, reverse("queue"))
        assert listed.index(f"request={other.pk}") < listed.index(f"request={eight.pk}") < listed.index(said)
    confirm = address("proposal-confirm", eight, proposal.pk)
    assert confirm in page
    assert confirm not in text(jonas, reverse("request", args=[eight.pk]))
    answer = mira.post(confirm, {"digest": proposal.digest})
    made = Request.objects.get(supersedes=eight)
    assert (answer.status_code, answer.headers["Location"]) == (302, reverse("request", args=[made.pk]))
    assert (fresh(made).state, fresh(eight).state) == (RequestState.APPROVED, RequestState.WITHDRAWN)
    assert f'Replaced by <a href="{reverse("request", args=[made.pk])}"' in text(
        mira, reverse("request", args=[eight.pk])
    )
    told = text(mira, reverse("request", args=[eight.pk]))
    assert "Mira agreed to less instead" in told and "took it back" not in told
    assert f'<a href="{reverse("request", args=[made.pk])}">Request {made.pk}</a> takes its place.' in told
    assert f'Instead of <a href="{reverse("request", args=[eight.pk])}"' in text(
        mira, reverse("request", args=[made.pk])
    )


def test_keep_mine_keeps_it(people: People, eight: Request, signed_in: SignedIn) -> None:
    jonas, mira, form = signed_in(people.jonas), signed_in(people.mira), address("request-propose", eight)
    first = jonas.post(form, {"replicas": "5"})  # without a script: the first press shows the plan
    assert first.status_code == 409 and "Look at the plan first" in first.content.decode()
    jonas.post(form, {"replicas": "5", "digest": digest_in(first.content.decode())})
    proposal = Proposal.objects.get()
    assert mira.post(address("proposal-decline", eight, proposal.pk)).status_code == 302
    assert Proposal.objects.get().state == ProposalState.DECLINED
    assert "Mira keeps to what was asked." in text(jonas, reverse("request", args=[eight.pk]))
    assert mira.post(address("proposal-confirm", eight, proposal.pk), {"digest": proposal.digest}).status_code == 409


@pytest.mark.parametrize(
    ("typed", "says"),
    [("9", "Between 2 and 8"), ("", "Say a number"), ("1_0", "whole number")],
)
def test_what_is_not_less_is_refused_beside_its_field_and_stays_typed(
    people: People, eight: Request, signed_in: SignedIn, typed: str, says: str
) -> None:
    jonas = signed_in(people.jonas)
    fragment = jonas.post(address("request-propose-plan", eight), {"replicas": typed})
    assert (fragment.status_code, says in fragment.content.decode()) == (422, True)
    answer = jonas.post(address("request-propose", eight), {"replicas": typed, "note": "Mine.", "digest": "0" * 64})
    assert answer.status_code == 422
    assert says in answer.content.decode() and "Mine." in answer.content.decode()
    assert not Proposal.objects.exists()


def test_a_part_of_a_chain_is_made_smaller_in_the_words_of_its_own_form(
    people: People, checkout: Workload, shop: Shop, signed_in: SignedIn
) -> None:
    parts = [
        {"action": "resize-workload", "target": checkout.pk, "params": {"replicas": 8}},
        {
            "action": "resize-containers",
            "target": shop.knows("sized").pk,
            "params": {"container": "app", "memory_limit": "512Mi"},
        },
    ]
    request = asks(people.mira, "chain", checkout, parts=parts)
    jonas, form = signed_in(people.jonas), address("request-propose", request)
    assert form in text(jonas, reverse("request", args=[request.pk]))
    page = text(jonas, form)
    assert "1. Resize: Replicas" in page and 'name="parts.0.params.replicas"' in page
    assert "2. Resize containers: Memory limit" in page and 'value="512Mi"' in page and "128Mi now" in page
    assert "memory_request" not in page  # nobody asked for one
    sent = {"parts.0.params.replicas": "8", "parts.1.params.memory_limit": "1Gi"}
    refused = jonas.post(address("request-propose-plan", request), sent).content.decode()
    assert 'hx-target="#problem-parts-1-params-memory_limit"' in refused and "Between 128Mi and 512Mi" in refused
    sent["parts.1.params.memory_limit"] = "256Mi"
    fragment = jonas.post(address("request-propose-plan", request), sent).content.decode()
    assert "<del>128Mi to 512Mi</del>" in fragment and "<ins>128Mi to 256Mi</ins>" in fragment
    assert jonas.post(form, {**sent, "digest": digest_in(fragment)}).status_code == 302
    assert Proposal.objects.get().params["parts"][1]["params"]["memory_limit"] == "256Mi"


def test_nobody_else_is_offered_it_and_nobody_else_does_it(people: People, eight: Request, signed_in: SignedIn) -> None:
    form, sent = address("request-propose", eight), {"replicas": "5", "digest": "0" * 64}
    for person, status in (
        (people.mira, 403),
        (people.mira_admin, 403),
        (people.leila, 404),
        (people.edda, 403),
        (people.kofi, 403),
    ):
        client = signed_in(person)
        assert client.post(form, sent).status_code == status
        assert client.post(address("request-claim", eight)).status_code == status
        assert client.post(address("request-propose-plan", eight), sent).status_code == status
        if status != 404:
            assert form not in text(client, reverse("request", args=[eight.pk]))
    assert not Proposal.objects.exists()


def test_a_restart_has_no_size(people: People, checkout: Workload, signed_in: SignedIn) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    jonas = signed_in(people.jonas)
    assert address("request-propose", request) not in text(jonas, reverse("request", args=[request.pk]))
    assert "Nothing of this has a size" in text(jonas, address("request-propose", request))


def test_whoever_is_on_it_is_seen_to_be(people: People, eight: Request, signed_in: SignedIn) -> None:
    jonas, ines, mira = (signed_in(person) for person in (people.jonas, people.ines, people.mira))
    here = reverse("request", args=[eight.pk])
    answer = jonas.post(address("request-claim", eight), {"next": "queue 7"})
    assert answer.headers["Location"] == f"{reverse('queue')}?request={eight.pk}"
    assert "You are on it" in text(jonas, here)
    for client in (ines, mira):
        assert "Jonas is on it" in text(client, here)
    assert ines.post(address("request-claim", eight)).status_code == 409
    jonas.post(address("request-release", eight))
    assert Round.objects.get().claimed_by is None
    assert "Jonas is on it" not in text(ines, here)
