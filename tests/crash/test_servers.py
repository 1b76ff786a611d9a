"""Valkey, the web server, the API server or Postgres dies during a rollout, or says nothing more: the run ends all the same."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3
from django.conf import settings
from redis import Redis

from actions import bell
from actions.models import Execution, Request
from actions.states import ExecutionState
from inventory.models import Workload
from tests.characters import People, asks
from tests.cluster import Namespace, eventually
from tests.crash.conftest import Hire
from tests.crash.portal import Web, Worker
from tests.crash.record import assert_ended, assert_whole
from tests.crash.scene import UNKNOWN, Scene, between_effect_and_outcome, during_verification
from tests.servers import Servers

PATIENCE = 6.0
"""Seconds in which a click has to be answered, whatever is broken behind the portal."""


def test_a_rollout_survives_the_death_of_valkey(scene: Scene, servers: Servers, namespace: Namespace):
    during_verification(scene)
    servers.kill("valkey")
    assert_ended(scene.request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(scene.request)
    assert scene.worker.running


def test_a_click_while_valkey_is_frozen_is_answered_at_once_and_runs(
    web: Web, worker: Worker, servers: Servers, staging: Workload, namespace: Namespace
):
    eventually(lambda: web.answers)
    servers.freeze("valkey")
    clicked = time.monotonic()
    answer = web.click("restart-workload", staging.pk)
    assert time.monotonic() - clicked < PATIENCE
    assert answer.status == 201, answer.data
    request = Request.objects.get(pk=answer.json()["id"])
    assert_ended(request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(request)


def test_a_frozen_valkey_is_asked_once_and_not_for_every_change(servers: Servers):
    bell.announce(1)
    servers.freeze("valkey")
    began = time.monotonic()
    for number in range(20):
        bell.announce(number)
        bell.ring(0)
    assert time.monotonic() - began < 3
    servers.thaw("valkey")
    with (
        Redis.from_url(settings.CELERY_BROKER_URL) as valkey,
        valkey.pubsub(ignore_subscribe_messages=True) as listener,
    ):
        listener.subscribe(bell.CHANNEL)

        def heard() -> bool:
            bell.announce(1)
            return listener.get_message() is not None

        eventually(heard, bell.REST + 5)


def test_a_worker_that_starts_while_valkey_is_dead_works(
    web: Web, hire: Hire, servers: Servers, staging: Workload, namespace: Namespace
):
    eventually(lambda: web.answers)
    servers.kill("valkey")
    hire()
    clicked = time.monotonic()
    answer = web.click("restart-workload", staging.pk)
    assert time.monotonic() - clicked < PATIENCE
    request = Request.objects.get(pk=answer.json()["id"])
    assert_ended(request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(request)


def test_the_bell_rings_again_once_valkey_is_back(hire: Hire, servers: Servers, scene: Scene):
    """This worker looks at the table once a minute, so that what is quick came by the bell."""
    scene.worker.kill()
    worker = hire(AFTERDECK_POLL_SECONDS="60")
    eventually(lambda: "ready." in worker.log.read_text())
    servers.kill("valkey")
    servers.bring_back("valkey")
    scene.begins()
    eventually(lambda: Execution.objects.get(pk=scene.run.pk).started_at)
    assert worker.running


def test_a_rollout_survives_the_death_of_the_web_server(
    web: Web, worker: Worker, staging: Workload, namespace: Namespace
):
    eventually(lambda: web.answers)
    request = Request.objects.get(pk=web.click("restart-workload", staging.pk).json()["id"])
    eventually(lambda: Execution.objects.get(request=request).state == ExecutionState.VERIFYING)
    web.kill()
    assert_ended(request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(request)
    web.start_again()
    eventually(lambda: web.answers)
    assert web.looks(request.pk)["execution"]["state"] == "succeeded"


def test_a_click_whose_web_server_died_before_it_could_answer_may_be_repeated(
    web: Web, worker: Worker, servers: Servers, staging: Workload, namespace: Namespace
):
    eventually(lambda: web.answers)
    servers.freeze("valkey")  # so that it is busy ringing after it has committed
    with ThreadPoolExecutor() as pool:
        lost = pool.submit(web.click, "restart-workload", staging.pk, key="one-click")
        eventually(Request.objects.exists)
        web.kill()
        with pytest.raises(urllib3.exceptions.HTTPError):
            lost.result()
    servers.thaw("valkey")
    web.start_again()
    eventually(lambda: web.answers)
    again = web.click("restart-workload", staging.pk, key="one-click")
    request = Request.objects.get()
    assert again.json()["id"] == request.pk
    assert_ended(request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(request)


def test_a_rollout_survives_the_death_of_the_api_server(scene: Scene, servers: Servers, namespace: Namespace):
    during_verification(scene)
    servers.kill("kube-apiserver")
    eventually(lambda: "The cluster" in Execution.objects.get(pk=scene.run.pk).observed.get("sentence", ""))
    servers.bring_back("kube-apiserver")
    assert_ended(scene.request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(scene.request)


def test_a_run_waits_for_an_api_server_that_is_away(
    hire: Hire, servers: Servers, staging: Workload, people: People, namespace: Namespace
):
    request = asks(people.mira, "restart-workload", staging)
    servers.kill("kube-apiserver")
    hire()
    eventually(lambda: Execution.objects.get(request=request).state == ExecutionState.WAITING)
    assert "cluster sandbox" in Execution.objects.get(request=request).cause
    servers.bring_back("kube-apiserver")
    assert_ended(request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(request)


def test_an_api_server_that_dies_before_it_answers_has_done_it_once(
    scene: Scene, servers: Servers, namespace: Namespace
):
    between_effect_and_outcome(scene)
    scene.worker.wire.cut()  # first, or Toxiproxy would still deliver what it holds back
    servers.kill("kube-apiserver")
    scene.has_step("apply", UNKNOWN)
    scene.worker.wire.mend()
    servers.bring_back("kube-apiserver")
    assert_ended(scene.request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(scene.request)


def test_a_rollout_survives_the_death_of_postgres(scene: Scene, web: Web, servers: Servers, namespace: Namespace):
    eventually(lambda: web.answers)
    during_verification(scene)
    servers.kill("postgres")
    servers.bring_back("postgres")
    assert web.looks(scene.request.pk)["state"] == "approved"
    assert_ended(scene.request, ExecutionState.SUCCEEDED)
    assert len(namespace.effects()) == 1
    assert_whole(scene.request)
    assert scene.worker.running


def test_the_bell_works_after_the_death_of_postgres(hire: Hire, servers: Servers, scene: Scene):
    """Whichever thread hears it, although the connection of each has ended."""
    scene.worker.kill()
    worker = hire(AFTERDECK_POLL_SECONDS="60")
    for _ in range(20):
        bell.ring(0)
    eventually(lambda: worker.log.read_text().count(f"{bell.EXECUTE}[") >= 40)  # received, and done
    servers.kill("postgres")
    servers.bring_back("postgres")
    scene.begins()
    eventually(lambda: Execution.objects.get(pk=scene.run.pk).started_at)
    assert worker.running
