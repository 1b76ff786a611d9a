"""What a rollout looks like, case by case, without a cluster."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from actions.protocol import Outcome, Run
from actions.workloads import rollout_verdict
from connectors.kubernetes import WorkloadSeen, reading, wire

APPLIED = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def given_up(at: datetime) -> WorkloadSeen:
    """A Deployment of 2 with one pod up to date, whose rollout Kubernetes gave up on."""
    condition = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "lastUpdateTime": at.isoformat(),
    }
    declared = {
        "metadata": {"name": "shop", "namespace": "shop", "uid": "1", "generation": 3},
        "spec": {"replicas": 2, "template": {}},
        "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 1, "conditions": [condition]},
    }
    return reading.workload("Deployment", msgspec.convert(declared, wire.Workload))


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (timedelta(minutes=-5), Outcome.WAIT),  # the rollout before this one: that is why it was rolled back
        (timedelta(minutes=5), Outcome.FAILED),
    ],
)
def test_only_this_rollout_can_be_given_up(after: timedelta, outcome: Outcome) -> None:
    run = Run("run", APPLIED.isoformat(), applied_at=APPLIED)
    verdict = rollout_verdict(given_up(APPLIED + after), [], run, APPLIED + timedelta(minutes=6), "of the new one")
    assert verdict.outcome is outcome
