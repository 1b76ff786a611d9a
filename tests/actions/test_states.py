"""The tables of moves are complete, `lifecycle` obeys them and nothing else, and the documentation shows them."""

from collections.abc import Mapping
from io import StringIO
from itertools import product
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from actions import lifecycle
from actions.lifecycle import Impossible, Lost, Row
from actions.models import Execution, Request
from actions.states import (
    ACTIVE,
    ENDED,
    EXECUTION_MOVES,
    GRANT_MOVES,
    HOLDS_TARGET,
    PROPOSAL_MOVES,
    REQUEST_MOVES,
    ExecutionState,
    GrantState,
    Move,
    ProposalState,
    RequestState,
)
from audit import queries
from audit.canonical import NotCanonical
from audit.events import SYSTEM, VERBS
from inventory.models import Environment, Service
from tests.characters import make_people

REQUEST_BEGINS = {RequestState.AWAITING_APPROVAL, RequestState.APPROVED, RequestState.DENIED}
REQUEST_ENDED = {
    RequestState.REJECTED,
    RequestState.EXPIRED,
    RequestState.WITHDRAWN,
    RequestState.STALE,
    RequestState.DENIED,
}
TABLES = [
    pytest.param(REQUEST_MOVES, set(RequestState), REQUEST_BEGINS, REQUEST_ENDED, id="request"),
    pytest.param(EXECUTION_MOVES, set(ExecutionState), {ExecutionState.QUEUED}, set(ENDED), id="execution"),
    pytest.param(GRANT_MOVES, set(GrantState), {GrantState.ACTIVE}, {GrantState.ENDED}, id="grant"),
    pytest.param(
        PROPOSAL_MOVES,
        set(ProposalState),
        {ProposalState.OPEN},
        set(ProposalState) - {ProposalState.OPEN},
        id="proposal",
    ),
]
Moves = Mapping[tuple[str, str], Move]


@pytest.mark.parametrize(("moves", "states", "begins", "ended"), TABLES)
def test_every_state_can_be_reached(moves: Moves, states: set[str], begins: set[str], ended: set[str]) -> None:
    reached = set(begins)
    while found := {after for before, after in moves if before in reached} - reached:
        reached |= found
    assert reached == states


@pytest.mark.parametrize(("moves", "states", "begins", "ended"), TABLES)
def test_what_has_ended_stays_so(moves: Moves, states: set[str], begins: set[str], ended: set[str]) -> None:
    assert [move for move in moves if move[0] in ended] == []


@pytest.mark.parametrize(("moves", "states", "begins", "ended"), TABLES)
def test_from_every_state_there_is_a_way_to_an_end(
    moves: Moves, states: set[str], begins: set[str], ended: set[str]
) -> None:
    ends = set(ended) | (
        {RequestState.APPROVED} & states
    )  # a request that ran stays approved; how it ended is the run's to say
    while found := {before for before, after in moves if after in ends} - ends:
        ends |= found
    assert ends == states


@pytest.mark.parametrize(("moves", "states", "begins", "ended"), TABLES)
def test_every_move_writes_a_verb_of_the_record(
    moves: Moves, states: set[str], begins: set[str], ended: set[str]
) -> None:
    assert {move.verb for move in moves.values()} <= set(VERBS)
    assert all(move.meaning for move in moves.values())


def test_a_run_holds_its_target_from_its_first_effect_until_somebody_knows_what_is_true() -> None:
    assert set(HOLDS_TARGET) == set(ExecutionState) - {ExecutionState.QUEUED} - set(ENDED)
    assert set(ACTIVE) == set(HOLDS_TARGET) - {ExecutionState.NEEDS_HUMAN}


def test_succeeded_means_verified() -> None:
    assert {before for before, after in EXECUTION_MOVES if after == ExecutionState.SUCCEEDED} == {
        ExecutionState.VERIFYING,
        ExecutionState.NEEDS_HUMAN,
    }


