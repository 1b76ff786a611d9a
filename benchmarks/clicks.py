"""From a click to its first step and to the patched Deployment, against the barest ways to do either.

Nobody watches: the click is sent, and afterwards the rows say when they were committed and the cluster's audit log says when it had
patched. A watcher would compete for the processors.
"""

import json
import subprocess
import sys
import time
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import urllib3
import yaml

from benchmarks.hop import QUEUE, TASK, app
from benchmarks.place import Place

KUBECTL = str(Path(sys.executable).with_name("kubectl"))
COMMITTED = """
    SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin)), verb FROM audit_event
    WHERE request_id = %s AND verb IN ('execution.queued', 'execution.started', 'step.intended')
"""
DEADLINE = 60.0


class Clicks:
    """`workload` is what the portal restarts; the others are without pods, so that only the patch is measured."""

    def __init__(self, place: Place, namespace: str, token: str, workload: int) -> None:
        self._place, self._namespace, self._workload = place, namespace, workload
        self._database = psycopg.connect(place.database, autocommit=True)
        self._database.execute("CREATE TABLE hop (id bigint PRIMARY KEY)")
        self._web = urllib3.connection_from_url(place.url, maxsize=1)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._cluster, self._credentials = _past_the_portal(place.endpoints.kubeconfig_admin)
        self._numbers = count(1)

    def hop(self) -> dict[str, float]:
        number = next(self._numbers)
        began = time.time()
        app.send_task(TASK, args=[number], queue=QUEUE, retry=False)
        query = "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM hop WHERE id = %s"
        ((committed,),) = self._rows(query, number, want=1)
        return {"hop": float(committed) - began}

    def click(self) -> dict[str, float]:
        body = {"action": "restart-workload", "target": self._workload, "params": {}, "reason": "Measuring."}
        began = time.time()
        answer = self._web.request("POST", "/api/requests", json=body, headers=self._headers, retries=False)
        answered = time.time()
        assert answer.status == 201, answer.data
        request = answer.json()["id"]
        self._wait_for_end(request)
        at = {verb: float(committed) for committed, verb in self._rows(COMMITTED, request, want=3)}
        return {
            "click answered": answered - began,
            "click to step": at["step.intended"] - began,
            "line to worker": at["execution.started"] - at["execution.queued"],
            "click to patch": self._patched_at() - began,
        }

    def patch(self) -> dict[str, float]:
        body = {"spec": {"template": {"metadata": {"annotations": {"restarted": str(time.time_ns())}}}}}
        headers = {**self._credentials, "Content-Type": "application/merge-patch+json"}
        path = f"/apis/apps/v1/namespaces/{self._namespace}/deployments/by-patch"
        began = time.time()
        answer = self._cluster.request("PATCH", path, body=json.dumps(body), headers=headers)
        took = time.time() - began
        assert answer.status == 200, answer.data
        return {"patch": took}

    def kubectl(self) -> dict[str, float]:
        command = [KUBECTL, f"--kubeconfig={self._place.endpoints.kubeconfig_admin}", "-n", self._namespace]
        began = time.time()
        subprocess.run([*command, "rollout", "restart", "deployment/by-kubectl"], check=True, capture_output=True)
        return {"kubectl": time.time() - began}

    def _rows(self, query: str, key: int, *, want: int) -> list[tuple[Any, ...]]:
        deadline = time.monotonic() + DEADLINE
        while len(rows := self._database.execute(query, [key]).fetchall()) < want:
            assert time.monotonic() < deadline, f"{query.strip()} found {rows}"
            time.sleep(0.02)
        return rows

    def _wait_for_end(self, request: int) -> None:
        self._rows("SELECT 1 FROM actions_execution WHERE request_id = %s AND ended_at IS NOT NULL", request, want=1)

    def _patched_at(self) -> float:
        """When the API server had done the portal's last write to the workload."""
        marks = (f"/namespaces/{self._namespace}/deployments/by-portal?", '"verb":"patch"', '"userAgent":"afterdeck"')
        lines = self._place.endpoints.kube_audit_log.read_text().splitlines()
        last = next(each for each in reversed(lines) if all(mark in each for mark in marks) and "dryRun" not in each)
        return datetime.fromisoformat(json.loads(last)["stageTimestamp"]).timestamp()


def _past_the_portal(kubeconfig: Path) -> tuple[urllib3.HTTPConnectionPool, dict[str, str]]:
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    pool = urllib3.connection_from_url(
        cluster["server"], ca_certs=cluster["certificate-authority"], maxsize=1, retries=False
    )
    return pool, {"Authorization": f"Bearer {user['token']}", "Accept": "application/json"}
