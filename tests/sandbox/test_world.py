"""The demo's world keeps to the conventions that the documentation asks of everybody's manifests."""

import json

from actions.task_templates import Task
from connectors.kubernetes import ObjectRef
from connectors.kubernetes.jobs import TaskTemplateSeen
from sandbox import manifests
from sandbox.kubernetes import WORLD

WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "CronJob"}

world = manifests.read(WORLD)
workloads = [manifest for manifest in world if manifest["kind"] in WORKLOADS]
components = {manifest["metadata"]["name"]: manifest for manifest in world if manifest["kind"] == "Component"}


def test_every_workload_says_whose_it_is() -> None:
    for manifest in workloads:
        metadata = manifest["metadata"]
        annotations = metadata["annotations"]
        assert metadata["labels"]["app.kubernetes.io/name"] == metadata["name"]
        assert metadata["namespace"].startswith(annotations["afterdeck.dev/owner"] + "-")
        assert annotations["afterdeck.dev/tier"] in {"1", "2", "3"}
        assert annotations["afterdeck.dev/display-name"]
        links = json.loads(annotations["afterdeck.dev/links"])
        assert all(link.startswith("https://") for link in links.values())


def test_every_namespace_of_a_team_says_which_environment_it_is() -> None:
    namespaces = {manifest["metadata"]["name"]: manifest for manifest in world if manifest["kind"] == "Namespace"}
    for name in {manifest["metadata"]["namespace"] for manifest in workloads}:
        environment = namespaces[name]["metadata"]["labels"]["afterdeck.dev/environment"]
        assert name.endswith(f"-{environment}")


def test_backstage_knows_the_same_services_and_owners() -> None:
    owners = {
        manifest["metadata"]["name"]: manifest["metadata"]["annotations"]["afterdeck.dev/owner"]
        for manifest in workloads
    }
    assert {name: component["spec"]["owner"] for name, component in components.items()} == {
        name: f"group:default/{owner}" for name, owner in owners.items()
    }


def test_the_world_has_one_of_everything_that_is_hard() -> None:
    kinds = {manifest["kind"] for manifest in world}
    assert kinds >= {*WORKLOADS, "HorizontalPodAutoscaler", "PodDisruptionBudget", "ResourceQuota", "Application"}
    names = {manifest["metadata"]["annotations"]["afterdeck.dev/display-name"] for manifest in workloads}
    assert any(not name.isascii() for name in names)
    assert max(map(len, components)) > 40
    assert len(components) >= 15


def test_every_task_can_be_used_as_it_is() -> None:
    tasks = [manifest for manifest in world if manifest["kind"] == "PodTemplate"]
    assert tasks
    for manifest in tasks:
        metadata = manifest["metadata"]
        ref = ObjectRef("PodTemplate", metadata["namespace"], metadata["name"], "uid")
        seen = TaskTemplateSeen(ref, metadata["labels"], metadata["annotations"], "", (), (), manifest["template"])
        task = Task(seen)
        assert task.values.model_validate_strings(task.defaults)
        assert metadata["labels"]["app.kubernetes.io/name"] in {each["metadata"]["name"] for each in workloads}
