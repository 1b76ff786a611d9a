"""What the contract of actions is run on: for every registered action, real workloads and how to drift and spoil them.

An action without a case fails `test_actions.py`. Each workload carries credentials in the places where people put them, to see that
they go nowhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from actions.protocol import Target, TargetKind, World
from actions.registry import AnyAction, action_named
from actions.workloads import rolling
from connectors.kubernetes import Identity, KubernetesCluster, ObjectRef
from tests.cluster import Namespace, autoscaler, eventually, workload

SECRETS = (
    "canary-password-4711",
    "hvs.CAESIJcanaryCanaryCanaryCanary00",
    "ghp_canaryCanaryCanaryCanaryCanary000000",
    "postgresql://app:canary-in-url@db.example/shop",
)
Change = Callable[[Namespace, str], object]


@dataclass(frozen=True)
class Case:
    """`drift` changes what a plan rests on, `spoil` breaks the result, both as somebody else.

    Without `good`, the parameters are those that the form opens with. `earlier`: there was another version before.
    """

    action: str
    kind: str
    good: Mapping[str, Any] | None
    drift: Change
    spoil: Change
    numbers: tuple[str, ...] = ()
    bounds: tuple[int, int] | None = None
    earlier: bool = False

    def __str__(self) -> str:
        return f"{self.action}-{self.kind}{'-bounds' if self.bounds else ''}".lower()


def _restarted(namespace: Namespace, name: str) -> object:
    return namespace.kubectl("rollout", "restart", name)


def _labelled(namespace: Namespace, name: str) -> object:
    patch = '{"spec":{"template":{"metadata":{"labels":{"drifted":"yes"}}}}}'
    return namespace.kubectl("patch", name, "-p", patch)


def _scaled(to: int) -> Change:
    return lambda namespace, name: namespace.kubectl("scale", name, f"--replicas={to}")


def _bounded(least: int, most: int) -> Change:
    patch = f'{{"spec":{{"minReplicas":{least},"maxReplicas":{most}}}}}'
    return lambda namespace, name: namespace.kubectl("patch", "hpa", name.partition("/")[2], "-p", patch)


CASES = (
    *(Case("restart-workload", kind, {}, _labelled, _restarted) for kind in ("Deployment", "StatefulSet", "DaemonSet")),
    *(
        Case("resize-workload", kind, {"replicas": 3}, _scaled(1), _scaled(4), ("replicas",))
        for kind in ("Deployment", "StatefulSet")
    ),
    Case(
        "resize-workload", "Deployment", {"min_replicas": 2, "max_replicas": 5}, _bounded(1, 9), _bounded(1, 7),
        ("min_replicas", "max_replicas"), bounds=(1, 4),
    ),
    *(
        Case("rollback-workload", kind, None, _labelled, _restarted, ("revision",), earlier=True)
        for kind in ("Deployment", "StatefulSet", "DaemonSet")
    ),
)  # fmt: skip


@dataclass(frozen=True)
class OnCluster:
    """A `Subject` of `actions.testing`: one case, on a workload that is there."""

    case: Case
    cluster: KubernetesCluster
    namespace: Namespace
    name: str
    ref: ObjectRef = field(init=False)

    def __post_init__(self) -> None:
        self.declare()
        seen = self.cluster.read_workload(self.case.kind, self.namespace.name, self.name)
        object.__setattr__(self, "ref", seen.ref)

    def declare(self) -> None:
        """As it is in git, whatever was done to it."""
        if self.case.earlier:
            self._declare("registry.example/shop/checkout:1.4.1")
            eventually(self._is_numbered)
        self._declare("registry.example/shop/checkout:1.4.2")

    def _is_numbered(self) -> bool:
        """Whether the cluster keeps the present template as a revision."""
        seen = self.cluster.read_workload(self.case.kind, self.namespace.name, self.name)
        return seen.template_hash in {revision.template_hash for revision in self.cluster.revisions_of(seen)}

    def _declare(self, image: str) -> None:
        bounds = self.case.bounds
        self.namespace.apply(
            self.manifest(image), *([autoscaler(self.name, least=bounds[0], most=bounds[1])] if bounds else [])
        )

    def manifest(self, image: str) -> dict[str, Any]:
        made = workload(
            self.name, kind=self.case.kind, image=image, annotations={"example.org/deploy-token": SECRETS[2]}
        )
        if self.case.kind == "DaemonSet":
            made["spec"]["updateStrategy"] = {"rollingUpdate": {"maxUnavailable": "100%"}}
        template = made["spec"]["template"]
        template["metadata"]["annotations"] |= {"example.org/token": SECRETS[1]}
        template["spec"]["containers"][0]["env"] = [
            {"name": "DB_PASSWORD", "value": SECRETS[0]},
            {"name": "DATABASE", "value": SECRETS[3]},
        ]
        return made

    @property
    def action(self) -> AnyAction:
        return action_named(self.case.action)

    @property
    def target(self) -> Target:
        return Target(
            TargetKind.WORKLOAD, f"workload:{self.ref.uid}", str(self.ref), self.name, "production", self.cluster.name, self.ref
        )  # fmt: skip

    @property
    def world(self) -> World:
        return World(self.cluster, Identity("mira"), timezone.now(), soak_seconds=0)

    @property
    def good(self) -> Mapping[str, Any]:
        if self.case.good is not None:
            return self.case.good
        return self.action.defaults(self.target, self.world)

    @property
    def numbers(self) -> tuple[str, ...]:
        return self.case.numbers

    @property
    def secrets(self) -> tuple[str, ...]:
        return SECRETS

    def effects(self) -> int:
        """Of this workload: several share a namespace."""
        return len([each for each in self.namespace.effects() if each["objectRef"]["name"].startswith(self.name)])

    def declared(self) -> object:
        spec = self.namespace.get(self.case.kind.lower(), self.name)["spec"]
        return (spec, self.namespace.get("hpa", self.name)["spec"] if self.case.bounds else None)

    @property
    def place(self) -> tuple[str, str, str]:
        return self.ref.kind, self.ref.namespace, self.ref.name

    def version(self) -> str:
        """Of the object that the action writes to, as far as somebody declared it: reports of its status do not count."""
        written = self.namespace.get("hpa" if self.case.bounds else self.case.kind.lower(), self.name)
        return str(written["metadata"]["annotations"].get("afterdeck.dev/execution"))

    def rest(self) -> None:
        def still() -> bool:
            seen = self.cluster.read_workload(self.case.kind, self.namespace.name, self.name)
            return not rolling(seen) and seen.ready == seen.wanted == seen.replicas and not seen.unavailable

        eventually(still, 60)

    def drift(self) -> None:
        self.case.drift(self.namespace, f"{self.case.kind.lower()}/{self.name}")

    def spoil(self) -> None:
        self.case.spoil(self.namespace, f"{self.case.kind.lower()}/{self.name}")
