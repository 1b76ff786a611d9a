"""A Job is made once, as the person, and its log is read as the person, without what a terminal or a page would act on."""

from typing import Any

import pytest

from connectors.errors import Conflict, Forbidden, InvalidName, Missing
from connectors.kubernetes import Identity, KubernetesCluster
from connectors.kubernetes.jobs import JobSeen, job_name, job_of_cronjob, job_of_template, literal
from tests.cluster import Namespace, eventually
from tests.connectors.conftest import MIRA

TEMPLATE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PodTemplate",
    "metadata": {"name": "send-reports", "labels": {"afterdeck.dev/task": "true"}},
    "template": {
        "metadata": {"labels": {"part": "task"}},
        "spec": {
            "containers": [
                {
                    "name": "careless-task",
                    "image": "registry.example/reports:1",
                    "command": ["/app/send"],
                    "env": [
                        {"name": "MONTH", "value": "2026-01"},
                        {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password", "optional": True}}},
                    ],
                }
            ]
        },
    },
}  # fmt: skip
CRONJOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "loader"},
    "spec": {
        "schedule": "17 3 * * *",
        "jobTemplate": {
            "metadata": {"annotations": {"kept": "yes"}},
            "spec": {"backoffLimit": 1, "template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "task", "image": "registry.example/loader:1"}]}}},
        },
    },
}  # fmt: skip


def started(cluster: KubernetesCluster, namespace: Namespace, execution: str = "e1", **values: str) -> JobSeen:
    namespace.apply(TEMPLATE)
    template = cluster.jobs.read_template(namespace.name, "send-reports")
    name = job_name("send-reports", execution)
    manifest = job_of_template(template, name=name, values=values, execution=execution, deadline=60)
    return cluster.jobs.create(manifest, as_=MIRA)


def ended(cluster: KubernetesCluster, job: JobSeen) -> JobSeen:
    return eventually(lambda: seen if (seen := cluster.jobs.read(job.ref.namespace, job.ref.name)).ended else None)  # type: ignore[return-value]  # eventually gives the first true one


def test_a_task_runs_once_as_the_person_with_the_values_in_its_environment(
    cluster: KubernetesCluster, namespace: Namespace
) -> None:
    job = started(cluster, namespace, MONTH="2026-$(DB_PASSWORD)")

    spec = namespace.get("job", job.ref.name)["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 60)
    [container] = spec["template"]["spec"]["containers"]
    variables = {each["name"]: each for each in container["env"]}
    assert (
        variables["MONTH"]["value"] == "2026-$$(DB_PASSWORD)"
    )  # what Kubernetes makes "$(DB_PASSWORD)" of, and no password
    assert variables["DB_PASSWORD"]["valueFrom"]
    assert container["command"] == ["/app/send"]
    assert ended(cluster, job).complete
    [made] = namespace.effects()
    assert (made["verb"], made["impersonatedUser"]["username"]) == ("create", "mira")
    with pytest.raises(Conflict):
        started(cluster, namespace)


def test_a_log_is_read_as_the_person_and_can_be_shown(cluster: KubernetesCluster, namespace: Namespace) -> None:
    job = ended(cluster, started(cluster, namespace))
    [pod] = cluster.jobs.pods_of(job.ref)

    log = cluster.jobs.log_of(pod.ref, "careless-task", as_=MIRA)

    assert "starting for <img src=x onerror=alert(1)> customers\n" in log.text  # text, which a page escapes
    assert "password=canary" in log.text  # whole again, and so found by whoever hides passwords
    assert [c for c in log.text if c != "\n" and not c.isprintable()] == []
    assert not log.truncated
    with pytest.raises(Forbidden):
        cluster.jobs.log_of(pod.ref, "careless-task", as_=Identity("mira", ("afterdeck:operators", "nobody")))
    [reading] = [entry for entry in namespace.recorded() if entry["objectRef"].get("subresource") == "log"][:1]
    assert reading["impersonatedUser"]["username"] == "mira"


def test_a_job_is_stopped_with_its_pods_and_never_its_namesake(
    cluster: KubernetesCluster, namespace: Namespace
) -> None:
    job = started(cluster, namespace)

    cluster.jobs.delete(job.ref, as_=MIRA)

    eventually(lambda: "careless" not in namespace.kubectl("get", "pods", "-o", "name"))
    with pytest.raises(Missing):
        eventually(lambda: not cluster.jobs.read(job.ref.namespace, job.ref.name))
    again = started(cluster, namespace)
    assert again.ref.name == job.ref.name
    with pytest.raises(Conflict):
        cluster.jobs.delete(job.ref, as_=MIRA)


def test_a_cronjob_is_run_and_suspended(cluster: KubernetesCluster, namespace: Namespace) -> None:
    namespace.apply(CRONJOB)
    seen = cluster.jobs.read_cronjob(namespace.name, "loader")
    name = job_name("loader", "e1")

    cluster.jobs.create(job_of_cronjob(seen, name=name, execution="e1"), as_=MIRA)
    suspended = cluster.jobs.suspend(seen.ref, as_=MIRA, suspended=True, execution="e1", seen=seen.resource_version)

    made = namespace.get("job", name)
    assert (
        made["metadata"]["annotations"] | {"cronjob.kubernetes.io/instantiate": "manual", "kept": "yes"}
        == made["metadata"]["annotations"]
    )
    assert made["metadata"]["ownerReferences"][0]["uid"] == seen.ref.uid
    assert made["spec"]["backoffLimit"] == 1
    assert (suspended.suspended, suspended.execution) == (True, "e1")
    with pytest.raises(Conflict):
        cluster.jobs.suspend(seen.ref, as_=MIRA, suspended=False, execution="e2", seen=seen.resource_version)


def test_a_name_is_one_of_an_execution() -> None:
    long = job_name("a" * 253, "e1")
    assert len(long) <= 52
    assert long != job_name("a" * 253, "e2")
    assert job_name("nightly.report", "e1").startswith("nightly-report-")


@pytest.mark.parametrize(
    ("given", "sent"), [("", ""), ("a", "a"), ("$(A)", "$$(A)"), ("$$(A)", "$$$$(A)"), ("5 $", "5 $$")]
)
def test_a_value_stays_what_it_is(given: str, sent: str) -> None:
    assert literal(given) == sent


def test_what_cannot_name_a_variable_is_refused(cluster: KubernetesCluster, namespace: Namespace) -> None:
    namespace.apply(TEMPLATE)
    template = cluster.jobs.read_template(namespace.name, "send-reports")
    for name in ("", "A=B", "A\n", "1A", "Ä", "A" * 65):
        with pytest.raises(InvalidName):
            job_of_template(template, name="x", values={name: "1"}, execution="e1", deadline=60)
