"""From what a connector saw in a cluster to what the inventory keeps of it: workloads with their trouble in plain words.

Reads, and decides by pure functions; writes nothing. What it sees is complete or it raises: half a list would look like services
that are gone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog

from connectors.errors import Forbidden
from connectors.kubernetes import AutoscalerSeen, GitOpsOwner, KubernetesCluster, PodSeen, WorkloadSeen
from connectors.kubernetes.seen import ContainerSeen, CronJobSeen, NamespaceSeen, ObjectRef

from .claims import (
    DESCRIPTION_LIMIT,
    NAME_LIMIT,
    OURS,
    Claims,
    line,
    links_in,
    secrets_among,
    secrets_in,
    service_slug,
    short_slug,
    tier,
)

log = structlog.get_logger(__name__)

ENVIRONMENT, OWNER, SERVICE = f"{OURS}environment", f"{OURS}owner", f"{OURS}service"
NAME, VERSION = "app.kubernetes.io/name", "app.kubernetes.io/version"

MOST_IMAGES = 20
TROUBLE_LIMIT = 300
GITOPS = {"argocd": "Argo CD, app", "flux": "Flux, app", "helm": "Helm, release"}
RUN_OF_CRONJOB = re.compile(r"(?P<cronjob>.+)-\d{8,10}", re.ASCII)
"""A CronJob names its Jobs after itself and the minute they were due."""


class Words(NamedTuple):
    """A trouble of one pod, of several, and of all there are. `{some}` is "1 of 6"."""

    one: str
    several: str
    all: str = ""


CRASHES = Words("{some} crashes again and again", "{some} crash again and again")
NO_IMAGE = Words(
    "the image of {some} cannot be pulled", "the image of {some} cannot be pulled", "the image cannot be pulled"
)
NO_MEMORY = Words("{some} ran out of memory", "{some} ran out of memory")
NO_CONFIG = Words("{some} lacks a part of its configuration", "{some} lack a part of their configuration")
TROUBLES = {
    "CrashLoopBackOff": CRASHES,
    "ImagePullBackOff": NO_IMAGE,
    "ErrImagePull": NO_IMAGE,
    "ErrImageNeverPull": NO_IMAGE,
    "InvalidImageName": Words(
        "the image of {some} has an impossible name", "the image of {some} has an impossible name"
    ),
    "OOMKilled": NO_MEMORY,
    "CreateContainerConfigError": NO_CONFIG,
    "CreateContainerError": Words("{some} cannot be started", "{some} cannot be started"),
    "RunContainerError": Words("{some} cannot be started", "{some} cannot be started"),
    "Error": Words("{some} ended with an error", "{some} ended with an error"),
    "Evicted": Words("{some} was evicted from its machine", "{some} were evicted from their machines"),
    "Unschedulable": Words("{some} finds no machine to run on", "{some} find no machine to run on"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """What a namespace says about everything in it."""

    environment: str
    owner: str


@dataclass(frozen=True, slots=True)
class Sighting:
    """A workload as the inventory will keep it."""

    service: str
    environment: str
    ref: ObjectRef
    claims: Claims
    namespace_owner: str = ""
    version: str = ""
    images: tuple[str, ...] = ()
    wanted: int = 0
    ready: int = 0
    restarts: int = 0
    paused: bool = False
    autoscaler: Mapping[str, Any] | None = None
    managed_by: str = ""
    trouble: str = ""
    revision: str = ""


@dataclass(slots=True)
class Pods:
    """The pods of one workload, added up."""

    count: int = 0
    restarts: int = 0
    troubles: Counter[str] = field(default_factory=Counter)


Key = tuple[str, str, str]
"""Namespace, kind and name: how pods and autoscalers point at a workload."""

Synced = Mapping[tuple[str, str], frozenset[str]]
"""By namespace and name of a Kubernetes Secret: the "mount/path" of what is in it."""


def look(cluster: KubernetesCluster) -> list[Sighting]:
    """Everything that runs in the namespaces with an environment. Raises the connector's errors."""
    places = places_of(cluster.namespaces())
    workloads = [seen for seen in cluster.list_workloads() if seen.ref.namespace in places]
    cronjobs = [seen for seen in cluster.list_cronjobs() if seen.ref.namespace in places]
    autoscalers = {target_of(seen): seen for seen in cluster.list_autoscalers()}
    synced = synced_from(cluster)
    pods, last_runs = add_up(pod for pod in cluster.list_pods() if pod.namespace in places)
    found = []
    for workload in workloads:
        key, place = key_of(workload.ref), places[workload.ref.namespace]
        sighting = workload_sighting(workload, place, pods.get(key, Pods()), autoscalers.get(key))
        found.append(with_synced(sighting, workload.secrets, synced))
    for cronjob in cronjobs:
        place = places[cronjob.ref.namespace]
        sighting = cronjob_sighting(cronjob, place, last_runs.get(key_of(cronjob.ref)))
        found.append(with_synced(sighting, cronjob.secrets, synced))
    return found


