"""Suspending and resuming keep the contract of actions, on every kind of owner and of workload."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from actions.autosync import Note
from actions.protocol import Target, TargetKind, World
from actions.registry import AnyAction, action_named
from actions.testing import ActionContract
from connectors.kubernetes import Identity, KubernetesCluster
from sandbox.manifests import Cluster
from sandbox.stack import Endpoints
from tests.cluster import Namespace, made_namespace, workload
from tests.contract.subjects import SECRETS
from tests.gitops import administrator, application, definitions, kustomization, marks, path_of, release

OWNERS = {
    "Deployment": lambda name: application(name, prune=True, selfHeal=True),
    "StatefulSet": lambda name: kustomization(name, "10m"),
    "DaemonSet": lambda name: release(name, "10m"),
}
ON = {"Application": {"prune": True, "selfHeal": True}, "Kustomization": None, "HelmRelease": None}
CASES = (*(("suspend-gitops", kind) for kind in OWNERS), ("resume-gitops", "Deployment"))
"""By kind of workload, each with another kind of owner. What resumes is the same code for all of them."""


@dataclass(frozen=True)
class Owned:
    """A `Subject` of `actions.testing`: a workload and its owner, which is suspended already where that is to be resumed."""

    action_id: str
    cluster: KubernetesCluster
    admin: Cluster
    namespace: Namespace
    name: str
    kind: str

    @property
    def action(self) -> AnyAction:
        return action_named(self.action_id)

    @property
    def owner(self) -> dict[str, Any]:
        return OWNERS[self.kind](self.name)

    def declare(self) -> None:
        """As it is in Git, whatever was done to it."""
        owner = self.owner
        self._switch(ON[owner["kind"]], None)
        if self.action_id == "resume-gitops":
            self._switch(None if owner["kind"] == "Application" else True, self._note(30))

    def make(self) -> None:
        made = workload(self.name, kind=self.kind, replicas=0, annotations={"example.org/deploy-token": SECRETS[2]})
        made["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "DB_PASSWORD", "value": SECRETS[0]}]
        marks(made, self.owner, self.namespace)
        self.namespace.apply(made, self.owner)

    def _note(self, minutes: int) -> str:
        until = timezone.now() + timedelta(minutes=minutes)
        return Note(ON[self.owner["kind"]], "mira", self.target.key, until).text

    def _switch(self, value: Any, note: str | None) -> None:
        spec = {"syncPolicy": {"automated": value}} if self.owner["kind"] == "Application" else {"suspend": value}
        notes = {"afterdeck.dev/auto-sync-suspended": note, "afterdeck.dev/execution": None}
        patch = {"metadata": {"annotations": notes}, "spec": spec}
        self.admin.ask("PATCH", path_of(self.owner, self.namespace), patch, content_type="application/merge-patch+json")

    @property
    def target(self) -> Target:
        ref = self.cluster.read_workload(self.kind, self.namespace.name, self.name).ref
        return Target(
            TargetKind.WORKLOAD, f"workload:{ref.uid}", str(ref), self.name, "production", self.cluster.name, ref
        )

    @property
    def world(self) -> World:
        return World(self.cluster, Identity("mira"), timezone.now(), soak_seconds=0)

    @property
    def good(self) -> Mapping[str, Any]:
        if self.action_id == "suspend-gitops":
            return {"for_minutes": 30}
        meta = self.admin.ask("GET", path_of(self.owner, self.namespace))["metadata"]
        return {
            "owner_kind": self.owner["kind"],
            "owner_namespace": self.namespace.name,
            "owner_name": self.name,
            "owner_uid": meta["uid"],
        }

    @property
    def numbers(self) -> tuple[str, ...]:
        return ("for_minutes",) if self.action_id == "suspend-gitops" else ()

    @property
    def secrets(self) -> tuple[str, ...]:
        return SECRETS

    def effects(self) -> int:
        return len([each for each in self.namespace.effects() if each["objectRef"]["name"] == self.name])

    def declared(self) -> object:
        return self.admin.ask("GET", path_of(self.owner, self.namespace))["spec"]

    def rest(self) -> None:
        """Nothing moves: no controller is here."""

    def drift(self) -> None:
        """Somebody else decides how it syncs."""
        argo, suspended = self.owner["kind"] == "Application", self.action_id == "resume-gitops"
        if suspended:
            self._switch(None if argo else True, self._note(60))
        else:
            self._switch({"prune": False} if argo else False, None)

    def spoil(self) -> None:
        """The opposite of what the action does."""
        argo, resumed = self.owner["kind"] == "Application", self.action_id == "resume-gitops"
        off, on = (None, {"selfHeal": True}) if argo else (True, False)
        self._switch(off if resumed else on, None)


@pytest.fixture(scope="module")
def place(endpoints: Endpoints) -> Iterator[Namespace]:
    definitions(administrator(endpoints))
    with made_namespace(endpoints) as made:
        yield made


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def made(request: pytest.FixtureRequest, endpoints: Endpoints, cluster: KubernetesCluster, place: Namespace) -> Owned:
    action, kind = request.param
    owned = Owned(action, cluster, administrator(endpoints), place, f"shop-{secrets.token_hex(3)}", kind)
    owned.make()
    return owned


class TestGitOps(ActionContract):
    @pytest.fixture
    def subject(self, made: Owned, db: None) -> Owned:
        made.declare()
        return made
