"""Whatever an action is on: what is gone or replaced is left alone, and nothing is written over what took its name."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from actions import cronjobs, nodes, workloads
from actions.protocol import Drifted, LeftAlone, Target, TargetKind
from connectors.errors import Missing
from connectors.kubernetes import ObjectRef

WORKLOAD = Target(TargetKind.WORKLOAD, "k", "Shop", "shop", "prod", "c1", ObjectRef("Deployment", "shop", "web", "u1"))
CRONJOB = replace(WORKLOAD, ref=ObjectRef("CronJob", "shop", "web", "u1"))
NODE = replace(WORKLOAD, kind=TargetKind.NODE, ref=ObjectRef("Node", "", "web", "u1"))


def reading(uid: str) -> Any:
    """A world whose cluster knows one object of each name, by that uid, or none where it is empty."""

    def read(*_: str) -> SimpleNamespace:
        if not uid:
            raise Missing("It is not there.")
        return SimpleNamespace(ref=SimpleNamespace(uid=uid))

    cluster = SimpleNamespace(
        read_workload=read, jobs=SimpleNamespace(read_cronjob=read), nodes=SimpleNamespace(read=read)
    )
    return SimpleNamespace(cluster=cluster)


@pytest.mark.parametrize(
    ("target", "read", "before_write", "another", "again"),
    [
        (WORKLOAD, lambda t, w: workloads.read_target(w.cluster, t), lambda t, w: workloads.read_before_write(w.cluster, t),
         "object", "Open the service again"),
        (CRONJOB, cronjobs.read_cronjob, cronjobs.read_before_write, "object", "Open the service again"),
        (NODE, nodes.read_node, nodes.read_before_write, "machine", "Choose it again"),
    ],
    ids=["workload", "cronjob", "node"],
)  # fmt: skip
def test_what_is_gone_or_replaced_is_left_alone(
    target: Target, read: Any, before_write: Any, another: str, again: str
) -> None:
    assert read(target, reading("u1")).ref.uid == before_write(target, reading("u1")).ref.uid == "u1"
    with pytest.raises(LeftAlone, match=re.escape("Shop is gone from cluster c1. Nothing is left to act on.")):
        read(target, reading(""))
    replaced = f"Shop was replaced by another {another} of the same name."
    with pytest.raises(LeftAlone, match=re.escape(f"{replaced} {again} to act on it.")):
        read(target, reading("u2"))
    with pytest.raises(Drifted, match=re.escape(f"{replaced} Nothing was changed.")):
        before_write(target, reading("u2"))
