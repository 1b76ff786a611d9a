"""The first page of the day: what needs me, what runs, and my services."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from actions.models import Proposal, Request
from approvals.models import Absence
from inventory.models import Person
from tests.characters import People
from tests.portal.web.conftest import SignedIn, Town


def test_an_approver_sees_what_to_decide_and_the_requester_what_waits(
    people: People, signed_in: SignedIn, town: Town
) -> None:
    workload = town.workload(town.service("checkout"))
    town.request(people.mira, workload, "awaiting_approval", (people.jonas, people.ines))

    decides = signed_in(people.jonas).get("/").content.decode()
    waits = signed_in(people.mira).get("/").content.decode()

    assert "1 thing needs you" in decides
    assert "You or Ines can decide." in decides
    assert "Review" in decides
    assert "1 thing needs you" in waits
    assert "Waiting for Jonas or Ines." in waits
    assert "Review" not in waits


def test_nothing_of_another_team_shows(people: People, signed_in: SignedIn, town: Town) -> None:
    workload = town.workload(town.service("checkout"))
    town.run(town.request(people.mira, workload), "running")

    page = signed_in(people.leila).get("/").content.decode()

    assert "Nothing needs you" in page
    assert "checkout" not in page


def test_a_reverted_run_says_why(people: People, signed_in: SignedIn, town: Town) -> None:
    request = town.request(people.mira, town.workload(town.service("checkout")))
    town.run(request, "reverted", cause="The image could not be pulled.", ended_at=request.created_at)

    page = signed_in(people.mira).get("/").content.decode()

    assert "Reverted: The image could not be pulled." in page
    assert "See why" in page


def test_a_run_that_cannot_know_is_first_for_an_approver(people: People, signed_in: SignedIn, town: Town) -> None:
    unclear = town.request(people.mira, town.workload(town.service("ledger")))
    town.run(unclear, "needs_human", cause="Nobody can say whether it happened.")
    town.request(people.mira, town.workload(town.service("checkout")), "awaiting_approval", (people.jonas,))

    page = signed_in(people.jonas).get("/").content.decode()

    assert page.index("Nobody can say whether it happened.") < page.index("You can decide.")


def test_trouble_comes_first_and_the_cause_stands_under_the_name(
    people: People, signed_in: SignedIn, town: Town
) -> None:
    town.workload(town.service("alright"))
    town.workload(town.service("broken"), ready=1, trouble="1 of 2 crashes again and again")

    page = signed_in(people.mira).get("/").content.decode()

    assert page.index("broken") < page.index("alright")
    assert "production: 1 of 2 crashes again and again" in page


def test_the_filter_looks_for_every_word_in_any_order(people: People, signed_in: SignedIn, town: Town) -> None:
    for slug in ("checkout-api", "checkout-web", "ledger"):
        town.workload(town.service(slug))

    page = signed_in(people.mira).get("/fragments/home/services", {"q": "API check"}).content.decode()

    assert "checkout-api" in page
    assert "checkout-web" not in page
    assert (
        "No service of yours is called that" in signed_in(people.mira).get("/", {"q": "\x00nothing"}).content.decode()
    )


def test_what_came_from_outside_is_text(people: People, signed_in: SignedIn, town: Town) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    workload = town.workload(town.service("hostile", name=hostile), version=hostile, trouble=hostile, ready=0)
    town.request(people.mira, workload, "awaiting_approval", (people.jonas,), reason=hostile, summary=hostile)

    page = signed_in(people.jonas).get("/").content.decode()

    assert hostile not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 4


def test_many_services_and_requests_cost_as_many_queries_as_few(
    people: People, signed_in: SignedIn, town: Town
) -> None:
    client = signed_in(people.jonas)
    client.get("/")  # what is looked up once a process

    def cost() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert client.get("/").status_code == 200
        return len(seen)

    def grow(names: range) -> None:
        for number in names:
            workload = town.workload(town.service(f"service-{number}"))
            town.request(people.mira, workload, "awaiting_approval", (people.jonas, people.ines))
            town.run(town.request(people.mira, workload), "running")
            town.request(people.jonas, workload, "rejected", (people.ines,))

    grow(range(1))
    few = cost()
    grow(range(1, 9))
    assert cost() == few <= 37


def test_a_fragment_without_a_session_moves_the_window_to_the_sign_in_page(people: People, client) -> None:
    answer = client.get(
        "/fragments/home/now", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/services?q=a"}
    )
    assert answer.status_code == 401
    assert answer["HX-Redirect"] == "/sign-in?next=%2Fservices%3Fq%3Da"
    assert client.get("/services").headers["Location"] == "/sign-in?next=%2Fservices"


def test_whoever_is_away_is_not_said_to_be_able_to_decide(people: People, signed_in: SignedIn, town: Town) -> None:
    workload, now = town.workload(town.service("checkout")), timezone.now()
    town.request(people.mira, workload, "awaiting_approval", (people.jonas, people.ines))

    def away(person: Person, stand_in: Person | None) -> None:
        hour = timedelta(hours=1)
        Absence.objects.create(person=person, stand_in=stand_in, starts_at=now - hour, ends_at=now + hour)

    def says(person: Person, page: str = "/") -> str:
        return signed_in(person).get(page).content.decode()

    away(people.ines, people.jonas)
    assert "Waiting for Jonas." in says(people.mira)
    assert "You can decide." in says(people.jonas)
    assert "Waits for Jonas<" in says(people.mira, "/services/checkout")
    assert "and Ines (away until " in says(people.mira, "/services/checkout")
    away(people.jonas, people.mira)  # whose vote would not count
    Absence.objects.filter(person=people.ines).update(stand_in=None)
    assert "Waiting for Jonas (away) or Ines (away)." in says(people.mira)


def test_what_was_undone_leads_to_what_undid_it_and_not_to_undoing_it_again(
    people: People, signed_in: SignedIn, town: Town
) -> None:
    workload = town.workload(town.service("checkout"))
    done = town.request(people.mira, workload)
    Request.objects.update(plan_text='{"undo": {"replicas": 2}}')
    town.run(done, "succeeded")
    mira = signed_in(people.mira)
    for page in ("/services/checkout", "/requests"):
        assert f"undo={done.pk}" in mira.get(page).content.decode()

    back = town.request(people.mira, workload, undo_of=done)
    run = town.run(back, "running")
    for said, state in (("To be undone by", "running"), ("Undone by", "succeeded")):
        type(run).objects.update(state=state)
        for page in ("/services/checkout", "/requests"):
            text = mira.get(page).content.decode()
            assert f'<a class="ad-do" href="/requests/{back.pk}">{said} request {back.pk}</a>' in text
            assert f"undo={done.pk}" not in text
    type(run).objects.filter(pk=run.pk).update(state="failed")
    assert f"undo={done.pk}" in mira.get("/requests").content.decode()


def test_what_somebody_would_agree_to_instead_waits_for_whoever_asked(
    people: People, signed_in: SignedIn, town: Town
) -> None:
    asked = town.request(people.mira, town.workload(town.service("checkout")), "awaiting_approval", (people.jonas,))
    Proposal.objects.create(
        request=asked, proposer=people.jonas, params={}, plan_text="{}", digest="e" * 64, note="Four will do.",
        at=timezone.now(),
    )  # fmt: skip
    page = signed_in(people.mira).get("/").content.decode()
    assert "Jonas would agree to less: “Four will do.” Confirm it, or keep to what you asked." in page
    assert "Answer" in page and "Waiting for Jonas" not in page
