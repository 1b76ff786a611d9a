"""What a kept template is once the cluster's own marks are off, what it names, and the patch that makes exactly it."""

from typing import Any

import msgspec
import pytest

from connectors.kubernetes import revisions, wire
from connectors.kubernetes.reading import template_hash
from connectors.kubernetes.template import references

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "shop"}},
    "spec": {"containers": [{"name": "app", "image": "shop:1"}], "securityContext": {}},
}


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396, as its section 2 has it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": 2}),
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"d": 3}}}),
        ({"a": [1, 2, {"x": 1}]}, {"a": [2, {"y": 1}]}),
        ({"a": {"b": 1}}, {"a": {}}),
        ({"a": {}}, {"b": {}}),
        ({"a": [1]}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": "text"}),
        ({}, {"a": {"b": {"c": []}}}),
        ({"a": False}, {"a": 0}),
    ],
)
def test_a_patch_makes_exactly_the_new_of_the_old(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = revisions.difference(old, new)
    assert merged(old, patch) == new
    assert old != new or patch == {}


def test_a_replicaset_and_a_controller_revision_keep_what_the_workload_said() -> None:
    meta = {"metadata": {"name": "kept", "annotations": {"deployment.kubernetes.io/revision": "3"}}}
    labelled = {
        **TEMPLATE,
        "metadata": {"creationTimestamp": None, "labels": {"app": "shop", "pod-template-hash": "7"}},
    }
    replicaset = revisions.of_replicaset(msgspec.convert(meta | {"spec": {"template": labelled}}, wire.KeptReplicaSet))
    data = {"revision": 3, "data": {"spec": {"template": {"$patch": "replace", **TEMPLATE}}}}
    controlled = revisions.of_controller_revision(msgspec.convert(meta | data, wire.ControllerRevision))
    assert replicaset is not None
    assert replicaset.template_hash == controlled.template_hash == template_hash(TEMPLATE)
    assert (replicaset.number, controlled.number, replicaset.images) == (3, 3, ("shop:1",))


def test_a_replicaset_that_is_not_numbered_yet_is_no_revision() -> None:
    fresh = {"metadata": {"name": "fresh"}, "spec": {"template": TEMPLATE}}
    assert revisions.of_replicaset(msgspec.convert(fresh, wire.KeptReplicaSet)) is None


def test_a_template_names_what_has_to_exist() -> None:
    container = {
        "name": "app",
        "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "limits", "key": "x"}}},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "maybe", "key": "x", "optional": True}}},
            {"name": "D", "value": "secret"},
        ],
        "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "more"}}],
    }
    spec = {
        "serviceAccountName": "shop",
        "imagePullSecrets": [{"name": "registry"}],
        "initContainers": [{"name": "init", "envFrom": [{"secretRef": {"name": "early"}}]}],
        "containers": [container],
        "volumes": [
            {"name": "a", "secret": {"secretName": "certificate"}},
            {"name": "b", "projected": {"sources": [{"secret": {"name": "token"}}, {"configMap": {"name": "ca"}}]}},
            {"name": "c", "persistentVolumeClaim": {"claimName": "disk"}},
            {"name": "d", "emptyDir": {}},
        ],
    }
    assert tuple(str(each) for each in references({"spec": spec}) if not each.optional) == (
        "ConfigMap ca", "ConfigMap limits", "ConfigMap settings", "PersistentVolumeClaim disk", "Secret certificate", "Secret db",
        "Secret early", "Secret more", "Secret registry", "Secret token", "ServiceAccount shop",
    )  # fmt: skip
