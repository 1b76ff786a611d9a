"""What we saw in a cluster: plain frozen values that travel upwards.

Text is what the server said, not yet made safe for any particular output; quantities and times stay text where nobody
here calculates with them. A missing text is "", and `None` means that the server did not say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

OPERATORS = "afterdeck:operators"
EXECUTION = "afterdeck.dev/execution"
AUTO_SYNC = "afterdeck.dev/auto-sync-suspended"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a write is done as. The cluster's own audit log names this person."""

    user: str
    groups: tuple[str, ...] = (OPERATORS,)


@dataclass(frozen=True, slots=True)
class ObjectRef:
    kind: str
    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class NamespaceSeen:
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    uid: str = ""


@dataclass(frozen=True, slots=True)
class ReconcilerSeen:
    """The object by which Argo CD or Flux is told what to do: an Application, a Kustomization or a HelmRelease.

    `switch` is what turns it on and off, as it is now: of an Application its `automated`, of the others their `suspend`.
    """

    ref: ObjectRef
    resource_version: str
    suspended: bool  # does nothing by itself
    switch: Any
    heals: bool  # while it is not suspended, it takes back what others change
    within_seconds: int
    note: str  # what we left on it when we suspended it, "" otherwise
    execution: str | None
    sync_status: str  # "OutOfSync", as Argo CD says it
    written_by: str  # who else writes this object in turn, "" when nobody says so
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GitOpsOwner:
    """Who else writes this object. `None` for auto_sync and self_heal: we could not find out.

    `declares` are the paths of the fields that it would bring back; `None` when the object does not say which these are.
    """

    kind: str  # argocd, flux or helm
    application: str
    auto_sync: bool | None = None  # brings the object to the state in git by itself
    self_heal: bool | None = None  # takes back what others change
    resource: str = ""  # Application, Kustomization or HelmRelease
    namespace: str = ""  # where that is, as far as the object says
    within_seconds: int | None = None  # how soon it takes something back
    declares: frozenset[str] | None = None
    reconciler: ReconcilerSeen | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: str
    reason: str
    message: str
    updated_at: datetime | None = None  # when it last became what it is; only a Deployment says so


@dataclass(frozen=True, slots=True)
class ContainerSeen:
    name: str
    image: str
    cpu_request: str = ""
    cpu_limit: str = ""
    memory_request: str = ""
    memory_limit: str = ""


@dataclass(frozen=True, slots=True)
class WorkloadSeen:
    """A Deployment, StatefulSet or DaemonSet. For a DaemonSet `wanted` is the number of nodes that should run it."""

    ref: ObjectRef
    generation: int
    resource_version: str
    observed_generation: int
    wanted: int
    replicas: int
    ready: int
    updated: int
    available: int
    unavailable: int
    paused: bool
    strategy: str
    max_surge: str
    max_unavailable: str
    min_ready_seconds: int
    progress_deadline_seconds: int | None
    revision_history_limit: int  # how many earlier templates the cluster keeps
    partition: int  # a StatefulSet updates only pods with this ordinal or a higher one
    conditions: tuple[Condition, ...]
    template_hash: str  # sha256 over the canonical pod template, annotations included
    template_labels: Mapping[str, str]
    annotations: Mapping[str, str]
    labels: Mapping[str, str]
    selector: Mapping[str, str]
    selector_query: str  # the whole selector, expressions too, as the server takes it in a URL
    restarted_at: str | None
    execution: str | None  # the last of our executions that wrote to it
    containers: tuple[ContainerSeen, ...]
    revision: str | None  # of a Deployment
    current_revision: str | None  # of a StatefulSet
    update_revision: str | None
    managers: tuple[str, ...]  # who has written any of its fields, by field manager
    owner: GitOpsOwner | None
    created_at: datetime | None
    fields: Mapping[str, str] = field(default_factory=dict)  # of the whole object, by path; empty in lists
    secrets: tuple[str, ...] = ()  # the Secrets that its pods read, by name


@dataclass(frozen=True, slots=True)
class CronJobSeen:
    ref: ObjectRef
    schedule: str
    suspended: bool
    active: int
    last_scheduled_at: datetime | None
    containers: tuple[ContainerSeen, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owner: GitOpsOwner | None
    resource_version: str = ""
    execution: str | None = None
    time_zone: str = ""  # "": that of the controllers
    concurrency: str = ""  # Allow, Forbid or Replace
    deadline: int | None = None  # seconds that a Job of it may take
    fields: Mapping[str, str] = field(default_factory=dict)  # of the whole object, by path; empty in lists
    job_template: Mapping[str, Any] = field(default_factory=dict, repr=False)  # empty in lists
    secrets: tuple[str, ...] = ()  # as of a workload


@dataclass(frozen=True, slots=True)
class PodSeen:
    namespace: str
    name: str
    uid: str
    phase: str
    ready: bool
    restarts: int
    trouble: str  # "", or why a container does not run: ImagePullBackOff, CrashLoopBackOff, OOMKilled…
    message: str
    template_hash: str  # pod-template-hash or controller-revision-hash
    owner_uid: str
    owner_kind: str
    owner_name: str
    created_at: datetime | None
    node: str
    terminating: bool = False
    images: Mapping[str, str] = field(default_factory=dict)  # container → what its node says it pulled for it

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef("Pod", self.namespace, self.name, self.uid)

    @property
    def workload(self) -> tuple[str, str]:
        """Kind and name of the workload, without a second call: a ReplicaSet is its Deployment's name and the hash."""
        suffix = f"-{self.template_hash}"
        if self.owner_kind == "ReplicaSet" and self.template_hash and self.owner_name.endswith(suffix):
            return "Deployment", self.owner_name.removesuffix(suffix)
        return self.owner_kind, self.owner_name


@dataclass(frozen=True, slots=True)
class ReplicaSetSeen:
    name: str
    uid: str
    revision: str
    template_hash: str  # the pod-template-hash label
    replicas: int
    ready: int
    images: tuple[str, ...]
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class RevisionSeen:
    """A pod template that the cluster keeps of a workload. Its number is a new one each time it becomes current again."""

    number: int
    name: str  # of the ReplicaSet or ControllerRevision
    template_hash: str  # comes to the same as that of the workload, while this is its template
    images: tuple[str, ...]
    references: tuple[str, ...]  # "Secret db": what it names and cannot start without
    change_cause: str
    created_at: datetime | None
    template: Mapping[str, Any] = field(repr=False)  # may hold secrets in the environment of its containers


@dataclass(frozen=True, slots=True)
class AutoscalerSeen:
    ref: ObjectRef
    min_replicas: int
    max_replicas: int
    current: int
    target: str  # "Deployment/checkout-api": an autoscaler points by kind and name
    generation: int
    resource_version: str
    execution: str | None
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner: GitOpsOwner | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        return self.ref.uid


@dataclass(frozen=True, slots=True)
class BudgetSeen:
    """A PodDisruptionBudget. One of the two texts is set: a number or a percentage."""

    name: str
    min_available: str
    max_unavailable: str
    disruptions_allowed: int
    current_healthy: int
    desired_healthy: int


@dataclass(frozen=True, slots=True)
class QuotaSeen:
    name: str
    hard: Mapping[str, str]
    used: Mapping[str, str]
    scoped: bool = False  # it counts some pods only, by priority or by how they end


@dataclass(frozen=True, slots=True)
class EventSeen:
    at: datetime
    type: str
    reason: str
    message: str
    count: int
    object_name: str
