"""Deciding from Slack: only what Slack signed a moment ago, only for whoever linked the two, and by the same gate as everywhere."""

import json
import time
from datetime import UTC, timedelta
from secrets import token_hex
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone
from slack_sdk.signature import SignatureVerifier

from actions.models import Request
from actions.states import RequestState
from approvals.models import Round, Vote
from audit.models import EventRow
from inventory.models import Person
from portal.notices import chat
from portal.notices.models import SlackLink
from tests.characters import People, fresh
from tests.portal.notices.conftest import Outside
from tests.portal.notices.outside import Answer
from tests.portal.notices.test_delivering import link
from tests.portal.web.conftest import SignedIn

CALLS = "/slack/interactions"


def payload(request: Request, user: str, action: str = "approve", digest: str = "") -> dict[str, Any]:
    """As Slack documents a click on a button."""
    button = {
        "action_id": action,
        "value": f"{request.pk}:{digest or request.digest}",
        "block_id": chat.block_id(request.pk),
    }
    blocks = [chat._said("Mira asks"), {"type": "actions", "block_id": chat.block_id(request.pk), "elements": [button]}]
    return {
        "type": "block_actions", "user": {"id": user, "team_id": "T1"}, "team": {"id": "T1"}, "trigger_id": "trigger",
        "container": {"type": "message", "channel_id": "D1", "message_ts": "17.1"}, "message": {"blocks": blocks}, "actions": [button],
    }  # fmt: skip


def body_of(said: object) -> bytes:
    return urlencode({"payload": json.dumps(said)}).encode()


def posts(
    outside: Outside, body: bytes, *, at: float | None = None, secret: str = "", headers: dict[str, str] | None = None
) -> Any:
    stamp = str(int(at if at is not None else time.time()))
    signed = SignatureVerifier(secret or outside.secret).generate_signature(timestamp=stamp, body=body)
    sent = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signed, **(headers or {})}
    return Client(enforce_csrf_checks=True).post(
        CALLS, body, content_type="application/x-www-form-urlencoded", headers=sent
    )


def clicks(outside: Outside, request: Request, person: Person, action: str = "approve", digest: str = "") -> Any:
    return posts(outside, body_of(payload(request, f"U-{person.username}", action, digest)))


def refused(request: Request) -> list[str]:
    verbs = ("vote.refused", "access.refused")
    return list(
        EventRow.objects.filter(request_id=request.pk, verb__in=verbs).order_by("id").values_list("verb", flat=True)
    )


@pytest.fixture
def linked(followed: People) -> People:
    for person in vars(followed).values():
        link(person)
    return followed


def test_an_approver_approves(outside: Outside, linked: People, waits: Request) -> None:
    assert clicks(outside, waits, linked.jonas).status_code == 200
    vote = Vote.objects.get()
    assert (vote.voter, vote.decision, vote.digest, vote.entrance) == (linked.jonas, "approve", waits.digest, "slack")
    assert fresh(waits).state == RequestState.APPROVED
    (call,) = outside.slack.calls
    assert (call.path, call.json["channel"], call.json["ts"]) == ("/api/chat.update", "D1", "17.1")
    assert [block["type"] for block in call.json["blocks"]] == ["section", "section"]  # no buttons any more


def test_that_a_link_was_followed_is_heard_and_no_more(outside: Outside, linked: People, waits: Request) -> None:
    assert clicks(outside, waits, linked.jonas, "look").status_code == 200
    assert (Vote.objects.count(), outside.slack.calls) == (0, [])


def test_a_no_asks_for_its_reason_first(outside: Outside, linked: People, waits: Request) -> None:
    clicks(outside, waits, linked.jonas, "reject")
    assert not Vote.objects.exists()
    view = outside.slack.calls[0].json["view"]
    values = {"note": {"note": {"value": ""}}}
    said = {
        "type": "view_submission",
        "user": {"id": "U-jonas", "team_id": "T1"},
        "view": {**view, "state": {"values": values}},
    }
    assert "Say why" in posts(outside, body_of(said)).json()["errors"]["note"]
    values["note"]["note"]["value"] = "Not today"
    assert posts(outside, body_of(said)).content == b""
    (answer,) = outside.slack.calls[1:]
    assert (answer.path, answer.json["channel"], answer.json["ts"]) == ("/api/chat.update", "D1", "17.1")
    assert [block["type"] for block in answer.json["blocks"]] == ["section", "section"]  # no buttons any more
    assert (fresh(waits).state, Vote.objects.get().note) == (RequestState.REJECTED, "Not today")


