"""Whoever can write to Valkey can ring the bell, and nothing else."""

import json

import redis
from celery import current_app
from django.conf import settings

from actions.bell import EXECUTE
from actions.models import Execution
from audit.models import EventRow
from tests.cluster import eventually
from tests.crash.conftest import Hire
from tests.crash.scene import Scene

FORGED = [
    [0],
    [-1],
    [2**63],
    ["1; DROP TABLE actions_execution"],
    ["/etc/passwd"],
    [None],
    [[1]],
    [],
    [1, 2],
    [1.5e300],
]

PICKLED = {"body": "gASVGwAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAR0cnVllIWUUpQu", "content-type": "application/x-python-serialize",
           "content-encoding": "binary", "headers": {"id": "1", "task": EXECUTE},
           "properties": {"delivery_info": {}, "delivery_tag": "1", "body_encoding": "base64"}}  # fmt: skip
UNREADABLE = {**PICKLED, "body": "!!!", "content-type": "application/json", "content-encoding": "utf-8"}
RAW = [json.dumps(PICKLED), json.dumps(UNREADABLE)]


def test_forged_messages_do_nothing_and_the_worker_goes_on(hire: Hire, scene: Scene):
    scene.worker.kill()
    worker = hire(AFTERDECK_POLL_SECONDS="60")
    eventually(lambda: "ready." in worker.log.read_text())
    recorded = EventRow.objects.count()
    for arguments in FORGED:
        current_app.send_task(EXECUTE, args=arguments)
    current_app.send_task("os.system", args=["true"])
    current_app.send_task("no.such.task", kwargs={"execution_id": 1})
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as valkey:
        valkey.lpush("celery", *RAW)
    eventually(lambda: worker.log.read_text().count(f"{EXECUTE}[") >= 2 * len(FORGED))
    assert EventRow.objects.count() == recorded
    assert not Execution.objects.exists()
    scene.begins()
    eventually(lambda: Execution.objects.get(pk=scene.run.pk).started_at)
    assert worker.running
