"""Schedules, incidents and absences as tools send them: the same message twice changes nothing, and nobody says more than is theirs."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from approvals import absences
from approvals.absences import AbsenceRefused
from audit import queries
from inventory import incidents, on_call
from inventory.models import Incident, Person, Shift, Team, Workload
from tests.characters import People
from tests.portal.api.conftest import Caller

HOUR = timedelta(hours=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def recorded(verb: str) -> list[str]:
    return [row.summary for row in queries.events(queries.Filter(verb=verb))]


def shift(person: Person, starts_at: datetime, ends_at: datetime) -> dict[str, str]:
    return {"person": person.username, "starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()}


def schedule(*shifts: dict[str, str]) -> dict[str, Any]:
    return {"shifts": list(shifts)}


def payments_now(at: datetime) -> list[str]:
    return [person.username for person in on_call.on_call_now(Team.objects.get(slug="payments"), at)]


def test_a_schedule_is_sent_again_without_harm_and_what_is_left_out_ends(
    people: People, script: Caller, now: datetime
) -> None:
    kofi, address = script(people.kofi, "duty"), "/api/teams/payments/shifts"
    week = [
        shift(people.jonas, now - HOUR, now + 8 * HOUR),
        shift(people.ines, now + 8 * HOUR, now + 16 * HOUR),
    ]
    first = kofi.put(address, schedule(*week), format="json")
    again = kofi.put(address, schedule(*week), format="json")
    assert (first.status_code, first.json()["shifts"]) == (200, again.json()["shifts"])
    assert [each["username"] for each in first.json()["now"]] == ["jonas"]
    assert len(recorded("shift.added")) == 2
    assert payments_now(now + 9 * HOUR) == ["ines"]

    kofi.put(address, schedule(week[1]), format="json")
    assert payments_now(timezone.now()) == []
    assert Shift.objects.filter(person=people.jonas).exists()  # it was so until now
    assert len(recorded("shift.removed")) == 1


def test_the_same_shift_twice_in_one_schedule_is_refused(people: People, script: Caller, now: datetime) -> None:
    start = now.replace(hour=12, minute=0) + 24 * HOUR
    body = schedule(shift(people.ines, start, start + HOUR), shift(people.ines, start, start + 2 * HOUR))
    answer = script(people.kofi, "duty").put("/api/teams/payments/shifts", body, format="json")
    said = [f"Ines is there twice from {start:%Y-%m-%d} 12:00 UTC."]
    assert (answer.status_code, answer.json()["errors"]) == (422, {"shifts": said})
    assert not Shift.objects.exists()


def test_who_left_the_team_is_not_on_call_for_it(people: People, script: Caller, now: datetime) -> None:
    body = schedule(shift(people.mira, now - HOUR, now + HOUR), shift(people.jonas, now - HOUR, now + HOUR))
    script(people.kofi, "duty").put("/api/teams/payments/shifts", body, format="json")
    assert payments_now(now) == ["mira", "jonas"]
    people.mira.groups.clear()
    assert payments_now(now) == ["jonas"]
    Person.objects.filter(pk=people.jonas.pk).update(is_active=False)
    assert payments_now(now) == []


def test_nobody_puts_themselves_on_call_whatever_account_they_use(
    people: People, script: Caller, now: datetime
) -> None:
    address = "/api/teams/payments/shifts"
    own = schedule(shift(people.jonas, now - HOUR, now + HOUR))
    other_account = schedule(shift(people.mira, now - HOUR, now + HOUR))
    assert script(people.jonas, "duty").put(address, own, format="json").status_code == 422
    assert script(people.mira_admin, "duty").put(address, other_account, format="json").status_code == 422
    assert script(people.ines, "duty").put(address, own, format="json").status_code == 200
    assert payments_now(now) == ["jonas"]


def test_who_plans_no_schedule_is_refused_loudly(people: People, script: Caller, now: datetime) -> None:
    body = schedule(shift(people.ines, now, now + HOUR))
    mira = script(people.mira, "duty").put("/api/teams/payments/shifts", body, format="json")
    leila = script(people.leila, "duty").put("/api/teams/payments/shifts", body, format="json")
    reader = script(people.kofi, "read", "approve").put("/api/teams/payments/shifts", body, format="json")
    assert [(each.status_code, each.json()["code"]) for each in (mira, leila, reader)] == [
        (403, "not-allowed"), (404, "not-found"), (403, "insufficient-scope"),
    ]  # fmt: skip
    body["shifts"][0]["person"] = "nobody"  # who there is, is not told to whoever may not ask
    assert script(people.mira, "duty").put("/api/teams/payments/shifts", body, format="json").status_code == 403
    assert [row for row in recorded("access.refused") if "on call" in row]
    assert not Shift.objects.exists()


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [(1, 1, "ends_at"), (2, 1, "ends_at"), (-9, -8, None), (0, 24 * 32, "ends_at"), (24 * 399, 24 * 401, "ends_at")],
)
def test_a_shift_that_cannot_be_is_refused_with_its_field(
    people: People, script: Caller, now: datetime, start: int, end: int, field: str | None
) -> None:
    body = schedule(shift(people.ines, now + start * HOUR, now + end * HOUR))
    answer = script(people.kofi, "duty").put("/api/teams/payments/shifts", body, format="json")
    assert (answer.status_code, list(answer.json().get("errors", [None]))) == (422 if field else 200, [field])
    assert not Shift.objects.exists()


@pytest.mark.parametrize(
    "moment",
    [
        1764000000,
        "1764000000",
        "2026-12-24T18:00:00",
        "2026-12-24",
        "tomorrow",
        "9999-99-99T00:00:00Z",
        "\u0000",
        None,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "1999-12-31T23:59:59Z",
        "2101-01-01T00:00:00Z",
    ],
)
def test_a_moment_is_text_with_its_offset_of_some_year_that_there_will_be(
    people: People, script: Caller, moment: Any
) -> None:
    body = {"shifts": [{"person": "ines", "starts_at": moment, "ends_at": "2099-01-01T00:00:00Z"}]}
    answer = script(people.kofi, "duty").put("/api/teams/payments/shifts", body, format="json")
    assert answer.status_code == 400 if moment == "\u0000" else 422
    if answer.status_code == 422:
        assert "starts_at" in str(answer.json()["errors"])


def test_an_incident_is_one_however_often_it_is_told(
    people: People, script: Caller, ghost: Workload, now: datetime
) -> None:
    tool = Person.objects.create(username="pager", display_name="Pager")
    tool.user_permissions.add(Permission.objects.get(codename="change_incident", content_type__app_label="inventory"))
    caller, address = script(tool, "duty"), "/api/incidents/INC-1"
    body = {"title": "Ledger answers 502", "services": ["ledger"], "url": "https://pager.example.com/INC-1"}
    answers = [caller.put(address, body, format="json") for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 200]
    assert (Incident.objects.count(), len(recorded("incident.opened")), recorded("incident.updated")) == (1, 1, [])
    assert incidents.open_incident(ghost.service, timezone.now()) == Incident.objects.get()
    assert incidents.open_incident(ghost.service, timezone.now(), "INC-2") is None
    assert incidents.open_incident(ghost.service, now - HOUR) is None

    caller.put(address, {**body, "title": "Ledger answers 500"}, format="json")
    assert recorded("incident.updated") == ["INC-1: Ledger answers 500"]
    seen = [script(who, "read").get("/api/incidents").json()["items"] for who in (people.mira, people.leila)]
    assert [len(each) for each in seen] == [1, 0]

    closed = [caller.post(f"{address}/close").json()["closed_at"] for _ in range(2)]
    assert closed[0] == closed[1] is not None
    assert incidents.open_incident(ghost.service, timezone.now()) is None
    assert (
        caller.put(address, body, format="json").status_code == 422
    )  # by another reference, so that it is another one


def test_who_keeps_no_incidents_is_refused_loudly(people: People, script: Caller, ghost: Workload) -> None:
    body = {"title": "So that nobody is asked", "services": ["ledger"]}
    for person in (people.mira, people.jonas, people.edda):
        answer = script(person, "duty").put("/api/incidents/INC-1", body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
        assert script(person, "duty").post("/api/incidents/INC-1/close").status_code == 403
    assert len([row for row in recorded("access.refused") if "incident" in row]) == 6
    assert not Incident.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "javascript:alert(1)"}, "url"), ({"url": "http://pager.example.com"}, "url"),
        ({"services": ["unheard-of"]}, "services"), ({"title": "\n \t"}, "title"),
        ({"opened_at": "2099-01-01T00:00:00Z"}, "opened_at"), ({"services": []}, "services"),
        ({"opened_at": "2001-01-01T00:00:00Z"}, "opened_at"), ({"opened_at": "0001-01-01T00:00:00+14:00"}, "opened_at"),
    ],
)  # fmt: skip
def test_an_incident_that_cannot_be_is_refused_with_its_field(
    people: People, script: Caller, ghost: Workload, change: dict[str, Any], field: str
) -> None:
    body = {"title": "Ledger answers 502", "services": ["ledger"], **change}
    answer = script(people.kofi, "duty").put("/api/incidents/INC-1", body, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert not Incident.objects.exists()


def away(stand_in: str = "", **fields: str) -> dict[str, str]:
    return {"ends_at": (timezone.now() + 24 * HOUR).isoformat(), "stand_in": stand_in, **fields}


def test_somebody_stands_in_until_one_is_back(people: People, script: Caller) -> None:
    jonas = script(people.jonas, "approve", "read")
    made = jonas.post("/api/absences", away("ines", note="Skiing"), format="json")
    now = timezone.now()
    assert (made.status_code, made.json()["stand_in"]["username"]) == (201, "ines")
    assert absences.away_at(now, [people.jonas.pk, people.ines.pk]).keys() == {people.jonas.pk}
    assert absences.stand_in_for([people.ines.pk], now) == {people.jonas.pk}
    assert absences.stand_in_for([people.mira.pk], now) == set()

    assert jonas.delete(f"/api/absences/{made.json()['id']}").status_code == 200
    assert jonas.delete(f"/api/absences/{made.json()['id']}").status_code == 422
    assert absences.stand_in_for([people.ines.pk], timezone.now()) == set()
    assert absences.away_at(now, [people.jonas.pk])  # as it was then
    assert [len(recorded(verb)) for verb in ("absence.announced", "absence.ended")] == [1, 1]


def test_standing_in_is_not_passed_on_and_ends_with_what_made_them_colleagues(people: People, script: Caller) -> None:
    script(people.jonas, "approve").post("/api/absences", away("ines"), format="json")
    assert script(people.ines, "approve").post("/api/absences", away("mira"), format="json").status_code == 201
    assert absences.stand_in_for([people.mira.pk], timezone.now()) == {people.ines.pk}
    people.ines.groups.clear()
    assert absences.stand_in_for([people.ines.pk], timezone.now()) == set()


def test_who_cannot_stand_in_is_refused(people: People, script: Caller) -> None:
    script(people.ines, "approve").post("/api/absences", away(), format="json")
    mira, jonas = script(people.mira, "approve"), script(people.jonas, "approve")
    refused = [
        mira.post("/api/absences", away("mira-admin"), format="json"),  # oneself
        jonas.post("/api/absences", away("leila"), format="json"),  # of another team
        jonas.post("/api/absences", away("ines"), format="json"),  # away too
        jonas.post("/api/absences", away("nobody"), format="json"),
    ]
    assert [(each.status_code, list(each.json()["errors"])) for each in refused] == [(422, ["stand_in"])] * 4
    assert mira.post("/api/absences", away(), format="json").status_code == 201
    again = mira.post("/api/absences", away(), format="json")
    assert (again.status_code, list(again.json()["errors"])) == (422, ["starts_at"])
    assert script(people.mira_admin, "approve").post("/api/absences", away(), format="json").status_code == 201
    assert len(script(people.mira_admin, "read").get("/api/absences").json()) == 2  # of both accounts


def test_somebody_else_cannot_call_one_back(people: People, script: Caller) -> None:
    made = script(people.jonas, "approve").post("/api/absences", away(), format="json").json()
    assert script(people.ines, "approve").delete(f"/api/absences/{made['id']}").status_code == 422
    assert script(people.kofi, "approve").delete(f"/api/absences/{made['id']}").status_code == 422
    past = script(people.ines, "approve").post(
        "/api/absences", {"ends_at": (timezone.now() - HOUR).isoformat()}, format="json"
    )
    assert (past.status_code, list(past.json()["errors"])) == (422, ["ends_at"])


def test_the_service_itself_refuses_who_cannot_stand_in(people: People) -> None:
    now = timezone.now()
    for stand_in in (people.mira_admin, people.leila):
        with pytest.raises(AbsenceRefused) as refused:
            absences.announce(actor=people.mira, starts_at=now, ends_at=now + HOUR, stand_in=stand_in, note="", now=now)
        assert refused.value.field == "stand_in"
