"""A diff in the lines people know: fields under their parent, keys with dots in one piece."""

import pytest

from actions.protocol import Change, Line
from portal.web.plans import _diff


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("spec.replicas", ["  spec:", "-   replicas: 2", "+   replicas: 3"]),
        (
            "spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt",
            [
                "  spec.template.metadata.annotations:",
                "-   kubectl.kubernetes.io/restartedAt: 2",
                "+   kubectl.kubernetes.io/restartedAt: 3",
            ],
        ),
        (
            "spec.template.spec.containers[writer.v2].image",
            ["  spec.template.spec.containers[writer.v2]:", "-   image: 2", "+   image: 3"],
        ),
        ("paused", ["- paused: 2", "+ paused: 3"]),
    ],
)  # fmt: skip
def test_a_changed_field_stands_under_its_parent(path: str, lines: list[str]) -> None:
    assert [row.text for row in _diff(Change("x", (Line(path, "2", "3"),))).rows] == lines


def test_a_parent_stands_there_once() -> None:
    rows = _diff(Change("hpa", (Line("spec.maxReplicas", "20", "8"), Line("spec.minReplicas", "8", "6")))).rows
    assert [row.text for row in rows].count("  spec:") == 1


def test_what_is_added_has_no_line_before() -> None:
    assert [row.kind for row in _diff(Change("x", (Line("spec.a", "", "1"),))).rows] == ["", "ins"]
