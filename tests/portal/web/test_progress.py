"""Five steps and a diary for everything that can become of a request, from rows alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actions.models import Execution, JournalEntry, Request
from actions.queries import Estimate
from approvals.models import Round, Vote
from inventory.models import Person
from portal.web import progress

START = datetime(2026, 11, 24, 14, 20, 31, tzinfo=UTC)
MIRA, INES = Person(pk=1, username="mira", display_name="Mira"), Person(pk=2, username="ines", display_name="Ines")


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def asked(
    state: str, run: dict[str, Any] | None = None, *, with_round: bool = True, closed: float | None = None
) -> Request:
    people = [
        {"identity": 2, "username": "jonas", "name": "Jonas"},
        {"identity": 3, "username": "ines", "name": "Ines"},
    ]
    needs = [{"rule": "r", "count": 1, "of": "owning-team-approvers", "people": people}]
    round_ = Round(requirements=needs, opened_at=START, closed_at=after(closed) if closed else None)
    round_.state = Round.State.APPROVED if state in ("approved", "stale") else Round.State.OPEN
    request = Request(
        pk=1, state=state, created_at=START, planned_in_ms=1200, requester=MIRA, round=round_ if with_round else None,
        decided_at=after(closed) if closed else None,
    )  # fmt: skip
    if run is not None:
        request.execution = Execution(**run)
    else:
        request._state.fields_cache["execution"] = None  # as select_related leaves it where there is none
    return request


def steps(request: Request, *journal: JournalEntry, estimate: Estimate | None = None) -> list[tuple[str, str, str]]:
    return [
        (step.label, step.state, step.note) for step in progress.steps_of(request, journal, estimate, ("Jonas", "Ines"))
    ]


def test_a_question_waits_for_people_by_name() -> None:
    assert steps(asked("awaiting_approval"))[:3] == [
        ("Plan", "succeeded", "took 1.2 s"),
        ("Approve", "awaiting_approval", "waits for Jonas or Ines"),
        ("Apply", "", "not started"),
    ]


def test_a_verified_run_has_five_steps_with_their_times() -> None:
    run = {"state": "succeeded", "started_at": after(397), "applied_at": after(480), "ended_at": after(540)}
    assert steps(asked("approved", run, closed=384)) == [
        ("Plan", "succeeded", "took 1.2 s"),
        ("Approve", "succeeded", "waited 6 min 24 s"),
        ("Apply", "succeeded", "took 1 min 23 s"),
        ("Verify", "succeeded", "took 1 min 00 s"),
        ("Done", "succeeded", "2 min 23 s in all"),
    ]


def test_what_was_taken_back_says_what_failed_and_that_it_is_back() -> None:
    run = {"state": "reverted", "started_at": START, "applied_at": after(1), "ended_at": after(76)}
    verify = JournalEntry(phase="verify", status="failed", started_at=after(1), ended_at=after(62))
    revert = JournalEntry(phase="revert", status="succeeded", started_at=after(62), ended_at=after(63))
    assert steps(asked("approved", run, with_round=False), verify, revert)[2:] == [
        ("Apply", "succeeded", "took 1.0 s"),
        ("Verify", "failed", "failed after 1 min 01 s"),
        ("Reverted", "reverted", "took 14 s, verified"),
    ]


@pytest.mark.parametrize(
    ("state", "label"),
    [("rejected", "Rejected"), ("expired", "Expired"), ("withdrawn", "Withdrawn"), ("denied", "Denied")],
)
def test_what_ends_before_it_runs_ends_at_the_second_step(state: str, label: str) -> None:
    found = steps(asked(state, closed=60))
    assert found[1][:2] == (label, state)
    assert [note for _, _, note in found[2:]] == ["not started"] * 3


def test_a_changed_plan_stops_after_the_approval() -> None:
    run = {"state": "cancelled", "ended_at": after(300)}
    assert [step[:2] for step in steps(asked("stale", run, closed=155))] == [
        ("Plan", "succeeded"), ("Approve", "succeeded"), ("Stale", "stale"), ("Verify", ""), ("Done", ""),
    ]  # fmt: skip


def test_while_it_runs_the_end_is_as_far_away_as_usual() -> None:
    run = {"state": "verifying", "started_at": START, "applied_at": START, "observed": {"sentence": "1 of 2 ready"}}
    found = progress.steps_of(asked("approved", run, with_round=False), [], Estimate(18, 125.0, 220.0))
    assert (found[3].state, found[3].note, found[3].current) == ("verifying", "1 of 2 ready", True)
    assert found[4].at == "about 14:22:36"


def test_the_diary_is_newest_first_and_quotes_people() -> None:
    vote = Vote(voter=INES, decision="approve", note="OOM graph agrees. Go.", at=after(60))
    step = JournalEntry(
        phase="apply",
        status="succeeded",
        title="Set 3",
        started_at=after(61),
        ended_at=after(62),
        evidence={"replicas": 3},
    )
    lines = progress.diary(asked("approved", closed=60), [vote], [step])
    assert [(line.title, line.quote, line.evidence) for line in lines] == [
        ("Set 3", "", (("replicas", "3"),)),
        ("Ines approved", "OOM graph agrees. Go.", ()),
        ("Mira asked", "", ()),
    ]


def test_a_step_that_was_only_intended_turns_while_the_run_lives_and_no_longer() -> None:
    entry = JournalEntry(phase="apply", status="intended", title="Set 3", started_at=START)
    assert progress.diary(_with("running"), [], [entry])[0].state == "running"
    assert progress.diary(_with("needs_human"), [], [entry])[0].state == "cancelled"


def _with(state: str) -> Request:
    return asked("approved", {"state": state, "started_at": START}, with_round=False)
