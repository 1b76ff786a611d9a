"""One service: what can be done with it, said before the click, and what is true of it."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.models import Vote
from inventory.models import Person, Sample, Secret, Vault
from tests.characters import People
from tests.portal.web.conftest import SignedIn, Town


def test_each_button_says_what_the_policy_will_answer(people: People, signed_in: SignedIn, town: Town) -> None:
    service = town.service("checkout")
    town.workload(service)
    town.workload(service, "staging")

    production = signed_in(people.mira).get("/services/checkout").content.decode()
    staging = signed_in(people.mira).get("/services/checkout?on=staging").content.decode()

    assert "Needs 1 of 2" in production
    assert "Runs now" not in production
    assert "Runs now" in staging


def test_a_button_that_the_policy_denies_is_shut_and_says_why(people: People, signed_in: SignedIn, town: Town) -> None:
    town.workload(town.service("checkout"))

    page = signed_in(people.kofi).get("/services/checkout").content.decode()

    assert "Kofi is not on team payments" in page
    assert "nobody-outside" in page
    assert "/services/checkout/restart-workload" not in page


def test_a_service_of_another_team_does_not_exist(people: People, signed_in: SignedIn, town: Town) -> None:
    town.workload(town.service("checkout"))
    for path in (
        "services/checkout",
        *(f"fragments/services/checkout/{part}" for part in ("live", "changes", "acts", "series")),
    ):
        assert signed_in(people.leila).get(f"/{path}").status_code == 404
        assert signed_in(people.edda).get(f"/{path}").status_code == 200


def test_a_neighbour_that_one_may_not_see_is_not_named(people: People, signed_in: SignedIn, town: Town) -> None:
    service = town.service("checkout")
    service.calls.add(town.service("ledger"), town.service("hidden-callee", team="storefront"))
    town.service("hidden-caller", team="storefront").calls.add(service)

    mira, edda = (signed_in(each).get("/services/checkout").content.decode() for each in (people.mira, people.edda))

    assert "ledger" in mira
    assert "hidden-c" not in mira
    assert "hidden-callee" in edda
    assert "hidden-caller" in edda


def test_an_object_no_action_fits_says_so(people: People, signed_in: SignedIn, town: Town) -> None:
    town.workload(town.service("nightly"), kind="Job", wanted=0, ready=0)
    page = signed_in(people.mira).get("/services/nightly").content.decode()
    assert "No action works on a Job yet." in page


def test_what_runs_by_a_schedule_is_not_called_switched_off(people: People, signed_in: SignedIn, town: Town) -> None:
    town.workload(town.service("nightly"), kind="CronJob", wanted=0, ready=0)
    page = signed_in(people.mira).get("/services/nightly").content.decode()
    assert "Runs by its schedule" in page
    assert "Run now" in page


def test_a_silent_cluster_shows_since_when_and_nothing_can_be_planned(
    people: People, signed_in: SignedIn, town: Town
) -> None:
    town.workload(town.service("checkout"))
    town.cluster.unreachable_since = timezone.now() - timedelta(minutes=26)
    town.cluster.problem = "connection refused"
    town.cluster.save()

    page = signed_in(people.mira).get("/services/checkout").content.decode()

    assert "Cluster sandbox unreachable since" in page
    assert "connection refused" in page
    assert "Cannot plan now" in page
    assert "/services/checkout/restart-workload" not in page
    assert "unreachable since" in signed_in(people.mira).get("/").content.decode()


def test_only_https_links_go_out(people: People, signed_in: SignedIn, town: Town) -> None:
    links = {
        "Runbook": "https://wiki.example.com/checkout", "Evil": "javascript:alert(1)", "Plain": "http://a.example.com",
        "Disguised": "https://mira:secret@evil.example.com", "Broken": "https://[", "List": ["https://b.example.com"],
        "Split": "https://c.example.com\njavascript:alert(1)",
    }  # fmt: skip
    town.service("checkout", links=links)

    page = signed_in(people.mira).get("/services/checkout").content.decode()

    assert 'href="https://wiki.example.com/checkout"' in page
    for name in ("Evil", "Plain", "Disguised", "Broken", "List", "Split"):
        assert name not in page


def test_secrets_are_names_and_ages(people: People, signed_in: SignedIn, town: Town) -> None:
    vault = Vault.objects.create(name="sandbox")
    Secret.objects.create(
        vault=vault, mount="secret", path="payments/signing-key", kind="kv2", service=town.service("checkout"),
        seen_at=timezone.now(), rotated_at=timezone.now() - timedelta(days=94), rotate_every=timedelta(days=90),
    )  # fmt: skip
    page = signed_in(people.mira).get("/services/checkout").content.decode()
    assert "secret/payments/signing-key" in page
    assert "94 days old" in page


def test_charts_draw_what_was_observed_and_keep_a_short_dip(people: People, signed_in: SignedIn, town: Town) -> None:
    Person.objects.filter(pk=people.mira.pk).update(time_zone="Asia/Tokyo")
    workload = town.workload(town.service("checkout"))
    now = timezone.now()
    for minutes, ready, restarts in ((61, 2, 5), (60, 1, 6), (59, 2, 7), (30, 2, 7)):
        Sample.objects.create(
            workload=workload, at=now - timedelta(minutes=minutes), wanted=2, ready=ready, restarts=restarts
        )

    series = signed_in(people.mira).get("/fragments/services/checkout/series?on=production").json()
    elsewhere = signed_in(people.mira).get("/fragments/services/checkout/series?on=nowhere").json()

    assert min(series["ready"]) == 1
    assert series["length"] == "1 h"
    assert all(series["from"] - 1 <= at <= series["to"] for at in series["at"])
    assert sum(series["restarted"]) <= 2
    assert series["now"] == {"ready": 2, "wanted": 2}
    assert elsewhere["at"] == []


def test_changes_tell_how_they_ended_and_who_agreed(people: People, signed_in: SignedIn, town: Town) -> None:
    request = town.request(people.mira, town.workload(town.service("checkout")), asked=(people.jonas,))
    assert request.round is not None
    Vote.objects.create(
        round=request.round, voter=people.jonas, identity=people.jonas.identity, decision="approve", digest="d" * 64,
        at=request.created_at + timedelta(minutes=4),
    )  # fmt: skip
    run = town.run(request, "succeeded", observed={"sentence": "2 of 2 ready"})
    run.ended_at = run.queued_at + timedelta(seconds=98)
    run.save()

    page = signed_in(people.mira).get("/services/checkout").content.decode()

    assert "2 of 2 ready in 1 min 38 s" in page
    assert "Jonas approved after 4 min" in page


def test_more_workloads_and_changes_cost_no_more_queries(people: People, signed_in: SignedIn, town: Town) -> None:
    service = town.service("checkout")
    town.request(people.mira, town.workload(service), asked=(people.jonas,))

    client = signed_in(people.mira)
    client.get("/services/checkout")  # what is looked up once a process

    def cost() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert client.get("/services/checkout").status_code == 200
        return len(seen)

    few = cost()
    for environment in ("dev", "staging", "production"):
        workload = town.workload(service, environment, kind="StatefulSet")
        for _ in range(4):
            town.request(people.mira, workload, asked=(people.jonas, people.ines))
    assert cost() == few <= 34
