"""Workers that meet: one run is one worker's, one target is one run's, and whoever comes back late changes nothing."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import admission, claiming, execution, journal, lifecycle, services
from actions.lifecycle import Lost
from actions.models import Execution, JournalEntry, Request
from actions.planning import world_for
from actions.protocol import Run
from actions.registry import action_named
from actions.states import ExecutionState, RequestState
from audit import queries
from audit.events import SYSTEM
from inventory.models import Workload
from tests.characters import People, asks, fresh, work_off
from tests.cluster import Namespace, eventually
from tests.races.threads import together

E = ExecutionState


def work() -> int | None:
    """One look of one worker: the number of the run it took, if any."""
    run = claiming.claim()
    if run is None:
        return None
    execution.advance(run)
    return run.pk


def expired(request: Request) -> None:
    Execution.objects.filter(request=request).update(lease_until=timezone.now() - timedelta(seconds=1))


def verbs(request: Request) -> list[str]:
    return [event.verb for event in reversed(queries.events_of_request(request.pk))]


@pytest.fixture
def short_soak(settings: Settings) -> None:
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 1})


def test_of_many_workers_one_takes_a_run(people: People, staging: Workload, namespace: Namespace) -> None:
    request = asks(people.mira, "restart-workload", staging)
    effects = len(namespace.effects())
    taken = together(*[work] * 4)
    assert len([run for run in taken if run is not None]) == 1
    assert len(namespace.effects()) == effects + 1
    assert verbs(request).count("execution.started") == verbs(request).count("step.intended") == 1
    assert Execution.objects.get(request=request).attempts == 1


def test_a_run_that_was_told_to_everybody_is_taken_once(people: People, staging: Workload) -> None:
    request = asks(people.mira, "restart-workload", staging)
    number = Execution.objects.get(request=request).pk
    taken = together(*[lambda: claiming.claim(only=number)] * 4)
    assert len([run for run in taken if run is not None]) == 1
    assert Execution.objects.get(request=request).fence == 1


def test_many_runs_are_each_taken_once(people: People, staging: Workload) -> None:
    requests = [asks(people.mira, "restart-workload", staging) for _ in range(6)]
    taken = together(*[claiming.claim] * 6)
    assert {run.request_id for run in taken if isinstance(run, Execution)} <= {request.pk for request in requests}
    assert all(run.fence <= 1 for run in Execution.objects.all())


def test_two_runs_on_one_target_are_one_at_a_time(
    people: People, staging: Workload, namespace: Namespace, short_soak: None
) -> None:
    """The second waits, and when its turn comes what it would do is no longer what was agreed."""
    first, second = (asks(people.mira, "restart-workload", staging) for _ in range(2))
    effects = len(namespace.effects())
    together(work, work)
    held = Execution.objects.exclude(state=E.QUEUED).get()
    waits = Execution.objects.get(state=E.QUEUED)
    assert waits.cause == f"Request {held.request_id} is running on the same target. One change at a time."
    assert waits.lease_until is None
    assert {held.request_id, waits.request_id} == {first.pk, second.pk}
    assert work_off(held.request).state == E.SUCCEEDED
    assert work_off(waits.request).state == E.CANCELLED
    assert fresh(waits.request).state == RequestState.STALE
    assert len(namespace.effects()) == effects + 1


def test_what_nobody_knows_keeps_everybody_else_away(people: People, staging: Workload) -> None:
    first, second = (asks(people.mira, "restart-workload", staging) for _ in range(2))
    run = claiming.claim(only=Execution.objects.get(request=first).pk)
    assert run is not None
    assert claiming.start(run)
    lifecycle.move(run, to=E.NEEDS_HUMAN, actor=SYSTEM, summary="nobody knows", changes={"lease_until": None})
    assert work() is not None
    assert Execution.objects.get(request=second).state == E.QUEUED
    services.resolve(actor=people.jonas, request=fresh(first), outcome="failed", note="I looked: it is as it was.")
    Execution.objects.filter(request=second).update(run_after=timezone.now())
    assert work() is not None
    assert Execution.objects.get(request=second).state == E.VERIFYING


def test_a_worker_that_comes_back_late_repeats_nothing_and_writes_nothing(
    people: People, staging: Workload, namespace: Namespace
) -> None:
    request = asks(people.mira, "restart-workload", staging)
    late = claiming.claim()
    assert late is not None
    assert claiming.start(late)
    plan = admission.stored_plan(request)
    entry = journal.intend(late, JournalEntry.Phase.APPLY, plan.steps[0], actor=SYSTEM)
    expired(request)
    assert work() == late.pk
    effects = len(namespace.effects())

    world = world_for(plan.target, people.mira, Run(str(late.mark), late.stamp))
    action_named(plan.action).apply(plan.steps[0], plan, world)
    assert len(namespace.effects()) == effects
    before = Execution.objects.values().get(), list(JournalEntry.objects.values()), verbs(request)
    failed = JournalEntry.Status.FAILED
    writes: list[Callable[[], object]] = [
        lambda: journal.settle(late, entry, failed, actor=SYSTEM, detail="I think not.", evidence={}),
        lambda: journal.observe(late, JournalEntry.Phase.VERIFY, "Verify", failed, "I see nothing.", {}),
        lambda: journal.intend(late, JournalEntry.Phase.REVERT, plan.revert[0], actor=SYSTEM),
        lambda: lifecycle.move(late, to=E.FAILED, actor=SYSTEM, summary="nothing happened"),
        lambda: claiming.renew(late),
        lambda: claiming.hand_back(late, after=timedelta(0)),
    ]
    for write in writes:
        with pytest.raises(Lost):
            write()
    assert (Execution.objects.values().get(), list(JournalEntry.objects.values()), verbs(request)) == before


def test_a_worker_that_wakes_between_two_other_runs_does_not_do_its_own_again(
    people: People, staging: Workload, namespace: Namespace, short_soak: None
) -> None:
    """It was frozen before its read; then its run was finished by another worker, and a second run brought everything back."""
    request = asks(people.mira, "resize-workload", staging, replicas=staging.wanted + 1)
    late = claiming.claim()
    assert late is not None
    assert claiming.start(late)
    plan = admission.stored_plan(request)
    journal.intend(late, JournalEntry.Phase.APPLY, plan.steps[0], actor=SYSTEM)
    expired(request)
    assert work_off(request).state == E.SUCCEEDED
    assert (
        work_off(services.undo(actor=people.mira, request=fresh(request), reason="Back.", entrance="test")).state
        == E.SUCCEEDED
    )
    effects = len(namespace.effects())
    with pytest.raises(Lost):
        action_named(plan.action).apply(plan.steps[0], plan, execution._world(late, plan))
    assert len(namespace.effects()) == effects


def test_a_late_worker_does_not_go_on(people: People, staging: Workload, namespace: Namespace) -> None:
    request = asks(people.mira, "restart-workload", staging)
    late = claiming.claim()
    assert late is not None
    expired(request)
    assert work() == late.pk
    effects, before = len(namespace.effects()), verbs(request)
    execution.advance(late)
    assert (len(namespace.effects()), verbs(request)) == (effects, before)


def test_cancelling_in_the_moment_of_success_is_one_of_the_two(
    people: People, staging: Workload, short_soak: None
) -> None:
    request = asks(people.mira, "restart-workload", staging)
    seen = fresh(request)

    def about_to_succeed() -> bool:
        work()
        run = Execution.objects.get(request=request)
        since = run.observed.get("good_since")
        return since is not None and run.run_after <= timezone.now()

    eventually(about_to_succeed)
    answers = together(lambda: services.cancel(actor=people.mira, request=seen), work)
    run = work_off(request)
    assert (run.state, run.cause) in ((E.SUCCEEDED, "1 of 1 ready"), (E.REVERTED, "Mira cancelled it.")), answers
    assert verbs(request).count(f"execution.{run.state}") == 1
    assert verbs(request)[-1] == f"execution.{run.state}"


def test_a_cancel_is_heeded_before_the_first_step(people: People, staging: Workload, namespace: Namespace) -> None:
    """Also when it came after the run was taken."""
    request = asks(people.mira, "restart-workload", staging)
    taken = claiming.claim()
    assert taken is not None
    services.cancel(actor=people.mira, request=fresh(request))
    effects = len(namespace.effects())
    execution.advance(taken)
    run = Execution.objects.get(request=request)
    assert (run.state, run.cause) == (E.CANCELLED, "Mira cancelled it before anything changed.")
    assert len(namespace.effects()) == effects
