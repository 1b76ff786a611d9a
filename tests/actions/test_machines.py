"""Cordon, drain and uncordon, from asking to the end: by administrators, as budgets allow, and taken back when it does not get there."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from actions import admission, claiming, execution, journal, services
from actions.errors import CannotPlanNow, Denied, NotFound
from actions.models import Execution, JournalEntry, Request
from actions.planning import world_for
from actions.protocol import Run
from actions.registry import action_named
from actions.states import ExecutionState
from audit.events import SYSTEM
from inventory import nodes as inventory_nodes
from inventory.models import Cluster, Node, Service
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks, fresh, make_team, work_off
from tests.cluster import eventually, made_namespace
from tests.machines import Machine, budget, deployment_on, made_machine, pod_on

pytestmark = pytest.mark.usefixtures("no_soak")


@pytest.fixture(scope="module")
def machine(endpoints: Endpoints) -> Iterator[Machine]:
    with made_namespace(endpoints) as namespace, made_machine(namespace) as made:
        namespace.apply(deployment_on(made, "app", replicas=2), deployment_on(made, "agent", kind="DaemonSet"))
        yield made


@pytest.fixture
def node(shop: Shop, machine: Machine) -> Node:
    """As the inventory knows it, free and with its pods on it."""
    machine.kubectl("uncordon", machine.name)
    machine.kubectl("delete", "pdb", "--all")
    machine.kubectl("delete", "pods", "bare", "scratch", "--ignore-not-found", "--now")
    machine.namespace.roll_out("deployment", "app")
    machine.namespace.roll_out("daemonset", "agent")
    cluster = Cluster.objects.get(name="sandbox")
    cluster.service = Service.objects.create(slug="cluster-sandbox", name="Cluster sandbox", team=make_team("platform"))
    cluster.save()
    return Node.objects.create(
        cluster=cluster, name=machine.name, uid=machine.uid, environment=shop.production, ready=True, seen_at=timezone.now()
    )  # fmt: skip


def on_it(machine: Machine) -> list[str]:
    found = machine.kubectl("get", "pods", f"--field-selector=spec.nodeName={machine.name}", "-o", "name").split()
    return sorted(name.removeprefix("pod/").rpartition("-")[0].partition("-")[0] for name in found)


def work_until(request: Request, sentence: str) -> Execution:
    """Do what workers do until the run says this."""

    def said() -> bool:
        Execution.objects.filter(request=request).update(run_after=timezone.now())
        if (run := claiming.claim()) is not None:
            execution.advance(run)
        return sentence in Execution.objects.get(request=request).cause

    eventually(said)
    return Execution.objects.get(request=request)


def test_a_drain_waits_for_the_budget_and_leaves_what_belongs_to_the_node(
    people: People, node: Node, machine: Machine
) -> None:
    machine.namespace.apply(budget("app", allowed=0))
    eventually(lambda: machine.namespace.get("pdb", "app").get("status", {}).get("expectedPods") == 2)
    seen = services.preview(actor=people.kofi, action="drain-node", target=node.pk, params={})
    said = {impact.label: f"{impact.figure}. {impact.meaning}" for impact in seen.plan.impact}
    assert said["Moves"].startswith("2 pods of 1 workload.")
    assert "app lets 0 of 2 go" in said["Budgets"]
    assert said["Stays"].startswith("1 pod.")

    request = asks(people.kofi, "drain-node", node)
    run = work_until(request, "a disruption budget keeps")
    assert run.state == ExecutionState.RUNNING
    entry = run.journal.get(step="evict")
    assert entry.evidence["held by"] == f"{machine.namespace.name}/app"
    assert on_it(machine) == ["agent", "app", "app"]

    machine.kubectl("delete", "pdb", "app")
    run = work_off(request)

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert on_it(machine) == ["agent"]
    assert machine.node()["spec"]["unschedulable"] is True
    effects = machine.namespace.effects()
    assert {each["impersonatedUser"]["username"] for each in effects} == {"kofi"}
    assert [each["verb"] for each in effects] == ["patch", "create", "create"]

    undone = services.undo(actor=people.kofi, request=fresh(request), reason="Mended.", entrance="test")
    assert undone.action == "uncordon-node"
    assert work_off(undone).state == ExecutionState.SUCCEEDED
    machine.namespace.roll_out("deployment", "app")


def test_whoever_takes_a_drain_over_cordons_once_and_evicts_each_pod_once(
    people: People, node: Node, machine: Machine
) -> None:
    """The worker was gone after the cordon, and after the first of two evictions, before it could write either down."""
    effects = len(machine.namespace.effects())
    request = asks(people.kofi, "drain-node", node)
    run = claiming.claim()
    assert run is not None
    assert claiming.start(run)
    plan, action = admission.stored_plan(request), action_named("drain-node")
    world = world_for(plan.target, people.kofi, Run(str(run.mark), run.stamp))
    journal.intend(run, JournalEntry.Phase.APPLY, plan.steps[0], actor=SYSTEM)
    action.apply(plan.steps[0], plan, world)
    first = next(each for each in world.cluster.nodes.pods(machine.name) if each.pod.owner_kind == "ReplicaSet")
    world.cluster.evict(first.pod.ref, as_=world.person)
    Execution.objects.filter(pk=run.pk).update(lease_until=None)

    assert work_off(request).state == ExecutionState.SUCCEEDED

    assert [each["verb"] for each in machine.namespace.effects()[effects:]] == ["patch", "create", "create"]


def test_a_drain_that_does_not_get_there_lets_the_node_take_pods_again(
    people: People, node: Node, machine: Machine
) -> None:
    machine.namespace.apply(budget("app", allowed=0))
    eventually(lambda: machine.namespace.get("pdb", "app").get("status", {}).get("expectedPods") == 2)
    request = asks(people.kofi, "drain-node", node, minutes=1)
    run = work_until(request, "a disruption budget keeps")
    run.journal.filter(step="evict").update(started_at=timezone.now() - timedelta(minutes=2))

    run = work_off(request)

    assert run.state == ExecutionState.REVERTED
    assert "was not done after 1 min" in run.cause
    assert "unschedulable" not in machine.node()["spec"]
    assert on_it(machine) == ["agent", "app", "app"]


def test_a_drain_that_somebody_else_ends_is_over(people: People, node: Node, machine: Machine) -> None:
    machine.namespace.apply(budget("app", allowed=0))
    eventually(lambda: machine.namespace.get("pdb", "app").get("status", {}).get("expectedPods") == 2)
    request = asks(people.kofi, "drain-node", node)
    work_until(request, "a disruption budget keeps")
    machine.kubectl("uncordon", machine.name)

    run = work_off(request)

    assert run.state == ExecutionState.REVERTED
    assert "Somebody let the node take pods again" in run.cause


def test_what_is_lost_for_good_has_to_be_asked_for(people: People, node: Node, machine: Machine) -> None:
    machine.namespace.apply(pod_on(machine, "bare"), pod_on(machine, "scratch", local_data=True))
    eventually(lambda: "bare" in machine.kubectl("get", "pods", f"--field-selector=spec.nodeName={machine.name}"))
    with pytest.raises(CannotPlanNow, match=r"/bare, .*/scratch: nobody makes it again"):
        asks(people.kofi, "drain-node", node)
    with pytest.raises(CannotPlanNow, match=r"/scratch: its data on the node \(emptyDir\) goes with it"):
        asks(people.kofi, "drain-node", node, delete_bare=True)
    request = asks(people.kofi, "drain-node", node, delete_bare=True, delete_local_data=True)
    assert "gone for good" in request.plan_text
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert on_it(machine) == ["agent"]
    with pytest.raises(CannotPlanNow, match="cordoned and empty already"):
        asks(people.kofi, "drain-node", node)


def test_a_cordon_is_one_person_s_and_nobody_else_s(people: People, node: Node, machine: Machine) -> None:
    with pytest.raises(NotFound):
        asks(people.mira, "cordon-node", node)
    assert node.cluster.service is not None
    assert node.cluster.service.team is not None
    people.mira.groups.add(node.cluster.service.team.group)
    with pytest.raises(Denied, match="only an administrator acts on its nodes"):
        asks(people.mira, "cordon-node", node)
    client = APIClient()
    client.force_authenticate(people.leila)
    assert client.get("/api/nodes").status_code == 403
    assert client.get(f"/api/nodes/{node.pk}/offers").status_code == 403
    refused = client.post(
        "/api/requests", {"action": "drain-node", "target": node.pk, "params": {}, "reason": "x"}, format="json"
    )
    assert refused.status_code == 404
    client.force_authenticate(people.kofi)
    [told] = client.get("/api/nodes").json()["items"]
    assert (told["name"], told["service"], told["schedulable"]) == (machine.name, "cluster-sandbox", True)
    offers = {
        each["action"]["id"] if isinstance(each["action"], dict) else each["action"]
        for each in client.get(f"/api/nodes/{node.pk}/offers").json()
    }
    assert offers == {"cordon-node", "drain-node"}
    assert "unschedulable" not in machine.node()["spec"]


def test_the_inventory_sees_nodes_with_their_room_and_their_team(
    shop: Shop, node: Node, machine: Machine, settings: Settings
) -> None:
    clusters = settings.CONFIGURATION.clusters
    theirs = {name: each.model_copy(update={"team": "infra"}) for name, each in clusters.items()}
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"clusters": theirs})
    cluster = node.cluster

    inventory_nodes.keep(cluster, inventory_nodes.look(shop.cluster), at=timezone.now())

    row = Node.objects.get(uid=node.uid)
    assert (row.ready, row.schedulable, row.pods, row.most_pods, row.cpu) == (True, True, 3, 500, "64")
    assert inventory_nodes.free(row).cpu == 64_000
    cluster.refresh_from_db()
    assert cluster.service is not None
    assert str(cluster.service.team) == "Infra"
    inventory_nodes.keep(cluster, [], at=timezone.now())
    assert Node.objects.get(uid=node.uid).gone_at is not None
