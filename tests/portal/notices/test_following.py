"""From the record to inboxes: who is told of what, once, whoever dies or comes second."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import structlog
from django.db import transaction
from django.test import Client
from django.utils import timezone

from actions.models import Execution, Proposal, Request
from approvals import absences
from approvals.models import Round
from approvals.services import escalate
from audit import following
from audit.models import EventRow
from inventory.models import Person
from portal.notices import queries, telling
from portal.notices.following import follow
from portal.notices.models import Delivery, Follower, Kind, Notice
from portal.notices.telling import Story, Told
from portal.web import health
from portal.web.requests import _said_of_vote
from tests.characters import People, approves, fresh
from tests.cluster import eventually
from tests.portal.notices.conftest import happens, told
from tests.races.threads import together


def names(notices: list[Notice]) -> set[tuple[str, str]]:
    return {(notice.person.username, notice.kind) for notice in notices}


def test_whoever_is_asked_is_told_and_whoever_asks_is_told_the_answer(followed: People, waits: Request) -> None:
    happens(waits, "request.submitted", by=followed.mira)
    notices = told()
    assert names(notices) == {("ines", Kind.DECIDE), ("jonas", Kind.DECIDE)}
    assert {notice.text for notice in notices} == {"Mira asks you to decide: Restart checkout (production)"}

    approves(followed.jonas, waits)
    answer = told()[-1]
    assert not Notice.objects.filter(kind=Kind.DECIDE, read_at=None).exists()  # old news
    assert (answer.person, answer.kind, answer.path) == (followed.mira, Kind.ANSWER, f"/requests/{waits.pk}")


def test_whoever_is_asked_is_told_for_when_it_is(followed: People, waits: Request) -> None:
    at = timezone.now() + timedelta(hours=5)
    Request.objects.filter(pk=waits.pk).update(not_before=at)
    Person.objects.filter(pk=followed.jonas.pk).update(time_zone="Asia/Tokyo")
    happens(waits, "request.submitted", by=followed.mira)
    said = {notice.person.username: notice.text.rpartition(", to run ")[2] for notice in told()}
    there = at.astimezone(ZoneInfo("Asia/Tokyo"))
    assert said == {"ines": f"{at:%a %d %b %H:%M} UTC", "jonas": f"{there:%a %d %b %H:%M} JST"}


@pytest.mark.parametrize(
    ("waits_for", "to_requester", "to_others"),
    [
        ("", "It runs now.", "It runs now."),
        ("start", "Start it when you need it: its time counts from then.", "Mira starts it when it is needed."),
        ("value", "Hand in the new value, and it begins.", "It waits for the new value from Mira."),
    ],
)
def test_what_was_agreed_says_what_happens_next_and_to_the_requester_what_to_do(
    followed: People, waits: Request, waits_for: str, to_requester: str, to_others: str
) -> None:
    approves(followed.jonas, waits)
    Execution.objects.filter(request=waits).update(waits_for=waits_for)
    assert told()[-1].text.endswith(f"has agreed. {to_requester}")
    assert _said_of_vote(fresh(waits), "approved") == f"You approved: Restart checkout. {to_others}"


def test_who_stands_in_is_asked_too(followed: People, waits: Request) -> None:
    now = timezone.now()
    absences.announce(
        actor=followed.ines, starts_at=now, ends_at=now + timedelta(days=1), stand_in=followed.jonas, note="", now=now
    )
    [notice] = told()
    until = (now + timedelta(days=1)).strftime("%a %d %b %H:%M UTC")
    assert (notice.person, notice.kind) == (followed.jonas, Kind.STAND_IN)
    assert notice.text == f"Ines is away until {until}, and you decide in their place."
    happens(waits, "request.submitted", by=followed.mira)
    assert ("jonas", Kind.DECIDE) in names(told())


def test_who_is_asked_later_is_told_then_and_the_others_not_again(followed: People, waits: Request) -> None:
    asked = Round.objects.get(request=waits)
    kofi = {"identity": followed.kofi.identity, "username": "kofi", "name": "Kofi"}
    later = {"after_minutes": 5, "of": "administrators", "people": [kofi]}
    needs = [{**need, "escalation": later} for need in asked.requirements]
    Round.objects.filter(pk=asked.pk).update(requirements=needs, escalates_at=asked.opened_at)
    happens(waits, "request.submitted", by=followed.mira)
    assert "kofi" not in {notice.person.username for notice in told()}
    assert escalate(asked, risk=1, now=asked.opened_at + timedelta(minutes=6))
    happens(waits, "request.escalated")
    assert sorted(notice.person.username for notice in told()) == ["ines", "jonas", "kofi"]


def test_a_proposal_is_the_requesters_news_and_its_answer_the_proposers(followed: People, waits: Request) -> None:
    Proposal.objects.create(
        request=waits, proposer=followed.ines, params={}, plan_text="{}", digest="0" * 64, at=timezone.now()
    )
    happens(waits, "proposal.made", by=followed.ines)
    happens(waits, "proposal.declined", by=followed.mira)
    assert [(each.person, each.kind) for each in told()] == [
        (followed.mira, Kind.PROPOSAL),
        (followed.ines, Kind.PROPOSAL),
    ]


def test_a_policy_and_a_review_are_told(followed: People, waits: Request) -> None:
    happens(waits, "policy.proposed")
    happens(waits, "debt.settled", by=followed.ines)
    assert names(told()) == {("kofi", Kind.POLICY), ("mira", Kind.DEBT)}


def test_trouble_is_the_requesters_and_the_approvers(followed: People, waits: Request) -> None:
    happens(waits, "execution.needs_human")
    assert names(told()) == {(name, Kind.TROUBLE) for name in ("mira", "jonas", "ines")}


def test_a_second_account_is_not_told_twice_nor_asked(followed: People, waits: Request) -> None:
    """`mira-admin` is an approver, and Mira."""
    happens(waits, "glass.broken")
    assert {notice.person.username for notice in told()} == {"jonas", "ines", "kofi"}


def test_what_was_before_the_first_look_is_nobodys_news(people: People, followed: People, waits: Request) -> None:
    Follower.objects.all().delete()
    Notice.objects.all().delete()
    assert told() == []


def test_two_who_follow_tell_everything_once(followed: People, waits: Request) -> None:
    happens(waits, "execution.succeeded", times=700)
    happens(waits, "execution.needs_human", times=100)
    together(follow, follow, told)
    told()
    assert Notice.objects.count() == 700 + 100 * 3
    assert Delivery.objects.count() == 0  # no way out is set up


def test_one_event_that_cannot_be_told_keeps_no_other_from_being_told(
    followed: People, waits: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when it is a query that fails, in the transaction that all are told in."""

    def broken(story: Story) -> Iterator[Told]:
        Person.objects.filter(username="a\x00b").first()
        yield from ()

    monkeypatch.setitem(telling.TELLERS, "execution.failed", broken)
    happens(waits, "execution.needs_human")
    happens(waits, "execution.failed")
    happens(waits, "execution.needs_human")
    with structlog.testing.capture_logs() as logs:
        assert len(told()) == 6
    (said,) = [entry for entry in logs if entry["event"] == "notices.not_told"]
    assert said["event_id"] == EventRow.objects.get(verb="execution.failed").pk


