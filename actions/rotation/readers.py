"""Who reads a secret, as the inventory knows them and as they are now."""

import hashlib
from dataclasses import dataclass

from connectors.errors import Missing
from connectors.kubernetes import KubernetesCluster, ObjectRef, WorkloadSeen
from inventory import consumers as inventory

from ..protocol import CannotPlan, Target, World
from ..workloads import HOPELESS, refuse_without_rollouts, rolling


@dataclass(frozen=True)
class Consumer:
    """A workload that says it reads the secret. `seen` is None of what has no pods of its own between its runs, such as a CronJob."""

    cluster: str
    ref: ObjectRef
    environment: str
    other_team: str
    """Whose it is, if not the secret's owner's."""

    seen: WorkloadSeen | None

    @property
    def name(self) -> str:
        return f"{self.ref.namespace}/{self.ref.name}"

    @property
    def restarts(self) -> bool:
        return self.seen is not None and self.seen.wanted > 0


def consumers_of(target: Target, world: World) -> list[Consumer]:
    """As they are now, the least critical first. What is gone reads nothing any more. Raises `CannotPlan` for what cannot be restarted."""
    found = []
    for row in inventory.readers_of(target.vault, target.ref.namespace, target.ref.name):
        ref = ObjectRef(row.kind, row.namespace, row.name, row.uid)
        other = inventory.is_others(row, target.service) and (row.service.team.slug if row.service.team else "nobody")
        cluster = world.cluster_named(row.cluster.name)
        try:
            seen = read_reader(cluster, ref)
        except Missing:
            continue
        if seen is not None and seen.wanted > 0:
            _refuse(seen, cluster)
        found.append(Consumer(row.cluster.name, ref, row.environment.slug, other or "", seen))
    return found


def read_reader(cluster: KubernetesCluster, ref: ObjectRef) -> WorkloadSeen | None:
    """`None` for what has no pods of its own. Raises `Missing`, also when another object has its name by now."""
    if ref.kind == "CronJob":
        return None
    seen = cluster.read_workload(ref.kind, ref.namespace, ref.name)
    if seen.ref.uid != ref.uid:
        raise Missing(f"{ref} was replaced by another object of the same name.")
    return seen


def _refuse(seen: WorkloadSeen, cluster: KubernetesCluster) -> None:
    """A rollout that goes on is waited for when it runs; one that is stuck would be waited for in vain."""
    try:
        refuse_without_rollouts(seen)
    except CannotPlan as refusal:
        raise CannotPlan(f"{seen.ref} reads this secret and cannot be restarted. {refusal}") from refusal
    stuck = [pod for pod in cluster.pods_of(seen) if pod.trouble in HOPELESS and not pod.ready] if rolling(seen) else []
    if stuck:
        raise CannotPlan(
            f"{seen.ref} reads this secret, and its rollout is stuck: {stuck[0].trouble}. Roll it back first."
        )


def step_id(verb: str, *place: str) -> str:
    """Short enough for a journal, and another one for another object, however long and alike their names are."""
    which = hashlib.sha256("/".join(place).encode()).hexdigest()[:8]
    return f"{verb}-{place[-1][:30]}-{which}"
