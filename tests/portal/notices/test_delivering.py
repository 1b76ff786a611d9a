"""From inboxes to the outside: one message for many events, again until it is taken, and nothing in it that should stay inside."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F, Q
from django.utils import timezone
from standardwebhooks import Webhook

from actions.models import Request
from approvals import absences
from approvals.models import Asked
from audit.models import EventRow
from inventory.models import Person
from portal.notices import services
from portal.notices.delivering import AT_ONCE, MOST_ATTEMPTS, _claim, deliver
from portal.notices.models import Channel, Delivery, Kind, Notice, Preference, SlackLink
from tests.characters import People, approves
from tests.cluster import eventually
from tests.portal.notices.conftest import Outside, everything_sent, happens, told
from tests.portal.notices.outside import Answer, SilentServer
from tests.races.threads import together

Stage = Delivery.Stage


def later(**span: float) -> None:
    """As if so much time had passed for what waits."""
    Delivery.objects.filter(stage__in=[Stage.GATHERING, Stage.SENDING]).update(due_at=F("due_at") - timedelta(**span))


def chooses(person: Person, *kinds: Kind, channel: Channel = Channel.EMAIL) -> None:
    services.choose(actor=person, wanted={channel: [kind.value for kind in kinds]}, every_minutes=5)


def link(person: Person) -> None:
    SlackLink.objects.create(
        person=person, team="T1", user=f"U-{person.username}", name=person.name, linked_at=timezone.now()
    )


def test_an_email_is_a_line_and_a_link(outside: Outside, followed: People, waits: Request) -> None:
    happens(waits, "request.submitted", by=followed.mira)
    everything_sent()
    mails = {str(mail["To"]): mail for mail in outside.mail.messages}
    assert set(mails) == {"jonas@example.com", "ines@example.com"}
    mail = mails["jonas@example.com"]
    assert mail["Subject"] == "Mira asks you to decide: Restart checkout (production)"
    body = mail.get_content()
    assert f"http://127.0.0.1/requests/{waits.pk}" in body.splitlines()
    for inside in (waits.digest, "spec.replicas", "hidden reason", f'"{waits.reason}"'):
        assert inside not in str(mail)
    assert mail["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    "summary", ["x\r\nBcc: evil@example.com\r\n\r\nbody", "x\nSubject: y", "=?utf-8?q?x=0ABcc:_evil@example.com?=", "ü" * 300]
)  # fmt: skip
def test_a_summary_becomes_no_header(outside: Outside, followed: People, waits: Request, summary: str) -> None:
    Request.objects.filter(pk=waits.pk).update(summary=summary)
    happens(waits, "execution.needs_human")
    everything_sent()
    assert len(outside.mail.messages) == 3
    for mail in outside.mail.messages:
        assert set(mail.keys()) == {"Content-Type", "MIME-Version", "Content-Transfer-Encoding", "Subject", "From", "To", "Date",
                                    "Message-ID", "Auto-Submitted"}  # fmt: skip
        assert mail.get_all("To") and len(mail.get_all("To", [])) == 1


def test_a_flood_is_two_messages(outside: Outside, followed: People, waits: Request) -> None:
    """The first at once, all the others as one when its time has come."""
    chooses(followed.mira, Kind.ENDED)
    happens(waits, "execution.failed")
    everything_sent()
    happens(waits, "execution.failed", times=1000)
    everything_sent()
    assert len(outside.mail.messages) == 1
    later(minutes=5)
    deliver()
    assert len(outside.mail.messages) == 2
    digest = outside.mail.messages[1]
    assert digest["Subject"] == "1000 notices from Afterdeck"
    assert "And 990 more: http://127.0.0.1/notices" in digest.get_content()
    assert digest.get_content().count("failed, and nothing changed") == 10


def test_what_was_read_or_decided_meanwhile_is_not_sent(outside: Outside, followed: People, waits: Request) -> None:
    happens(waits, "request.submitted", by=followed.mira)
    for notice in told():
        if notice.person == followed.ines:
            services.mark_read(actor=followed.ines, notice_id=notice.pk)
    approves(followed.jonas, waits)
    everything_sent()
    assert [str(mail["To"]) for mail in outside.mail.messages] == ["mira@example.com"]
    assert set(Delivery.objects.exclude(person=followed.mira).values_list("stage", flat=True)) == {Stage.DROPPED}


def test_whoever_left_gets_nothing(outside: Outside, followed: People, waits: Request) -> None:
    happens(waits, "request.submitted", by=followed.mira)
    told()
    Person.objects.filter(pk=followed.jonas.pk).update(is_active=False)
    deliver()
    assert [str(mail["To"]) for mail in outside.mail.messages] == ["ines@example.com"]


@pytest.mark.parametrize("meanwhile", ["away", "wants it no more", "sees it no more"])
def test_what_changed_while_it_was_gathered_counts(
    outside: Outside, followed: People, waits: Request, meanwhile: str
) -> None:
    now = timezone.now()
    happens(waits, "execution.needs_human")
    told()
    if meanwhile == "away":
        absences.announce(
            actor=followed.ines,
            starts_at=now,
            ends_at=now + timedelta(days=1),
            stand_in=followed.jonas,
            note="",
            now=now,
        )
    elif meanwhile == "wants it no more":
        chooses(followed.ines, Kind.DECIDE)
    else:
        Asked.objects.filter(identity=followed.ines.identity).delete()
        followed.ines.groups.clear()
    deliver()
    assert {str(mail["To"]) for mail in outside.mail.messages} == {"mira@example.com", "jonas@example.com"}


def test_what_is_old_is_let_go_of_and_what_nobody_has_read_a_year_later(followed: People, waits: Request) -> None:
    happens(waits, "execution.failed", times=3)
    read, unread, ancient = told()
    now = timezone.now()
    Notice.objects.filter(pk=read.pk).update(read_at=now, at=now - timedelta(days=91))
    Notice.objects.filter(pk=unread.pk).update(at=now - timedelta(days=364))
    Notice.objects.filter(pk=ancient.pk).update(at=now - timedelta(days=366))
    services.forget_old()
    assert list(Notice.objects.all()) == [unread]


def test_only_what_was_chosen_goes_out(outside: Outside, followed: People, waits: Request) -> None:
    chooses(followed.jonas)
    happens(waits, "request.submitted", by=followed.mira)
    everything_sent()
    assert [str(mail["To"]) for mail in outside.mail.messages] == ["ines@example.com"]
    assert Notice.objects.filter(person=followed.jonas).count() == 1


def test_whoever_dies_with_a_message_in_hand_leaves_it_to_the_next(
    outside: Outside, followed: People, waits: Request
) -> None:
    happens(waits, "request.submitted", by=followed.mira)
    told()
    assert _claim(timezone.now())  # and dies
    deliver()
    assert len(outside.mail.messages) == 1  # the other one's
    later(minutes=1)
    deliver()
    assert {str(mail["To"]) for mail in outside.mail.messages} == {"jonas@example.com", "ines@example.com"}


def test_two_who_deliver_send_each_message_once(outside: Outside, followed: People, waits: Request) -> None:
    happens(waits, "execution.needs_human")
    told()
    together(deliver, deliver, deliver)
    assert sorted(str(mail["To"]) for mail in outside.mail.messages) == [
        "ines@example.com",
        "jonas@example.com",
        "mira@example.com",
    ]


@pytest.fixture
def silent(outside: Outside, settings: Any) -> Iterator[SilentServer]:
    """One of the hosts for webhooks says nothing, and the mail server neither."""
    server = SilentServer()
    hosts = [*settings.CONFIGURATION.webhook_private_hosts, f"127.0.0.1:{server.port}"]
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"webhook_private_hosts": hosts})
    outside.mail.going.clear()
    yield server
    server.close()
    outside.mail.going.set()


def test_whoever_says_nothing_holds_up_nobody_else(
    outside: Outside, followed: People, waits: Request, silent: SilentServer
) -> None:
    """Neither what goes another way, nor another receiver by the same way, nor what is written meanwhile."""
    link(followed.mira)
    services.set_webhook(actor=followed.jonas, url=f"http://127.0.0.1:{silent.port}/hook")
    services.set_webhook(actor=followed.ines, url=f"{outside.hook.url}/hook")
    happens(waits, "execution.needs_human")
    told()
    notice = Notice.objects.filter(person=followed.jonas).get()
    for _ in range(AT_ONCE):  # a receiver with much to get is still one
        notice.deliveries.create(
            person=followed.jonas, channel=Channel.WEBHOOK, stage=Stage.SENDING, due_at=notice.at, at=notice.at
        )
    Delivery.objects.filter(Q(channel=Channel.EMAIL) | Q(person=followed.jonas)).update(
        due_at=F("due_at") - timedelta(seconds=9)
    )
    with ThreadPoolExecutor() as threads:
        delivering = threads.submit(deliver)
        eventually(lambda: outside.slack.calls and outside.hook.calls, 4)
        happens(waits, "execution.needs_human")
        told()
        later(minutes=5)
        eventually(lambda: len(outside.slack.calls) == len(outside.hook.calls) == 2, 4)
        assert not delivering.done()
        assert not Delivery.objects.filter(person=followed.jonas, stage=Stage.SENT).exists()
        silent.close()
        outside.mail.going.set()
    assert delivering.result() is None


def test_it_is_tried_again_with_the_same_id_and_given_up_in_sight(
    outside: Outside, followed: People, waits: Request
) -> None:
    chooses(followed.mira, Kind.ENDED)
    outside.mail.refusing = "451 come back later"
    happens(waits, "execution.failed")
    everything_sent()
    waiting = Delivery.objects.get()
    assert (waiting.stage, waiting.attempts) == (Stage.SENDING, 1)
    assert waiting.due_at > timezone.now() + timedelta(seconds=20)
    for _ in range(MOST_ATTEMPTS):
        later(hours=2)
        deliver()
    waiting.refresh_from_db()
    assert (waiting.stage, waiting.attempts) == (Stage.DEAD, MOST_ATTEMPTS)
    said = EventRow.objects.get(verb="notice.undeliverable").summary
    assert said == "email to mira: The mail server does not take mail for this address."

    outside.mail.refusing = ""
    services.try_again(actor=followed.mira, delivery_id=waiting.pk)
    deliver()
    (mail,) = outside.mail.messages
    assert str(waiting.id_outside) in mail["Message-ID"]


def test_an_address_that_is_refused_is_given_up_at_once(outside: Outside, followed: People, waits: Request) -> None:
    chooses(followed.mira, Kind.ENDED)
    outside.mail.refusing = "550 no such user"
    happens(waits, "execution.failed")
    everything_sent()
    assert Delivery.objects.get().stage == Stage.DEAD


@pytest.mark.parametrize("address", ["a@b.example\r\nBcc: c@d.example", "a@b.example, c@d.example"])
def test_an_address_that_is_none_harms_nobody(outside: Outside, followed: People, waits: Request, address: str) -> None:
    chooses(followed.mira, Kind.ENDED)
    Person.objects.filter(pk=followed.mira.pk).update(email=address)
    happens(waits, "execution.failed")
    everything_sent()
    assert Delivery.objects.get().stage == Stage.DEAD
    assert outside.mail.messages == []


def test_a_webhook_gets_one_signed_message_with_its_own_secret(
    outside: Outside, followed: People, waits: Request
) -> None:
    secret = services.set_webhook(actor=followed.mira, url=f"{outside.hook.url}/hook")
    chooses(followed.mira, Kind.ENDED, channel=Channel.WEBHOOK)
    happens(waits, "execution.failed", times=150)
    outside.hook.answers["/hook"] = Answer(503)
    everything_sent()
    outside.hook.answers["/hook"] = Answer(204)
    later(minutes=1)
    deliver()
    first, second = outside.hook.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    said: dict[str, Any] = Webhook(secret).verify(second.body, second.headers)
    assert (len(said["data"]["notices"]), said["data"]["more"]) == (100, 50)
    assert said["data"]["notices"][0]["url"] == f"http://127.0.0.1/requests/{waits.pk}"
    other = services.set_webhook(actor=followed.jonas, url=f"{outside.hook.url}/hook")
    assert other != secret


def test_a_host_that_was_taken_off_the_list_gets_nothing(
    outside: Outside, followed: People, waits: Request, settings: Any
) -> None:
    services.set_webhook(actor=followed.mira, url=f"{outside.hook.url}/hook")
    chooses(followed.mira, Kind.ENDED, channel=Channel.WEBHOOK)
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"webhook_private_hosts": []})
    happens(waits, "execution.failed")
    everything_sent()
    assert outside.hook.calls == []
    assert Delivery.objects.get().stage == Stage.DEAD


def test_slack_gets_buttons_that_carry_the_digest_unless_the_risk_is_high(
    outside: Outside, followed: People, waits: Request
) -> None:
    link(followed.jonas)
    Preference.objects.create(person=followed.jonas, email=[], every_minutes=0)
    Request.objects.filter(pk=waits.pk).update(summary="<!channel> <https://evil.example|click>")
    happens(waits, "request.submitted", by=followed.mira)
    everything_sent()
    (call,) = outside.slack.calls
    assert (call.path, call.json["channel"]) == ("/api/chat.postMessage", "U-jonas")
    assert call.headers["authorization"] == "Bearer xoxb-of-the-tests"
    section, actions = call.json["blocks"]
    assert section["text"]["type"] == "plain_text"  # Slack's markup means nothing there
    assert "<!channel>" not in call.json["text"]
    assert [button.get("value") for button in actions["elements"]] == [f"{waits.pk}:{waits.digest}"] * 2 + [None]

    for risky in ({"risk": 3}, {"risk": 1, "overrides": True}):
        Request.objects.filter(pk=waits.pk).update(**risky)
        Notice.objects.all().delete()
        happens(waits, "request.submitted", by=followed.mira)
        everything_sent()
        section, actions = outside.slack.calls[-1].json["blocks"]
        assert [button["action_id"] for button in actions["elements"]] == ["look"]
    assert section["text"]["text"].endswith(", setting a denial aside")


@pytest.mark.parametrize(
    ("answer", "stage"),
    [
        (Answer(200, {"ok": False, "error": "ratelimited"}), Stage.SENDING),
        (Answer(503), Stage.SENDING),
        (Answer(200, {}), Stage.SENDING),
        (Answer(200, {"ok": False, "error": "invalid_auth"}), Stage.DEAD),
    ],
)
def test_slack_says_whether_to_try_again(
    outside: Outside, followed: People, waits: Request, answer: Answer, stage: str
) -> None:
    link(followed.mira)
    chooses(followed.mira, Kind.ENDED, channel=Channel.SLACK)
    outside.slack.answers["/api/chat.postMessage"] = answer
    happens(waits, "execution.failed")
    everything_sent()
    delivery = Delivery.objects.get()
    assert delivery.stage == stage
    assert "xoxb" not in delivery.problem
