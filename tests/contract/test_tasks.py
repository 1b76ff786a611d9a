"""Tasks and CronJobs keep the contract of actions. A workload is only where a task is run for; it is not touched."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from actions.plans import Plan
from actions.protocol import Target, TargetKind, World
from actions.registry import AnyAction, action_named
from actions.testing import ActionContract
from connectors.kubernetes import Identity, KubernetesCluster, ObjectRef
from sandbox.manifests import Cluster
from sandbox.stack import Endpoints
from tests.cluster import Namespace, eventually, made_namespace
from tests.contract.subjects import SECRETS
from tests.gitops import administrator
from tests.tasks import cronjob, task_template

CASES = (
    ("run-task", "Deployment"),
    ("run-cronjob", "CronJob"),
    ("suspend-cronjob", "CronJob"),
    ("resume-cronjob", "CronJob"),
)
BATCH = "/apis/batch/v1/namespaces"
VALUES = {"BATCH_SIZE": "20", "MODE": "rebuild"}


@dataclass(frozen=True)
class Tasked:
    """A `Subject` of `actions.testing`: a task's template, or a CronJob that is suspended already where that is to be resumed."""

    action_id: str
    kind: str
    cluster: KubernetesCluster
    admin: Cluster
    namespace: Namespace
    name: str

    @property
    def switches(self) -> bool:
        return self.action_id in ("suspend-cronjob", "resume-cronjob")

    @property
    def suspended(self) -> bool:
        return self.action_id == "resume-cronjob"

    def declare(self, image: str = "registry.example/tasks:1", schedule: str = "17 3 * * *") -> None:
        if self.kind != "CronJob":
            made = task_template(self.name, image=image, env=[{"name": "DB_PASSWORD", "value": SECRETS[0]}])
            made["metadata"]["annotations"] |= {"example.org/deploy-token": SECRETS[2]}
        else:
            made = cronjob(self.name, image=image, schedule=schedule, suspend=self.suspended)
            pod = made["spec"]["jobTemplate"]["spec"]["template"]
            pod["spec"]["containers"][0]["env"] = [{"name": "DATABASE", "value": SECRETS[3]}]
            pod["metadata"]["annotations"] |= {"example.org/token": SECRETS[1]}
        made["metadata"]["namespace"] = self.namespace.name
        self.admin.apply([made])

    @property
    def action(self) -> AnyAction:
        return action_named(self.action_id)

    @property
    def target(self) -> Target:
        uid = self.cronjob()["metadata"]["uid"] if self.kind == "CronJob" else "not-asked-for"
        ref = ObjectRef(self.kind, self.namespace.name, self.name, uid)
        return Target(TargetKind.WORKLOAD, f"workload:{uid}", str(ref), self.name, "production", self.cluster.name, ref)

    @property
    def world(self) -> World:
        return World(self.cluster, Identity("mira"), timezone.now(), soak_seconds=0)

    @property
    def good(self) -> Mapping[str, Any]:
        return {"template": self.name, "values": VALUES} if self.action_id == "run-task" else {}

    @property
    def numbers(self) -> tuple[str, ...]:
        return ()

    @property
    def secrets(self) -> tuple[str, ...]:
        return SECRETS

    def effects(self) -> int:
        return len(self.namespace.effects())

    def effects_of(self, plan: Plan) -> int:
        return len(plan.steps)

    def cronjob(self) -> dict[str, Any]:
        found: dict[str, Any] = self.admin.ask("GET", f"{BATCH}/{self.namespace.name}/cronjobs/{self.name}")
        return found

    def jobs(self) -> list[str]:
        found = self.admin.ask("GET", f"{BATCH}/{self.namespace.name}/jobs")["items"]
        return sorted(job["metadata"]["name"] for job in found if job["metadata"]["name"].startswith(self.name))

    def declared(self) -> object:
        return self.cronjob()["spec"] if self.switches else self.jobs()

    def rest(self) -> None:
        for job in self.jobs():
            self.admin.ask("DELETE", f"{BATCH}/{self.namespace.name}/jobs/{job}", {"propagationPolicy": "Background"})
        eventually(lambda: not self.jobs())

    def drift(self) -> None:
        if self.switches:
            self.declare(schedule="18 3 * * *")
        else:
            self.declare(image="registry.example/tasks:2")

    def spoil(self) -> None:
        if self.switches:
            self.declare()
        else:
            self.rest()


@pytest.fixture(scope="module")
def place(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def made(request: pytest.FixtureRequest, endpoints: Endpoints, cluster: KubernetesCluster, place: Namespace) -> Tasked:
    action, kind = request.param
    return Tasked(action, kind, cluster, administrator(endpoints), place, f"task-{secrets.token_hex(3)}")


class TestTasks(ActionContract):
    @pytest.fixture
    def subject(self, made: Tasked) -> Tasked:
        made.declare()
        made.rest()
        return made
