"""A restart under way on the real cluster, and how a test brings it to one moment of it and stops there.

Nothing in the product knows of these moments. They are found by looking at the journal and at the cluster while the wire between
the worker and the cluster is slow.
"""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

from actions import services
from actions.models import Execution, JournalEntry, Request
from actions.states import ExecutionState
from connectors.kubernetes import KubernetesCluster
from inventory.models import Person, Workload
from tests.characters import SETTLED, asks, fresh
from tests.cluster import eventually
from tests.crash.portal import Worker

SLOW = 800  # milliseconds on the wire: long enough to see where a run is, and to kill its worker there
INTENDED, DONE, UNKNOWN = JournalEntry.Status.INTENDED, JournalEntry.Status.DONE, JournalEntry.Status.UNKNOWN


class Scene:
    """A restart under way, and the moments of it that a test waits for."""

    def __init__(
        self, worker: Worker, mira: Person, target: Workload, cluster: KubernetesCluster, audit_log: Path
    ) -> None:
        self.worker, self._mira, self._target = worker, mira, target
        self._cluster, self._audit_log = cluster, audit_log

    def begins(self) -> Request:
        self.request = asks(self._mira, "restart-workload", self._target)
        self.run = Execution.objects.get(request=self.request)
        return self.request

    def is_cancelled(self) -> None:
        services.cancel(actor=self._mira, request=fresh(self.request))

    def is_in(self, state: ExecutionState) -> None:
        def reached() -> bool:
            run = Execution.objects.get(pk=self.run.pk)
            assert run.state not in SETTLED, f"It is {run.state} already: {run.cause}"
            return run.state == state

        eventually(reached)

    def has_step(self, phase: str, status: str) -> None:
        def reached() -> bool:
            if (now := self._step(phase)) == status:
                return True
            assert now != DONE, "It is done: the machine was too slow for this test."
            return False

        eventually(reached)

    def _step(self, phase: str) -> str:
        entry = JournalEntry.objects.filter(execution=self.run, phase=phase).first()
        return entry.status if entry else ""

    def has_effect(self, *, restarted: bool = True) -> None:
        def seen() -> bool:
            found = self._cluster.read_workload("Deployment", self._target.namespace, self._target.name)
            return found.execution == str(self.run.mark) and (found.restarted_at == self.run.stamp) is restarted

        eventually(seen)

    def has_been_read_once_more(self) -> None:
        """So that the write is on the wire, where it stays for `SLOW`; until a quarter of that the worker has made it of the answer.

        What arrived before now is an earlier read, whose line in the log may come late.
        """
        now = datetime.now(UTC)
        eventually(lambda: any(arrived > now for arrived in self._reads()))
        answered = time.monotonic()
        eventually(lambda: time.monotonic() - answered > SLOW / 1000 / 4)

    def _reads(self) -> list[datetime]:
        """When each that has been answered arrived at the cluster."""
        marks = (f"/{self._target.namespace}/", '"userAgent":"afterdeck"', '"verb":"get"')
        lines = [line for line in self._audit_log.read_text().splitlines() if all(mark in line for mark in marks)]
        return [datetime.fromisoformat(json.loads(line)["requestReceivedTimestamp"]) for line in lines]

    def step_is(self, phase: str, status: str) -> None:
        assert (now := self._step(phase)) == status, f"It is {now}: the machine was too slow for this test."


def between_intent_and_effect(scene: Scene) -> None:
    scene.worker.wire.slow_requests(SLOW)
    scene.begins()
    scene.has_step("apply", INTENDED)


def between_effect_and_outcome(scene: Scene) -> None:
    scene.worker.wire.slow_answers(SLOW)
    scene.begins()
    scene.has_effect()
    scene.step_is("apply", INTENDED)


def during_verification(scene: Scene) -> None:
    scene.begins()
    scene.is_in(ExecutionState.VERIFYING)


def between_intent_and_effect_of_the_revert(scene: Scene) -> None:
    during_verification(scene)
    scene.worker.wire.slow_requests(SLOW)
    scene.is_cancelled()
    scene.has_step("revert", INTENDED)


def between_effect_and_outcome_of_the_revert(scene: Scene) -> None:
    during_verification(scene)
    scene.worker.wire.slow_answers(SLOW)
    scene.is_cancelled()
    scene.has_effect(restarted=False)
    scene.step_is("revert", INTENDED)


def during_verification_of_the_revert(scene: Scene) -> None:
    during_verification(scene)
    scene.is_cancelled()
    scene.has_step("revert", DONE)