def test_a_click_that_comes_twice_counts_once_and_is_on_record(
    outside: Outside, linked: People, waits: Request
) -> None:
    asked = Round.objects.get(request=waits)
    Round.objects.filter(pk=asked.pk).update(requirements=[{**need, "count": 2} for need in asked.requirements])
    body, now = body_of(payload(waits, "U-jonas")), time.time()
    assert [posts(outside, body, at=now).status_code for _ in range(2)] == [200, 200]
    assert Vote.objects.count() == 1
    assert refused(waits) == ["vote.refused"]
    assert fresh(waits).state == RequestState.AWAITING_APPROVAL
    assert "decided already" in outside.slack.calls[-1].json["text"]


NOT_SIGNED: list[dict[str, str]] = [
    {"X-Slack-Signature": "v0=" + "0" * 64},
    {"X-Slack-Signature": ""},
    {"X-Slack-Signature": "v0=ü"},
    {"X-Slack-Request-Timestamp": ""},
    {"X-Slack-Request-Timestamp": "soon"},
    {"X-Slack-Request-Timestamp": "9" * 5000},
]


def test_what_slack_did_not_sign_a_moment_ago_is_not_read(outside: Outside, linked: People, waits: Request) -> None:
    body = body_of(payload(waits, "U-jonas"))
    for age in (301, -301, 10**9):
        assert posts(outside, body, at=time.time() - age).status_code == 401, age
    for headers in NOT_SIGNED:
        assert posts(outside, body, headers=headers).status_code == 401, headers
    assert not Vote.objects.exists()


def test_another_secret_or_a_changed_body_is_no_signature(outside: Outside, linked: People, waits: Request) -> None:
    body = body_of(payload(waits, "U-leila"))
    assert posts(outside, body, secret="another one").status_code == 401
    stamp = str(int(time.time()))
    signed = SignatureVerifier(outside.secret).generate_signature(timestamp=stamp, body=body)
    changed = body.replace(b"U-leila", b"U-jonas")
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signed}
    kind = "application/x-www-form-urlencoded"
    assert Client().post(CALLS, changed, content_type=kind, headers=headers).status_code == 401
    assert not Vote.objects.exists()


NONSENSE = [
    b"", b"payload=", b"payload={}", b"other=1", b"payload=[]", b"payload=" + b"[" * 20000, b'payload={"type":"block_actions"}',
    b'payload={"type":"view_submission","user":{"id":"U","team_id":"T"},"view":{"callback_id":"reject","private_metadata":"1"}}',
]  # fmt: skip


def test_what_makes_no_sense_is_refused(outside: Outside, linked: People) -> None:
    for body in NONSENSE:
        assert posts(outside, body).status_code == 400, body[:80]
    assert (
        Client().post(CALLS, b"\xff", content_type="text/plain", headers={"X-Slack-Signature": "v0=0"}).status_code
        == 401
    )


@pytest.mark.parametrize("who", ["mira", "mira_admin", "leila", "kofi"])
def test_nobody_decides_there_who_may_not_decide_here(
    outside: Outside, linked: People, waits: Request, who: str
) -> None:
    """Who asked, with either account; an outsider, who is not told that it exists; an administrator."""
    clicks(outside, waits, getattr(linked, who))
    assert not Vote.objects.exists()
    assert fresh(waits).state == RequestState.AWAITING_APPROVAL
    assert refused(waits) == ([] if who == "leila" else ["vote.refused"])
    assert len(outside.slack.calls) == 1  # they are told why


@pytest.mark.parametrize("gone", ["unlinked", "inactive", "of another workspace"])
def test_a_member_who_is_nobody_here_decides_nothing(
    outside: Outside, linked: People, waits: Request, gone: str
) -> None:
    if gone == "unlinked":
        SlackLink.objects.filter(person=linked.jonas).delete()
    elif gone == "inactive":
        Person.objects.filter(pk=linked.jonas.pk).update(is_active=False)
    else:
        SlackLink.objects.filter(person=linked.jonas).update(team="T2")
    clicks(outside, waits, linked.jonas)
    assert not Vote.objects.exists()
    assert refused(waits) == ["access.refused"]


