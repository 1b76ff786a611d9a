"""Less than was asked, for programs: proposed, confirmed or declined; and saying that one is on it."""

from collections.abc import Iterator

import pytest

from actions.models import Proposal, Request
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks
from tests.cluster import Namespace, made_namespace, workload
from tests.portal.api.conftest import Caller


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("checkout"))
        made.roll_out("deployment", "checkout")
        yield made
        assert made.effects() == []


@pytest.fixture
def checkout(shop: Shop) -> Workload:
    return shop.knows("checkout")


def test_a_program_proposes_and_a_program_confirms(checkout: Workload, people: People, script: Caller) -> None:
    request = asks(people.mira, "resize-workload", checkout, replicas=8)
    where = f"/api/requests/{request.pk}"
    jonas, mira = script(people.jonas, "read", "approve"), script(people.mira, "read", "request")
    wrong = jonas.post(f"{where}/proposals", {"params": {"replicas": 9}}, format="json")
    assert (wrong.status_code, list(wrong.json()["errors"])) == (422, ["replicas"])
    made = jonas.post(f"{where}/proposals", {"params": {"replicas": 5}, "note": "Five will do."}, format="json")
    proposal = made.json()["proposal"]
    assert (made.status_code, proposal["state"], proposal["params"]["replicas"]) == (201, "open", 5)
    assert {"label": "spec.replicas", "agreed": "2 to 8", "now": "2 to 5"} in proposal["differences"]
    answer = f"{where}/proposals/{proposal['id']}"
    body = {"digest": proposal["digest"]}
    for who, status in ((jonas, 403), (script(people.ines, "request"), 403), (script(people.leila, "request"), 404)):
        assert who.post(f"{answer}/confirm", body, format="json").status_code == status
        assert who.post(f"{answer}/decline").status_code == status
    confirmed = mira.post(f"{answer}/confirm", body, format="json")
    assert (confirmed.status_code, confirmed.json()["state"]) == (201, "approved")
    assert confirmed.json()["supersedes"] == request.pk
    assert confirmed["Location"] == f"/api/requests/{confirmed.json()['id']}"
    assert confirmed.json()["approval"]["votes"][0]["voter"]["username"] == "jonas"
    assert mira.get(where).json()["state"] == "withdrawn"
    assert mira.post(f"{answer}/confirm", body, format="json").status_code == 409
    assert mira.post(f"{where}/proposals/{proposal['id'] + 1}/decline").status_code == 404


def test_whoever_keeps_to_what_was_asked_declines(checkout: Workload, people: People, script: Caller) -> None:
    request = asks(people.mira, "resize-workload", checkout, replicas=8)
    where = f"/api/requests/{request.pk}"
    jonas, mira = script(people.jonas, "read", "approve"), script(people.mira, "read", "request")
    jonas.post(f"{where}/proposals", {"params": {"replicas": 5}}, format="json")
    other = f"/api/requests/{asks(people.mira, 'restart-workload', checkout).pk}/proposals/{Proposal.objects.get().pk}"
    assert mira.post(f"{other}/decline").status_code == 404  # not of that request
    declined = mira.post(f"{where}/proposals/{Proposal.objects.get().pk}/decline")
    assert (declined.status_code, declined.json()["proposal"]["state"]) == (200, "declined")
    assert (declined.json()["state"], Request.objects.count()) == ("awaiting_approval", 2)


def test_a_program_says_who_is_on_it(checkout: Workload, people: People, script: Caller) -> None:
    where = f"/api/requests/{asks(people.mira, 'restart-workload', checkout).pk}"
    jonas, ines = (script(person, "read", "approve") for person in (people.jonas, people.ines))
    assert jonas.post(f"{where}/claim").json()["approval"]["claimed_by"] == {"username": "jonas", "name": "Jonas"}
    assert ines.post(f"{where}/claim").status_code == ines.post(f"{where}/release").status_code == 409
    assert jonas.post(f"{where}/release").json()["approval"]["claimed_by"] is None
    assert script(people.mira, "approve").post(f"{where}/claim").status_code == 403
