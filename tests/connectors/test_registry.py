"""A connector is found by kind and name, and one of a stranger's as well as one of ours."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from connectors import registry
from connectors.errors import InvalidName, Missing
from connectors.kubernetes.cluster import KubernetesCluster
from connectors.kubernetes.configuration import ClusterConfig
from connectors.protocol import Connector, Health


@pytest.fixture(autouse=True)
def _nothing_of_ours_stays(monkeypatch):
    for state in ("_kinds", "_configured", "_made"):
        monkeypatch.setattr(registry, state, dict(getattr(registry, state)))


@dataclass
class Pager:
    kind: ClassVar[str] = "pager"
    name: str
    address: str
    read_only: bool = True

    def health(self) -> Health:
        return Health(True, f"{self.address} answers.", datetime.now(UTC), "1")


def test_a_configured_system_is_made_once(tmp_path):
    registry.configure({"kubernetes": {"north": ClusterConfig(tmp_path / "config", simulated=True)}})

    cluster = registry.connection("kubernetes", "north")

    assert isinstance(cluster, KubernetesCluster)
    assert isinstance(cluster, Connector)
    assert cluster.simulated
    assert registry.connection("kubernetes", "north") is cluster


def test_what_is_configured_can_be_listed():
    registry.register_connector(Pager)
    registry.configure({"pager": {"b": "two", "a": "one"}})

    assert registry.names("pager") == ("a", "b")
    assert [connector.health().sentence for connector in registry.connections()] == ["one answers.", "two answers."]


def test_configuring_again_forgets_what_was_before():
    registry.register_connector(Pager)
    registry.configure({"pager": {"a": "one"}})
    registry.connection("pager", "a")
    registry.configure({"pager": {"b": "two"}})

    with pytest.raises(Missing, match="An administrator connects it"):
        registry.connection("pager", "a")


def test_a_kind_that_nothing_installed_knows_is_missing():
    registry.configure({"mainframe": {"old": None}})

    with pytest.raises(Missing, match="Nothing installed can connect"):
        registry.connection("mainframe", "old")


@pytest.mark.parametrize("name", ["", "..", "Up", "a/b"])
def test_a_system_has_a_name_that_fits_a_url(name):
    with pytest.raises(InvalidName):
        registry.configure({"pager": {name: None}})


def test_two_classes_cannot_be_one_kind():
    registry.register_connector(Pager)

    with pytest.raises(ValueError, match="Two connectors call themselves pager"):
        registry.register_connector(type("Other", (Pager,), {}))


def test_a_class_without_health_is_refused():
    with pytest.raises(TypeError, match="has no health"):
        registry.register_connector(type("Mute", (), {"kind": "mute"}))
