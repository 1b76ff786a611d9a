"""How something is asked for, by the API: a ticket, a time, an override, broken glass and its review."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from actions.models import Request
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.breaking import glass_policy, opens_incident
from tests.characters import People, Shop
from tests.cluster import Namespace, made_namespace, workload
from tests.portal.api.conftest import Caller

__all__ = ["glass_policy"]
pytestmark = pytest.mark.usefixtures("glass_policy")
PREVIEW = "/api/actions/restart-workload/preview"


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
def mira(people: People, script: Caller) -> APIClient:
    return script(people.mira)


def asked(client: APIClient, on: Workload, **terms: Any) -> Any:
    body = {"action": "restart-workload", "target": on.pk, "reason": "It is down.", **terms}
    return client.post("/api/requests", body, format="json", headers={"Idempotency-Key": terms.get("ticket", "none")})


def test_a_preview_says_what_each_way_to_ask_leads_to(people: People, checkout: Workload, mira: APIClient) -> None:
    opens_incident(people)

    def ruling(**terms: Any) -> Any:
        answer = mira.post(PREVIEW, {"target": checkout.pk, **terms}, format="json")
        assert answer.status_code == 200
        return answer.json()["ruling"]

    offered = ruling()["break_glass"]
    assert (offered["rule"], offered["hours"], offered["review"]["count"]) == ("glass-in-an-incident", 24, 1)
    assert [each["username"] for each in offered["review"]["people"]] == ["ines", "jonas"]
    broken = ruling(break_glass=True)
    assert (broken["effect"], broken["answers"][0]["set_aside"]) == ("allow", "break-glass")
    frozen = ruling(ticket="CHG-1")
    assert (frozen["effect"], frozen["answers"][0]["facts"]["context.ticket"]) == ("deny", "CHG-1")
    assert [each["people"][0]["username"] for each in frozen["override"]] == ["kofi"]
    assert ruling(ticket="CHG-1", override=True)["effect"] == "needs"


def test_glass_is_broken_for_a_digest_and_reviewed_by_another(
    people: People, checkout: Workload, mira: APIClient, script: Caller
) -> None:
    opens_incident(people)
    without = asked(mira, checkout, break_glass=True)
    assert (without.status_code, list(without.json()["errors"])) == (422, ["digest"])
    digest = mira.post(PREVIEW, {"target": checkout.pk}, format="json").json()["digest"]
    made = asked(mira, checkout, break_glass=True, digest=digest)
    body = made.json()
    assert (made.status_code, body["breaks_glass"], body["incident"], body["run"]) == (201, True, "INC-7", "queued")
    assert (body["review"]["accepted"], body["review"]["round"]["state"]) == (None, "open")
    assert asked(mira, checkout, break_glass=True, digest=digest).json()["id"] == body["id"]  # the same key
    assert asked(mira, checkout, ticket="SUP-1", break_glass=True, digest=digest).json()["code"] == "denied"

    def review(client: APIClient, **fields: str) -> Any:
        return client.post(f"/api/requests/{body['id']}/review", {"digest": digest, **fields}, format="json")

    assert review(mira, decision="accept").json()["code"] == "vote-refused"
    assert review(script(people.jonas, "read", "request"), decision="accept").status_code == 403
    assert review(script(people.jonas), decision="approve").status_code == 422
    said = review(script(people.jonas), decision="accept")
    assert (said.status_code, said.json()["review"]["accepted"]) == (201, True)
    assert asked(mira, checkout, ticket="SUP-2", break_glass=True, digest=digest).status_code == 201


def test_a_key_does_not_answer_for_other_terms(checkout: Workload, mira: APIClient) -> None:
    assert asked(mira, checkout, ticket="CHG-1", override=True).status_code == 201
    assert asked(mira, checkout, ticket="CHG-1").json()["code"] == "idempotency-key-reused"
    assert Request.objects.get().overrides


@pytest.mark.parametrize("moment", [1_900_000_000, "1900000000", "2026-12-24T18:00:00", "tomorrow", True])
def test_a_moment_is_written_with_its_time_zone(checkout: Workload, mira: APIClient, moment: object) -> None:
    answer = mira.post(PREVIEW, {"target": checkout.pk, "not_before": moment}, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["not_before"])


def test_a_time_is_kept_and_read_back(checkout: Workload, mira: APIClient) -> None:
    at = (timezone.now() + timedelta(hours=2)).replace(microsecond=0)
    made = asked(mira, checkout, not_before=at.isoformat())
    assert (made.status_code, made.json()["state"]) == (201, "awaiting_approval")
    assert Request.objects.get().not_before == at
