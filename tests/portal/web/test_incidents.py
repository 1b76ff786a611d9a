"""Incidents as a page: whoever sees a service sees what is wrong with it, and whoever keeps incidents opens and closes them there."""

from datetime import timedelta

from django.utils import timezone

from audit.models import EventRow
from inventory import incidents
from inventory.incidents import Report
from inventory.models import Incident
from tests.characters import People
from tests.portal.web.conftest import SignedIn, Town

TYPED = {
    "reference": "INC-7",
    "title": "Ledger <b>hangs</b>",
    "services": "ledger",
    "url": "https://incidents.example/7",
}


def test_it_is_opened_seen_changed_and_closed(people: People, signed_in: SignedIn, town: Town) -> None:
    for slug in ("ledger", "checkout"):
        town.workload(town.service(slug))
    kofi, mira = signed_in(people.kofi), signed_in(people.mira)
    assert "Nothing is open" in kofi.get("/incidents").content.decode()
    answer = kofi.post("/incidents/report", TYPED, follow=True).content.decode()
    assert "INC-7 is open." in answer and 'action="/incidents/INC-7/close"' in answer

    for page in ("/incidents", "/", "/services/ledger"):
        seen = mira.get(page).content.decode()
        assert 'href="https://incidents.example/7"' in seen and "Ledger &lt;b&gt;hangs&lt;/b&gt;" in seen
        assert "glass" not in seen.lower()
        assert "/close" not in seen
    assert "INC-7" not in mira.get("/services/checkout").content.decode()

    form = kofi.get("/incidents?change=INC-7").content.decode()
    assert "Change INC-7" in form and 'value="ledger"' in form
    changed = {**TYPED, "changes": "INC-7", "services": "ledger, checkout", "title": "Both hang"}
    assert "INC-7 is up to date." in kofi.post("/incidents/report", changed, follow=True).content.decode()
    assert "Both hang" in mira.get("/services/checkout").content.decode()

    kofi.post("/incidents/INC-7/close")
    seen = mira.get("/incidents").content.decode()
    assert "Nothing is open" in seen and "Both hang" in seen
    for page in ("/", "/services/ledger"):
        assert "INC-7" not in mira.get(page).content.decode()
    verbs = list(EventRow.objects.filter(verb__startswith="incident.", service="ledger").values_list("verb", flat=True))
    assert sorted(verbs) == ["incident.closed", "incident.opened", "incident.updated"]


def test_what_is_wrong_is_said_and_what_was_typed_stays(people: People, signed_in: SignedIn, town: Town) -> None:
    town.service("ledger")
    kofi = signed_in(people.kofi)
    for field, wrong, says in (
        ("reference", "no spaces", "Letters, digits, dots"),
        ("title", "", "From 1 to 300 characters."),
        ("title", "x" * 301, "From 1 to 300 characters."),
        ("services", "ledger, ledgre", "There is no service ledgre."),
        ("services", "\x00", "Name those that it is about"),
        ("url", "javascript:alert(1)", "An address that begins with https://"),
        ("opened_at", "tomorrow", "Give a date and a time"),
        ("opened_at", "2099-01-01T00:00", "It cannot have begun in the future."),
    ):
        answer = kofi.post("/incidents/report", {**TYPED, field: wrong})
        page = answer.content.decode()
        assert (answer.status_code, says in page) == (422, True), field
        assert f'id="problem-{field}" role="alert"' in page
        assert (TYPED["url"] if field != "url" else "INC-7") in page
    assert not Incident.objects.exists()

    kofi.post("/incidents/report", TYPED)
    again = kofi.post("/incidents/report", {**TYPED, "title": "Another"})
    assert (again.status_code, "It is open already." in again.content.decode()) == (422, True)
    kofi.post("/incidents/INC-7/close")
    answer = kofi.post("/incidents/report", TYPED)
    assert (answer.status_code, "Report what is wrong now by another one." in answer.content.decode()) == (422, True)
    assert kofi.post("/incidents/INC-8/close").status_code == 422
    for nothing in ("%00", "a b"):
        assert kofi.post(f"/incidents/{nothing}/close").status_code == 404


def test_nobody_else_opens_or_closes_one_and_a_refusal_is_on_the_record(
    people: People, signed_in: SignedIn, town: Town
) -> None:
    town.service("ledger")
    incidents.report(actor=people.kofi, told=Report("INC-1", "Slow", ["ledger"]), now=timezone.now())
    for person in (people.mira, people.jonas, people.edda, people.leila):
        client = signed_in(person)
        assert 'action="/incidents/report"' not in client.get("/incidents?change=INC-1").content.decode()
        for address in ("/incidents/report", "/incidents/INC-1/close"):
            answer = client.post(address, TYPED)
            assert (answer.status_code, "Only administrators" in answer.content.decode()) == (403, True)
    assert EventRow.objects.filter(verb="access.refused", summary__startswith="report an incident").count() == 8
    assert Incident.objects.filter(closed_at=None).count() == 1
    assert "INC-1" not in signed_in(people.leila).get("/incidents").content.decode()
    assert signed_in(people.kofi).get("/incidents/report").status_code == 405


def test_each_list_has_pages_and_names_only_services_that_one_sees(
    people: People, signed_in: SignedIn, town: Town
) -> None:
    ledger, shop, now = town.service("ledger"), town.service("shop", team="storefront"), timezone.now()
    for closed, name in ((None, "OPEN"), (now, "SHUT")):
        for number in range(52):
            at = now - timedelta(minutes=number + 1)
            made = Incident.objects.create(reference=f"{name}-{number:02}", title="x", opened_at=at, closed_at=closed)
            made.services.set([ledger, shop])
    mira = signed_in(people.mira)
    page = mira.get("/incidents").content.decode()
    assert page.index("OPEN-49") < page.index("SHUT-00") < page.index("SHUT-49")
    assert "OPEN-50" not in page and "SHUT-50" not in page
    assert "/services/ledger" in page and "/services/shop" not in page
    for name, kind in (("open_before", "OPEN"), ("before", "SHUT")):
        older = page.split(f'href="/incidents?{name}=')[1].split('"')[0]
        assert f"{kind}-51" in mira.get(f"/incidents?{name}={older}").content.decode()
    assert mira.get("/incidents?before=x").status_code == 404
    home = mira.get("/").content.decode()
    assert home.count('href="/incidents#incident-OPEN') == 5 and "All open incidents" in home
