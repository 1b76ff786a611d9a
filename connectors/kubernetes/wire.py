"""The API server's objects, as far as we read them. msgspec skips everything else without building it."""

from datetime import datetime
from typing import Any, Generic, TypeVar, dataclass_transform

import msgspec

T = TypeVar("T")
Text = dict[str, str]
IntOrText = int | str


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Wire(msgspec.Struct, rename="camel", frozen=True):
    """Field names as the server writes them."""


class ListMeta(Wire):
    continue_: str = msgspec.field(default="", name="continue")


class Listed(Wire, Generic[T]):
    items: list[T] | None = None
    metadata: ListMeta = ListMeta()


class OwnerReference(Wire):
    kind: str
    name: str
    uid: str
    controller: bool = False


class ManagedFields(Wire):
    manager: str = ""
    time: datetime | None = None
    subresource: str = ""


class Meta(Wire):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: Text = {}
    annotations: Text = {}
    owner_references: list[OwnerReference] = []
    managed_fields: list[ManagedFields] = []


class Namespace(Wire):
    metadata: Meta


class SelectorTerm(Wire):
    key: str
    operator: str
    values: list[str] | None = None


class Selector(Wire):
    match_labels: Text = {}
    match_expressions: list[SelectorTerm] = []


class Condition(Wire):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_update_time: datetime | None = None


class Resources(Wire):
    requests: Text = {}
    limits: Text = {}


class Container(Wire):
    name: str
    image: str = ""
    resources: Resources = Resources()


class PodSpec(Wire):
    containers: list[Container] = []
    node_name: str = ""


class Template(Wire):
    metadata: Meta = Meta()
    spec: PodSpec = PodSpec()


class RollingUpdate(Wire):
    max_surge: IntOrText = ""
    max_unavailable: IntOrText = ""
    partition: int = 0


class Strategy(Wire):
    type: str = ""
    rolling_update: RollingUpdate = RollingUpdate()


class WorkloadSpec(Wire):
    template: dict[str, Any]  # as it is: its hash is over all of it
    selector: Selector = Selector()
    replicas: int | None = None
    paused: bool = False
    strategy: Strategy = Strategy()  # of a Deployment
    update_strategy: Strategy = Strategy()  # of the two others
    min_ready_seconds: int = 0
    progress_deadline_seconds: int | None = None
    revision_history_limit: int = 10


class WorkloadStatus(Wire):
    observed_generation: int = 0
    conditions: list[Condition] = []
    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    unavailable_replicas: int = 0
    current_revision: str | None = None
    update_revision: str | None = None
    desired_number_scheduled: int = 0  # from here on: of a DaemonSet
    current_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_ready: int = 0
    number_available: int = 0
    number_unavailable: int = 0


class Workload(Wire):
    metadata: Meta
    spec: WorkloadSpec
    status: WorkloadStatus = WorkloadStatus()


class ReplicaSetSpec(Wire):
    replicas: int = 0
    template: Template = Template()


class ReplicaSetStatus(Wire):
    ready_replicas: int = 0


class ReplicaSet(Wire):
    metadata: Meta
    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()


class KeptSpec(Wire):
    template: dict[str, Any]  # as it is: it is put back as it is


class KeptReplicaSet(Wire):
    """A ReplicaSet, as far as it keeps a template."""

    metadata: Meta
    spec: KeptSpec


class KeptData(Wire):
    spec: KeptSpec


class ControllerRevision(Wire):
    metadata: Meta
    revision: int
    data: KeptData


Kept = TypeVar("Kept", KeptReplicaSet, ControllerRevision)


class JobSpec(Wire):
    template: dict[str, Any] = {}  # as it is: it may name an object anywhere
    active_deadline_seconds: int | None = None


class JobTemplate(Wire):
    spec: JobSpec = JobSpec()


class CronJobSpec(Wire):
    schedule: str
    suspend: bool = False
    time_zone: str = ""
    concurrency_policy: str = ""
    job_template: JobTemplate = JobTemplate()


class ObjectReference(Wire):
    kind: str = ""
    name: str = ""
    uid: str = ""


class CronJobStatus(Wire):
    active: list[ObjectReference] = []
    last_schedule_time: datetime | None = None


class CronJob(Wire):
    metadata: Meta
    spec: CronJobSpec
    status: CronJobStatus = CronJobStatus()


class Stopped(Wire):
    """Why a container waits, or how it ended."""

    reason: str = ""
    message: str = ""
    exit_code: int = 0


class ContainerState(Wire):
    waiting: Stopped | None = None
    terminated: Stopped | None = None


class ContainerStatus(Wire):
    name: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    restart_count: int = 0
    state: ContainerState = ContainerState()


class PodStatus(Wire):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: list[Condition] = []
    init_container_statuses: list[ContainerStatus] = []
    container_statuses: list[ContainerStatus] = []


class Pod(Wire):
    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class EventSeries(Wire):
    count: int = 0
    last_observed_time: datetime | None = None


class Event(Wire):
    metadata: Meta
    involved_object: ObjectReference = ObjectReference()
    type: str = ""
    reason: str = ""
    message: str = ""
    count: int = 0
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: EventSeries | None = None


class AutoscalerSpec(Wire):
    scale_target_ref: ObjectReference
    max_replicas: int
    min_replicas: int = 1


class AutoscalerStatus(Wire):
    current_replicas: int = 0


class Autoscaler(Wire):
    metadata: Meta
    spec: AutoscalerSpec
    status: AutoscalerStatus = AutoscalerStatus()


class BudgetSpec(Wire):
    min_available: IntOrText = ""
    max_unavailable: IntOrText = ""
    selector: Selector | None = None  # absent: no pods; empty: all of them


class BudgetStatus(Wire):
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0


class Budget(Wire):
    metadata: Meta
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()


class QuotaStatus(Wire):
    hard: Text = {}
    used: Text = {}


class QuotaSpec(Wire):
    scopes: list[str] = []
    scope_selector: dict[str, Any] | None = None


class Quota(Wire):
    metadata: Meta
    spec: QuotaSpec = QuotaSpec()
    status: QuotaStatus = QuotaStatus()


class SyncPolicy(Wire):
    automated: dict[str, Any] | None = None  # as it is: it is put back as it is


class DriftDetection(Wire):
    mode: str = "disabled"


class ReconcilerSpec(Wire):
    sync_policy: SyncPolicy | None = None  # of an Application
    suspend: bool | None = None  # from here on: of a Kustomization or HelmRelease
    interval: str = ""
    drift_detection: DriftDetection = DriftDetection()


class Sync(Wire):
    status: str = ""


class ReconcilerStatus(Wire):
    sync: Sync = Sync()


class Reconciler(Wire):
    """Argo CD's Application, Flux's Kustomization or HelmRelease, as far as it says what it does by itself."""

    metadata: Meta
    spec: ReconcilerSpec = ReconcilerSpec()
    status: ReconcilerStatus = ReconcilerStatus()


class Version(Wire):
    git_version: str = ""
