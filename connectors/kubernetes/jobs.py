"""Jobs: what a template or a CronJob makes, how it went, what it said, and stopping it.

A task's template is a `PodTemplate`, which Kubernetes keeps and does nothing with, and which none of its default roles lets anybody
write: whoever may deploy to a namespace still cannot approve a task.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from connectors.errors import InvalidName, clean_lines
from connectors.kubernetes import reading, wire, writing
from connectors.kubernetes.fields import fields
from connectors.kubernetes.resources import collection, single
from connectors.kubernetes.seen import EXECUTION, ContainerSeen, CronJobSeen, Identity, ObjectRef
from connectors.kubernetes.sending import Writer
from connectors.kubernetes.transport import Transport
from connectors.kubernetes.whole import Whole
from connectors.names import count, dns_label, dns_subdomain, uid

TASK = "afterdeck.dev/task"
"""Label of a `PodTemplate` that is a task's, and of the Jobs that were made of one: its name."""
OF_JOB = "batch.kubernetes.io/controller-uid"
LOG_LINES = (2000, 100)
"""How many of the last lines are asked for, and how many when those are too long."""
LOG_READ, LOG_KEPT = 4 * 2**20, 512 * 2**10
KEPT_FOR = 24 * 3600
"""Seconds that a Job stays after its end: as long, a run that is picked up again finds it and does not make a second one."""
SUFFIX = 10
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TaskTemplateSeen:
    """A task that somebody with the right to approve one has put into the namespace."""

    ref: ObjectRef
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    template_hash: str
    containers: tuple[ContainerSeen, ...]
    commands: tuple[str, ...]  # every word of every command and argument
    template: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class JobSeen:
    ref: ObjectRef
    execution: str | None
    active: int
    succeeded: int
    failed: int
    complete: bool
    failure: str  # why the cluster gave it up, or ""
    message: str
    deadline: int | None  # seconds
    started_at: datetime | None
    ended_at: datetime | None
    stopping: bool
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.complete or bool(self.failure)


@dataclass(frozen=True, slots=True)
class JobPodSeen:
    ref: ObjectRef
    phase: str
    trouble: str
    message: str
    containers: tuple[str, ...]  # those that have begun


@dataclass(frozen=True, slots=True)
class LogSeen:
    """The end of what one container said, in lines that can be shown. `truncated`: there was more before."""

    pod: str
    container: str
    text: str
    truncated: bool


class _JobStatus(wire.Wire):
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    start_time: datetime | None = None
    completion_time: datetime | None = None
    conditions: list[wire.Condition] = []


class _JobSpec(wire.Wire):
    active_deadline_seconds: int | None = None


class _Job(wire.Wire):
    metadata: wire.Meta
    spec: _JobSpec = _JobSpec()
    status: _JobStatus = _JobStatus()


class _PodTemplate(wire.Wire):
    metadata: wire.Meta
    template: dict[str, Any] = {}


class _Command(wire.Wire):
    command: list[str] = []
    args: list[str] = []


class _Commands(wire.Wire):
    containers: list[_Command] = []
    init_containers: list[_Command] = []


class _RunningStatus(wire.Wire):
    name: str = ""
    state: dict[str, Any] = {}


class _JobPodStatus(wire.Wire):
    init_container_statuses: list[_RunningStatus] = []
    container_statuses: list[_RunningStatus] = []


class _JobPod(wire.Wire):
    status: _JobPodStatus = _JobPodStatus()


