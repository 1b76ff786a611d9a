"""Two objects are compared by what somebody declared in them, and the values of variables stay hidden."""

from connectors.kubernetes.fields import fields


def with_variable(value: str) -> dict[str, object]:
    container = {"name": "app", "image": "app:1", "env": [{"name": "PASSWORD", "value": value}], "args": []}
    return {
        "kind": "Deployment",
        "metadata": {"name": "api", "uid": "1", "generation": 3, "annotations": {"a.b/c": "d"}},
        "spec": {"replicas": 2, "paused": False, "template": {"spec": {"containers": [container]}}},
        "status": {"replicas": 1},
    }


def test_an_object_is_its_declared_fields():
    seen = fields(with_variable("hunter2"))

    app = "spec.template.spec.containers[app]"
    hidden = seen.pop(f"{app}.env[PASSWORD].value")
    assert seen == {
        "metadata.name": "api",
        "metadata.annotations.a.b/c": "d",
        "spec.replicas": "2",
        "spec.paused": "false",
        f"{app}.name": "app",
        f"{app}.image": "app:1",
        f"{app}.env[PASSWORD].name": "PASSWORD",
        f"{app}.args": "[]",
    }
    assert "hunter2" not in hidden


def test_a_hidden_value_still_shows_that_it_changed():
    assert fields(with_variable("one")) == fields(with_variable("one"))
    assert fields(with_variable("one")) != fields(with_variable("two"))
