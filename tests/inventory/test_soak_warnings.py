"""What Kubernetes warns of while a run soaks counts; what it warned of before, and what is noise, does not."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django.fixtures import Settings

from actions import claiming, execution, verification
from actions.models import Execution, Request
from actions.states import ExecutionState
from tests.characters import People, Shop, asks, work_off
from tests.cluster import Namespace, workload

RESTART: tuple[str, dict[str, int]] = ("restart-workload", {})
RESIZE = ("resize-workload", {"replicas": 3})


@pytest.fixture(params=[RESTART], ids=lambda param: param[0])
def soaking(
    request: pytest.FixtureRequest, shop: Shop, people: People, namespace: Namespace, settings: Settings
) -> Request:
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 6})
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    warn(namespace, "Unhealthy", at=datetime.now(UTC))
    action, params = request.param
    return asks(people.mira, action, shop.knows("checkout", environment=shop.staging), **params)


def warn(namespace: Namespace, reason: str, *, at: datetime) -> None:
    about = namespace.get("deployment", "checkout")["metadata"]
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    namespace.kubectl("create", "-f", "-", stdin=json.dumps({
        "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": reason, "message": "Something is odd.",
        "metadata": {"generateName": "checkout-", "namespace": namespace.name},
        "involvedObject": {
            "apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "namespace": namespace.name, "uid": about["uid"],
        },
        "firstTimestamp": stamp, "lastTimestamp": stamp, "count": 1, "source": {"component": "test"},
    }))  # fmt: skip


def work_until_it_soaks(request: Request) -> None:
    deadline = time.monotonic() + 60
    while verification.good_since(Execution.objects.get(request=request)) is None:
        assert time.monotonic() < deadline
        if (claimed := claiming.claim()) is not None:
            execution.advance(claimed)


@pytest.mark.parametrize("soaking", [RESTART, RESIZE], indirect=True, ids=lambda param: param[0])
def test_a_warning_during_the_soak_takes_the_run_back(soaking: Request, namespace: Namespace) -> None:
    work_until_it_soaks(soaking)
    warn(namespace, "FailedMount", at=datetime.now(UTC) + timedelta(seconds=1))
    run = work_off(soaking)
    assert run.state == ExecutionState.REVERTED
    assert "Kubernetes warns during the soak: FailedMount: Something is odd." in run.cause


def test_what_was_warned_of_before_and_what_is_noise_does_not(soaking: Request, namespace: Namespace) -> None:
    work_until_it_soaks(soaking)
    warn(namespace, "FailedGetResourceMetric", at=datetime.now(UTC) + timedelta(seconds=1))
    run = work_off(soaking)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
