"""What is agreed for later says when, wherever it is shown, and who may run it before."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from actions import services
from actions.models import Execution, Request
from actions.terms import Terms
from inventory.models import Workload
from portal.web.goals import address_of
from portal.web.moments import as_typed
from portal.web.words import zoned
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves
from tests.cluster import Namespace, made_namespace, workload
from tests.portal.web.conftest import SignedIn

RESTART = "restart-workload"


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


def seen(client: Client, name: str, *args: object) -> str:
    page = client.get(reverse(name, args=args)).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def client_page(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_a_request_for_later_says_when_to_whoever_looks(
    people: People, checkout: Workload, signed_in: SignedIn
) -> None:
    mira, jonas = signed_in(people.mira), signed_in(people.jonas)
    at = (timezone.now() + timedelta(days=2)).replace(second=0, microsecond=0)
    typed, said = as_typed(at), zoned(at)
    address = address_of(RESTART, checkout)
    plan = mira.post(
        reverse("action-plan", args=["checkout", RESTART]) + address[address.index("?") :], {"not_before": typed}
    )
    digest = re.search(r'name="digest" value="(\w{64})"', plan.content.decode())
    assert digest
    mira.post(address, {"not_before": typed, "reason": "At night.", "digest": digest[1], "key": "k"})
    request = Request.objects.get()

    assert request.not_before == at
    assert f"Runs {said}" in seen(mira, "request", request.pk)
    assert f"· runs {said}" in seen(jonas, "queue")
    assert f" for {said} a " in seen(jonas, "request", request.pk)
    assert "Run it now" not in seen(jonas, "request", request.pk)
    vote = {"decision": "approve", "digest": request.digest}
    assert (
        f"It runs {said}." in jonas.post(reverse("request-vote", args=[request.pk]), vote, follow=True).content.decode()
    )

    page = seen(mira, "request", request.pk)
    assert "Scheduled" in page
    assert f"Apply runs {said}" in page
    assert "Whoever agreed can run it before." in page
    assert "Run it now" not in page
    assert re.search(f"Later Agreed for a time .*{said}", seen(mira, "home"))
    assert "Nothing runs." in seen(mira, "home")
    assert f"Agreed to, runs {said}" in seen(mira, "service", "checkout")
    found = {show: client_page(mira, f"/requests?show={show}") for show in ("later", "running")}
    assert {show: f"/requests/{request.pk}" in page for show, page in found.items()} == {
        "later": True,
        "running": False,
    }

    assert mira.post(reverse("request-start-now", args=[request.pk])).status_code == 403
    assert "Run it now" in seen(jonas, "request", request.pk)
    assert jonas.get(reverse("request-start-now", args=[request.pk])).status_code == 302
    assert Execution.objects.get().run_after > timezone.now()
    assert jonas.post(reverse("request-start-now", args=[request.pk])).status_code == 302
    assert Execution.objects.get().run_after <= timezone.now()
    page = seen(mira, "request", request.pk)
    assert re.search(r"Jonas runs it now It was for 20[0-9-]{8} [0-9:]{5} UTC", page)
    assert "Scheduled" not in page
    assert mira.post(reverse("request-withdraw", args=[request.pk])).status_code == 302


def test_whoever_votes_after_the_time_is_told_that_it_runs_at_once(
    people: People, checkout: Workload, signed_in: SignedIn
) -> None:
    request = services.submit(
        actor=people.mira, action=RESTART, target=checkout.pk, params={}, reason="At night.", entrance="test",
        terms=Terms(not_before=timezone.now() + timedelta(minutes=5)),
    )  # fmt: skip
    Request.objects.update(not_before=timezone.now() - timedelta(minutes=5))
    for name, args in (("request", [request.pk]), ("queue", [])):
        assert "is over: it runs as soon as it is agreed" in seen(signed_in(people.jonas), name, *args)
    approves(people.jonas, request)
    assert "in line for a worker" in seen(signed_in(people.jonas), "request", request.pk)
    services.withdraw(actor=people.mira, request=Request.objects.get())
