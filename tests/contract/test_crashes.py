"""A run may end its worker between any two lines: whoever takes it next goes on, and each step happens once.

The worker is not killed here (tests/crash does that); it gets as far as a point and no further, and its lease runs out.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import admission, claiming, confirmation, execution, journal, lifecycle, services
from actions.models import Execution, JournalEntry, Request
from actions.planning import world_for
from actions.protocol import Run, World
from actions.registry import action_named
from actions.states import ExecutionState, RequestState
from audit import queries
from audit.events import SYSTEM
from connectors.errors import Conflict
from connectors.kubernetes import KubernetesCluster
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks, fresh, work_off
from tests.cluster import Namespace, eventually, made_namespace
from tests.contract.subjects import CASES, SECRETS, Case, OnCluster

Phase, Status = JournalEntry.Phase, JournalEntry.Status

TRIES = 10
ONE_OF_EACH = tuple({(case.action, case.bounds): case for case in reversed(CASES)}.values())
Point = Callable[[Execution], object]


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


@pytest.fixture(scope="module", params=ONE_OF_EACH, ids=str)
def subject(request: pytest.FixtureRequest, cluster: KubernetesCluster, namespace: Namespace) -> OnCluster:
    case: Case = request.param
    return OnCluster(case, cluster, namespace, f"shop-{secrets.token_hex(3)}")


@pytest.fixture
def short_soak(settings: Settings) -> None:
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 1})


@pytest.fixture
def target(subject: OnCluster, shop: Shop, short_soak: None) -> Workload:
    subject.declare()
    subject.rest()
    return shop.knows(subject.name, kind=subject.case.kind, environment=shop.staging)


def taken(request: Request) -> Execution:
    """By the next worker, once the lease of the last one has run out."""
    past = timezone.now() - timedelta(seconds=1)
    Execution.objects.filter(request=request).exclude(lease_until=None).update(lease_until=past)
    Execution.objects.filter(request=request).update(run_after=past)
    run = claiming.claim()
    assert run is not None
    assert run.request_id == request.pk
    return run


def world_of(run: Execution) -> World:
    plan = admission.stored_plan(run.request)
    return world_for(plan.target, run.request.requester, Run(str(run.mark), run.stamp, run.applied_at))


def claimed(run: Execution) -> None:
    pass


def started(run: Execution) -> None:
    assert claiming.start(run)


def confirmed(run: Execution) -> None:
    started(run)
    assert confirmation.confirm(run) == confirmation.Answer()


def intended(run: Execution) -> JournalEntry:
    confirmed(run)
    return journal.intend(run, Phase.APPLY, admission.stored_plan(run.request).steps[0], actor=SYSTEM)


def happened(run: Execution) -> JournalEntry:
    entry = intended(run)
    applied(run)
    return entry


def settled(run: Execution) -> None:
    entry = happened(run)
    journal.settle(run, entry, Status.DONE, actor=SYSTEM, detail="", evidence={})


def refused(run: Execution) -> None:
    """And before it could say that it failed, it was gone; whoever comes next may try."""
    journal.settle(run, intended(run), Status.FAILED, actor=SYSTEM, detail="Not now.", evidence={})


def refused_and_then_happened(run: Execution) -> None:
    """What was refused once does not mean that nothing changed."""
    refused(run)
    plan = admission.stored_plan(run.request)
    journal.intend(run, Phase.APPLY, plan.steps[0], actor=SYSTEM)
    applied(run)


def applied(run: Execution) -> None:
    plan = admission.stored_plan(run.request)
    for _ in range(TRIES):  # the cluster's own controllers write to the object, too
        with suppress(Conflict):
            action_named(plan.action).apply(plan.steps[0], plan, world_of(run))
            return


@pytest.mark.parametrize(
    "point", [claimed, started, confirmed, intended, refused, refused_and_then_happened, happened, settled]
)
def test_whoever_takes_over_does_each_step_once(
    subject: OnCluster, target: Workload, people: People, point: Point
) -> None:
    request = asks(people.mira, subject.case.action, target, **subject.good)
    effects = subject.effects()
    point(taken(request))
    execution.advance(taken(request))
    run = Execution.objects.get(request=request)
    assert run.state == ExecutionState.VERIFYING, run.cause
    assert subject.effects() == effects + 1
    [entry] = run.journal.filter(phase=Phase.APPLY)
    assert entry.status == Status.DONE
    assert fresh(request).state == RequestState.APPROVED


def turned(run: Execution) -> None:
    lifecycle.move(
        run, to=ExecutionState.REVERTING, actor=SYSTEM, summary="taken back", changes={"cause": "Taken back."}
    )


def way_back_intended(run: Execution) -> JournalEntry:
    turned(run)
    return journal.intend(run, Phase.REVERT, admission.stored_plan(run.request).revert[0], actor=SYSTEM)


def way_back_happened(run: Execution) -> None:
    way_back_intended(run)
    plan = admission.stored_plan(run.request)
    action_named(plan.action).apply(plan.revert[0], plan, world_of(run))


@pytest.mark.parametrize("point", [turned, way_back_intended, way_back_happened])
def test_whoever_takes_over_takes_back_once(subject: OnCluster, target: Workload, people: People, point: Point) -> None:
    before = subject.declared()
    request = asks(people.mira, subject.case.action, target, **subject.good)
    execution.advance(taken(request))
    effects = subject.effects()
    point(taken(request))
    Execution.objects.filter(request=request).update(crashes=0, lease_until=timezone.now())
    assert work_off(request).state == ExecutionState.REVERTED
    assert subject.effects() == effects + 1
    assert subject.declared() == before


def test_what_may_not_have_happened_is_taken_back_so_that_it_cannot_happen_late(
    subject: OnCluster, target: Workload, people: People
) -> None:
    """The step got no answer and had not happened yet when it was cancelled. A patch that was on its way meets another version."""
    before = subject.declared()
    request = asks(people.mira, subject.case.action, target, **subject.good)
    intended(taken(request))
    version = subject.version()
    services.cancel(actor=people.mira, request=fresh(request))
    Execution.objects.filter(request=request).update(lease_until=timezone.now())
    assert work_off(request).state == ExecutionState.REVERTED
    assert subject.declared() == before
    assert subject.version() != version


def test_no_secret_of_the_target_is_in_request_journal_or_record(
    subject: OnCluster, target: Workload, people: People
) -> None:
    request = asks(people.mira, subject.case.action, target, **subject.good)
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    kept = [*Request.objects.values(), *Execution.objects.values(), *JournalEntry.objects.values()]
    kept += queries.events(queries.Filter()).values()
    assert [secret for secret in SECRETS if secret in repr(kept)] == []
    undo = admission.stored_plan(request).undo
    if undo is not None:
        undone = services.undo(actor=people.mira, request=fresh(request), reason="Back.", entrance="test")
        assert work_off(undone).state == ExecutionState.SUCCEEDED


def test_a_statefulset_is_taken_back_although_its_worker_ends_after_each_step(
    shop: Shop, people: People, cluster: KubernetesCluster, namespace: Namespace, short_soak: None
) -> None:
    case = next(case for case in CASES if case.kind == "StatefulSet" and case.action == "restart-workload")
    subject = OnCluster(case, cluster, namespace, f"shop-{secrets.token_hex(3)}")
    subject.rest()
    before = subject.declared()
    request = asks(people.mira, case.action, shop.knows(subject.name, kind=case.kind, environment=shop.staging))
    execution.advance(taken(request))
    eventually(lambda: any(not pod.ready for pod in cluster.pods_of(cluster.read_workload(*subject.place))))
    way_back_happened(taken(request))
    Execution.objects.filter(request=request).update(crashes=0)
    eventually(lambda: cluster.read_workload(*subject.place).observed_generation >= 3)
    run = taken(request)
    plan, action = admission.stored_plan(run.request), action_named(case.action)
    entry = journal.intend(run, Phase.REVERT, plan.revert[1], actor=SYSTEM)
    assert entry.status == Status.INTENDED
    action.apply(plan.revert[1], plan, world_of(run))
    evicted = {each["objectRef"]["name"] for each in namespace.effects() if each["verb"] == "create"}
    Execution.objects.filter(request=request).update(crashes=0, lease_until=timezone.now())
    assert work_off(request).state == ExecutionState.REVERTED
    assert subject.declared() == before
    again = [each["objectRef"]["name"] for each in namespace.effects() if each["verb"] == "create"]
    assert (set(again), len(again)) == (evicted, len(evicted))
