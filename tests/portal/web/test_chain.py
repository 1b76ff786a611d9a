"""The form of several changes as one: what is ticked is planned as one, and asked for as one."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from actions.models import Request
from actions.states import ExecutionState
from connectors.kubernetes import KubernetesCluster
from inventory.models import Service, Workload
from portal.web.goals import address_of
from sandbox.stack import Endpoints
from tests.characters import People, Shop, work_off
from tests.cluster import Namespace, made_namespace, workload
from tests.portal.web.conftest import SignedIn


@pytest.fixture(scope="module")
def place(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("api", replicas=1), workload("worker", replicas=1))
        for name in ("api", "worker"):
            made.roll_out("deployment", name)
        yield made


@pytest.fixture
def mira(people: People, signed_in: SignedIn) -> Client:
    return signed_in(people.mira)


@pytest.fixture
def two(people: People, cluster: KubernetesCluster, place: Namespace) -> tuple[Workload, Workload]:
    """Of one service, in staging."""
    shop = Shop(cluster, place)
    api, worker = (shop.knows(name, environment=shop.staging) for name in ("api", "worker"))
    Workload.objects.filter(pk=worker.pk).update(service=api.service)
    Service.objects.filter(slug="worker").delete()
    worker.refresh_from_db()
    return api, worker


def test_what_is_ticked_is_planned_and_run_as_one(two: tuple[Workload, Workload], mira: Client, people: People) -> None:
    api, worker = two
    page = mira.get(address_of("chain", api)).content.decode()
    boxes = re.findall(r'name="part" value="([a-z-]+-\d+)"', page)
    assert {f"restart-workload-{api.pk}", f"restart-workload-{worker.pk}", f"get-namespace-access-{api.pk}"} <= set(
        boxes
    )
    assert f"get-namespace-access-{worker.pk}" not in boxes  # the same namespace

    ticked = {
        "part": [f"restart-workload-{worker.pk}", f"restart-workload-{api.pk}"],
        "reason": "Both hang.",
        "key": "k1",
    }
    at = f"?workload={api.pk}"
    plan = mira.post(reverse("chain-plan", args=["api"]) + at, ticked)
    shown = plan.content.decode()
    assert plan.status_code == 200
    assert "Runs now, nobody has to be asked" in shown
    assert "Restart api" in shown
    assert "Restart worker" in shown
    digest = re.search(r'name="digest" value="(\w{64})"', shown)
    assert digest
    answer = mira.post(reverse("chain", args=["api"]) + at, {**ticked, "digest": digest[1]})
    request = Request.objects.get()
    assert answer.headers["Location"] == reverse("request", args=[request.pk])
    assert [part["target"] for part in request.params["parts"]] == [api.pk, worker.pk]
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause

    again = mira.get(address_of("chain", api, again=request.pk)).content.decode()
    assert len(re.findall(r'name="part" value="restart-workload-\d+" checked', again)) == 2
    assert mira.get(answer.headers["Location"]).status_code == 200


def test_what_is_wrong_is_said_at_its_field_and_one_alone_is_not_several(
    two: tuple[Workload, Workload], mira: Client
) -> None:
    api, worker = two
    at = reverse("chain-plan", args=["api"]) + f"?workload={api.pk}"
    alone = mira.post(at, {"part": [f"restart-workload-{api.pk}"]})
    assert (alone.status_code, "Choose two or more" in alone.content.decode()) == (422, True)
    key = f"get-namespace-access-{api.pk}"
    wrong = mira.post(
        at, {"part": [key, f"restart-workload-{worker.pk}"], f"{key}.role": "x", f"{key}.minutes": "soon"}
    )
    assert wrong.status_code == 422
    assert (
        f'hx-target="#problem-{key}-minutes" hx-swap="innerHTML swapEmpty:true">Write a whole number'
        in wrong.content.decode()
    )


def test_what_was_not_offered_cannot_be_ticked(two: tuple[Workload, Workload], mira: Client, people: People) -> None:
    api, _ = two
    forged = {"part": ["resume-gitops-1", "chain-1", f"drain-node-{api.pk}", "restart-workload-999999", "'\"<x>"]}
    answer = mira.post(reverse("chain-plan", args=["api"]) + f"?workload={api.pk}", forged)
    assert "Choose two or more" in answer.content.decode()
    assert mira.get(reverse("chain", args=["nonsense"])).status_code == 404