class Jobs:
    """The Jobs of one cluster. Errors as everywhere: `connectors.errors`."""

    def __init__(self, transport: Transport, writer: Writer) -> None:
        self._transport, self._writer = transport, writer

    def templates(self, namespace: str) -> list[TaskTemplateSeen]:
        """The tasks of a namespace, by name."""
        path, query = collection("PodTemplate", namespace), [("labelSelector", TASK)]
        found = self._transport.pages(path, _PodTemplate, what=f"tasks of {namespace}", query=query)
        return sorted((_template(each) for each in found), key=lambda seen: seen.ref.name)

    def read_template(self, namespace: str, name: str) -> TaskTemplateSeen:
        """Raises `Missing`, also for a template that is nobody's task."""
        path = single("PodTemplate", namespace, name)
        return _template(self._transport.get(path, _PodTemplate, what=f"task {namespace}/{name}"))

    def read_cronjob(self, namespace: str, name: str) -> CronJobSeen:
        whole = self._transport.get(single("CronJob", namespace, name), Whole, what=f"CronJob {namespace}/{name}")
        return _cronjob(whole)

    def read(self, namespace: str, name: str) -> JobSeen:
        return _job(self._transport.get(single("Job", namespace, name), Whole, what=f"Job {namespace}/{name}"))

    def active_of(self, cronjob: ObjectRef) -> list[str]:
        """The names of its Jobs that have not ended, those that somebody started by hand too: its status leaves them out."""
        path = collection("Job", cronjob.namespace)
        found = self._transport.pages(path, Whole, what=f"Jobs of {cronjob}")
        owned = (each for each in found if _controlled_by(each, cronjob.uid))
        return sorted(job.ref.name for job in map(_job, owned) if not job.ended)

    def pods_of(self, job: ObjectRef) -> list[JobPodSeen]:
        path, query = collection("Pod", job.namespace), [("labelSelector", f"{OF_JOB}={uid(job.uid)}")]
        return [_pod(each) for each in self._transport.pages(path, Whole, what=f"pods of {job}", query=query)]

    def log_of(self, pod: ObjectRef, container: str, *, as_: Identity) -> LogSeen:
        """The last lines of one container, read as the person: the portal itself may read nobody's logs."""
        name, path = dns_label(container, "the name of a container"), f"{single('Pod', pod.namespace, pod.name)}/log"
        raw = b""
        for lines in LOG_LINES:
            raw = self._transport.text(
                path,
                headers=writing.impersonation(as_),
                query=[("container", name), ("tailLines", lines), ("limitBytes", LOG_READ)],
                what=f"the log of {pod}",
                who=as_.user,
                most=LOG_READ,
            )
            if len(raw) < LOG_READ:  # else the limit, which counts from the first of these lines, cut the last ones off
                break
        end = raw[-LOG_KEPT:].decode("utf-8", "replace")
        truncated = len(raw) > LOG_KEPT or raw.count(b"\n") >= lines
        return LogSeen(pod.name, container, clean_lines(end), truncated)

    # What can be changed

    def create(self, manifest: Whole, *, as_: Identity, dry_run: bool = False) -> JobSeen:
        """Make the Job. `Conflict` when there is one of its name: read whose it is."""
        meta = manifest["metadata"]
        name = f"Job {dns_label(meta['namespace'])}/{dns_subdomain(meta['name'])}"
        path = collection("Job", meta["namespace"])
        return _job(self._writer.create(path, manifest, Whole, as_=as_, what=name, dry_run=dry_run))

    def delete(self, ref: ObjectRef, *, as_: Identity) -> None:
        """Delete this very Job, and its pods before it. `Missing` or `Conflict` when it is gone already."""
        options = {
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground",
            "preconditions": {"uid": uid(ref.uid)},
        }  # fmt: skip
        path = single("Job", ref.namespace, ref.name)
        self._writer.delete(path, options, Whole, as_=as_, what=str(ref))

    def suspend(
        self, ref: ObjectRef, *, as_: Identity, suspended: bool, execution: str, seen: str, dry_run: bool = False
    ) -> CronJobSeen:
        """Say whether the CronJob starts anything. Jobs that run go on."""
        patch = {**writing.precondition(ref, execution, seen), "spec": {"suspend": suspended}}
        path = single("CronJob", ref.namespace, ref.name)
        return _cronjob(self._writer.merge(path, patch, Whole, as_=as_, what=str(ref), dry_run=dry_run))


def job_name(stem: str, execution: str) -> str:
    """The one name that an execution gives its Job, so that it cannot make two. At most 52 characters, as pods add their own."""
    short = dns_subdomain(stem).replace(".", "-")[: 51 - SUFFIX].rstrip("-")
    return f"{short}-{sha256(execution.encode()).hexdigest()[:SUFFIX]}"


