"""A node of a test's own on the real cluster, on which nobody else's pods come, and pods that go nowhere else."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.cluster import Namespace, eventually, workload


@dataclass(frozen=True)
class Machine:
    """`namespace` is the one whose name it carries, so that its audit log has what is done to the node as well."""

    name: str
    namespace: Namespace

    def node(self) -> dict[str, Any]:
        return self.namespace.get("node", self.name)

    @property
    def uid(self) -> str:
        return str(self.node()["metadata"]["uid"])

    def kubectl(self, *arguments: str) -> str:
        return self.namespace.kubectl(*arguments)

    @property
    def toleration(self) -> dict[str, str]:
        return {"key": "tests.afterdeck.dev/only", "value": self.namespace.name, "effect": "NoSchedule"}


@contextmanager
def made_machine(namespace: Namespace, suffix: str = "node", *, ready: bool = True) -> Iterator[Machine]:
    """The taint keeps everybody else's pods away. Its own go with it."""
    made = Machine(f"{namespace.name}-{suffix}", namespace)
    namespace.apply(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": made.name,
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {"kubernetes.io/hostname": made.name, "tests.afterdeck.dev/only": namespace.name},
            },
            "spec": {"taints": [made.toleration]},
        }
    )
    if ready:
        eventually(lambda: '"KubeletReady"' in json.dumps(made.node()["status"]))
    yield made
    made.kubectl("delete", "pods", "--all", "--wait=false")
    made.kubectl("delete", "node", made.name, "--wait=false")


def _placed(machine: Machine) -> dict[str, Any]:
    return {
        "nodeSelector": {"tests.afterdeck.dev/only": machine.namespace.name},
        "tolerations": [machine.toleration],
        "terminationGracePeriodSeconds": 0,
    }


def pod_on(machine: Machine, name: str, *, cpu: str = "10m", local_data: bool = False) -> dict[str, Any]:
    """A pod that nobody makes again."""
    container = {"name": "app", "image": "registry.example/app:1", "resources": {"requests": {"cpu": cpu}}}
    volumes = [{"name": "scratch", "emptyDir": {}}] if local_data else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {**_placed(machine), "nodeName": machine.name, "containers": [container], "volumes": volumes},
    }


def deployment_on(machine: Machine, name: str, *, kind: str = "Deployment", replicas: int = 1) -> dict[str, Any]:
    """Whose pods can only be where a node carries the machine's label."""
    made = workload(name, kind=kind, replicas=replicas)
    made["spec"]["template"]["spec"] |= _placed(machine)
    return made


def budget(name: str, *, allowed: int) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {"maxUnavailable": allowed, "selector": {"matchLabels": {"app.kubernetes.io/name": name}}},
    }
