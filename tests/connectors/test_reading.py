"""What we say we saw is what the server's object means."""

import msgspec
import pytest

from connectors.kubernetes import reading, wire


def pod(**status: object) -> wire.Pod:
    owner = {"kind": "ReplicaSet", "name": "api-5d7", "uid": "u1", "controller": True}
    labels = {"pod-template-hash": "5d7"}
    return msgspec.convert(
        {"metadata": {"name": "api-5d7-x", "labels": labels, "ownerReferences": [owner]}, "status": status}, wire.Pod
    )


def waiting(reason: str, message: str = "") -> dict[str, object]:
    return {"restartCount": 2, "state": {"waiting": {"reason": reason, "message": message}}}


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        ({"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}, ""),
        ({"phase": "Pending"}, ""),
        ({"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]}, ""),
        ({"phase": "Pending", "containerStatuses": [waiting("ImagePullBackOff")]}, "ImagePullBackOff"),
        ({"phase": "Running", "containerStatuses": [waiting("CrashLoopBackOff")]}, "CrashLoopBackOff"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]}, "OOMKilled"),
        ({"containerStatuses": [{"state": {"terminated": {"exitCode": 1}}}]}, "Error"),
        ({"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}, ""),
        ({"initContainerStatuses": [waiting("Error")], "containerStatuses": [waiting("PodInitializing")]}, "Error"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}, "Unschedulable"),
    ],
)
def test_why_a_pod_does_not_run(status, trouble):
    assert reading.pod(pod(**status)).trouble == trouble


def test_a_pod_knows_its_workload_without_another_call():
    assert reading.pod(pod()).workload == ("Deployment", "api")


def test_a_template_has_one_hash_however_it_is_written():
    one = {"metadata": {"annotations": {"a": "1", "b": "2"}}, "spec": {"containers": []}}
    same = {"spec": {"containers": []}, "metadata": {"annotations": {"b": "2", "a": "1"}}}
    other = {"spec": {"containers": []}, "metadata": {"annotations": {"b": "2", "a": "3"}}}

    assert reading.template_hash(one) == reading.template_hash(same) != reading.template_hash(other)


@pytest.mark.parametrize(
    ("expressions", "matches"),
    [
        ([], True),
        ([("tier", "In", ["web", "api"])], True),
        ([("tier", "In", ["db"])], False),
        ([("tier", "NotIn", ["db"])], True),
        ([("absent", "NotIn", ["x"])], True),
        ([("tier", "Exists", None)], True),
        ([("tier", "DoesNotExist", None)], False),
        ([("tier", "Exists", None), ("absent", "Exists", None)], False),
    ],
)
def test_a_selector_selects_what_the_server_would(expressions, matches):
    selector = wire.Selector({"app": "api"}, [wire.SelectorTerm(*term) for term in expressions])

    assert reading.selects(selector, {"app": "api", "tier": "web"}) is matches
    assert reading.selects(selector, {"tier": "web"}) is False


def test_an_empty_selector_selects_everything():
    assert reading.selects(wire.Selector(), {"any": "thing"})


def test_a_whole_selector_goes_into_a_url():
    terms = [
        ("tier", "In", ["web", "api"]),
        ("zone", "NotIn", ["x"]),
        ("a", "Exists", None),
        ("b", "DoesNotExist", None),
    ]
    selector = wire.Selector({"app": "api"}, [wire.SelectorTerm(*term) for term in terms])

    assert reading.selector_query(selector) == "app=api,tier in (web,api),zone notin (x),a,!b"