def test_an_old_button_decides_nothing_about_a_new_plan(outside: Outside, linked: People, waits: Request) -> None:
    clicks(outside, waits, linked.jonas, digest="0" * 64)
    assert not Vote.objects.exists()
    assert refused(waits) == ["vote.refused"]
    assert "another plan" in outside.slack.calls[0].json["text"]


def test_what_is_risky_is_decided_with_the_change_in_sight(outside: Outside, linked: People, waits: Request) -> None:
    Request.objects.filter(pk=waits.pk).update(risk=3)
    clicks(outside, waits, linked.jonas)
    assert not Vote.objects.exists()
    assert f"/requests/{waits.pk}" in outside.slack.calls[0].json["text"]


def test_what_sets_a_denial_aside_is_decided_with_it_in_sight(outside: Outside, linked: People, waits: Request) -> None:
    Request.objects.filter(pk=waits.pk).update(overrides=True)
    clicks(outside, waits, linked.jonas)
    assert not Vote.objects.exists()
    assert "sets a denial aside" in outside.slack.calls[0].json["text"]


def test_what_is_for_later_does_not_run_now(outside: Outside, linked: People, waits: Request) -> None:
    at = timezone.now() + timedelta(hours=5)
    Request.objects.filter(pk=waits.pk).update(not_before=at)
    clicks(outside, waits, linked.jonas)
    said = f"You approved it. It runs {at.astimezone(UTC):%a %d %b %H:%M} UTC."
    assert outside.slack.calls[0].json["text"] == said


def test_a_form_of_a_long_message_is_not_too_long_for_slack(outside: Outside, linked: People, waits: Request) -> None:
    """Then the answer goes below it."""
    click = payload(waits, "U-jonas", "reject")
    click["message"]["blocks"] += [chat._said(token_hex(140)) for _ in range(20)]
    posts(outside, body_of(click))
    where = outside.slack.calls[0].json["view"]["private_metadata"]
    assert len(where) <= 3000
    assert chat.read_where(where) == (click["actions"][0]["value"], "D1", "17.1", ())


def test_a_decision_stands_when_slack_does_not_take_the_answer(
    outside: Outside, linked: People, waits: Request
) -> None:
    outside.slack.answers["/api/chat.update"] = Answer(500)
    assert clicks(outside, waits, linked.jonas).status_code == 200
    assert fresh(waits).state == RequestState.APPROVED


def test_there_is_no_such_address_where_slack_is_not_set_up(people: People) -> None:
    assert Client().post(CALLS, b"payload={}", content_type="application/x-www-form-urlencoded").status_code == 404


def test_the_two_are_linked_by_whoever_is_signed_in_saying_so(
    outside: Outside, followed: People, signed_in: SignedIn
) -> None:
    member = {"team_id": "T1", "id": "U7", "real_name": "Jonas <b>"}
    outside.slack.answers["/api/users.lookupByEmail"] = Answer(200, {"ok": True, "user": member})
    jonas, leila = signed_in(followed.jonas), signed_in(followed.leila)
    jonas.post("/notices/settings/slack")
    text = outside.slack.calls[-1].json["text"]
    address = text[text.index("<http://127.0.0.1") + len("<http://127.0.0.1") : -1]
    assert "Jonas &lt;b&gt;" in jonas.get(address).content.decode()
    assert not SlackLink.objects.exists()  # looking links nothing
    token = address.partition("token=")[2]
    assert leila.post("/notices/settings/slack/link", {"token": token}).status_code == 404
    assert jonas.post("/notices/settings/slack/link", {"token": token[:-1]}).status_code == 404
    assert not SlackLink.objects.exists()
    for _ in range(2):
        assert jonas.post("/notices/settings/slack/link", {"token": token}).status_code == 302
    assert SlackLink.objects.get().person == followed.jonas
    assert EventRow.objects.filter(verb="slack.linked").count() == 2

    leila.post("/notices/settings/slack")  # the same member, by whatever mistake in the workspace
    text = outside.slack.calls[-1].json["text"]
    token = text.partition("token=")[2][:-1]
    assert leila.post("/notices/settings/slack/link", {"token": token}).status_code == 409
    jonas.post("/notices/settings/slack", {"do": "unlink"})
    assert not SlackLink.objects.exists()