def test_what_may_have_changed_something_is_never_called_failed_by_a_machine() -> None:
    assert {before for before, after in EXECUTION_MOVES if after == ExecutionState.FAILED} == {
        ExecutionState.QUEUED,
        ExecutionState.RUNNING,  # only when its journal says that nothing happened
        ExecutionState.NEEDS_HUMAN,
    }


@pytest.fixture
def request_row(db: None) -> Request:
    mira = make_people().mira
    return Request.objects.create(
        action="restart-workload", service=Service.objects.create(slug="checkout", name="checkout"),
        environment=Environment.objects.create(slug="production"), target_key="workload:1", target_label="Deployment shop/checkout",
        params={}, summary="Restart checkout", reason="Stuck.", entrance="test", requester=mira, plan_text="{}", digest="0" * 64,
        ruling={}, risk=1, state=RequestState.APPROVED, created_at=timezone.now(),
    )  # fmt: skip


@pytest.fixture
def execution_row(request_row: Request) -> Execution:
    now = timezone.now()
    return Execution.objects.create(request=request_row, stamp="now", run_after=now, queued_at=now)


def test_a_request_moves_as_the_table_says_and_in_no_other_way(request_row: Request) -> None:
    obeys(request_row, REQUEST_MOVES, RequestState)


def test_a_run_moves_as_the_table_says_and_in_no_other_way(execution_row: Execution) -> None:
    obeys(execution_row, EXECUTION_MOVES, ExecutionState)


def obeys(row: Row, moves: Moves, states: type[RequestState] | type[ExecutionState]) -> None:
    model = type(row)
    for before, after in product(states, states):
        model.objects.filter(pk=row.pk).update(state=before)
        row.refresh_from_db()
        if (before, after) in moves:
            lifecycle.move(row, to=after, actor=SYSTEM, summary="so it goes")
            event = queries.events_of_request(lifecycle.about(row).request or 0)[0]
            assert event.verb == moves[before, after].verb
            assert f'"from":"{before}","to":"{after}"' in event.text
        else:
            with pytest.raises(Impossible):
                lifecycle.move(row, to=after, actor=SYSTEM, summary="it does not")
        assert model.objects.get(pk=row.pk).state == (after if (before, after) in moves else before)
    assert queries.count_up_to(queries.Filter(), 1000) == len(moves)


@pytest.mark.parametrize("change", [{"state": ExecutionState.RUNNING}, {"fence": 7}])
def test_whoever_is_late_hits_no_row_and_writes_no_event(execution_row: Execution, change: dict[str, object]) -> None:
    Execution.objects.filter(pk=execution_row.pk).update(**change)
    with pytest.raises(Lost):
        lifecycle.move(execution_row, to=ExecutionState.CANCELLED, actor=SYSTEM, summary="too late")
    with pytest.raises(Lost):
        lifecycle.update(execution_row, {"cause": "too late"})
    assert queries.count_up_to(queries.Filter(), 9) == 0
    assert Execution.objects.get(pk=execution_row.pk).cause == ""


def test_a_move_whose_event_cannot_be_written_does_not_happen(request_row: Request) -> None:
    with pytest.raises(NotCanonical):
        lifecycle.move(
            request_row, to=RequestState.STALE, actor=SYSTEM, summary="not recordable", details={"nan": float("nan")}
        )
    assert Request.objects.get(pk=request_row.pk).state == RequestState.APPROVED


def test_the_documentation_shows_the_tables_as_they_are() -> None:
    printed = StringIO()
    call_command("states", stdout=printed)
    text = (Path(settings.BASE_DIR) / "docs" / "architecture.md").read_text()
    shown = text.partition("<!-- states:")[2].partition("-->")[2].partition("<!-- /states -->")[0]
    assert shown.strip() == printed.getvalue().strip(), "Paste what `manage.py states` prints between the markers."