def synced_from(cluster: KubernetesCluster) -> Synced:
    """Which secrets of a vault are in which Secret. An account that may not look at the operators' objects knows of none."""
    try:
        seen = cluster.synced_secrets()
    except Forbidden as problem:
        log.warning("discovery.synced_secrets_hidden", cluster=cluster.name, problem=problem.sentence)
        return {}
    kept: dict[tuple[str, str], frozenset[str]] = {}
    for each in seen:
        key = each.ref.namespace, each.target
        kept[key] = kept.get(key, frozenset()) | secrets_among(taken.secret for taken in each.takes)
    return kept


def with_synced(sighting: Sighting, names: Iterable[str], synced: Synced) -> Sighting:
    """Whoever reads a Secret that an operator keeps equal to a secret of a vault reads that secret; nobody has to say so."""
    taken = frozenset[str]().union(*(synced.get((sighting.ref.namespace, name), frozenset()) for name in names))
    return replace(sighting, claims=replace(sighting.claims, secrets=sighting.claims.secrets | taken))


def key_of(ref: ObjectRef) -> Key:
    return ref.namespace, ref.kind, ref.name


def target_of(autoscaler: AutoscalerSeen) -> Key:
    kind, _, name = autoscaler.target.partition("/")
    return autoscaler.ref.namespace, kind, name


def places_of(namespaces: Iterable[NamespaceSeen]) -> dict[str, Place]:
    """Those that an administrator of the cluster put into an environment; the others are none of our business."""
    places = {}
    for seen in namespaces:
        if environment := short_slug(seen.labels.get(ENVIRONMENT)):
            places[seen.name] = Place(environment, short_slug(seen.annotations.get(OWNER)))
        elif ENVIRONMENT in seen.labels:
            log.warning("discovery.environment_unusable", namespace=seen.name, environment=seen.labels[ENVIRONMENT])
    return places


def add_up(pods: Iterable[PodSeen]) -> tuple[dict[Key, Pods], dict[Key, PodSeen]]:
    """Pods per workload, and the newest pod of each CronJob. Holds no pod for longer than it takes to count it."""
    sums: dict[Key, Pods] = {}
    last_runs: dict[Key, PodSeen] = {}
    for pod in pods:
        kind, name = pod.workload
        if kind == "Job" and (run := RUN_OF_CRONJOB.fullmatch(name)):
            key = pod.namespace, "CronJob", run["cronjob"]
            if key not in last_runs or _age(pod) > _age(last_runs[key]):
                last_runs[key] = pod
        elif not pod.terminating:
            into = sums.setdefault((pod.namespace, kind, name), Pods())
            into.count += 1
            into.restarts += pod.restarts
            if pod.trouble and not pod.ready:
                into.troubles[pod.trouble] += 1
    return sums, last_runs


def _age(pod: PodSeen) -> datetime:
    return pod.created_at or datetime.min.replace(tzinfo=UTC)


