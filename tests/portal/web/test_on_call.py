"""Who is on call, and who is away, as pages: everybody sees it, approvers of the team plan it, and each says for themselves."""

from datetime import datetime, timedelta

from django.utils import timezone

from approvals import absences
from approvals.models import Absence
from inventory import incidents, on_call
from inventory.incidents import Report
from inventory.models import Person, Shift, Team
from tests.characters import People
from tests.portal.web.conftest import SignedIn, Town

HOUR = timedelta(hours=1)


def typed(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M}"


def shift(person: Person) -> dict[str, str]:
    now = timezone.now()
    return {"person": person.username, "starts_at": typed(now - HOUR), "ends_at": typed(now + HOUR)}


def test_an_approver_puts_somebody_on_call_and_takes_them_off_again(people: People, signed_in: SignedIn) -> None:
    jonas = signed_in(people.jonas)
    answer = jonas.post("/on-call/payments/shifts", shift(people.ines), follow=True)
    assert "Ines is on call for Payments then." in answer.content.decode()
    payments = Team.objects.get(slug="payments")
    assert on_call.on_call_now(payments, timezone.now()) == [people.ines]

    assert "Ines" in signed_in(people.mira).get("/on-call").content.decode()
    assert "Payments" not in signed_in(people.leila).get("/on-call").content.decode()

    jonas.post(f"/on-call/shifts/{Shift.objects.get().pk}/remove")
    assert on_call.on_call_now(payments, timezone.now()) == []


def test_who_may_not_plan_is_offered_nothing_and_refused(people: People, signed_in: SignedIn) -> None:
    signed_in(people.kofi).post("/on-call/payments/shifts", shift(people.ines))
    pk = Shift.objects.get().pk
    nobody = {**shift(people.ines), "person": "nobody"}
    # who there is, is not told to whoever may not ask
    assert signed_in(people.mira).post("/on-call/payments/shifts", nobody).status_code == 403
    for elsewhere in ("leila", "nobody"):
        asked = {**shift(people.ines), "person": elsewhere}
        page = signed_in(people.jonas).post("/on-call/payments/shifts", asked).content.decode()
        assert "Choose somebody from the list." in page
    for person, status in ((people.mira, 403), (people.edda, 403), (people.leila, 404)):
        client = signed_in(person)
        assert "Add a shift" not in client.get("/on-call").content.decode()
        assert client.post("/on-call/payments/shifts", shift(people.jonas)).status_code == status
        assert client.post(f"/on-call/shifts/{pk}/remove").status_code == status
    assert Shift.objects.filter(ends_at__gt=timezone.now()).count() == 1


def test_what_is_wrong_is_said_beside_what_was_typed(people: People, signed_in: SignedIn) -> None:
    answer = signed_in(people.jonas).post("/on-call/payments/shifts", shift(people.jonas))
    page = answer.content.decode()
    assert (answer.status_code, "Nobody puts themselves on call." in page) == (422, True)
    assert '<option value="jonas" selected>' in page
    for wrong in ("", "tomorrow", "2026-13-01T00:00", "\x00"):
        body = {**shift(people.ines), "starts_at": wrong}
        assert signed_in(people.jonas).post("/on-call/payments/shifts", body).status_code == 422
    assert not Shift.objects.exists()


def test_times_are_read_in_the_zone_in_which_they_are_shown(people: People, signed_in: SignedIn) -> None:
    Person.objects.filter(pk=people.kofi.pk).update(time_zone="Asia/Kolkata")
    there = timezone.now().replace(hour=6, minute=0, second=0, microsecond=0) + timedelta(days=3)
    body = {"person": "ines", "starts_at": typed(there), "ends_at": typed(there + HOUR)}
    signed_in(people.kofi).post("/on-call/payments/shifts", body)
    assert Shift.objects.get().starts_at == there - timedelta(hours=5, minutes=30)


def test_a_person_is_away_has_somebody_stand_in_and_is_back(people: People, signed_in: SignedIn) -> None:
    jonas = signed_in(people.jonas)
    offered = jonas.get("/profile/absence").content.decode()
    assert 'value="ines"' in offered and 'value="mira"' in offered and 'value="leila"' not in offered
    body = {"ends_at": typed(timezone.now() + 9 * HOUR), "stand_in": "ines", "note": "<b>Skiing</b>"}
    page = jonas.post("/profile/absence", body, follow=True).content.decode()
    assert "Ines can decide in your place" in page and "&lt;b&gt;Skiing" in page
    assert absences.stand_in_for([people.ines.pk], timezone.now()) == {people.jonas.pk}

    signed_in(people.kofi).post("/on-call/payments/shifts", shift(people.jonas))
    assert "Out of office until" in signed_in(people.mira).get("/on-call").content.decode()

    pk = Absence.objects.get().pk
    assert signed_in(people.ines).post(f"/profile/absence/{pk}/back").status_code == 422
    assert "You are back." in jonas.post(f"/profile/absence/{pk}/back", follow=True).content.decode()
    assert absences.away_at(timezone.now(), [people.jonas.pk]) == {}


def test_who_is_not_offered_cannot_stand_in(people: People, signed_in: SignedIn) -> None:
    body = {"ends_at": typed(timezone.now() + 9 * HOUR)}
    for name in ("leila", "mira", "mira-admin", "nobody"):
        answer = signed_in(people.mira).post("/profile/absence", {**body, "stand_in": name})
        assert (answer.status_code, "Choose somebody from the list." in answer.content.decode()) == (422, True)
    assert not Absence.objects.exists()


def test_a_service_says_who_is_on_call_and_what_is_open(people: People, signed_in: SignedIn, town: Town) -> None:
    town.service("checkout")
    signed_in(people.kofi).post("/on-call/payments/shifts", shift(people.ines))
    told = Report("INC-7", "Checkout <b>answers</b> 502", ("checkout",), "https://pager.example.com/INC-7")
    incidents.report(actor=people.kofi, told=told, now=timezone.now())
    page = signed_in(people.mira).get("/services/checkout").content.decode()
    assert "On call: Ines" in page and "Checkout &lt;b&gt;answers" in page and "https://pager.example.com/INC-7" in page
    incidents.close(actor=people.kofi, reference="INC-7", now=timezone.now())
    assert "INC-7" not in signed_in(people.mira).get("/services/checkout").content.decode()
