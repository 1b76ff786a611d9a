"""A worker dies, freezes or is told to stop at the worst moment, and another one goes on."""

import random
import time
from collections.abc import Callable
from functools import partial

import pytest

from actions import admission, claiming, execution, services
from actions.models import Execution, Request
from actions.planning import world_for
from actions.protocol import Run
from actions.registry import action_named
from actions.states import ExecutionState
from connectors.kubernetes import KubernetesCluster
from inventory.models import Workload
from tests.characters import People, Shop, asks, fresh, work_off
from tests.cluster import Namespace, eventually, workload
from tests.crash.conftest import Hire
from tests.crash.record import assert_ended, assert_whole, verbs
from tests.crash.scene import (
    INTENDED,
    SLOW,
    Scene,
    between_effect_and_outcome,
    between_effect_and_outcome_of_the_revert,
    between_intent_and_effect,
    between_intent_and_effect_of_the_revert,
    during_verification,
    during_verification_of_the_revert,
)

CRASHPOINTS: list[tuple[Callable[[Scene], None], ExecutionState, int]] = [
    (between_intent_and_effect, ExecutionState.SUCCEEDED, 1),
    (between_effect_and_outcome, ExecutionState.SUCCEEDED, 1),
    (during_verification, ExecutionState.SUCCEEDED, 1),
    (between_intent_and_effect_of_the_revert, ExecutionState.REVERTED, 2),
    (between_effect_and_outcome_of_the_revert, ExecutionState.REVERTED, 2),
    (during_verification_of_the_revert, ExecutionState.REVERTED, 2),
]


@pytest.mark.parametrize(
    ("reaches", "state", "effects"), [pytest.param(*row, id=row[0].__name__) for row in CRASHPOINTS]
)
def test_a_worker_killed_there_is_replaced_and_nothing_happens_twice(reaches, state, effects, scene, hire, namespace):
    reaches(scene)
    scene.worker.kill()
    hire()
    assert_ended(scene.request, state)
    assert len(namespace.effects()) == effects
    assert_whole(scene.request)


def test_two_workers_killed_at_random_moments_leave_every_run_whole(
    hire: Hire, shop: Shop, people: People, namespace: Namespace
):
    names = [f"checkout-{number}" for number in range(6)]
    staff = [hire(), hire()]
    namespace.apply(*(workload(name) for name in names))
    for name in names:
        namespace.roll_out("deployment", name)
    seed = time.time_ns()
    chance = random.Random(seed)
    requests = [asks(people.mira, "restart-workload", shop.knows(name, environment=shop.staging)) for name in names]
    eventually(lambda: Execution.objects.filter(attempts__gt=0).exists())
    for victim in staff:
        moment = time.monotonic() + chance.uniform(0, 2.5)
        eventually(partial(_passed, moment))
        victim.kill()
        hire()
    for request in requests:
        assert_ended(request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == len(names), f"seed {seed}"
    for request in requests:
        assert_whole(request)


def test_of_two_workers_the_other_goes_on_without_a_new_one(hire: Hire, scene: Scene, namespace: Namespace):
    hire()
    during_verification(scene)
    scene.worker.kill()
    assert_ended(scene.request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(scene.request)


def test_a_worker_that_was_frozen_comes_back_too_late_and_does_nothing(hire: Hire, scene: Scene, namespace: Namespace):
    scene.worker.wire.slow_requests(SLOW)
    scene.begins()
    scene.has_step("apply", INTENDED)
    scene.worker.freeze()
    hire()
    assert_ended(scene.request, ExecutionState.SUCCEEDED)
    scene.worker.thaw()
    eventually(lambda: "execution.lost" in scene.worker.log.read_text())
    assert len(namespace.effects()) == 1
    assert_whole(scene.request)


def test_a_worker_that_comes_back_after_the_revert_does_not_restart_again(
    staging: Workload, people: People, namespace: Namespace, cluster: KubernetesCluster
):
    """The old template is there again, as planned on: only the execution's mark says that this step has happened."""
    request = asks(people.mira, "restart-workload", staging)
    eventually(lambda: _advance_once(request).state == ExecutionState.VERIFYING)
    services.cancel(actor=people.mira, request=fresh(request))
    assert work_off(request).state == ExecutionState.REVERTED
    plan, run = admission.stored_plan(request), Execution.objects.get(request=request)
    world = world_for(plan.target, people.mira, Run(str(run.mark), run.stamp))
    action_named(plan.action).apply(plan.steps[0], plan, world)
    assert len(namespace.effects()) == 2
    assert cluster.read_workload("Deployment", namespace.name, "checkout").restarted_at is None


def test_a_worker_that_is_told_to_stop_hands_its_runs_back(hire: Hire, scene: Scene, namespace: Namespace):
    during_verification(scene)
    scene.worker.tell_to_stop()
    eventually(lambda: not scene.worker.running)
    left = Execution.objects.get(pk=scene.run.pk)
    assert left.lease_until is None, "It was dropped, and the next worker has to wait for its lease to run out."
    hire()
    assert assert_ended(scene.request, ExecutionState.SUCCEEDED).crashes == 0
    assert len(namespace.effects()) == 1
    assert_whole(scene.request)


def test_a_run_that_ends_its_worker_three_times_is_given_to_a_person(hire: Hire, scene: Scene, namespace: Namespace):
    victim = scene.worker
    victim.wire.swallow_answers()
    scene.begins()
    for crashes in range(claiming.MAX_CRASHES + 1):
        eventually(partial(_held, scene.run, crashes))
        victim.kill()
        victim = hire()
        victim.wire.swallow_answers()
    run = assert_ended(scene.request, ExecutionState.NEEDS_HUMAN)
    assert "3 times" in run.cause
    assert verbs(scene.request)[-1] == "execution.needs_human"
    assert namespace.effects() == []


def _passed(moment: float) -> bool:
    return time.monotonic() > moment


def _held(run: Execution, crashes: int) -> bool:
    begun = Execution.objects.exclude(state=ExecutionState.QUEUED)
    return begun.filter(pk=run.pk, crashes=crashes, lease_until__isnull=False).exists()


def _advance_once(request: Request) -> Execution:
    if (run := claiming.claim()) is not None:
        execution.advance(run)
    return Execution.objects.get(request=request)
