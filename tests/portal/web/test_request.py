"""One request's page, on the real cluster: what each person sees of it, and what each may do about it."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from actions import queries, sweeping
from actions.models import Execution, Request
from actions.states import ExecutionState, RequestState
from approvals.models import Round, Vote
from audit.models import EventRow
from inventory.models import Workload
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, workload
from tests.portal.web.conftest import SignedIn

RESIZE, RESTART = "resize-workload", "restart-workload"


@pytest.fixture
def waiting(checkout: Workload, people: People) -> Request:
    return asks(people.mira, RESIZE, checkout, reason="Peak at <noon>", replicas=3)


def page(client: Client, request: Request) -> str:
    answer = client.get(reverse("request", args=[request.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def send(client: Client, what: str, request: Request, **form: str) -> tuple[int, str]:
    answer = client.post(reverse(f"request-{what}", args=[request.pk]), form, follow=True)
    return answer.status_code, answer.content.decode()


def test_the_requester_sees_why_they_cannot_approve_and_who_can(
    waiting: Request, people: People, signed_in: SignedIn
) -> None:
    seen = page(signed_in(people.mira), waiting)
    assert "You cannot approve this: you asked for it. Ines and Jonas can." in seen
    assert "Withdraw" in seen
    assert 'value="approve"' not in seen
    assert "Peak at &lt;noon&gt;" in seen
    asks_for = waiting.ruling["requirements"][0]["rule"]
    assert f'<code><a href="/policy#rule-{asks_for}">{asks_for}</a></code>' in seen
    assert "<code>four-eyes</code>" in seen  # which no policy holds, so there is nothing to read


def test_an_approver_sees_the_diff_and_signs_exactly_it(waiting: Request, people: People, signed_in: SignedIn) -> None:
    jonas = signed_in(people.jonas)
    seen = page(jonas, waiting)
    for part in ("-   replicas: 2", "+   replicas: 3", "Before you sign", f'name="digest" value="{waiting.digest}"'):
        assert part in seen
    status, after = send(jonas, "vote", waiting, decision="approve", digest=waiting.digest, note="Go")
    assert status == 200
    assert "You approved" in after
    assert fresh(waiting).state == RequestState.APPROVED
    assert "Jonas approved" in page(signed_in(people.mira), waiting)


def test_nobody_answers_so_administrators_are_asked_too_as_the_page_said(
    waiting: Request, people: People, signed_in: SignedIn
) -> None:
    assert "<span>Administrators, if it is not decided by " in page(signed_in(people.mira), waiting)
    then = timezone.now() - timedelta(minutes=121)
    Round.objects.filter(request=waiting).update(opened_at=then, escalates_at=then + timedelta(minutes=120))
    sweeping.sweep()
    assert "<span>Administrators, since " in page(signed_in(people.mira), waiting)
    send(signed_in(people.kofi), "vote", waiting, decision="approve", digest=waiting.digest)
    assert fresh(waiting).state == RequestState.APPROVED
    assert "Administrators, since " not in page(signed_in(people.mira), waiting)


def test_the_requesters_own_vote_is_refused_loudly_under_every_account(
    waiting: Request, people: People, signed_in: SignedIn
) -> None:
    for person in (people.mira, people.mira_admin):
        status, seen = send(
            signed_in(person), "vote", waiting, decision="approve", digest=waiting.digest, note="me too"
        )
        assert status == 403
        assert "You cannot approve this: you asked for it." in seen
        assert "four-eyes" in seen
    assert not Vote.objects.exists()
    assert EventRow.objects.filter(verb="vote.refused").count() == 2


def test_another_plan_than_the_one_looked_at_is_not_signed_and_the_note_stays(
    waiting: Request, people: People, signed_in: SignedIn
) -> None:
    status, seen = send(signed_in(people.jonas), "vote", waiting, decision="approve", digest="0" * 64, note='My "note"')
    assert status == 409
    assert "another plan" in seen
    assert 'value="My &quot;note&quot;"' in seen


def test_a_no_needs_its_reason_and_the_requester_reads_it(
    waiting: Request, people: People, signed_in: SignedIn
) -> None:
    jonas = signed_in(people.jonas)
    assert send(jonas, "vote", waiting, decision="reject", digest=waiting.digest)[0] == 403
    assert send(jonas, "vote", waiting, decision="reject", digest=waiting.digest, note="Not today")[0] == 200
    seen = page(signed_in(people.mira), waiting)
    assert "Jonas said no. Nothing has run." in seen
    assert "“Not today”" in seen
    assert f"again={waiting.pk}" in seen


def test_a_decision_that_is_none_is_refused(waiting: Request, people: People, signed_in: SignedIn) -> None:
    assert send(signed_in(people.jonas), "vote", waiting, decision="perhaps", digest=waiting.digest)[0] == 422


def test_only_the_requester_takes_it_back_and_only_in_time(
    waiting: Request, people: People, signed_in: SignedIn
) -> None:
    status, seen = send(signed_in(people.jonas), "withdraw", waiting)
    assert status == 403
    assert "An approver can reject instead" in seen
    assert send(signed_in(people.mira), "withdraw", waiting)[0] == 200
    status, seen = send(signed_in(people.mira), "withdraw", waiting)
    assert status == 409
    assert "too late" in seen


def test_a_run_is_told_from_the_question_to_the_proof(checkout: Workload, people: People, signed_in: SignedIn) -> None:
    made = asks(people.mira, RESTART, checkout)
    approves(people.jonas, made, "Go")
    work_off(made)
    seen = page(signed_in(people.mira), made)
    for part in ("Succeeded", "Same digest: what runs is what was agreed.", "Patch Deployment checkout", "Read back: it is there, once.",
                 "2 of 2 ready", "Jonas approved", "“Go”", "A restart has nothing to undo"):  # fmt: skip
        assert part in seen
    events = signed_in(people.mira).get(reverse("request-events", args=[made.pk])).content.decode()
    for verb in ("request.submitted", "vote.cast", "step.intended", "step.succeeded", "execution.succeeded"):
        assert verb in events


def test_a_plan_that_changed_is_shown_beside_the_agreed_one(
    checkout: Workload, people: People, namespace: Namespace, signed_in: SignedIn
) -> None:
    made = asks(people.mira, RESIZE, checkout, replicas=4)
    namespace.kubectl("scale", "deployment/checkout", "--replicas=3")
    namespace.roll_out("deployment", "checkout")
    approves(people.jonas, made)
    work_off(made)
    seen = page(signed_in(people.mira), made)
    for part in ("The plan changed after Jonas approved it. Nothing has run.",
                 "Agreed was “replicas 2 to 4”. Now it would be “replicas 3 to 4”.", "<del>2 to 4</del>", "<ins>3 to 4</ins>",
                 "No longer counts", "Ask again with the new plan"):  # fmt: skip
        assert part in seen


def test_what_was_taken_back_says_why_first(
    shop: Shop, people: People, namespace: Namespace, signed_in: SignedIn
) -> None:
    namespace.apply(workload("gone", behaviour="image-gone"))
    namespace.roll_out("deployment", "gone")
    made = asks(people.mira, RESTART, shop.knows("gone", environment=shop.staging))
    work_off(made)
    seen = page(signed_in(people.mira), made)
    assert "The image cannot be pulled, so it was taken back" in seen
    assert "Nothing is left to undo" in seen


def test_a_running_change_is_cancelled_after_its_consequences_were_shown(
    checkout: Workload, people: People, signed_in: SignedIn
) -> None:
    made = asks(people.mira, RESIZE, checkout, replicas=3)
    approves(people.jonas, made)
    Execution.objects.filter(request=made).update(state=ExecutionState.VERIFYING, applied_at=made.created_at)
    ines = signed_in(people.ines)
    seen = page(ines, made)
    assert "Cancel and set 2 replicas again?" in seen
    assert "The reason for this change comes back too: “The pool is stuck.”" in seen
    assert "Withdraw" not in page(signed_in(people.mira), made)
    status, after = send(ines, "cancel", made)
    assert status == 200
    assert "Ines cancelled it." in after
    assert "Cancel and" not in page(signed_in(people.edda), made)
    assert send(signed_in(people.edda), "cancel", made)[0] == 403


def test_when_nobody_knows_an_approver_says_what_is_true(
    checkout: Workload, people: People, signed_in: SignedIn
) -> None:
    made = asks(people.mira, RESIZE, checkout, replicas=3)
    approves(people.jonas, made)
    Execution.objects.filter(request=made).update(state=ExecutionState.NEEDS_HUMAN, cause="No answer came back.")
    assert "Nobody can say for certain what is true now" in page(signed_in(people.mira), made)
    assert "What is true?" not in page(signed_in(people.mira), made)
    assert send(signed_in(people.mira), "resolve", made, outcome="succeeded", note="I looked")[0] == 403
    assert "What is true?" not in page(signed_in(people.mira_admin), made)  # it is hers, under another account
    assert not queries.unclear_for(people.mira_admin)
    assert list(queries.unclear_for(people.ines)) == [made]
    ines = signed_in(people.ines)
    assert "What is true?" in page(ines, made)
    assert send(ines, "resolve", made, outcome="queued", note="x")[0] == 422
    assert send(ines, "resolve", made, outcome="failed", note=" ")[0] == 422
    assert send(ines, "resolve", made, outcome="failed", note="I looked: 2 replicas")[0] == 200
    assert Execution.objects.get(request=made).state == ExecutionState.FAILED


def test_an_outsider_learns_nothing_and_changes_nothing(waiting: Request, people: People, signed_in: SignedIn) -> None:
    leila = signed_in(people.leila)
    for what in ("request", "request-live", "request-events"):
        assert leila.get(reverse(what, args=[waiting.pk])).status_code == 404
    for what in ("vote", "withdraw", "cancel", "resolve"):
        assert send(leila, what, waiting, decision="approve", digest=waiting.digest)[0] == 404
    assert leila.get("/requests/99999999999999999999999").status_code == 404
    assert fresh(waiting).state == RequestState.AWAITING_APPROVAL


def test_effects_need_a_post_and_the_forms_token(waiting: Request, people: People) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people.jonas, backend="django.contrib.auth.backends.ModelBackend")
    for what in ("vote", "withdraw", "cancel", "resolve"):
        where = reverse(f"request-{what}", args=[waiting.pk])
        assert strict.get(where)["Location"] == reverse("request", args=[waiting.pk])
        assert strict.post(where, {"decision": "approve", "digest": waiting.digest}).status_code == 403
    assert not Vote.objects.exists()


def test_the_live_fragment_brings_the_bar_only_when_what_can_be_done_changed(
    waiting: Request, people: People, signed_in: SignedIn
) -> None:
    jonas, where = signed_in(people.jonas), reverse("request-live", args=[waiting.pk])
    first = jonas.get(where).content.decode()
    assert "Note for Mira" in first
    version = first.split("?deck=")[1].split('"')[0]
    assert "Note for Mira" not in jonas.get(f"{where}?deck={version}").content.decode()
    approves(people.ines, waiting)
    assert 'hx-target="#deck"' in jonas.get(f"{where}?deck={version}").content.decode()


def test_a_request_page_costs_the_same_however_much_happened(
    checkout: Workload, people: People, signed_in: SignedIn, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    made = asks(people.mira, RESTART, checkout)
    approves(people.jonas, made)
    work_off(made)
    mira = signed_in(people.mira)
    page(mira, made)
    with django_assert_max_num_queries(22):  # type: ignore[operator]  # a context manager, which the fixture's type does not say
        page(mira, made)


def test_the_list_shows_what_one_may_see_and_can_be_narrowed(
    waiting: Request, people: People, signed_in: SignedIn
) -> None:
    mira, leila = signed_in(people.mira), signed_in(people.leila)
    assert f"/requests/{waiting.pk}" in mira.get("/requests").content.decode()
    assert f"/requests/{waiting.pk}" in mira.get("/requests?by=mine&show=waiting").content.decode()
    assert f"/requests/{waiting.pk}" not in mira.get("/requests?show=running").content.decode()
    assert "No requests here" in leila.get("/requests").content.decode()
    for odd in ("before=x", "before=2026-01-01,1", "before=2026-01-01T00:00:00%2B00:00,", "before=%00"):
        assert mira.get(f"/requests?{odd}").status_code == 404
