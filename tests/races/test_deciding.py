"""People who act in the same moment: one is first, the others are told, and what is stored is what was told."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import services, sweeping
from actions.models import Execution, Request
from actions.states import ExecutionState, RequestState
from approvals.models import Round, Vote
from audit import queries
from inventory.models import Person, Workload
from tests.characters import People, approves, fresh
from tests.races.conftest import Ask
from tests.races.threads import refusals, together

ROUNDS = 6
"""How often each race is run: one meeting proves little."""


def votes(person: Person, request: Request, approve: bool) -> Callable[[], object]:
    seen = fresh(request)  # everybody has the page open already
    return lambda: services.vote(
        actor=person, request=seen, approve=approve, digest=request.digest, note="I looked at it."
    )


def withdraws(person: Person, request: Request) -> Callable[[], object]:
    seen = fresh(request)
    return lambda: services.withdraw(actor=person, request=seen)


def stored(request: Request) -> tuple[str, str]:
    run = Execution.objects.filter(request=request).first()
    return fresh(request).state, run.state if run else ""


def verbs(request: Request) -> list[str]:
    return [event.verb for event in reversed(queries.events_of_request(request.pk))]


APPROVED = (RequestState.APPROVED, ExecutionState.QUEUED)
REJECTED = (RequestState.REJECTED, "")
WITHDRAWN = (RequestState.WITHDRAWN, "")
TAKEN_FROM_THE_LINE = (RequestState.WITHDRAWN, ExecutionState.CANCELLED)


def test_two_approvers_start_one_run(people: People, ask: Ask) -> None:
    for _ in range(ROUNDS):
        request = ask()
        answers = together(votes(people.jonas, request, True), votes(people.ines, request, True))
        assert refusals(answers) == ["VoteDoesNotCount"]
        assert stored(request) == APPROVED
        assert Vote.objects.filter(round=request.round_id).count() == 1
        assert verbs(request).count("execution.queued") == verbs(request).count("request.approved") == 1


def test_two_approvers_of_two_are_two(people: People, ask: Ask, settings: Settings, tmp_path: Path) -> None:
    """Neither counts the votes before the other's is there."""
    needs = "needs: {count: 2, of: owning-team-approvers}"
    (tmp_path / "two.yaml").write_text(f'- {{id: two, when: "true", {needs}, because: Two.}}')
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": tmp_path})
    for _ in range(ROUNDS):
        request = ask()
        answers = together(votes(people.jonas, request, True), votes(people.ines, request, True))
        assert sorted(map(str, answers)) == ["approved", "waiting"]
        assert stored(request) == APPROVED


def test_one_person_twice_is_one_vote(people: People, ask: Ask, settings: Settings, tmp_path: Path) -> None:
    needs = "needs: {count: 2, of: owning-team-approvers}"
    (tmp_path / "two.yaml").write_text(f'- {{id: two, when: "true", {needs}, because: Two.}}')
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": tmp_path})
    for _ in range(ROUNDS):
        request = ask()
        answers = together(votes(people.jonas, request, True), votes(people.jonas, request, True))
        assert refusals(answers) == ["VoteDoesNotCount"]
        assert stored(request) == (RequestState.AWAITING_APPROVAL, "")


def test_a_yes_and_a_no_are_one_of_them(people: People, ask: Ask) -> None:
    for _ in range(ROUNDS):
        request = ask()
        answers = together(votes(people.jonas, request, True), votes(people.ines, request, False))
        assert refusals(answers) == ["VoteDoesNotCount"]
        assert stored(request) == (APPROVED if answers[0] == "approved" else REJECTED)


def test_a_yes_and_a_withdrawal_do_not_lock_each_other_out(people: People, ask: Ask) -> None:
    for _ in range(ROUNDS):
        request = ask()
        answers = together(votes(people.jonas, request, True), withdraws(people.mira, request))
        refused = refusals(answers)
        assert stored(request) in {
            (): (TAKEN_FROM_THE_LINE,), ("TooLate",): (APPROVED,), ("VoteDoesNotCount",): (WITHDRAWN,)
        }[tuple(refused)]  # fmt: skip


def test_a_yes_in_the_last_moment_and_the_sweeper_agree(people: People, ask: Ask) -> None:
    for _ in range(ROUNDS):
        request = ask()
        Round.objects.filter(request=request).update(expires_at=timezone.now())
        answers = together(votes(people.jonas, request, True), sweeping.sweep)
        assert refusals(answers) == ["VoteDoesNotCount"]
        assert stored(request) == (RequestState.EXPIRED, "")
        assert Round.objects.get(request=request).state == Round.State.CLOSED


def test_two_sweepers_expire_once(people: People, ask: Ask) -> None:
    request = ask()
    Round.objects.update(expires_at=timezone.now())
    together(*[sweeping.sweep] * 4)
    assert verbs(request).count("request.expired") == 1


def test_a_form_sent_many_times_makes_one_request(people: People, checkout: Workload) -> None:
    def submit() -> int:
        made = services.submit(
            actor=people.mira, action="restart-workload", target=checkout.pk, params={}, reason="Stuck.", entrance="test",
            submission_key="the form",
        )  # fmt: skip
        return made.pk

    answers = together(*[submit] * 4)
    assert answers == [Request.objects.get().pk] * 4
    assert Round.objects.count() == queries.count_up_to(queries.Filter(verb="request.submitted"), 9) == 1


def test_two_who_take_back_the_same_run_from_the_line_are_one(people: People, ask: Ask) -> None:
    request = ask()
    approves(people.jonas, request)
    answers = together(*[withdraws(people.mira, request)] * 2)
    assert refusals(answers) == ["TooLate"]
    assert stored(request) == TAKEN_FROM_THE_LINE
    assert verbs(request).count("execution.cancelled") == 1


@pytest.mark.parametrize("clicks", [2, 4])
def test_cancelling_together_is_cancelling(people: People, ask: Ask, clicks: int) -> None:
    request = ask()
    approves(people.jonas, request)
    seen = fresh(request)
    together(*[lambda: services.cancel(actor=people.mira, request=seen)] * clicks)
    assert verbs(request).count("execution.cancel_requested") == 1
