"""Room is counted as the scheduler counts it, with a table of machines and pods."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connectors.kubernetes.capacity import AskingPod, AskingSpec, Machine, PodNeeds, needs_of, room

NO_OWN: frozenset[str] = frozenset()


def spec(**parts: Any) -> AskingSpec:
    return msgspec.convert(parts, AskingSpec)


def container(cpu: str = "", *, limit: str = "", **more: str) -> dict[str, Any]:
    requests = {"cpu": cpu} if cpu else {}
    limits = {"cpu": limit} if limit else {}
    return {"name": "app", "resources": {"requests": requests, "limits": limits}, **more}


def machine(name: str = "a", *, cpu: str = "4", pods: str = "10", ready: str = "True", **parts: Any) -> Machine:
    status = {
        "allocatable": {"cpu": cpu, "memory": "8Gi", "pods": pods},
        "conditions": [{"type": "Ready", "status": ready}],
    }
    return msgspec.convert({"metadata": {"name": name, "labels": {"disk": "ssd"}}, "status": status, **parts}, Machine)


def placed(uid: str, cpu: str, on: str = "a") -> AskingPod:
    return msgspec.convert(
        {"metadata": {"uid": uid}, "spec": {"nodeName": on, "containers": [container(cpu)]}}, AskingPod
    )


@pytest.mark.parametrize(
    ("asking", "cores"),
    [
        (spec(containers=[container("1500m"), container("500m")]), 2),
        (spec(containers=[container(limit="2")]), 2),  # what has only a limit asks for that
        (spec(containers=[container("1")], initContainers=[container("3"), container("2")]), 3),
        (spec(containers=[container("1")], initContainers=[container("1", restartPolicy="Always"), container("3")]), 4),
        (spec(containers=[container("2")], initContainers=[container("1", restartPolicy="Always")]), 3),
        (spec(containers=[container("1")], overhead={"cpu": "250m"}), Decimal("1.25")),
        (spec(containers=[container()]), 0),
    ],
)
def test_what_a_pod_asks_for(asking: AskingSpec, cores: Decimal) -> None:
    assert needs_of(asking).cpu == cores


TAINTED = {"taints": [{"key": "gpu", "effect": "NoSchedule", "value": "yes"}]}


@pytest.mark.parametrize(
    ("machines", "needs", "fits"),
    [
        ([machine(), machine("b")], PodNeeds(cpu=Decimal(1)), 8),
        ([machine(pods="2")], PodNeeds(cpu=Decimal(1)), 2),
        ([machine()], PodNeeds(), 10),  # who asks for nothing is only counted
        ([machine(ready="False"), machine("b", ready="Unknown")], PodNeeds(), 0),
        ([machine(spec={"unschedulable": True})], PodNeeds(), 0),
        ([machine(spec=TAINTED)], PodNeeds(), 0),
        ([machine(spec={"taints": [{"key": "gpu", "effect": "PreferNoSchedule"}]})], PodNeeds(), 10),
        ([machine()], PodNeeds(node_selector={"disk": "ssd"}), 10),
        ([machine()], PodNeeds(node_selector={"disk": "hdd"}), 0),
    ],
)
def test_which_machines_take_how_many(machines: list[Machine], needs: PodNeeds, fits: int) -> None:
    assert room(machines, [], needs, own=NO_OWN) == fits


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"key": "gpu", "value": "yes"}, 10),
        ({"key": "gpu", "value": "no"}, 0),
        ({"key": "gpu", "operator": "Exists"}, 10),
        ({"operator": "Exists"}, 10),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, 0),
    ],
)
def test_a_taint_is_for_who_tolerates_it(toleration: dict[str, str], fits: int) -> None:
    needs = needs_of(spec(tolerations=[toleration]))
    assert room([machine(spec=TAINTED)], [], needs, own=NO_OWN) == fits


def test_what_stands_there_takes_its_part_unless_it_is_ones_own() -> None:
    pods, needs = [placed("1", "2"), placed("2", "1"), placed("3", "4", on="elsewhere")], PodNeeds(cpu=Decimal(1))
    assert room([machine()], pods, needs, own=NO_OWN) == 1
    assert room([machine()], pods, needs, own=frozenset({"1"})) == 3
    assert room([machine()], [], needs, own=NO_OWN, most_each=1) == 1
