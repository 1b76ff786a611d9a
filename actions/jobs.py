"""What the actions that make a Job share: making it once, watching it, stopping it, and what it said.

A run gives its Job one name, made from its mark, so it cannot make two. What a Job has done stays done: taking back is stopping it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from audit.redact import redact_text
from connectors.errors import Conflict, ConnectorError, Missing
from connectors.kubernetes.jobs import JobPodSeen, JobSeen, LogSeen

from .protocol import Drifted, Line, Outcome, Step, Verdict, World
from .workloads import HOPELESS, SURE_AFTER

JOB_UID = "job uid"
SLACK = timedelta(minutes=1)
"""How much longer than its own deadline a Job is watched: it is the cluster that stops it."""

STAYS = "What it had done by then stays done."
NO_UNDO = "A task has no inverse: whoever wrote it knows what takes its effects back."
IRREVERSIBLE = "Whatever the task does. It can be stopped, and its Job deleted; what it did until then stays done."

STOP = Step("stop", "Stop it and delete its Job", "stop", undoes="start")

_SHOWN = re.compile(
    r"spec\.(activeDeadlineSeconds|backoffLimit)"
    r"|spec\.template\.spec\.serviceAccountName"
    r"|spec\.template\.spec\.(initC|c)ontainers\[[^\]]*\]\.(image|command\[\d+\]|args\[\d+\]|env\[[^\]]*\]\.value(From\..*)?)"
)
"""What somebody who signs has to know of a Job; all else is the server's own defaults."""


def lines_of(job: JobSeen, values: Mapping[str, str]) -> tuple[Line, ...]:
    """The Job as the server's dry run says it would be. Variables are hidden, but for the values that were chosen."""
    shown = {path: text for path, text in sorted(job.fields.items()) if _SHOWN.fullmatch(path)}
    for path in shown:
        name = path.partition(".env[")[2].removesuffix("].value")
        shown[path] = values.get(name, shown[path])
    return tuple(Line(path, "", redact_text(text)) for path, text in shown.items())


def start(manifest: Mapping[str, Any], world: World) -> dict[str, str | int]:
    """Make the Job, or find it made by this run. Raises `Drifted` when its name is somebody else's."""
    meta = manifest["metadata"]
    try:
        job = world.cluster.jobs.read(meta["namespace"], meta["name"])
    except Missing:
        world.hold()
        job = world.cluster.jobs.create(dict(manifest), as_=world.person)
    if job.execution != world.current_run.id:
        raise Drifted(f"There is another Job by the name {job.ref.name}. Nothing was started.")
    return {"job": job.ref.name, JOB_UID: job.ref.uid}


def stop(namespace: str, name: str, world: World) -> dict[str, str | int]:
    """Delete the Job of this run, with its pods. Where it was never seen made, its name is taken by an empty one that is done at once.

    Otherwise a request that is still on its way could make it after all; the cluster removes the empty one like any other.
    """
    run, jobs = world.current_run, world.cluster.jobs
    try:
        job = jobs.read(namespace, name)
    except Missing:
        if JOB_UID in run.evidence:
            return {"job": "gone already"}
        world.hold()
        jobs.create(_placeholder(namespace, name, run.id), as_=world.person)
        return {"job": "never made"}
    if job.execution != run.id or job.stopping or _is_placeholder(job):
        return {"job": "going"}
    world.hold()
    try:
        jobs.delete(job.ref, as_=world.person)
    except (Missing, Conflict):
        return {"job": "gone already"}
    return {"job": "deleted", "when it was stopped": _state(job)}


