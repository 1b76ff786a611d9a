"""The soak: turns single observations into an answer, for as long as the plan says, without sleeping on a slot."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from connectors.errors import ConnectorError, Missing

from . import bell, journal, lifecycle
from .models import Execution, JournalEntry, Verified
from .protocol import CannotPlan, Drifted, Outcome, Plan, StepFailed, Verdict, World

INTERVAL = timedelta(seconds=1)

TITLES = {
    JournalEntry.Phase.VERIFY: "Verify",
    JournalEntry.Phase.VERIFY_REVERT: "Verify what came back",
}


@dataclass(frozen=True)
class Result:
    """`again`: not decided yet. `good`: it is as it should be. `blind`: time is up and the outside did not answer."""

    sentence: str
    again: bool = False
    good: bool = False
    blind: bool = False
    proof: Mapping[str, Any] | None = None


def good_since(execution: Execution) -> datetime | None:
    text = execution.observed.get("good_since")
    return datetime.fromisoformat(text) if text else None


def observe(
    execution: Execution,
    plan: Plan,
    world: World,
    verify: Callable[[Plan, World], Verdict],
    phase: JournalEntry.Phase,
    soak: int,
) -> Result:
    """Look once, remember what was seen, and say what it means. Raises `Lost`."""
    now = timezone.now()
    try:
        verdict = verify(plan, world)
    except Missing as gone:
        verdict = Verdict(Outcome.FAILED, gone.sentence)
    except (Drifted, StepFailed) as other:
        verdict = Verdict(Outcome.FAILED, str(other))
    except (
        ConnectorError,
        CannotPlan,
    ) as problem:  # also when we are refused: not to see it says nothing about how it is
        said = problem.sentence if isinstance(problem, ConnectorError) else str(problem)
        _remember(execution, phase, Verdict(Outcome.WAIT, said), good_since(execution), soak)
        if execution.deadline and now > execution.deadline:
            return _close(execution, phase, Result(said, blind=True), Verdict(Outcome.FAILED, said))
        return Result(said, again=True)
    if verdict.outcome is Outcome.FAILED:
        return _close(execution, phase, Result(verdict.sentence), verdict)
    if verdict.outcome is Outcome.WAIT:
        if execution.deadline and now > execution.deadline:
            late = Verdict(
                Outcome.FAILED, f"Not there after {plan.deadline_seconds} s: {verdict.sentence}", verdict.evidence
            )
            return _close(execution, phase, Result(late.sentence), late)
        _remember(execution, phase, verdict, None, soak)
        return Result(verdict.sentence, again=True)
    since = good_since(execution) or now
    if (now - since).total_seconds() >= soak:
        return _close(execution, phase, Result(verdict.sentence, good=True, proof=verdict.proof), verdict)
    _remember(execution, phase, verdict, since, soak)
    return Result(verdict.sentence, again=True)


def _remember(
    execution: Execution, phase: JournalEntry.Phase, verdict: Verdict, since: datetime | None, soak: int
) -> None:
    baseline = execution.observed.get("baseline", {}) if since else {}
    observed = {
        "at": timezone.now().isoformat(),
        "sentence": verdict.sentence,
        "evidence": dict(verdict.evidence),
        "good_since": since.isoformat() if since else None,
        "baseline": baseline or (dict(verdict.evidence) if since else {}),
        "soak": soak,
    }
    changed = {key: value for key, value in observed.items() if key != "at"} != {
        key: value for key, value in execution.observed.items() if key != "at"
    }
    lifecycle.update(execution, {"observed": observed})
    if changed:
        journal.observe(
            execution, phase, TITLES[phase], JournalEntry.Status.INTENDED, verdict.sentence, verdict.evidence
        )
        bell.announce(execution.request_id)


def _close(execution: Execution, phase: JournalEntry.Phase, result: Result, verdict: Verdict) -> Result:
    status = JournalEntry.Status.DONE if result.good else JournalEntry.Status.FAILED
    journal.observe(execution, phase, TITLES[phase], status, verdict.sentence, verdict.evidence)
    return result


def keep_proof(execution: Execution, proof: Mapping[str, Any] | None) -> None:
    """Write down what a workload runs that was just seen to be good, in the transaction that says so."""
    workload = execution.request.workload
    if proof is None or workload is None:
        return
    Verified.objects.get_or_create(
        execution=execution,
        workload=workload,
        defaults={"template_hash": proof["template"], "images": dict(proof["images"]), "at": timezone.now()},
    )
