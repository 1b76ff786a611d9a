"""Asking, deciding, taking back: who may, until when, and what is on record afterwards. Nothing here has an effect."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from guardian.shortcuts import assign_perm
from pytest_django.fixtures import Settings

from actions import admission, claiming, execution, journal, lifecycle, services, sizes, sweeping
from actions.errors import BadParams, Denied, NotAllowed, TooLate, VoteDoesNotCount
from actions.models import Execution, JournalEntry, Request
from actions.states import ExecutionState, RequestState
from approvals.models import Round, Vote
from audit import queries
from audit.events import SYSTEM
from inventory.models import Person, Service, Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, made_namespace, workload

R, E = RequestState, ExecutionState


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("checkout"))
        made.roll_out("deployment", "checkout")
        yield made
        assert made.effects() == []


@pytest.fixture
def checkout(shop: Shop) -> Workload:
    return shop.knows("checkout")


@pytest.fixture
def request_of_mira(people: People, checkout: Workload) -> Request:
    return asks(people.mira, "restart-workload", checkout)


def rejects(person: Person, request: Request, note: str = "Not on a Friday.") -> None:
    services.vote(actor=person, request=fresh(request), approve=False, digest=request.digest, note=note)


def recorded(verb: str) -> list[str]:
    return [f"{event.actor}: {event.summary}" for event in queries.events(queries.Filter(verb=verb))]


# Asking


def test_the_same_submission_makes_one_request(people: People, checkout: Workload) -> None:
    def submit(person: Person, key: str | None) -> int:
        made = services.submit(
            actor=person, action="restart-workload", target=checkout.pk, params={}, reason="Stuck.", entrance="test",
            submission_key=key,
        )  # fmt: skip
        return made.pk

    first = submit(people.mira, "form-1")
    assert submit(people.mira, "form-1") == first
    assert submit(people.mira, "form-2") != first
    assert submit(people.jonas, "form-1") != first
    assert submit(people.mira, None) != submit(people.mira, None)
    assert Request.objects.count() == len(recorded("request.submitted")) == 5
    with pytest.raises(BadParams, match="At most 64 characters"):
        submit(people.mira, "x" * 65)


def test_a_denied_request_exists_and_says_why(people: People, checkout: Workload) -> None:
    assign_perm("inventory.view_service", people.leila, checkout.service)
    with pytest.raises(
        Denied, match="Leila is not on team payments and has no permission to ask for checkout"
    ) as denial:
        asks(people.leila, "restart-workload", checkout)
    denied = Request.objects.get(pk=denial.value.request_id)
    assert (denied.state, denied.requester, denied.decided_at is not None) == (R.DENIED, people.leila, True)
    assert denial.value.rules == ["nobody-outside"]
    assert not Execution.objects.exists()
    assert recorded("request.denied") == [f"Afterdeck: {denial.value}"]
    with pytest.raises(TooLate):
        services.withdraw(actor=people.leila, request=denied)
    with pytest.raises(TooLate, match="It is not running"):
        services.cancel(actor=people.leila, request=denied)
    with pytest.raises(TooLate, match="Nobody has to be asked"):
        approves(people.jonas, denied)


def test_a_guest_may_ask_and_an_approver_of_the_owner_agrees(people: People, checkout: Workload) -> None:
    assign_perm("inventory.ask_service", people.leila, checkout.service)
    request = asks(people.leila, "restart-workload", checkout)
    assert request.state == R.AWAITING_APPROVAL
    approves(people.jonas, request)
    assert fresh(request).state == R.APPROVED


def test_a_service_that_nobody_owns_is_nobodys_to_change(people: People, checkout: Workload) -> None:
    Service.objects.update(team=None)
    assign_perm("inventory.ask_service", people.mira, checkout.service)
    with pytest.raises(Denied, match=r"there are none besides you\. Ask an administrator to add some"):
        asks(people.mira, "restart-workload", checkout)


# Deciding


def test_one_no_with_a_reason_is_a_no(people: People, request_of_mira: Request) -> None:
    with pytest.raises(VoteDoesNotCount, match="Say why in the note") as refusal:
        rejects(people.ines, request_of_mira, note=" \x00 ")
    assert refusal.value.rule == "a-no-has-a-reason"
    rejects(people.ines, request_of_mira, note="Not \ud800 on a Friday.\x00")
    assert fresh(request_of_mira).state == R.REJECTED
    assert recorded("request.rejected") == ["ines: Not ? on a Friday."]
    for late in (people.jonas, people.ines):
        with pytest.raises(VoteDoesNotCount, match="This was decided already") as closed:
            approves(late, request_of_mira)
        assert closed.value.rule == "round-closed"
    assert not Execution.objects.exists()
    assert len(recorded("vote.refused")) == 3


def test_a_vote_is_about_one_digest(people: People, request_of_mira: Request) -> None:
    for digest in ("", "0" * 64, request_of_mira.digest.upper(), request_of_mira.digest[:8]):
        with pytest.raises(VoteDoesNotCount, match="You looked at another plan") as refusal:
            services.vote(actor=people.jonas, request=fresh(request_of_mira), approve=True, digest=digest)
        assert refusal.value.rule == "one-digest"
    assert fresh(request_of_mira).state == R.AWAITING_APPROVAL
    assert not Vote.objects.exists()


def test_who_lost_the_right_to_decide_before_deciding_does_not_count(
    people: People, checkout: Workload, request_of_mira: Request
) -> None:
    assert checkout.service.team is not None
    checkout.service.team.approvers.user_set.remove(people.jonas)
    with pytest.raises(
        VoteDoesNotCount, match=r"This account is not an approver of the team, or no longer\. Ines can\."
    ) as refusal:
        approves(people.jonas, request_of_mira)
    assert refusal.value.rule == "still-an-approver"


def test_who_became_an_approver_afterwards_was_not_asked(
    people: People, checkout: Workload, request_of_mira: Request
) -> None:
    assert checkout.service.team is not None
    checkout.service.team.approvers.user_set.add(people.leila)
    with pytest.raises(VoteDoesNotCount, match=r"You are not an approver of this request\. Ines and Jonas can\."):
        approves(people.leila, request_of_mira)


def test_two_accounts_of_one_person_are_one_vote_and_never_their_own(people: People, checkout: Workload) -> None:
    """Also when an administrator joined the third account to the second."""
    third = Person.objects.create_user("mira-third", display_name="Mira (third)", same_person_as=people.mira_admin)
    assert checkout.service.team is not None
    third.groups.add(checkout.service.team.group, checkout.service.team.approvers)
    request = asks(people.mira, "restart-workload", checkout)
    for account in (people.mira, people.mira_admin, third):
        with pytest.raises(VoteDoesNotCount, match="You cannot approve this: you asked for it"):
            approves(account, request)
    assert recorded("vote.refused") == [
        f"{name}: You cannot approve this: you asked for it. Ines and Jonas can.: four-eyes"
        for name in ("mira-third", "mira-admin", "mira")
    ]


def test_after_its_time_a_request_takes_no_vote_and_expires(people: People, request_of_mira: Request) -> None:
    Round.objects.update(expires_at=timezone.now())
    with pytest.raises(VoteDoesNotCount, match="The time to decide is over") as refusal:
        approves(people.jonas, request_of_mira)
    assert refusal.value.rule == "round-expired"
    sweeping.sweep()
    sweeping.sweep()
    assert fresh(request_of_mira).state == R.EXPIRED
    assert Round.objects.get().state == Round.State.CLOSED
    assert recorded("request.expired") == ["Afterdeck: nobody answered in time"]
    with pytest.raises(TooLate):
        services.withdraw(actor=people.mira, request=fresh(request_of_mira))


def test_before_its_time_nothing_expires(request_of_mira: Request) -> None:
    sweeping.sweep()
    assert fresh(request_of_mira).state == R.AWAITING_APPROVAL


# Taking back


def test_only_the_requester_withdraws(people: People, request_of_mira: Request) -> None:
    for person in (people.jonas, people.leila, people.kofi):
        with pytest.raises(NotAllowed, match=r"Only the requester can withdraw\. An approver can reject instead\."):
            services.withdraw(actor=person, request=fresh(request_of_mira))
    assert len(recorded("access.refused")) == 3
    services.withdraw(actor=people.mira, request=fresh(request_of_mira))
    assert (fresh(request_of_mira).state, Round.objects.get().state) == (R.WITHDRAWN, Round.State.CLOSED)
    with pytest.raises(VoteDoesNotCount, match="This was decided already"):
        approves(people.jonas, request_of_mira)
    with pytest.raises(TooLate):
        services.withdraw(actor=people.mira, request=fresh(request_of_mira))


def test_what_stands_in_line_can_be_withdrawn_and_what_runs_can_not(people: People, checkout: Workload) -> None:
    first, second = (asks(people.mira, "restart-workload", checkout) for _ in range(2))
    for request in (first, second):
        approves(people.jonas, request)
    services.withdraw(actor=people.mira, request=fresh(first))
    assert (fresh(first).state, Execution.objects.get(request=first).state) == (R.WITHDRAWN, E.CANCELLED)
    for state in set(E) - {E.QUEUED}:
        Execution.objects.filter(request=second).update(state=state)
        with pytest.raises(TooLate, match="A run can be cancelled instead"):
            services.withdraw(actor=people.mira, request=fresh(second))
        assert fresh(second).state == R.APPROVED


def test_requester_owner_and_administrator_cancel_and_nobody_else(people: People, request_of_mira: Request) -> None:
    approves(people.jonas, request_of_mira)
    with pytest.raises(NotAllowed, match="Only the requester, the owning team or an administrator"):
        services.cancel(actor=people.leila, request=fresh(request_of_mira))
    assert recorded("access.refused")[0].startswith("leila: cancel: ")
    for person in (people.ines, people.kofi, people.mira):
        services.cancel(actor=person, request=fresh(request_of_mira))
    assert recorded("execution.cancel_requested") == ["ines: stop at the next step"]
    run = work_off(request_of_mira)
    assert (run.state, run.cause) == (E.CANCELLED, "Ines cancelled it before it began.")


def test_it_is_too_late_to_cancel_what_has_ended_or_is_being_taken_back(
    people: People, request_of_mira: Request
) -> None:
    with pytest.raises(TooLate, match="Withdraw the request instead"):
        services.cancel(actor=people.mira, request=fresh(request_of_mira))
    approves(people.jonas, request_of_mira)
    for state in (E.SUCCEEDED, E.REVERTED, E.FAILED, E.CANCELLED, E.REVERTING, E.NEEDS_HUMAN):
        Execution.objects.update(state=state)
        with pytest.raises(TooLate, match=f"the run is {state.label.lower()}"):
            services.cancel(actor=people.mira, request=fresh(request_of_mira))
    assert recorded("execution.cancel_requested") == []


def test_what_did_not_succeed_cannot_be_undone(people: People, request_of_mira: Request) -> None:
    with pytest.raises(TooLate, match="Only a run that succeeded can be undone"):
        services.undo(actor=people.mira, request=fresh(request_of_mira), reason="Back.", entrance="test")


# Between agreeing and acting


def stale_because(request: Request) -> str:
    run = work_off(request)
    assert (run.state, fresh(request).state) == (E.CANCELLED, R.STALE)
    [event] = queries.events(queries.Filter(verb="request.stale"))
    assert event.summary == run.cause
    assert not run.journal.filter(phase="apply").exists()
    return run.cause


@pytest.fixture
def agreed(people: People, request_of_mira: Request) -> Request:
    approves(people.jonas, request_of_mira)
    return request_of_mira


def test_an_approver_who_is_none_any_more_agreed_to_nothing(
    people: People, checkout: Workload, agreed: Request
) -> None:
    assert checkout.service.team is not None
    checkout.service.team.approvers.user_set.remove(people.jonas)
    assert stale_because(agreed) == "Somebody who approved is no longer an approver, so the approval does not hold."


def test_an_approver_without_an_account_agreed_to_nothing(people: People, agreed: Request) -> None:
    Person.objects.filter(pk=people.jonas.pk).update(is_active=False)
    assert stale_because(agreed) == "Somebody who approved is no longer an approver, so the approval does not hold."


def test_a_requester_without_an_account_wants_nothing(people: People, agreed: Request) -> None:
    Person.objects.filter(pk=people.mira.pk).update(is_active=False)
    assert stale_because(agreed) == "Mira no longer has an account here."


def test_a_requester_who_left_the_team_may_not_ask_any_more(
    people: People, checkout: Workload, agreed: Request
) -> None:
    assert checkout.service.team is not None
    checkout.service.team.group.user_set.remove(people.mira)
    assert stale_because(agreed) == "Mira may no longer ask for checkout."


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("deny: true", "The policy says no now. Frozen."),
        ("needs: {count: 2, of: owning-team-approvers}", "The policy now wants more approvals than there are. Frozen."),
    ],
)
def test_a_policy_that_turned_stops_what_it_had_let_through(
    agreed: Request, settings: Settings, tmp_path: Path, rule: str, why: str
) -> None:
    (tmp_path / "frozen.yaml").write_text(f'- {{id: frozen, when: "true", {rule}, because: Frozen.}}')
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": tmp_path})
    assert stale_because(agreed) == why


def test_a_policy_that_now_asks_somebody_stops_what_nobody_was_asked_about(
    people: People, shop: Shop, settings: Settings, tmp_path: Path
) -> None:
    request = asks(people.mira, "restart-workload", shop.knows("checkout", environment=shop.staging))
    assert request.state == R.APPROVED
    needs = "needs: {count: 1, of: owning-team-approvers}"
    (tmp_path / "asking.yaml").write_text(f'- {{id: asking, when: "true", {needs}, because: Ask.}}')
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": tmp_path})
    assert stale_because(request) == "The policy now wants an approval. Ask."


def test_a_run_nobody_looks_at_raises_the_alarm_once(agreed: Request) -> None:
    Execution.objects.update(run_after=timezone.now() - timedelta(minutes=3))
    sweeping.sweep()
    sweeping.sweep()
    assert recorded("execution.overdue") == ["Afterdeck: it has not moved for 3 min"]


def test_a_run_that_ended_its_workers_before_it_began_has_changed_nothing(agreed: Request) -> None:
    Execution.objects.update(crashes=3)
    run = work_off(agreed)
    assert (run.state, run.cause) == (
        E.FAILED,
        "This run ended or broke its worker 3 times. It had not begun, so nothing changed.",
    )


def test_a_run_that_stands_in_line_too_long_alarms_and_then_leaves_it(agreed: Request) -> None:
    now = timezone.now()
    Execution.objects.update(
        queued_at=now - timedelta(minutes=20), run_after=now
    )  # knocked a moment ago: another run has the target
    sweeping.sweep()
    assert recorded("execution.overdue") == ["Afterdeck: it has not moved for 20 min"]
    Execution.objects.update(queued_at=now - timedelta(hours=25))
    sweeping.sweep()
    assert (Execution.objects.get().state, fresh(agreed).state) == (E.CANCELLED, R.STALE)


def test_a_step_that_could_not_be_tried_begins_with_a_new_look(people: People, agreed: Request) -> None:
    """The intent is written and nothing was sent. By the next try somebody who agreed is no approver any more."""
    run = claiming.claim()
    assert run is not None
    assert claiming.start(run)
    [step] = admission.stored_plan(agreed).steps
    entry = journal.intend(run, JournalEntry.Phase.APPLY, step, actor=SYSTEM)
    journal.settle(run, entry, JournalEntry.Status.FAILED, actor=SYSTEM, detail="No answer.", evidence=execution.AGAIN)
    claiming.hand_back(run, after=timedelta(0))
    people.jonas.groups.clear()
    ended = work_off(agreed)
    assert (ended.state, fresh(agreed).state) == (E.CANCELLED, R.STALE)
    assert "no longer an approver" in ended.cause


def test_what_was_observed_holds_no_credential(agreed: Request) -> None:
    run = claiming.claim()
    assert run is not None
    said = "cannot reach postgres://app:hunter2secret@db/orders"
    lifecycle.update(run, {"cause": said, "observed": {"sentence": said, "evidence": {"message": said}}})
    assert "hunter2secret" not in str(Execution.objects.values("cause", "observed").get())


def test_an_undo_that_came_to_nothing_can_be_tried_again(people: People, checkout: Workload) -> None:
    request = asks(people.mira, "resize-workload", checkout, replicas=3)
    undone = asks(people.mira, "resize-workload", checkout, replicas=4)
    Request.objects.filter(pk=undone.pk).update(undo_of=request, state=R.APPROVED)
    now = timezone.now()
    for each, state in ((request, E.SUCCEEDED), (undone, E.CANCELLED)):
        Execution.objects.create(request=each, state=state, stamp="", run_after=now, queued_at=now)
    assert services.undo_of(fresh(request)).params == {"replicas": 2, "allow_zero": False}
    Execution.objects.filter(request=undone).update(state=E.RUNNING)
    with pytest.raises(TooLate, match=f"Request {undone.pk} is to undo this"):
        services.undo_of(fresh(request))


def test_whoever_asked_does_not_say_how_it_ended(people: People, checkout: Workload) -> None:
    request = asks(people.jonas, "restart-workload", checkout)
    now = timezone.now()
    Execution.objects.create(request=request, state=E.NEEDS_HUMAN, stamp="", run_after=now, queued_at=now)
    with pytest.raises(NotAllowed, match="Another approver of the owning team than the requester"):
        services.resolve(actor=people.jonas, request=fresh(request), outcome="succeeded", note="All is well.")
    assert (
        services.resolve(actor=people.ines, request=fresh(request), outcome="failed", note="I looked.").state
        == E.FAILED
    )


def test_the_worse_of_two_bounds_is_what_the_policy_sees(checkout: Workload) -> None:
    assert [sizes.worst(*changes) for changes in ((-90.0, 0.0), (0.0, -50.2), (10.0, 50.0), (-10.0, 100.0))] == [
        -90.0, -50.2, 50.0, -10.0,
    ]  # fmt: skip
