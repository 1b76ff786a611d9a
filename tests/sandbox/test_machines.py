"""What the simulated machines do to pods is what real ones do, as far as a rollout can tell."""

import json
import time
from typing import Any

import pytest

from sandbox.stack import Endpoints
from tests.cluster import Namespace, eventually, workload


def pods(namespace: Namespace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(namespace.kubectl("get", "pods", "-o", "json"))["items"]
    return found


def waiting(namespace: Namespace) -> set[str]:
    """Why containers wait."""
    statuses = [status for pod in pods(namespace) for status in pod["status"].get("containerStatuses", [])]
    return {status["state"]["waiting"]["reason"] for status in statuses if "waiting" in status["state"]}


def warnings(namespace: Namespace) -> str:
    return namespace.kubectl("get", "events", "--field-selector=type=Warning", "-o", "jsonpath={.items[*].message}")


def pod(name: str, *, cpu: str = "100m", **annotations: str) -> dict[str, Any]:
    container = {"name": "app", "image": "shop:1", "resources": {"requests": {"cpu": cpu}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "annotations": {f"sandbox.afterdeck.dev/{key}": word for key, word in annotations.items()},
        },
        "spec": {"containers": [container]},
    }


def test_everybody_can_see_that_the_machines_are_simulated(endpoints: Endpoints, namespace: Namespace) -> None:
    nodes = json.loads(namespace.kubectl("get", "nodes", "-o", "json"))["items"]
    assert nodes
    for node in nodes:
        assert node["metadata"]["annotations"]["kwok.x-k8s.io/node"] == "fake"
        assert node["status"]["nodeInfo"]["osImage"] == "Simulated by KWOK"


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_restart_rolls_out_in_seconds(namespace: Namespace, kind: str) -> None:
    namespace.apply(workload("shop", kind=kind, replicas=3))
    namespace.roll_out(kind, "shop")
    before = {pod["metadata"]["uid"] for pod in pods(namespace)}
    namespace.kubectl("rollout", "restart", f"{kind}/shop")
    started = time.monotonic()
    namespace.roll_out(kind, "shop")
    assert time.monotonic() - started < 20
    after = {pod["metadata"]["uid"] for pod in pods(namespace) if "deletionTimestamp" not in pod["metadata"]}
    assert len(after) == 3
    assert not after & before


def test_an_image_that_cannot_be_pulled(namespace: Namespace) -> None:
    namespace.apply(workload("shop", image="registry.example/shop-broken:1"))
    eventually(lambda: waiting(namespace) == {"ImagePullBackOff"})
    assert "manifest unknown" in warnings(namespace)


def test_an_image_that_is_gone_is_noticed_by_a_restart_only_and_undone_by_going_back(namespace: Namespace) -> None:
    namespace.apply(workload("invoices", behaviour="image-gone"))
    namespace.roll_out("deployment", "invoices")
    namespace.kubectl("rollout", "restart", "deployment/invoices")
    eventually(lambda: "ImagePullBackOff" in waiting(namespace))
    assert namespace.get("deployment", "invoices")["status"]["availableReplicas"] == 2
    namespace.kubectl("rollout", "undo", "deployment/invoices")
    namespace.roll_out("deployment", "invoices")
    eventually(lambda: not waiting(namespace))


def test_a_crash_loop_counts_its_restarts_and_backs_off(namespace: Namespace) -> None:
    namespace.apply(workload("shop", behaviour="crash-loop", replicas=1))
    eventually(lambda: waiting(namespace) == {"CrashLoopBackOff"})
    [status] = pods(namespace)[0]["status"]["containerStatuses"]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 1


def test_ready_and_then_not(namespace: Namespace) -> None:
    namespace.apply(workload("shop", behaviour="becomes-unready", replicas=1))
    namespace.roll_out("deployment", "shop")
    eventually(lambda: "availableReplicas" not in namespace.get("deployment", "shop")["status"])
    conditions = {c["type"]: c["status"] for c in namespace.get("deployment", "shop")["status"]["conditions"]}
    assert conditions == {"Progressing": "True", "Available": "False"}  # which is why a run has to soak


def test_too_little_memory(namespace: Namespace) -> None:
    namespace.apply(pod("reports", behaviour="out-of-memory", after="1s"))
    eventually(lambda: waiting(namespace) == {"CrashLoopBackOff"})
    [status] = pods(namespace)[0]["status"]["containerStatuses"]
    assert status["lastState"]["terminated"]["reason"] == "OOMKilled"


def test_resizes_in_place_are_granted_put_off_or_refused(namespace: Namespace) -> None:
    namespace.apply(pod("yes"), pod("later", behaviour="resize-deferred"), pod("never", behaviour="resize-infeasible"))
    namespace.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s")
    bigger = json.dumps({"spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "200m"}}}]}})
    for name in ("yes", "later", "never"):
        namespace.kubectl("patch", "pod", name, "--subresource=resize", "--patch", bigger)

    def outcome(name: str) -> tuple[str, str | None]:
        status = namespace.get("pod", name)["status"]
        pending = [c["reason"] for c in status["conditions"] if c["type"] == "PodResizePending"]
        return status["containerStatuses"][0]["resources"]["requests"]["cpu"], pending[0] if pending else None

    eventually(lambda: outcome("yes") == ("200m", None))
    eventually(lambda: outcome("later") == ("100m", "Deferred"))
    eventually(lambda: outcome("never") == ("100m", "Infeasible"))


def test_jobs_complete_and_fail(namespace: Namespace) -> None:
    namespace.kubectl("create", "job", "works", "--image=loader:1")
    namespace.kubectl("create", "job", "breaks", "--image=loader-fails:1")
    namespace.kubectl("wait", "--for=condition=Complete", "job/works", "--timeout=30s")
    eventually(lambda: namespace.get("job", "breaks")["status"].get("failed"))


def test_logs_can_be_read(namespace: Namespace) -> None:
    namespace.apply(pod("shop"))
    namespace.kubectl("wait", "--for=condition=Ready", "pod/shop", "--timeout=30s")
    assert "msg=" in namespace.kubectl("logs", "shop")
