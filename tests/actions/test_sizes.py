"""What could keep a size from being had is said before, and what a machine or a budget says while it runs decides."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from actions import admission, claiming, confirmation, execution, journal, services
from actions.admission import Preview
from actions.errors import BadParams, CannotPlanNow
from actions.models import Execution, JournalEntry, Request
from actions.planning import make_plan, world_for
from actions.protocol import Params, Run, Target, TargetKind, World
from actions.registry import action_named
from actions.sizes import lasting
from actions.states import ExecutionState
from approvals.facts import PLENTY
from approvals.rulings import Effect
from audit.events import SYSTEM
from connectors.kubernetes import Identity, KubernetesCluster
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks, fresh, work_off
from tests.cluster import (
    Namespace,
    eventually,
    made_namespace,
    vertical_autoscaler,
    vertical_autoscaling,
    workload,
)

pytestmark = pytest.mark.usefixtures("no_soak")

SIZES = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        for name, behaviour in (("checkout", ""), ("refused", "resize-infeasible"), ("put-off", "resize-deferred")):
            declared = workload(name, behaviour=behaviour)
            declared["spec"]["template"]["spec"]["containers"][0]["resources"] = SIZES
            made.apply(declared)
        for name in ("checkout", "refused", "put-off"):
            made.roll_out("deployment", name)
        yield made


@pytest.fixture
def target(shop: Shop, namespace: Namespace) -> Workload:
    return shop.knows("checkout", environment=shop.staging)


def looks(people: People, target: Workload, action: str = "resize-containers", **params: Any) -> Preview:
    return services.preview(actor=people.mira, action=action, target=target.pk, params=params)


def pods(namespace: Namespace, name: str) -> dict[str, str]:
    """Name to CPU request, as declared, of the pods that are not going."""
    listed = json.loads(namespace.kubectl("get", "pods", "-l", f"app.kubernetes.io/name={name}", "-o", "json"))["items"]
    return {
        pod["metadata"]["name"]: pod["spec"]["containers"][0]["resources"]["requests"]["cpu"]
        for pod in listed if "deletionTimestamp" not in pod["metadata"]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"cpu_request": "-1"}, "cpu_request: .*cannot be a quantity"),
        ({"cpu_limit": "NaN"}, "cpu_limit: .*cannot be a quantity"),
        ({"memory_limit": "128m"}, "memory_limit: that is less than 1 Mi; give a unit, such as 256Mi"),
        ({"memory_request": "512"}, "memory_request: that is less than 1 Mi"),
        ({"how": "by magic"}, "how: Input should be 'template' or 'in-place'"),
    ],
)
def test_what_is_no_size_is_refused_with_the_field(
    target: Workload, people: People, params: dict[str, str], said: str
) -> None:
    with pytest.raises(BadParams, match=said):
        looks(people, target, container="app", **params)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (
            {"memory_request": "256Mi"},
            "It would ask for 256Mi of memory and may use at most 128Mi. Raise the limit, or ask for less.",
        ),
        (
            {"cpu_request": "0.1"},
            "app has these sizes already: CPU 100m to no limit, memory 64Mi to 128Mi. Change at least one.",
        ),
        ({"container": "proxy", "cpu_request": "1"}, "It has no container proxy. There is app."),
        ({"how": "in-place", "cpu_limit": "1"}, "the CPU limit of .* is not set. Resize the template."),
        ({"how": "in-place", "memory_limit": "none"}, "the memory limit of .* is 128Mi. Resize the template."),
        ({"how": "in-place", "memory_request": "64Mi"}, "app has these sizes already in all 2 pods."),
    ],
)
def test_what_would_not_do_cannot_be_planned(
    target: Workload, people: People, params: dict[str, str], said: str
) -> None:
    with pytest.raises(CannotPlanNow, match=said):
        looks(people, target, **{"container": "app", **params})


def test_the_policy_and_people_see_what_would_not_fit(target: Workload, people: People) -> None:
    seen = looks(people, target, container="app", cpu_request="40")
    assert seen.ruling.effect is Effect.ALLOW
    assert (seen.plan.numbers["node_headroom"], seen.plan.numbers["cpu_percent"]) == (
        1,
        39900.0,
    )  # of three with 64 cores
    seen = looks(people, target, container="app", cpu_request="64", memory_request="96Mi")
    assert seen.plan.numbers["node_headroom"] < 0
    assert seen.plan.numbers["memory_percent"] == 50.0
    assert seen.ruling.deciding_rules == ("more-than-the-nodes-hold",)
    assert [row.figure for row in seen.plan.impact if row.worry and row.label == "Nodes"]
    assert looks(people, target, container="app", cpu_request="50m").plan.numbers["quota_left"] == PLENTY


def test_a_quota_of_cpu_counts_what_all_pods_ask_for(shop: Shop, people: People, endpoints: Endpoints) -> None:
    with made_namespace(endpoints) as small:
        small.kubectl("create", "quota", "cpu", "--hard=requests.cpu=1")
        small.kubectl("create", "quota", "best", "--hard=pods=1", "--scopes=BestEffort")
        declared = workload("checkout")
        declared["spec"]["template"]["spec"]["containers"][0]["resources"] = SIZES
        small.apply(declared)
        small.roll_out("deployment", "checkout")
        eventually(lambda: small.get("quota", "cpu")["status"].get("used", {}).get("requests.cpu") == "200m")
        target = shop.at(small).knows("checkout")
        seen = looks(people, target, container="app", cpu_request="300m")
        assert seen.plan.numbers["quota_left"] == 1
        rows = {row.label: f"{row.figure}: {row.meaning}" for row in seen.plan.impact}
        assert rows["Quota"] == "0.2 to 0.6 of 1 requests.cpu: Then it has room for 1 more of these pods."
        with pytest.raises(CannotPlanNow, match=r"on requests\.cpu has 0\.2 of 1 used, and 1 more are asked for"):
            looks(people, target, container="app", cpu_request="600m")
        with pytest.raises(CannotPlanNow, match=r"It has room for 8 more of these pods"):
            looks(people, target, "resize-workload", replicas=11)


def test_a_vertical_autoscaler_that_acts_is_left_to_decide(
    target: Workload, people: People, namespace: Namespace, endpoints: Endpoints
) -> None:
    with vertical_autoscaling(endpoints):
        namespace.apply(vertical_autoscaler("checkout", mode="Off"))
        assert looks(people, target, container="app", cpu_request="200m").ruling.effect is Effect.ALLOW
        namespace.apply(vertical_autoscaler("checkout", mode="Recreate"))
        seen = looks(people, target, container="app", cpu_request="200m")
        assert (seen.ruling.effect, seen.ruling.deciding_rules) == (Effect.DENY, ("vertical-autoscaler-decides",))
        assert ("Vertical autoscaler", True) in [(row.label, row.worry) for row in seen.plan.impact]
        assert looks(people, target, "resize-workload", replicas=3).ruling.effect is Effect.ALLOW


def test_a_container_gets_more_by_a_rollout_and_gives_it_back_by_an_undo(
    target: Workload, people: People, namespace: Namespace
) -> None:
    before = namespace.get("deployment", "checkout")["spec"]["template"]
    request = asks(people.mira, "resize-containers", target, container="app", cpu_limit="500m", memory_limit="none")
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    [container] = namespace.get("deployment", "checkout")["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "500m"}}
    undone = services.undo(actor=people.mira, request=fresh(request), reason="Seen enough.", entrance="test")
    assert work_off(undone).state == ExecutionState.SUCCEEDED
    assert namespace.get("deployment", "checkout")["spec"]["template"] == before


def test_running_pods_get_more_in_place_and_stay_the_same_pods(
    target: Workload, people: People, namespace: Namespace
) -> None:
    before = pods(namespace, "checkout")
    request = asks(people.mira, "resize-containers", target, container="app", how="in-place", cpu_request="150m")
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert pods(namespace, "checkout") == dict.fromkeys(before, "150m")
    undone = services.undo(actor=people.mira, request=fresh(request), reason="Seen enough.", entrance="test")
    assert work_off(undone).state == ExecutionState.SUCCEEDED
    assert pods(namespace, "checkout") == before


def test_whoever_takes_over_between_two_pods_resizes_each_once(
    target: Workload, people: People, namespace: Namespace
) -> None:
    before, effects = pods(namespace, "checkout"), len(namespace.effects())
    request = asks(people.mira, "resize-containers", target, container="app", how="in-place", cpu_request="175m")
    run = claiming.claim()
    assert run is not None
    plan = admission.stored_plan(request)
    assert claiming.start(run)
    assert confirmation.confirm(run) == confirmation.Answer()
    world = world_for(plan.target, people.mira, Run(str(run.mark), run.stamp))
    for step in plan.steps[:1]:  # and then its worker is gone, before it could write down what came of it
        journal.intend(run, JournalEntry.Phase.APPLY, step, actor=SYSTEM)
        action_named(plan.action).apply(step, plan, world)
    Execution.objects.filter(pk=run.pk).update(lease_until=timezone.now(), run_after=timezone.now())
    assert work_off(request).state == ExecutionState.SUCCEEDED
    assert pods(namespace, "checkout") == dict.fromkeys(before, "175m")
    assert len(namespace.effects()) == effects + len(before)


def test_a_machine_that_refuses_is_believed_and_all_pods_go_back(
    shop: Shop, people: People, namespace: Namespace
) -> None:
    target, before = shop.knows("refused", environment=shop.staging), pods(namespace, "refused")
    request = asks(people.mira, "resize-containers", target, container="app", how="in-place", cpu_request="150m")
    run = work_off(request)
    assert (run.state, "refuses: Node didn't have enough capacity." in run.cause) == (ExecutionState.REVERTED, True), (
        run.cause
    )
    assert pods(namespace, "refused") == before


def test_a_machine_that_puts_it_off_is_waited_for_until_somebody_cancels(
    shop: Shop, people: People, namespace: Namespace
) -> None:
    target, before = shop.knows("put-off", environment=shop.staging), pods(namespace, "put-off")
    request = asks(people.mira, "resize-containers", target, container="app", how="in-place", cpu_request="150m")
    works_until(request, lambda run: "is put off: Node didn't have enough resource" in run.observed.get("sentence", ""))
    assert set(pods(namespace, "put-off").values()) == {"150m"}
    services.cancel(actor=people.mira, request=fresh(request))
    assert work_off(request).state == ExecutionState.REVERTED
    assert pods(namespace, "put-off") == before


def test_a_pod_that_a_budget_keeps_is_asked_again_until_it_lets_go(
    target: Workload, people: People, namespace: Namespace
) -> None:
    budget = ("poddisruptionbudget", "checkout")
    namespace.kubectl("create", *budget, "--min-available=2", "--selector=app.kubernetes.io/name=checkout")
    eventually(lambda: namespace.get(*budget).get("status", {}).get("observedGeneration"))
    before = pods(namespace, "checkout")
    chosen = min(before)
    seen = looks(people, target, "evict-pod", pod=chosen)
    assert [row.label for row in seen.plan.impact if row.worry] == ["Availability"]
    request = asks(people.mira, "evict-pod", target, pod=chosen)
    works_until(request, lambda run: run.state == ExecutionState.WAITING and "disruption budget keeps" in run.cause)
    assert pods(namespace, "checkout") == before
    namespace.kubectl("delete", *budget)
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    after = pods(namespace, "checkout")
    assert chosen not in after
    assert len(after) == len(before)


def test_a_pod_that_was_chosen_and_is_gone_makes_the_request_stale(
    target: Workload, people: People, namespace: Namespace
) -> None:
    chosen = min(pods(namespace, "checkout"))
    request = asks(people.mira, "evict-pod", target, pod=chosen)
    namespace.kubectl("delete", "pod", chosen)
    namespace.roll_out("deployment", "checkout")
    run = work_off(request)
    assert run.state == ExecutionState.CANCELLED
    assert f"It has no pod {chosen} now." in run.cause


class Unseen:
    """A cluster whose controllers have not got round to the last write. No controller waits to be looked at like that."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def read_workload(self, kind: str, namespace: str, name: str) -> Any:
        seen = self._cluster.read_workload(kind, namespace, name)
        return replace(seen, generation=seen.generation + 1)


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("restart-workload", {}),
        ("rollback-workload", {"revision": 1}),
        ("resize-containers", {"container": "app", "cpu_request": "1"}),
    ],
)
def test_who_looks_before_the_controller_has_looked_is_told_to_look_again(
    cluster: KubernetesCluster, namespace: Namespace, action: str, params: dict[str, Any]
) -> None:
    ref = cluster.read_workload("Deployment", namespace.name, "checkout").ref
    target = Target(TargetKind.WORKLOAD, "workload:1", "checkout", "checkout", "staging", "sandbox", ref)
    chosen = action_named(action)
    world = World(Unseen(cluster), Identity("mira"), datetime.now(UTC))  # type: ignore[arg-type]  # reads as a cluster does
    values: Params = chosen.params.model_validate(params)
    with pytest.raises(CannotPlanNow, match="The controller has not seen the last change of it yet") as refusal:
        make_plan(chosen, target, values, world)
    assert refusal.value.temporary


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(1, "1 min"), (60, "1 h"), (90, "1 h 30 min"), (1440, "1 d"), (10080, "7 d"), (1501, "1 d 1 h 1 min")],
)
def test_durations_are_said_as_people_do(minutes: int, said: str) -> None:
    assert lasting(minutes) == said


def works_until(request: Request, condition: Callable[[Execution], bool]) -> None:
    def reached() -> bool:
        if (claimed := claiming.claim()) is not None:
            execution.advance(claimed)
        return condition(Execution.objects.get(request=request))

    eventually(reached)
