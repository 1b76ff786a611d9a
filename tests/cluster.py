"""A namespace of a test's own on the real cluster: what somebody else does while we look, and what the cluster recorded about us."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sandbox.stack import Endpoints

KUBECTL = str(Path(sys.executable).with_name("kubectl"))
T = TypeVar("T")


def eventually(condition: Callable[[], T], seconds: float = 30) -> T:
    """The first true answer of `condition`. Polls; the deadline is for a defect, not for the normal case."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"It did not happen within {seconds} s."
        time.sleep(0.05)
    return answer


class Namespace:
    """One namespace, with the rights of an administrator."""

    def __init__(self, endpoints: Endpoints, name: str) -> None:
        self.name = name
        self._kubeconfig = endpoints.kubeconfig_admin
        self._audit_log = endpoints.kube_audit_log
        # Of a cluster that has been up for long, all that was before would cost every test its reading.
        self._read_to = self._audit_log.stat().st_size
        self._lines: list[str] = []

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = [KUBECTL, f"--kubeconfig={self._kubeconfig}", f"--namespace={self.name}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def roll_out(self, kind: str, name: str) -> None:
        self.kubectl("rollout", "status", f"{kind}/{name}", "--timeout=60s")

    def recorded(self) -> list[dict[str, Any]]:
        """Every call of ours that the cluster's audit log has for this namespace, up to now."""
        marker = f"marker-{secrets.token_hex(8)}"
        self.kubectl("get", "pods", "-l", f"marker={marker}")
        eventually(lambda: any(marker in line for line in self._read()))
        return [entry for entry in map(json.loads, self._lines) if entry.get("userAgent") == "afterdeck"]

    def _read(self) -> list[str]:
        """The lines about this namespace, whole ones only."""
        with self._audit_log.open("rb") as log:
            rotated = self._audit_log.stat().st_size < self._read_to
            log.seek(0 if rotated else self._read_to)
            added, at = log.read(), log.tell()
        whole = added[: added.rfind(b"\n") + 1]
        self._read_to = at - len(added) + len(whole)
        self._lines += [line for line in whole.decode().splitlines() if self.name in line]
        return self._lines

    def effects(self) -> list[dict[str, Any]]:
        """The writes among them that the server did: not dry runs, not refusals."""
        return [
            entry
            for entry in self.recorded()
            if entry["verb"] in ("patch", "update", "create", "delete")
            and "dryRun" not in entry["requestURI"]
            and entry.get("responseStatus", {}).get("code", 0) < 300
        ]


@contextmanager
def made_namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    """For as long as it is open, for a test or for all tests of a module."""
    made = Namespace(endpoints, f"test-{secrets.token_hex(4)}")
    made.kubectl("create", "namespace", made.name)
    yield made
    made.kubectl("delete", "namespace", made.name, "--wait=false")


def workload(
    name: str,
    *,
    kind: str = "Deployment",
    replicas: int = 2,
    behaviour: str = "",
    image: str = "registry.example/shop/checkout:1.4.2",
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name}
    pod_annotations = {"sandbox.afterdeck.dev/behaviour": behaviour} if behaviour else {}
    body: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": pod_annotations},
            "spec": {"containers": [{"name": "app", "image": image}]},
        },
        **spec,
    }
    if kind != "DaemonSet":
        body["replicas"] = replicas
    if kind == "StatefulSet":
        body["serviceName"] = name
    owner = {"afterdeck.dev/owner": "payments"}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": labels, "annotations": owner | (annotations or {})},
        "spec": body,
    }


def autoscaler(name: str, *, least: int, most: int) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 65}},
                }
            ],
        },
    }


VERTICAL = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "verticalpodautoscalers.autoscaling.k8s.io",
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/63797"},
    },
    "spec": {
        "group": "autoscaling.k8s.io",
        "names": {"kind": "VerticalPodAutoscaler", "plural": "verticalpodautoscalers", "singular": "verticalpodautoscaler"},
        "scope": "Namespaced",
        "versions": [{
            "name": "v1", "served": True, "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        }],
    },
}  # fmt: skip


@contextmanager
def vertical_autoscaling(endpoints: Endpoints) -> Iterator[None]:
    """While it is open, the cluster knows VerticalPodAutoscalers; nothing acts on them."""
    everywhere = Namespace(endpoints, "default")
    everywhere.apply(VERTICAL)
    name = VERTICAL["metadata"]["name"]  # type: ignore[index]  # a literal of ours
    everywhere.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
    yield
    everywhere.kubectl("delete", "crd", name)


def vertical_autoscaler(name: str, *, mode: str = "Recreate") -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling.k8s.io/v1",
        "kind": "VerticalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "updatePolicy": {"updateMode": mode},
        },
    }
