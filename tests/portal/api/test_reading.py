"""Lists in pages that neither skip nor repeat, at a constant number of queries; and what a caller reads is what there is."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from guardian.shortcuts import assign_perm
from rest_framework.test import APIClient

from audit import writer
from audit.events import SYSTEM, About, Event
from inventory.models import Cluster, Sample, Secret, Service, Vault, Workload
from tests.characters import People
from tests.portal.api.conftest import Caller
from tests.portal.api.rows import make_request, make_workload


def pages(client: APIClient, address: str) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    while cursor is not None:
        body = client.get(f"{address}&cursor={cursor}" if cursor else address).json()
        yield body["items"]
        cursor = body["next"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_pages_of_requests_neither_skip_nor_repeat(ghost: Workload, people: People, script: Caller, size: int) -> None:
    made = [make_request(ghost, people, number).pk for number in range(7)]
    found = list(pages(script(people.mira), f"/api/requests?limit={size}"))
    assert [row["id"] for page in found for row in page] == made[::-1]
    assert {len(page) for page in found[:-1]} <= {size}


def test_pages_of_services_and_workloads(people: People, script: Caller) -> None:
    slugs = ["alpha", "beta", "beta-2", "gamma"]
    for slug in reversed(slugs):
        make_workload(slug, "payments")
    client = script(people.mira)
    services = [row["slug"] for page in pages(client, "/api/services?limit=3") for row in page]
    workloads = [row["service"] for page in pages(client, "/api/workloads?limit=3") for row in page]
    assert services == slugs
    assert workloads == slugs[::-1]


def test_pages_of_the_record(people: People, script: Caller) -> None:
    with transaction.atomic():
        for number in range(5):
            writer.record(Event("plan.refused", SYSTEM, f"{number}", About(service="ledger")))
    found = pages(script(people.edda), "/api/audit/events?limit=2&verb=plan.refused")
    assert [[row["summary"] for row in page] for page in found] == [["4", "3"], ["2", "1"], ["0"]]


def test_a_cursor_of_one_list_is_none_of_another(people: People, script: Caller) -> None:
    make_workload("alpha", "payments")
    make_workload("beta", "payments")
    client = script(people.mira)
    cursor = client.get("/api/services?limit=1").json()["next"]
    assert client.get(f"/api/services?limit=1&cursor={cursor}").json()["items"][0]["slug"] == "beta"
    assert client.get(f"/api/services?limit=1&cursor={cursor}x").status_code == 400
    for other in ("workloads", "requests", "audit/events"):
        assert client.get(f"/api/{other}?limit=1&cursor={cursor}").status_code == 400


@pytest.mark.parametrize("address", ["/api/requests?limit=200", "/api/services?limit=200", "/api/workloads?limit=200"])
def test_a_longer_list_costs_no_more_queries(ghost: Workload, people: People, script: Caller, address: str) -> None:
    client = script(people.mira)
    counts = []
    for more in (1, 20):
        for number in range(more):
            make_request(make_workload(f"service-{more}-{number}", "payments"), people, number)
        client.get(address)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(address)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_an_object_permission_opens_one_service(ghost: Workload, people: People, script: Caller) -> None:
    make_workload("vault-keys", "payments")
    client = script(people.leila)
    assert client.get("/api/services").json()["items"] == []
    assign_perm("view_service", people.leila, ghost.service)
    assert [row["slug"] for row in client.get("/api/services").json()["items"]] == ["ledger"]
    assert client.get("/api/services/vault-keys").status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [("service=ledger", ["ledger"]), ("environment=staging", []), ("kind=Deployment", ["cart", "ledger"]), ("cluster=other", []),
     ("gone=true", ["old"]), ("", ["cart", "ledger"])],
)  # fmt: skip
def test_workloads_are_filtered(ghost: Workload, people: People, script: Caller, query: str, found: list[str]) -> None:
    make_workload("cart", "payments")
    Workload.objects.filter(pk=make_workload("old", "payments").pk).update(gone_at=timezone.now())
    items = script(people.mira).get(f"/api/workloads?{query}").json()["items"]
    assert sorted(row["service"] for row in items) == found


def test_a_service_names_its_secrets_and_never_a_value(ghost: Workload, people: People, script: Caller) -> None:
    vault = Vault.objects.create(name="sandbox")
    Secret.objects.create(
        vault=vault, mount="secret", path="payments/ledger", kind=Secret.Kind.KV2, service=ghost.service, version=3,
        seen_at=timezone.now(),
    )  # fmt: skip
    (secret,) = script(people.mira).get("/api/services/ledger").json()["secrets"]
    assert (secret["vault"], secret["mount"], secret["path"], secret["version"]) == (
        "sandbox",
        "secret",
        "payments/ledger",
        3,
    )


def test_a_series_is_what_was_sampled(ghost: Workload, people: People, script: Caller) -> None:
    now = timezone.now()
    for minutes, ready in ((60, 2), (30, 1), (1, 2)):
        Sample.objects.create(workload=ghost, at=now - timedelta(minutes=minutes), wanted=2, ready=ready, restarts=0)
    series = script(people.mira).get(f"/api/workloads/{ghost.pk}/series").json()
    assert (series["wanted"], series["ready"], len(series["at"])) == ([2, 2, 2], [2, 1, 2], 3)


def test_links_lead_to_https_only(ghost: Workload, people: People, script: Caller) -> None:
    Service.objects.update(
        links={"Runbook": "https://wiki.example/ledger", "Bad": "javascript:alert(1)", "Http": "http://x"}
    )
    assert script(people.mira).get("/api/services/ledger").json()["links"] == {"Runbook": "https://wiki.example/ledger"}


def test_a_cluster_says_that_it_is_simulated_and_since_when_it_is_silent(
    ghost: Workload, people: People, script: Caller
) -> None:
    since = timezone.now() - timedelta(minutes=5)
    Cluster.objects.update(unreachable_since=since, problem="It does not answer.")
    client = script(people.mira)
    cluster = client.get("/api/clusters").json()[0]
    offers = client.get(f"/api/workloads/{ghost.pk}/offers").json()
    assert (cluster["simulated"], cluster["problem"]) == (True, "It does not answer.")
    assert cluster["unreachable_since"].startswith(f"{since:%Y-%m-%dT%H:%M:%S}")
    assert {offer["state"] for offer in offers} == {"unknown"}


def test_an_offer_says_what_the_policy_will_answer(ghost: Workload, people: People, script: Caller) -> None:
    offers = script(people.mira).get(f"/api/workloads/{ghost.pk}/offers").json()
    said = {offer["action"]: offer["state"] for offer in offers}
    assert {"resize-workload", "restart-workload", "rollback-workload", "run-task"} <= said.keys()
    assert "run-cronjob" not in said  # which is nothing for a Deployment
    assert set(said.values()) == {"needed"}
    seen_only = script(people.edda).get(f"/api/workloads/{ghost.pk}/offers").json()
    assert {offer["state"] for offer in seen_only} == {"denied"}


def test_who_is_not_an_auditor_sees_the_record_of_their_services(
    ghost: Workload, people: People, script: Caller
) -> None:
    with transaction.atomic():
        writer.record(
            Event("plan.refused", SYSTEM, "hers", About(service="ledger")),
            Event("plan.refused", SYSTEM, "not hers", About(service="cart")),
        )
    address = "/api/audit/events?verb=plan.refused"
    assert [row["summary"] for row in script(people.mira).get(address).json()["items"]] == ["hers"]
    assert script(people.leila).get(address).json()["items"] == []
    assert len(script(people.edda).get(address).json()["items"]) == 2


def test_an_export_has_what_the_list_has_and_is_on_record(ghost: Workload, people: People, script: Caller) -> None:
    with transaction.atomic():
        writer.record(
            Event("plan.refused", SYSTEM, "=cmd()", About(service="ledger")),
            Event("plan.refused", SYSTEM, "not hers", About(service="cart")),
        )
    client = script(people.mira)
    lines = client.get("/api/audit/events.jsonl?verb=plan.refused", headers={"Accept": "application/jsonl"})
    table = client.get("/api/audit/events.csv?verb=plan.refused", headers={"Accept": "text/csv"})
    listed = client.get("/api/audit/events?verb=plan.refused").json()["items"]

    assert lines["Content-Type"] == "application/jsonl; charset=utf-8"
    assert body_of(lines).splitlines() == [row["text"] for row in listed]
    assert table["Content-Type"] == "text/csv; charset=utf-8"
    assert "'=cmd()" in body_of(table) and "not hers" not in body_of(table)
    exports = script(people.edda).get("/api/audit/events?verb=export.made").json()["items"]
    assert [row["summary"] for row in exports] == ["csv, verb plan.refused", "jsonl, verb plan.refused"]
    assert client.get("/api/audit/events.csv?verbs=x").json()["code"] == "bad-query"


def body_of(response: Any) -> str:
    async def parts() -> bytes:
        return b"".join([part async for part in response.streaming_content])

    return async_to_sync(parts)().decode()


def test_the_catalog_brings_the_schema_of_the_parameters(people: People, script: Caller) -> None:
    actions = {each["id"]: each for each in script(people.mira).get("/api/actions").json()}
    assert actions["resize-workload"]["params"]["properties"]["replicas"]["title"] == "Replicas"
    assert actions["restart-workload"]["risk"] == "low"


def test_me(people: People, session: Caller) -> None:
    assert session(people.jonas).get("/api/me").json() == {
        "username": "jonas", "name": "Jonas", "time_zone": "UTC", "is_admin": False,
        "teams": [{"slug": "payments", "name": "Payments"}], "approves_for": [{"slug": "payments", "name": "Payments"}], "token": None,
    }  # fmt: skip
