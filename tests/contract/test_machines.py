"""Cordoning, uncordoning and draining keep the contract of actions, on a node of the test's own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from actions.errors import CannotPlanNow
from actions.planning import make_plan, read_params
from actions.plans import Plan
from actions.protocol import Drifted, Run, Target, TargetKind, World
from actions.registry import AnyAction, action_named
from actions.testing import ActionContract
from connectors.kubernetes import Identity, KubernetesCluster, ObjectRef
from sandbox.manifests import Cluster
from sandbox.stack import Endpoints
from tests.cluster import eventually, made_namespace
from tests.contract.subjects import SECRETS
from tests.gitops import administrator
from tests.machines import Machine, deployment_on, made_machine

CASES = (("cordon-node", "Node"), ("uncordon-node", "Node"), ("drain-node", "Node"))


@dataclass(frozen=True)
class OnMachine:
    """A `Subject` of `actions.testing`: a node with one pod, and cordoned already where that is to be taken back."""

    action_id: str
    cluster: KubernetesCluster
    admin: Cluster
    machine: Machine

    def declare(self) -> None:
        self.switch(self.action_id != "uncordon-node")

    def switch(self, schedulable: bool) -> None:
        patch = {"spec": {"unschedulable": None if schedulable else True}}
        self.admin.ask("PATCH", self.path, patch, content_type="application/merge-patch+json")

    @property
    def path(self) -> str:
        return f"/api/v1/nodes/{self.machine.name}"

    @property
    def action(self) -> AnyAction:
        return action_named(self.action_id)

    @property
    def target(self) -> Target:
        ref = ObjectRef("Node", "", self.machine.name, self.admin.ask("GET", self.path)["metadata"]["uid"])
        return Target(
            TargetKind.NODE, f"node:{ref.uid}", str(ref), "cluster-sandbox", "production", self.cluster.name, ref
        )

    @property
    def world(self) -> World:
        return World(self.cluster, Identity("kofi"), timezone.now(), soak_seconds=0)

    @property
    def good(self) -> Mapping[str, Any]:
        return {"minutes": 5} if self.action_id == "drain-node" else {}

    @property
    def numbers(self) -> tuple[str, ...]:
        return ("minutes",) if self.action_id == "drain-node" else ()

    @property
    def secrets(self) -> tuple[str, ...]:
        return SECRETS

    def effects(self) -> int:
        return len(self.machine.namespace.effects())

    def effects_of(self, plan: Plan) -> int:
        return len(plan.steps)  # there is one pod to evict

    def declared(self) -> object:
        """But for the taint that a controller adds for whoever schedules."""
        spec = self.admin.ask("GET", self.path)["spec"]
        return {**spec, "taints": [taint for taint in spec["taints"] if taint["key"] == self.machine.toleration["key"]]}

    def rest(self) -> None:
        """Its pod is there again, unless the node is cordoned."""
        if self.action_id != "uncordon-node":
            eventually(self._is_ready, 60)

    def _is_ready(self) -> bool:
        path = f"/apis/apps/v1/namespaces/{self.machine.namespace.name}/deployments/app"
        return bool(self.admin.ask("GET", path)["status"].get("readyReplicas") == 1 and self._pods() == 1)

    def _pods(self) -> int:
        return len(list(self.cluster.nodes.pods(self.machine.name)))

    def drift(self) -> None:
        self.switch(self.action_id == "uncordon-node")

    def spoil(self) -> None:
        self.switch(self.action_id != "uncordon-node")


@pytest.fixture(scope="module")
def machine(endpoints: Endpoints) -> Iterator[Machine]:
    with made_namespace(endpoints) as namespace, made_machine(namespace) as made:
        namespace.apply(_with_secrets(deployment_on(made, "app")))
        yield made


def _with_secrets(made: dict[str, Any]) -> dict[str, Any]:
    template = made["spec"]["template"]
    template["metadata"]["annotations"] |= {"example.org/token": SECRETS[1]}
    template["spec"]["containers"][0]["env"] = [{"name": "DB_PASSWORD", "value": SECRETS[0]}]
    return made


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def made(
    request: pytest.FixtureRequest, endpoints: Endpoints, cluster: KubernetesCluster, machine: Machine
) -> OnMachine:
    return OnMachine(request.param[0], cluster, administrator(endpoints), machine)


class TestMachines(ActionContract):
    @pytest.fixture
    def subject(self, made: OnMachine) -> OnMachine:
        made.declare()
        made.rest()
        return made

    def test_nothing_is_done_to_what_somebody_else_has_changed(self, subject: OnMachine) -> None:  # type: ignore[override]  # ours
        """Of a node that somebody else switched, nothing is left to plan, but for a drain."""
        action, values = subject.action, read_params(subject.action, subject.good)
        plan = make_plan(action, subject.target, values, subject.world)
        subject.drift()
        effects = subject.effects()
        run = World(subject.cluster, Identity("kofi"), timezone.now(), 0, Run("another", "2026-11-24T10:00:00Z"))
        with pytest.raises(Drifted) as refusal:
            action.apply(plan.steps[0], plan, run)
        assert str(refusal.value).endswith(".")
        assert subject.effects() == effects
        if subject.action_id == "drain-node":
            assert make_plan(action, subject.target, values, subject.world).digest != plan.digest
        else:
            with pytest.raises(CannotPlanNow, match="already"):
                make_plan(action, subject.target, values, subject.world)
