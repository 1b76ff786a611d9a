"""What has to be true of every run that has ended, however it came to its end."""

import json
from collections import Counter

from actions.models import Execution, JournalEntry, Request
from actions.states import ENDED, ExecutionState
from audit.models import EventRow
from tests.characters import ended


def verbs(request: Request) -> list[str]:
    return list(EventRow.objects.filter(request_id=request.pk).order_by("id").values_list("verb", flat=True))


def assert_ended(request: Request, state: ExecutionState) -> Execution:
    """Wait for workers to end the run, in this state. Says where it is stuck, when it is."""
    try:
        run = ended(request)
    except AssertionError as late:
        run = Execution.objects.get(request=request)
        raise AssertionError(f"Still {run.state}: {run.cause} {run.observed}") from late
    assert run.state == state, f"{run.state}: {run.cause}"
    return run


def assert_whole(request: Request) -> None:
    """Each intent has an outcome, in order; the run is in nobody's hands; its last event says what its row says."""
    run = Execution.objects.get(request=request)
    assert run.state in ENDED, f"{run.state}: {run.cause}"
    assert run.lease_until is None
    assert run.ended_at is not None
    for entry in run.journal.all():
        assert entry.status not in (JournalEntry.Status.INTENDED, JournalEntry.Status.UNKNOWN), (
            f"{entry}: {entry.detail}"
        )
        assert entry.ended_at is not None
        assert entry.ended_at >= entry.started_at, f"{entry}: {entry.started_at} to {entry.ended_at}"
    said = verbs(request)
    assert said[0] == "request.submitted"
    assert said[-1] == f"execution.{run.state}"
    _assert_steps_in_order(request)
    counted = Counter(said)
    assert counted["execution.started"] == 1
    assert counted["execution.waiting"] == counted["execution.resumed"]


def _assert_steps_in_order(request: Request) -> None:
    """Every step is intended once, and afterwards settled once for good; in between it may have been unknown."""
    steps: dict[str, list[str]] = {}
    rows = EventRow.objects.filter(request_id=request.pk, verb__startswith="step.").order_by("id")
    for row in rows:
        details = json.loads(row.text)["details"]
        steps.setdefault(f"{details['phase']} {details['step']}", []).append(row.verb)
    for step, said in steps.items():
        assert said[0] == "step.intended", f"{step}: {said}"
        assert said.count("step.intended") == 1, f"{step}: {said}"
        assert said[-1] in ("step.succeeded", "step.failed"), f"{step}: {said}"
        assert set(said[1:-1]) <= {"step.unknown"}, f"{step}: {said}"