def test_how_far_notices_are_behind_is_told_to_whoever_watches(
    followed: People, waits: Request, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    happens(waits, "execution.needs_human")
    assert timedelta() < queries.lag(timezone.now()) < timedelta(minutes=1)
    monkeypatch.setattr(health, "LATE", timedelta())
    said = client.get("/readyz").json()
    assert said["ready"]
    assert "behind the record" in said["checks"]["notices"]["reason"]
    told()
    assert queries.lag(timezone.now()) == timedelta()


def test_whoever_comes_while_another_reads_goes_away(followed: People, waits: Request) -> None:
    happens(waits, "execution.needs_human")
    with transaction.atomic():
        Follower.objects.select_for_update().get()
        together(follow)
        assert not Notice.objects.exists()


def test_whoever_dies_with_events_in_hand_leaves_them_to_the_next(followed: People, waits: Request) -> None:
    happens(waits, "execution.needs_human")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert told()
        raise ZeroDivisionError
    assert not Notice.objects.exists()
    assert len(told()) == 3


def test_a_record_that_came_from_another_server_is_followed_from_here(followed: People, waits: Request) -> None:
    Follower.objects.update(txid=2**40)
    follow()
    happens(waits, "execution.needs_human")
    assert len(told()) == 3


@pytest.mark.parametrize(
    "summary", ["Restart checkout\r\nBcc: evil@example.com", "a\x1b[31mb", "token=abcdef123456", "a\u202eb"]
)
def test_a_line_is_one_line_and_no_credential(followed: People, waits: Request, summary: str) -> None:
    Request.objects.filter(pk=waits.pk).update(summary=summary)
    happens(waits, "execution.failed")
    (notice,) = told()
    assert notice.text.isprintable()
    assert "abcdef" not in notice.text
    assert "hidden reason" not in notice.text


def test_many_events_cost_what_one_does(
    followed: People, waits: Request, django_assert_max_num_queries: Callable[[int], AbstractContextManager[object]]
) -> None:
    happens(waits, "execution.needs_human", times=200)
    held = Follower.objects.get()
    eventually(lambda: len(following.after(following.Place(held.txid, held.event_id), 500)) == 200)
    with django_assert_max_num_queries(25):
        follow()
    assert Notice.objects.count() == 600