def job_of_template(
    template: TaskTemplateSeen, *, name: str, values: Mapping[str, str], execution: str, deadline: int
) -> Whole:
    """A Job that runs once what the template says, with `values` in the environment of its containers."""
    marks = {EXECUTION: execution}
    pod = dict(template.template)
    meta, spec = dict(pod.get("metadata") or {}), dict(pod.get("spec") or {})
    for kind in ("containers", "initContainers"):
        if kind in spec:
            spec[kind] = [_with_values(container, values) for container in spec[kind]]
    meta["annotations"] = {**(meta.get("annotations") or {}), **marks}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name, "namespace": template.ref.namespace, "annotations": marks,
            "labels": {TASK: template.ref.name[:63].rstrip("-."), "app.kubernetes.io/managed-by": "afterdeck"},
        },
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": count(deadline, "a number of seconds", least=1),
            "ttlSecondsAfterFinished": KEPT_FOR,
            "template": {"metadata": {k: meta[k] for k in ("labels", "annotations") if meta.get(k)},
                         "spec": {**spec, "restartPolicy": "Never"}},
        },
    }  # fmt: skip


def _with_values(container: Mapping[str, Any], values: Mapping[str, str]) -> Whole:
    declared = [each for each in container.get("env") or () if each.get("name") not in values]
    given = [{"name": _variable(name), "value": literal(value)} for name, value in values.items()]
    return {**container, "env": [*declared, *given]}


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise InvalidName(f"{name[:40]!a} cannot be the name of a variable: use letters, digits and '_'.")
    return name


def literal(value: str) -> str:
    """Text that stays itself: Kubernetes would put the value of another variable in the place of `$(DB_PASSWORD)`."""
    return value.replace("$", "$$")


def job_of_cronjob(cronjob: CronJobSeen, *, name: str, execution: str) -> Whole:
    """What `kubectl create job --from=cronjob/…` makes, with our mark."""
    meta = cronjob.job_template.get("metadata") or {}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": cronjob.ref.name, "uid": cronjob.ref.uid}
    manual = {"cronjob.kubernetes.io/instantiate": "manual", EXECUTION: execution}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": cronjob.ref.namespace,
            "labels": dict(meta.get("labels") or {}),
            "annotations": {**(meta.get("annotations") or {}), **manual},
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": dict(cronjob.job_template["spec"]),
    }


def _template(seen: _PodTemplate) -> TaskTemplateSeen:
    known, said = msgspec.convert(seen.template, wire.Template), seen.template.get("spec") or {}
    commands = msgspec.convert(said, _Commands)
    every = (*commands.containers, *commands.init_containers)
    hashed = {"template": seen.template, "annotations": seen.metadata.annotations, "labels": seen.metadata.labels}
    return TaskTemplateSeen(
        ref=reading.reference("PodTemplate", seen.metadata),
        labels=seen.metadata.labels,
        annotations=seen.metadata.annotations,
        template_hash=sha256(msgspec.json.encode(hashed, order="sorted")).hexdigest(),
        containers=reading.containers(known),
        commands=tuple(word for each in every for word in (*each.command, *each.args)),
        template=seen.template,
    )


def _cronjob(whole: Whole) -> CronJobSeen:
    seen = reading.cronjob(msgspec.convert(whole, wire.CronJob))
    return replace(seen, fields=fields(whole), job_template=whole["spec"]["jobTemplate"])


def _job(whole: Whole) -> JobSeen:
    seen = msgspec.convert(whole, _Job)
    conditions = {each.type: each for each in seen.status.conditions if each.status == "True"}
    failed = conditions.get("Failed")
    return JobSeen(
        ref=reading.reference("Job", seen.metadata),
        execution=seen.metadata.annotations.get(EXECUTION),
        active=seen.status.active,
        succeeded=seen.status.succeeded,
        failed=seen.status.failed,
        complete="Complete" in conditions,
        failure=(failed.reason or "Failed") if failed else "",
        message=failed.message if failed else "",
        deadline=seen.spec.active_deadline_seconds,
        started_at=seen.status.start_time,
        ended_at=seen.status.completion_time,
        stopping=seen.metadata.deletion_timestamp is not None,
        fields=fields(whole),
    )


def _controlled_by(whole: Whole, owner: str) -> bool:
    controller = reading.controller(msgspec.convert(whole, _Job).metadata)
    return controller is not None and controller.uid == owner


def _pod(whole: Whole) -> JobPodSeen:
    seen, status = reading.pod(msgspec.convert(whole, wire.Pod)), msgspec.convert(whole, _JobPod).status
    begun = [each.name for each in (*status.init_container_statuses, *status.container_statuses) if _has_begun(each)]
    return JobPodSeen(seen.ref, seen.phase, seen.trouble, seen.message, tuple(begun))


def _has_begun(status: _RunningStatus) -> bool:
    return not status.state.keys().isdisjoint({"running", "terminated"})
