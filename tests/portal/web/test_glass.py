"""Breaking glass and overriding on the form and on the page: offered only where the policy does, chosen, then confirmed."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from actions.models import Debt, Request
from actions.states import RequestState
from audit.models import EventRow
from inventory.models import Workload
from portal.web.goals import address_of
from sandbox.stack import Endpoints
from tests.breaking import GLASS, asks_on, glass_policy, opens_incident
from tests.characters import People, Shop
from tests.cluster import Namespace, made_namespace, workload
from tests.portal.web.conftest import SignedIn

__all__ = ["glass_policy"]
pytestmark = pytest.mark.usefixtures("glass_policy")
RESTART, CHOSEN, SECOND_YES = "restart-workload", {"way": "break-glass"}, "I know what follows, and this cannot wait."


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("checkout", replicas=1))
        made.roll_out("deployment", "checkout")
        yield made


@pytest.fixture
def checkout(shop: Shop, namespace: Namespace) -> Workload:
    namespace.roll_out("deployment", "checkout")
    return shop.knows("checkout")


@pytest.fixture
def mira(people: People, signed_in: SignedIn) -> Client:
    return signed_in(people.mira)


def panel(client: Client, on: Workload, **typed: str) -> str:
    address = f"{reverse('action-plan', args=[on.service.slug, RESTART])}?workload={on.pk}"
    return client.post(address, typed).content.decode()


def sends(client: Client, on: Workload, **typed: str) -> tuple[int, str]:
    found = re.search(r'name="digest" value="(\w{64})"', panel(client, on, **typed))
    assert found
    form = {"reason": "It is down.", "digest": found[1], "key": "k", **typed}
    answer = client.post(address_of(RESTART, on), form, follow=True)
    return answer.status_code, answer.content.decode()


def reviews(client: Client, request: Request, **form: str) -> tuple[int, str]:
    answer = client.post(reverse("request-review", args=[request.pk]), form, follow=True)
    return answer.status_code, answer.content.decode()


def shows(client: Client, request: Request) -> str:
    return client.get(reverse("request", args=[request.pk])).content.decode()


def test_it_is_offered_only_where_the_policy_does(people: People, checkout: Workload, mira: Client) -> None:
    assert "Break glass" not in panel(mira, checkout)
    opens_incident(people)
    offered = panel(mira, checkout)
    assert 'id="way-break-glass" name="way" value="break-glass"' in offered
    assert SECOND_YES not in offered
    page = mira.get(f"{address_of(RESTART, checkout)}&ticket=SUP-1").content.decode()
    assert 'value="SUP-1"' in page
    assert "INC-7</a> is open here (Checkout fails)" in page


def test_it_takes_a_second_yes_to_what_follows_in_words(people: People, checkout: Workload, mira: Client) -> None:
    opens_incident(people)
    seen = panel(mira, checkout, **CHOSEN)
    for part in (
        "It runs before anybody has agreed. Set aside: somebody-looks.", "Ines and Jonas, the team&#x27;s approvers and",
        "Ines or Jonas reviews it by", "You cannot break glass for anything else", SECOND_YES, "Break glass and restart now",
        "Runs now, by breaking glass",
    ):  # fmt: skip
        assert part in seen
    status, again = sends(mira, checkout, **CHOSEN)
    assert status == 409
    assert "Breaking glass takes a second yes" in again
    assert SECOND_YES in again
    assert "It is down." in again
    assert not Request.objects.exists()
    status, page = sends(mira, checkout, **CHOSEN, confirmed="yes")
    assert (status, Request.objects.get().breaks_glass) == (200, True)
    assert "Mira broke glass: it ran before anybody agreed" in page
    assert "INC-7</a> Checkout fails" in page
    assert "It was right" not in page
    assert "You have broken glass before" in panel(mira, checkout, **CHOSEN)


def test_the_form_that_asked_before_does_not_break_glass_by_the_same_key(
    people: People, checkout: Workload, mira: Client
) -> None:
    opens_incident(people)
    sends(mira, checkout)
    sends(mira, checkout, **CHOSEN, confirmed="yes")
    assert [each.breaks_glass for each in Request.objects.order_by("pk")] == [False, True]


def test_somebody_else_finds_it_right_or_not_on_its_page(
    people: People, checkout: Workload, mira: Client, signed_in: SignedIn
) -> None:
    opens_incident(people)
    request = asks_on(people.mira, checkout, GLASS)
    jonas = signed_in(people.jonas)
    assert "It was right" in shows(jonas, request)
    in_queue = jonas.get(reverse("queue"), {"request": request.pk}).content.decode()
    assert reverse("request-review", args=[request.pk]) in in_queue
    assert "Why it could run" in in_queue and "Before you sign" not in in_queue
    assert "Say why, so that Mira knows." in in_queue
    assert "It was right" not in shows(signed_in(people.kofi), request)
    form = {"digest": request.digest, "decision": "object"}
    assert "four-eyes" in reviews(mira, request, **form, note="Fine")[1]
    assert reviews(jonas, request, digest=request.digest, decision="whatever")[0] == 422
    status, page = reviews(jonas, request, **form, next="queue")
    assert 'name="next" value="queue"' in page
    assert (status, Debt.objects.get().settled_at) == (403, None)
    assert "a-no-has-a-reason" in page
    status, page = reviews(jonas, request, **form, note="It <could> wait")
    assert (status, Debt.objects.get().accepted) == (200, False)
    assert "Jonas objected to this" in page
    assert "Mira can break glass again." in page
    assert "“It &lt;could&gt; wait”" in shows(mira, request)
    assert EventRow.objects.filter(verb="debt.settled", actor="jonas").count() == 1


def test_a_denial_is_asked_to_be_set_aside_with_its_price_in_names(
    people: People, checkout: Workload, mira: Client
) -> None:
    seen = panel(mira, checkout, ticket="CHG-1")
    assert "Denied by the policy, so it cannot be asked for" in seen
    assert "Kofi has to agree, beside whoever has to anyway." in seen
    assert "way-override" not in panel(mira, checkout, ticket="CHG-2")
    asked = panel(mira, checkout, ticket="CHG-1", way="override")
    assert "2 have to agree" in asked
    status, page = sends(mira, checkout, ticket="CHG-1", way="override")
    request = Request.objects.get()
    assert (status, request.state, request.overrides) == (200, RequestState.AWAITING_APPROVAL, True)
    assert re.search(r"Nothing changes today\. <code>(<a [^>]*>)?frozen<", page)
    assert "CHG-1" in page


def test_a_ticket_that_is_too_long_is_said_at_its_field(people: People, checkout: Workload, mira: Client) -> None:
    seen = panel(mira, checkout, ticket="x" * 201)
    assert '<hx-partial hx-target="#problem-ticket" hx-swap="innerHTML swapEmpty:true">At most 200 characters' in seen