def workload_sighting(seen: WorkloadSeen, place: Place, pods: Pods, autoscaler: AutoscalerSeen | None) -> Sighting:
    return Sighting(
        service=_service(seen.annotations, seen.labels, seen.ref),
        environment=place.environment,
        ref=seen.ref,
        claims=claims_of(seen.annotations, place),
        namespace_owner=place.owner,
        version=version_of(seen.labels, seen.containers),
        images=_images(seen.containers),
        wanted=seen.wanted,
        ready=seen.ready,
        restarts=pods.restarts,
        paused=seen.paused,
        autoscaler=_bounds(autoscaler) if autoscaler else None,
        managed_by=managed_by(seen.owner),
        trouble=trouble_of(seen, pods),
        revision=_revision(seen),
    )


def cronjob_sighting(seen: CronJobSeen, place: Place, last_run: PodSeen | None) -> Sighting:
    """It wants no pod at any moment, so only its last run can be in trouble."""
    return Sighting(
        service=_service(seen.annotations, seen.labels, seen.ref),
        environment=place.environment,
        ref=seen.ref,
        claims=claims_of(seen.annotations, place),
        namespace_owner=place.owner,
        version=version_of(seen.labels, seen.containers),
        images=_images(seen.containers),
        paused=seen.suspended,
        managed_by=managed_by(seen.owner),
        trouble="the last run failed" if last_run and last_run.phase == "Failed" else "",
    )


def claims_of(annotations: Mapping[str, str], place: Place) -> Claims:
    return Claims(
        owner=short_slug(annotations.get(OWNER)) or place.owner,
        name=line(annotations.get(f"{OURS}display-name"), NAME_LIMIT),
        description=line(annotations.get(f"{OURS}description"), DESCRIPTION_LIMIT),
        tier=tier(annotations.get(f"{OURS}tier")),
        links=links_in(annotations.get(f"{OURS}links", "")),
        secrets=secrets_in(annotations.get(f"{OURS}secrets", "")),
    )


def trouble_of(seen: WorkloadSeen, pods: Pods) -> str:
    """Why it is not as it should be, the most common reason first, or nothing."""
    if pods.troubles:
        return _pod_trouble(pods)
    reasons = {condition.type: condition for condition in seen.conditions}
    failure = reasons.get("ReplicaFailure")
    if failure and failure.status == "True":
        return line(f"pods cannot be made: {failure.message or failure.reason}", TROUBLE_LIMIT)
    progressing = reasons.get("Progressing")
    if progressing and progressing.reason == "ProgressDeadlineExceeded":
        return "the rollout does not end"
    missing = seen.wanted - seen.ready
    return f"{missing} of {seen.wanted} not ready" if missing > 0 else ""


def _pod_trouble(pods: Pods) -> str:
    sums: Counter[Words] = Counter()
    for reason, count in pods.troubles.items():
        said = line(reason, 60).replace("{", "(").replace("}", ")")
        sums[TROUBLES.get(reason, Words(f"{{some}}: {said}", f"{{some}}: {said}"))] += count
    words, count = sums.most_common(1)[0]
    if count == pods.count and words.all:
        return words.all
    return (words.one if count == 1 else words.several).format(some=f"{count} of {pods.count}")


def version_of(labels: Mapping[str, str], containers: Iterable[ContainerSeen]) -> str:
    """The label's, else the tag of the first image, else the beginning of its digest."""
    if said := line(labels.get(VERSION), 128):
        return said
    image = next((container.image for container in containers), "")
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return line(tag or digest[: len("sha256:") + 12], 128)


def managed_by(owner: GitOpsOwner | None) -> str:
    if owner is None:
        return ""
    return line(f"{GITOPS.get(owner.kind, owner.kind)} {owner.application}", 253)


def _service(annotations: Mapping[str, str], labels: Mapping[str, str], ref: ObjectRef) -> str:
    return service_slug(annotations.get(SERVICE)) or service_slug(labels.get(NAME)) or ref.name


def _images(containers: Iterable[ContainerSeen]) -> tuple[str, ...]:
    return tuple(line(container.image, 300) for container in containers)[:MOST_IMAGES]


def _bounds(autoscaler: AutoscalerSeen) -> dict[str, Any]:
    return {"name": autoscaler.ref.name, "min": autoscaler.min_replicas, "max": autoscaler.max_replicas}


def _revision(seen: WorkloadSeen) -> str:
    return line(seen.revision or (seen.update_revision or "").rpartition("-")[2], 32)
