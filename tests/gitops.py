"""A tiny Argo CD and a tiny Flux: one object each that they bring back to what is in Git, as their controllers do.

Argo CD with self-heal does so whenever the object differs, Flux at each interval; neither does while it is suspended. Both apply on
the server under their own name, so that the cluster has on record which fields are theirs.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from sandbox import manifests
from sandbox.kubernetes import WORLD
from sandbox.manifests import Cluster, Manifest, Refused
from sandbox.stack import Endpoints
from tests.cluster import Namespace

COLLECTIONS = {
    "Application": "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications",
    "Kustomization": "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{namespace}/kustomizations",
    "HelmRelease": "/apis/helm.toolkit.fluxcd.io/v2/namespaces/{namespace}/helmreleases",
}
MANAGERS = {"Application": "argocd-controller", "Kustomization": "kustomize-controller"}


def administrator(endpoints: Endpoints) -> Cluster:
    """The cluster as somebody who may do everything, over plain HTTP: a controller asks often, and kubectl is a process each time."""
    config = yaml.safe_load(endpoints.kubeconfig_admin.read_text())
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    return Cluster(server["server"], endpoints.kubeconfig_admin.parent / server["certificate-authority"], user["token"])


def definitions(cluster: Cluster) -> None:
    """The kinds, as far as we read them; where the world of the demo is, they are there already, perhaps an earlier version's."""
    cluster.apply([found for found in manifests.read(WORLD) if found["kind"] == "CustomResourceDefinition"])


def application(name: str, **automated: Any) -> Manifest:
    policy = {"automated": automated} if automated else {}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {"project": "shop", "source": {"repoURL": "https://git.example/deploy.git"}, "syncPolicy": policy},
    }


def kustomization(name: str, interval: str) -> Manifest:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name},
        "spec": {"interval": interval, "path": "./shop"},
    }


def release(name: str, interval: str) -> Manifest:
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": name},
        "spec": {"interval": interval, "driftDetection": {"mode": "enabled"}},
    }


def path_of(owner: Manifest, namespace: Namespace) -> str:
    return f"{COLLECTIONS[owner['kind']].format(namespace=namespace.name)}/{owner['metadata']['name']}"


def marks(made: Manifest, owner: Manifest, namespace: Namespace) -> None:
    """Leave on an object what its owner leaves there."""
    meta, name = made["metadata"], owner["metadata"]["name"]
    if owner["kind"] == "Application":
        tracked = f"{namespace.name}_{name}:apps/{made['kind']}:{namespace.name}/{meta['name']}"
        meta.setdefault("annotations", {})["argocd.argoproj.io/tracking-id"] = tracked
    else:
        group = owner["apiVersion"].partition("/")[0]
        meta.setdefault("labels", {}).update({f"{group}/name": name, f"{group}/namespace": namespace.name})


class Reconciler(threading.Thread):
    """Brings one Deployment back to `git`, as long as its own object says so."""

    def __init__(self, cluster: Cluster, namespace: Namespace, owner: Manifest, git: Manifest, seconds: float) -> None:
        super().__init__(daemon=True)
        self._cluster, self._git, self._seconds = cluster, git, seconds
        self._kind = owner["kind"]
        self._own = path_of(owner, namespace)
        self._object = f"/apis/apps/v1/namespaces/{namespace.name}/deployments/{git['metadata']['name']}"
        self._over = threading.Event()
        self.problem = ""

    def stop(self) -> None:
        self._over.set()
        self.join(10)
        assert not self.problem, self.problem

    def run(self) -> None:
        try:
            self.apply()
            while not self._over.wait(self._seconds):
                if self._acts(self._cluster.ask("GET", self._own)["spec"]):
                    self.apply()
        except Refused as refused:
            self.problem = str(refused)

    def _acts(self, spec: dict[str, Any]) -> bool:
        if self._kind == "Kustomization":
            return not spec.get("suspend")
        return bool((spec.get("syncPolicy", {}).get("automated") or {}).get("selfHeal"))

    def apply(self) -> None:
        """On the server, with force: fields that are not in Git stay as they are."""
        path = f"{self._object}?fieldManager={MANAGERS[self._kind]}&force=true"
        self._cluster.ask("PATCH", path, self._git, content_type="application/apply-patch+yaml")


@contextmanager
def reconciled(
    endpoints: Endpoints, namespace: Namespace, owner: Manifest, git: Manifest, *, seconds: float
) -> Iterator[Reconciler]:
    """The Deployment `git`, owned by `owner`, looked at every so many seconds for as long as this is open."""
    cluster = administrator(endpoints)
    name = git["metadata"]["name"]
    marks(git, owner, namespace)
    definitions(cluster)
    namespace.apply(owner)
    running = Reconciler(cluster, namespace, owner, git, seconds)
    running.apply()
    running.start()
    namespace.roll_out("deployment", name)
    yield running
    running.stop()
