"""The page of what holds for a while, and the page on which a credential is seen once."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from actions import grants
from actions.models import Grant, Request
from actions.states import ExecutionState
from inventory.models import Secret, Vault, Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, asks, work_off
from tests.cluster import Namespace, made_namespace, workload
from tests.portal.web.conftest import SignedIn, Town

ROLE = "afterdeck-view-logs"


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("checkout", replicas=1))
        made.roll_out("deployment", "checkout")
        yield made


@pytest.fixture
def checkout(shop: Shop) -> Workload:
    return shop.knows("checkout", environment=shop.staging)


@pytest.fixture
def grant(checkout: Workload, people: People) -> Grant:
    request = asks(people.mira, "get-namespace-access", checkout, role=ROLE, minutes=60, identity="token")
    assert work_off(request).state == ExecutionState.SUCCEEDED
    return Grant.objects.get(request=request)


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_form_offers_the_roles_that_fit_and_how_long(
    checkout: Workload, people: People, signed_in: SignedIn
) -> None:
    text = page(signed_in(people.mira), f"/services/checkout/get-namespace-access?workload={checkout.pk}")
    assert "View logs" in text and "Debug pods" in text and "cluster-admin" not in text
    assert "My own identity on the cluster" in text
    assert 'name="minutes"' in text and 'data-max="1440"' in text


def test_who_has_access_is_seen_by_its_owner_the_team_and_an_auditor(
    grant: Grant, people: People, signed_in: SignedIn
) -> None:
    mine = page(signed_in(people.mira), "/access")
    assert "View logs in" in mine and "data-until=" in mine and "Give back" in mine and "Credential" in mine
    assert "data-until=" in page(signed_in(people.mira), "/")
    others = page(signed_in(people.jonas), "/access")
    assert "Mira: “The pool is stuck.”" in others and "End it" in others
    assert f"/grants/{grant.pk}/credential" not in others
    auditor = page(signed_in(people.edda), "/access")
    assert "Mira: “The pool is stuck.”" in auditor and "End it" not in auditor
    assert "View logs in" not in page(signed_in(people.leila), "/access")


def test_many_grants_cost_as_many_queries_as_few(people: People, signed_in: SignedIn, town: Town) -> None:
    client, now = signed_in(people.mira), timezone.now()
    secret = Secret.objects.create(
        vault=Vault.objects.create(name="sandbox", simulated=True, seen_at=now), mount="secret", path="checkout",
        kind="kv2", service=town.service("checkout"), seen_at=now,
    )  # fmt: skip

    def grow(names: range) -> None:
        for number in names:
            workload = town.workload(town.service(f"service-{number}"))
            for by, state in ((people.mira, "active"), (people.jonas, "active"), (people.jonas, "ended")):
                request = town.request(by, workload)
                if number % 2:
                    Request.objects.filter(pk=request.pk).update(workload=None, secret=secret)
                town.run(request, "succeeded")
                ended = {"ended_at": now, "ended_by": people.mira} if state == "ended" else {}
                Grant.objects.create(
                    request=request, kind="change", target_key=request.target_key, state=state, starts_at=now,
                    ends_at=now + timedelta(hours=1), **ended,
                )  # fmt: skip

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert page(client, path).count('id="grant-') >= 2
        return len(seen)

    grow(range(2))
    few = {path: cost(path) for path in ("/access", "/") for _ in range(2)}  # the first time is also once a process
    grow(range(2, 20))
    assert {path: cost(path) for path in few} == few
    assert page(client, "/access").count("End it") == 20


def test_the_form_says_who_has_access_now(
    grant: Grant, checkout: Workload, people: People, signed_in: SignedIn
) -> None:
    text = page(signed_in(people.jonas), f"/services/checkout/get-namespace-access?workload={checkout.pk}")
    assert "Has access now" in text and "Mira<small>, View logs in" in text


def test_a_credential_takes_two_clicks_and_is_seen_once(grant: Grant, people: People, signed_in: SignedIn) -> None:
    client, address = signed_in(people.mira), f"/grants/{grant.pk}/credential"
    assert "None was made yet" in page(client, address)
    made = client.post(address)
    text = made.content.decode()
    assert made.status_code == 200 and "no-store" in made["Cache-Control"]
    token = re.findall(r'name="token" value="([^"]+)"', text)[0]
    assert f"bao unwrap {token}" in text and "kind: Config" not in text
    seen = client.post(f"{address}/reveal", {"token": token})
    assert "kind: Config" in seen.content.decode() and "no-store" in seen["Cache-Control"]
    again = client.post(f"{address}/reveal", {"token": token})
    assert again.status_code == 409 and "looked at already" in again.content.decode()
    assert "kind: Config" not in page(client, address)
    odd = client.post(f"{address}/reveal", {"token": "../../sys/seal"})
    assert odd.status_code == 422


def test_nobody_else_gets_it(grant: Grant, people: People, signed_in: SignedIn) -> None:
    address = f"/grants/{grant.pk}/credential"
    assert signed_in(people.leila).post(address).status_code == 404
    for person in (people.jonas, people.mira_admin, people.kofi):
        answer = signed_in(person).post(address)
        assert answer.status_code == 403 and "Only who asked for it" in answer.content.decode()
    assert Client().post(address).status_code == 302


def test_overdue_access_is_red(grant: Grant, people: People, signed_in: SignedIn) -> None:
    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now() - timedelta(minutes=5))
    grants.alarm()
    text = page(signed_in(people.mira), "/access")
    assert 'data-state="failed"' in text and "It should have ended" in text and "Overdue" in text


def test_what_was_agreed_waits_to_be_started(shop: Shop, people: People, signed_in: SignedIn) -> None:
    request = asks(people.mira, "get-namespace-access", shop.knows("checkout"), role=ROLE, minutes=60, identity="token")
    approves(people.jonas, request)
    client = signed_in(people.mira)
    for path in ("/", "/access", f"/requests/{request.pk}"):
        assert f"/requests/{request.pk}/start" in page(client, path)
    client.post(f"/requests/{request.pk}/start")
    assert work_off(request).state == ExecutionState.SUCCEEDED
    assert Request.objects.get(pk=request.pk).activated_at is not None


def test_a_program_lists_fetches_and_gives_back(grant: Grant, people: People, signed_in: SignedIn) -> None:
    mine, other = signed_in(people.mira), signed_in(people.leila)
    [listed] = mine.get("/api/grants?state=active").json()["items"]
    assert (listed["id"], listed["person"]["username"], listed["overdue"]) == (grant.pk, "mira", False)
    assert other.get("/api/grants").json()["items"] == []
    assert other.get(f"/api/grants/{grant.pk}").status_code == 404
    made = mine.post(f"/api/grants/{grant.pk}/credential")
    assert made.status_code == 201 and set(made.json()) == {"kind", "wrapping_token", "address", "until"}
    assert signed_in(people.jonas).post(f"/api/grants/{grant.pk}/credential").status_code == 403
    back = mine.post(f"/api/grants/{grant.pk}/give-back")
    assert (back.status_code, back.json()["state"]) == (202, "ending")
    assert mine.post(f"/api/grants/{grant.pk}/give-back").status_code == 409
