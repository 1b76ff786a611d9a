"""The inbox and what reaches whom where: everything that changes something is a POST, and nobody reaches into another's."""

from typing import Any

from django.test import Client
from rest_framework.test import APIClient

from actions.models import Request
from audit.events import VERBS
from audit.models import EventRow
from inventory.models import Person
from portal.api.tokens import issue
from portal.notices import channels, services
from portal.notices.models import Channel, Delivery, Kind, Notice, Preference, Webhook
from portal.notices.telling import TELLERS
from tests.characters import People
from tests.portal.notices.conftest import Outside, everything_sent, happens, told
from tests.portal.web.conftest import SignedIn


def seen(client: Client, address: str = "/notices", status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def test_every_verb_that_is_told_can_be_written() -> None:
    assert set(TELLERS) <= set(VERBS)


def test_an_empty_inbox_says_what_would_be_there(followed: People, signed_in: SignedIn) -> None:
    assert "Nothing yet" in seen(signed_in(followed.mira))
    assert "Nothing reaches you elsewhere" in seen(signed_in(followed.mira), "/notices/settings")


def test_a_notice_is_unread_until_it_is_opened(followed: People, waits: Request, signed_in: SignedIn) -> None:
    happens(waits, "request.submitted", by=followed.mira)
    notice = next(each for each in told() if each.person == followed.jonas)
    jonas, leila = signed_in(followed.jonas), signed_in(followed.leila)
    assert '1<span class="visually-hidden"> unread' in seen(jonas)
    assert jonas.get(f"/notices/{notice.pk}/read").status_code == 405
    assert leila.post(f"/notices/{notice.pk}/read").status_code == 404
    assert Notice.objects.get(pk=notice.pk).read_at is None
    assert jonas.post(f"/notices/{notice.pk}/read")["Location"] == f"/requests/{waits.pk}"
    assert "unread" not in seen(jonas)


def test_all_that_was_on_the_page_is_read_and_no_more(followed: People, waits: Request, signed_in: SignedIn) -> None:
    happens(waits, "execution.failed", times=3)
    notices = told()
    mira = signed_in(followed.mira)
    mira.post("/notices/read", {"newest": str(notices[1].pk)})
    assert Notice.objects.filter(read_at=None).count() == 1
    for newest in ("", "x", "9" * 30):
        assert mira.post("/notices/read", {"newest": newest}).status_code == 302


def test_a_long_inbox_is_read_in_pages_at_the_same_cost(
    followed: People, waits: Request, signed_in: SignedIn, django_assert_max_num_queries: object
) -> None:
    happens(waits, "execution.failed", times=120)
    told()
    page = seen(signed_in(followed.mira))
    assert page.count('<form method="post" action="/notices/') == 50 + 1
    older = page.split('href="/notices?before=')[1].split('"')[0]
    assert seen(signed_in(followed.mira), f"/notices?before={older}").count("failed, and nothing changed") == 50
    assert "99+" in page


def test_choices_are_kept_and_kinds_that_do_not_exist_are_not(
    outside: Outside, followed: People, signed_in: SignedIn
) -> None:
    mira = signed_in(followed.mira)
    mira.post("/notices/settings", {"email": ["trouble", "nonsense"], "webhook": ["trouble"], "every_minutes": "15"})
    followed.mira.refresh_from_db()
    kept = channels.preference_of(followed.mira)
    assert (kept.email, kept.every_minutes) == ([Kind.TROUBLE], 15)
    assert len(kept.webhook) == len(Kind)  # a way that leads nowhere was not on the page
    for minutes in ("-1", "x", "", "7", "9" * 5000):
        assert mira.post("/notices/settings", {"every_minutes": minutes}).status_code == 422


def test_a_program_chooses_for_its_person_what_the_page_then_shows(
    outside: Outside, followed: People, signed_in: SignedIn
) -> None:
    _, token = issue(actor=followed.mira, name="a script", scopes=["read", "request"], days=1)
    program, address = APIClient(), "/api/notices/preferences"
    program.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    chosen = program.get(address).json()
    assert (chosen["every_minutes"], len(chosen["email"]), len(chosen["slack"])) == (5, len(Kind) - 1, len(Kind))

    wanted = {**chosen, "email": ["trouble"], "every_minutes": 30}
    for _ in range(2):
        answer = program.put(address, wanted, format="json")
        assert (answer.status_code, answer.json()) == (200, wanted)
    assert program.get(address).json() == wanted
    assert EventRow.objects.filter(verb="notices.chosen").count() == 1
    assert channels.preference_of(Person.objects.get(pk=followed.jonas.pk)).every_minutes == 5
    mira = signed_in(Person.objects.get(pk=followed.mira.pk))
    assert 'value="30" checked> At most one in 30 min' in seen(mira, "/notices/settings")
    assert mira.post("/notices/settings", {"email": ["decide"], "every_minutes": "30"}).status_code == 302
    assert program.get(address).json() == {**wanted, "email": ["decide"]}

    wrongs: list[dict[str, Any]] = [
        {"email": ["nonsense"]},
        {"every_minutes": 1441},
        {"every_minutes": True},
        {"sms": []},
        {"slack": None},
    ]
    for wrong in wrongs:
        answer = program.put(address, {**wanted, **wrong}, format="json")
        assert answer.status_code == 422
        assert next(iter(wrong)) in str(answer.json()["errors"])
    wanted.pop("webhook")
    assert program.put(address, wanted, format="json").status_code == 422


def test_a_webhook_is_checked_shown_once_and_on_record(outside: Outside, followed: People, signed_in: SignedIn) -> None:
    mira = signed_in(followed.mira)
    for url in ("https://evil.example/", "http://hooks.example.com/", "", "http://169.254.169.254/latest/"):
        assert mira.post("/notices/settings/webhook", {"url": url}).status_code == 422
    answer = mira.post(
        "/notices/settings/webhook", {"url": "https://hooks.example.com/services/T0/B0/as-good-as-a-password"}
    )
    assert answer.status_code == 201
    secret = answer.content.decode().split('data-copy="')[1].split('"')[0]
    assert secret.startswith("whsec_")
    assert secret not in seen(mira, "/notices/settings")
    assert EventRow.objects.get(verb="webhook.set").summary == "hooks.example.com"
    assert channels.leads_to(type(followed.mira).objects.get(pk=followed.mira.pk), Channel.WEBHOOK)
    mira.post("/notices/settings/webhook", {"do": "remove"})
    assert not Webhook.objects.exists()


def test_what_did_not_arrive_is_in_sight_and_can_be_sent_again(
    outside: Outside, followed: People, waits: Request, signed_in: SignedIn
) -> None:
    outside.mail.refusing = "550 no such user"
    happens(waits, "execution.needs_human")
    everything_sent()
    lost = Delivery.objects.get(person=followed.mira)
    mira = signed_in(followed.mira)
    assert "does not take mail for this address" in seen(mira)
    assert signed_in(followed.leila).post(f"/notices/deliveries/{lost.pk}/again").status_code == 404
    outside.mail.refusing = ""
    services.mark_all_read(actor=followed.mira, up_to=10**9)  # they saw it here, and want it there all the same
    for _ in range(2):
        mira.post(f"/notices/deliveries/{lost.pk}/again")
    everything_sent()
    assert [str(mail["To"]) for mail in outside.mail.messages] == ["mira@example.com"]
    assert "gave up" not in seen(mira)


def test_what_did_not_arrive_can_be_left_at_that_by_its_person(
    outside: Outside, followed: People, waits: Request, signed_in: SignedIn
) -> None:
    outside.mail.refusing = "550 no such user"
    happens(waits, "execution.failed")
    Preference.objects.create(person=followed.mira, email=[Kind.ENDED])
    everything_sent()
    lost, mira = Delivery.objects.get(), signed_in(followed.mira)
    assert "gave up" in seen(mira)
    address = f"/notices/deliveries/{lost.pk}/dismiss"
    assert (signed_in(followed.leila).post(address).status_code, mira.get(address).status_code) == (404, 405)
    assert "Dismissed." in mira.post(address, follow=True).content.decode()
    assert "gave up" not in seen(mira)


def test_a_program_reads_its_persons_notices_and_no_others(followed: People, waits: Request) -> None:
    happens(waits, "execution.failed", times=3)
    happens(waits, "request.submitted", by=followed.mira)
    newest = told()[-1]
    _, token = issue(actor=followed.mira, name="a script", scopes=["read", "request"], days=1)
    call = Client(headers={"Authorization": f"Bearer {token}"})
    page = call.get("/api/notices?limit=2").json()
    assert [item["kind"] for item in page["items"]] == [Kind.ENDED, Kind.ENDED]
    assert page["items"][0]["url"] == f"http://127.0.0.1/requests/{waits.pk}"
    assert len(call.get(f"/api/notices?cursor={page['next']}").json()["items"]) == 1
    body = {"up_to": newest.pk}
    assert call.post("/api/notices/read", body, content_type="application/json").json() == {"read": 3}
    assert Notice.objects.filter(read_at=None).count() == 2  # those of Jonas and Ines
