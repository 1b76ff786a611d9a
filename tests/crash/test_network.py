"""The wire to the cluster loses, holds back or cuts off: what happened is read back, never guessed and never repeated blindly."""

import time
from datetime import timedelta

from django.utils import timezone

from actions import services
from actions.models import Execution, Request
from actions.states import ExecutionState
from inventory.models import Workload
from tests.characters import People, fresh
from tests.cluster import Namespace, eventually
from tests.crash.portal import LEASE_SECONDS, Web
from tests.crash.record import assert_ended, assert_whole, verbs
from tests.crash.scene import (
    UNKNOWN,
    Scene,
    between_effect_and_outcome,
    between_intent_and_effect,
    during_verification,
)

PATIENCE = 6.0


def test_a_lost_answer_is_read_back_and_not_sent_again(scene: Scene, namespace: Namespace):
    between_effect_and_outcome(scene)
    scene.worker.wire.cut()
    scene.has_step("apply", UNKNOWN)
    scene.worker.wire.mend()
    assert_ended(scene.request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert "step.unknown" in verbs(scene.request)
    assert_whole(scene.request)


def test_a_lost_request_is_read_back_and_then_sent_once_more(scene: Scene, namespace: Namespace):
    between_intent_and_effect(scene)
    scene.has_been_read_once_more()  # so what is on the wire now is the write
    scene.worker.wire.cut()
    scene.has_step("apply", UNKNOWN)
    assert namespace.effects() == []
    scene.worker.wire.mend()
    assert_ended(scene.request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(scene.request)


def test_nobody_can_say_what_happened_so_a_person_does(scene: Scene, people: People, namespace: Namespace):
    between_effect_and_outcome(scene)
    scene.worker.wire.cut()
    scene.has_step("apply", UNKNOWN)
    time_is_up(scene.run)
    run = assert_ended(scene.request, ExecutionState.NEEDS_HUMAN)
    assert "Nobody can say" in run.cause
    scene.worker.wire.mend()
    services.resolve(actor=people.jonas, request=fresh(scene.request), outcome="succeeded", note="I saw new pods.")
    assert verbs(scene.request)[-1] == "execution.resolved"
    assert len(namespace.effects()) == 1


def test_a_cluster_that_cannot_be_reached_is_said_at_once_and_nothing_is_asked_for(
    web: Web, staging: Workload, namespace: Namespace
):
    eventually(lambda: web.answers)
    web.wire.cut()
    clicked = time.monotonic()
    answer = web.click("restart-workload", staging.pk)
    assert time.monotonic() - clicked < PATIENCE
    assert (answer.status, answer.json()["code"]) == (409, "cannot-plan")
    assert "cannot be reached" in answer.json()["detail"]
    assert not Request.objects.exists()
    web.wire.mend()
    assert web.click("restart-workload", staging.pk).status == 201
    assert namespace.effects() == []


def test_a_run_whose_cluster_is_away_waits_and_goes_on(scene: Scene, namespace: Namespace):
    scene.worker.wire.cut()
    scene.begins()
    scene.is_in(ExecutionState.WAITING)
    looked = Execution.objects.get(pk=scene.run.pk).attempts
    eventually(lambda: Execution.objects.get(pk=scene.run.pk).attempts > looked + 1)
    scene.worker.wire.mend()
    assert_ended(scene.request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(scene.request)
    assert verbs(scene.request).count("execution.waiting") == 1, (
        "Each look is an event: a long wait would flood the record."
    )


def test_a_run_whose_cluster_stays_away_fails_and_says_that_nothing_changed(scene: Scene, namespace: Namespace):
    scene.worker.wire.cut()
    scene.begins()
    scene.is_in(ExecutionState.WAITING)
    time_is_up(scene.run)
    run = assert_ended(scene.request, ExecutionState.FAILED)
    assert "nothing changed" in run.cause
    assert_whole(scene.request)
    assert namespace.effects() == []


def test_a_result_that_cannot_be_observed_in_time_is_given_to_a_person(scene: Scene):
    during_verification(scene)
    scene.worker.wire.cut()
    time_is_up(scene.run)
    run = assert_ended(scene.request, ExecutionState.NEEDS_HUMAN)
    assert "could not be observed" in run.cause
    assert run.lease_until is None


def test_a_cluster_that_is_silent_for_longer_than_a_lease_is_no_crash(scene: Scene, namespace: Namespace):
    """The worker has idle threads, which would take the run if its lease ran out."""
    during_verification(scene)
    scene.worker.wire.swallow_answers()
    silent = time.monotonic()
    eventually(lambda: time.monotonic() - silent > 2.5 * LEASE_SECONDS)
    scene.worker.wire.mend()
    assert assert_ended(scene.request, ExecutionState.SUCCEEDED).crashes == 0
    assert len(namespace.effects()) == 1
    assert_whole(scene.request)


def time_is_up(run: Execution) -> None:
    Execution.objects.filter(pk=run.pk).update(deadline=timezone.now() - timedelta(seconds=1))