def watch(namespace: str, name: str, world: World) -> Verdict:
    """How the Job of this run is getting on."""
    run = world.current_run
    try:
        job = world.cluster.jobs.read(namespace, name)
    except Missing:
        return Verdict(Outcome.FAILED, f"The Job is gone: somebody else deleted it. {STAYS}", {"job": name})
    evidence: dict[str, str | int] = {"job": name, "state": _state(job)}
    if job.execution != run.id or job.stopping or _is_placeholder(job):
        return Verdict(Outcome.FAILED, f"Somebody else deleted the Job. {STAYS}", evidence)
    if job.complete:
        return Verdict(Outcome.OK, f"It is done{_took(job)}", evidence)
    pods = world.cluster.jobs.pods_of(job.ref)
    trouble = next((pod for pod in pods if pod.trouble), None)
    if trouble:
        evidence |= {"pod": trouble.ref.name, "trouble": trouble.trouble, "message": redact_text(trouble.message[:300])}
    if job.failure:
        why = _why(job, trouble)
        return Verdict(Outcome.FAILED, f"The task failed: {why}. {STAYS}", evidence)
    if trouble and trouble.trouble in HOPELESS and run.applied_at and world.now - run.applied_at > SURE_AFTER:
        return Verdict(Outcome.FAILED, f"{HOPELESS[trouble.trouble]} ({trouble.trouble}).", evidence)
    return Verdict(Outcome.WAIT, _progress(pods), evidence)


def watch_stop(namespace: str, name: str, world: World) -> Verdict:
    """Whether nothing of the Job is left that could still do something."""
    gone = Verdict(Outcome.OK, f"The Job and its pods are gone. {STAYS}", {"job": "gone"})
    try:
        job = world.cluster.jobs.read(namespace, name)
    except Missing:
        return gone
    if job.execution != world.current_run.id:
        return gone
    if _is_placeholder(job):
        return Verdict(Outcome.OK, "It was never started, and cannot be any more", {"job": "an empty one"})
    return Verdict(Outcome.WAIT, "Its pods are being stopped", {"job": "going", "active": job.active})


def logs(namespace: str, name: str, world: World) -> Sequence[LogSeen]:
    """What every container of the Job's pods has said so far, as much as can be read now."""
    found = []
    try:
        job = world.cluster.jobs.read(namespace, name)
        for pod in world.cluster.jobs.pods_of(job.ref):
            found += [world.cluster.jobs.log_of(pod.ref, each, as_=world.person) for each in pod.containers]
    except ConnectorError:  # a log that cannot be read now may be read later, and decides nothing
        return found
    return found


def label(namespace: str, stem: str) -> str:
    return f"Job {namespace}/{stem}-…"


def deadline(seconds: int) -> int:
    return seconds + int(SLACK.total_seconds())


def _placeholder(namespace: str, name: str, execution: str) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "annotations": {"afterdeck.dev/execution": execution}},
        "spec": {
            "completions": 0, "parallelism": 0, "ttlSecondsAfterFinished": 3600,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "never", "image": "never-pulled"}]}},
        },
    }  # fmt: skip


def _is_placeholder(job: JobSeen) -> bool:
    return job.fields.get("spec.completions") == "0"


def _state(job: JobSeen) -> str:
    if job.complete:
        return "complete"
    return f"failed ({job.failure})" if job.failure else "running" if job.active else "starting"


def _took(job: JobSeen) -> str:
    if job.started_at is None or job.ended_at is None:
        return ""
    return f" after {int((job.ended_at - job.started_at).total_seconds())} s"


def _why(job: JobSeen, trouble: JobPodSeen | None) -> str:
    if job.failure == "DeadlineExceeded":
        return f"it was not done after {job.deadline} s, so the cluster stopped it"
    if trouble and trouble.message:
        return redact_text(trouble.message[:200]).rstrip(". ")
    return f"{job.message or job.failure}"[:200].rstrip(". ")


def _progress(pods: Sequence[JobPodSeen]) -> str:
    if any(pod.containers for pod in pods):
        return "It runs"
    troubles = [pod.trouble for pod in pods if pod.trouble]
    return f"It waits to start: {troubles[0]}" if troubles else "It waits to start"
