"""Tasks and CronJobs as an administrator declares them, whose pods end at once, unless a test wants to look at them."""

import json
from typing import Any

PARAMETERS: list[dict[str, Any]] = [
    {"name": "BATCH_SIZE", "type": "int", "min": 10, "max": 5000, "default": 500, "help": "Read at a time"},
    {"name": "MODE", "type": "choice", "choices": ["check", "rebuild"], "default": "check"},
    {"name": "ORDER", "type": "text", "pattern": "[A-Z]{2}-[0-9]{0,6}", "max_length": 9, "default": "DE-"},
]


def task_template(
    name: str,
    *,
    image: str = "registry.example/tasks:1",
    container: str = "task",
    runs: str = "50ms",
    behaviour: str = "",
    parameters: list[dict[str, Any]] | str = PARAMETERS,
    service: str = "",
    **spec: Any,
) -> dict[str, Any]:
    """`service` is whose task it is; without one, it is for all of the namespace. `spec` is of its container."""
    text = parameters if isinstance(parameters, str) else json.dumps(parameters)
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {
            "name": name,
            "labels": {"afterdeck.dev/task": "true", **({"app.kubernetes.io/name": service} if service else {})},
            "annotations": {
                "afterdeck.dev/display-name": "Rebuild the index",
                "afterdeck.dev/deadline-seconds": "120",
                "afterdeck.dev/parameters": text,
            },
        },
        "template": {
            "metadata": {"annotations": _behaves(runs, behaviour)},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": container, "image": image, "command": ["/app/manage", "reindex"], **spec}],
            },
        },
    }


def cronjob(
    name: str,
    *,
    image: str = "registry.example/tasks:1",
    schedule: str = "17 3 * * *",
    suspend: bool = False,
    runs: str = "50ms",
    concurrency: str = "Allow",
) -> dict[str, Any]:
    pod = {
        "metadata": {"annotations": _behaves(runs, "")},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "task", "image": image}]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {
            "schedule": schedule,
            "suspend": suspend,
            "concurrencyPolicy": concurrency,
            "jobTemplate": {"spec": {"backoffLimit": 0, "template": pod}},
        },
    }


def _behaves(runs: str, behaviour: str) -> dict[str, str]:
    marks = {"sandbox.afterdeck.dev/ends-after": runs}
    return marks | ({"sandbox.afterdeck.dev/behaviour": behaviour} if behaviour else {})
