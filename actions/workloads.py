"""What the actions on workloads share: reading the target, the preflight, and the sentences about it.

Pure functions over what the connector saw, so that each is tested with a table of cases.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from connectors.errors import Conflict, Missing, Transient
from connectors.kubernetes import (
    AutoscalerSeen,
    BudgetSeen,
    Condition,
    KubernetesCluster,
    ObjectRef,
    PodSeen,
    WorkloadSeen,
)
from connectors.kubernetes.seen import EventSeen

from .present import still_the_same, still_there
from .proofs import proof
from .protocol import CannotPlan, Impact, Line, Outcome, Run, Target, Verdict, World

NOT_SHOWN = ("metadata.annotations.afterdeck.dev/execution", "metadata.generation", "metadata.resourceVersion")
HOPELESS = {
    "ImagePullBackOff": "The image cannot be pulled",
    "ErrImagePull": "The image cannot be pulled",
    "ErrImageNeverPull": "The image is not there and may not be pulled",
    "InvalidImageName": "The image has a name that cannot be",
    "CreateContainerConfigError": "The container needs something that is not there",
    "CrashLoopBackOff": "The container crashes again and again",
    "OOMKilled": "The container runs out of memory",
}
"""Reasons of a waiting container that do not heal by waiting."""

SURE_AFTER = timedelta(seconds=8)
"""How long after the change a hopeless reason must still be there to be believed: the first pull may be refused by chance."""

NOISE = {
    "FailedGetResourceMetric",
    "FailedGetContainerResourceMetric",
    "FailedGetPodsMetric",
    "FailedGetObjectMetric",
    "FailedGetExternalMetric",
    "FailedComputeMetricsReplicas",
    "FailedGetScale",
    "DNSConfigForming",
    "FailedToRetrieveImagePullSecret",
}
"""Reasons of warnings that say nothing about a rollout: an autoscaler without figures, and what kubelets repeat about pods that run."""

WARNING_LIMIT = 300


def read_target(cluster: KubernetesCluster, target: Target) -> WorkloadSeen:
    """Read the workload and make sure that it is still this one. Raises `LeftAlone`."""
    return still_there(target, lambda: _read(cluster, target))


def read_before_write(cluster: KubernetesCluster, target: Target) -> WorkloadSeen:
    """Raises `Drifted` when the name now belongs to another object, and the connector's errors."""
    return still_the_same(target, _read(cluster, target))


def _read(cluster: KubernetesCluster, target: Target) -> WorkloadSeen:
    return cluster.read_workload(target.ref.kind, target.ref.namespace, target.ref.name)


def refuse_unready_for_rollout(seen: WorkloadSeen) -> None:
    """Preflight of whatever starts a rollout and would disturb one that is in flight. Raises `CannotPlan`, and what `wait_to_be_seen`
    raises.
    """
    refuse_without_rollouts(seen)
    wait_to_be_seen(seen)
    if rolling(seen):
        raise CannotPlan(
            f"A rollout is in flight: {seen.updated} of {seen.wanted} pods are up to date. Wait until it is done, or cancel it."
        )


def wait_to_be_seen(seen: WorkloadSeen) -> None:
    """Raises `Transient` while the controller has not looked at what was written last, not even if that was an annotation: what it
    reports is older, so nobody knows whether a rollout begins.
    """
    if seen.observed_generation < seen.generation:
        raise Transient("The controller has not seen the last change of it yet. Look again in a moment.")


def refuse_without_rollouts(seen: WorkloadSeen) -> None:
    """Preflight of whatever needs the controller to replace pods by itself, all of them. Raises `CannotPlan`."""
    if seen.paused:
        raise CannotPlan("The rollout is paused. Resume it first, or this would only be recorded and not happen.")
    if seen.strategy == "OnDelete":
        raise CannotPlan(
            "Its update strategy is OnDelete: pods are replaced only when somebody deletes them. Evict them one by one."
        )
    if seen.partition:
        raise CannotPlan(
            f"Its rollouts stop at partition {seen.partition}: pods with a lower ordinal would stay as they are. Remove it first."
        )
    if seen.wanted == 0:
        raise CannotPlan("It has 0 replicas, so there is nothing to do. Resize it first.")


def rolling(seen: WorkloadSeen) -> bool:
    """Whether pods are being replaced at this moment. A workload that crashes without a rollout is not rolling."""
    if seen.observed_generation < seen.generation or seen.updated < seen.wanted:
        return True
    if seen.ref.kind == "StatefulSet":
        return bool(seen.partition == 0 and seen.update_revision and seen.current_revision != seen.update_revision)
    return seen.ref.kind == "Deployment" and seen.replicas > seen.updated


def warnings_in_soak(cluster: KubernetesCluster, seen: WorkloadSeen, run: Run) -> list[EventSeen]:
    """What Kubernetes warned of since the soak began. Asks only then: a rollout makes warnings that mean nothing later."""
    return cluster.warnings_of(seen, run.good_since) if run.good_since else []


def rollout_verdict(
    seen: WorkloadSeen, pods: Sequence[PodSeen], run: Run, now: datetime, what: str, warnings: Sequence[EventSeen] = ()
) -> Verdict:
    """What a rollout looks like now. `pods` are all pods of the workload, `warnings` those of the soak."""
    evidence = rollout_evidence(seen, pods)
    progressing = next((c for c in seen.conditions if c.type == "Progressing"), None)
    if progressing and progressing.reason == "ProgressDeadlineExceeded" and not _is_older(progressing, run):
        return Verdict(Outcome.FAILED, "Kubernetes gave up on the rollout (ProgressDeadlineExceeded).", evidence)
    problem = hopeless(pods, run, now)
    if problem:
        return Verdict(Outcome.FAILED, problem, evidence)
    ready = f"{seen.ready} of {seen.wanted} ready"
    if seen.observed_generation < seen.generation:
        return Verdict(Outcome.WAIT, "The controller has not seen the change yet.", evidence)
    if run.good_since is not None and seen.ready < seen.wanted:
        return Verdict(Outcome.FAILED, f"A pod turned unready during the soak: {ready}.", evidence)
    if failed := trouble_in_soak(seen, pods, run, evidence, warnings):
        return failed
    if rolling(seen) or seen.available < seen.wanted or seen.unavailable:
        return Verdict(Outcome.WAIT, f"{ready}, {seen.updated} {what}", evidence)
    if progressing and progressing.reason != "NewReplicaSetAvailable":
        return Verdict(Outcome.WAIT, f"{ready}, the controller has not called it done", evidence)
    return Verdict(Outcome.OK, ready, evidence, proof(seen, pods))


def trouble_in_soak(
    seen: WorkloadSeen,
    pods: Sequence[PodSeen],
    run: Run,
    evidence: Mapping[str, str | int],
    warnings: Sequence[EventSeen],
) -> Verdict | None:
    """What nobody should see while the soak lasts, however many pods there are: a container that restarts, a warning."""
    if run.good_since is None:
        return None
    if sum(pod.restarts for pod in pods) > int(run.baseline.get("restarts", 0)):
        return Verdict(Outcome.FAILED, "A container restarted during the soak.", evidence)
    if warning := _first_that_matters(warnings, seen, pods):
        said = f"{warning.reason}: {warning.message[:WARNING_LIMIT].strip().rstrip('.')}"
        sentence = f"Kubernetes warns during the soak: {said}."
        return Verdict(Outcome.FAILED, sentence, {**evidence, "warned of": warning.object_name})
    return None


def _first_that_matters(warnings: Sequence[EventSeen], seen: WorkloadSeen, pods: Sequence[PodSeen]) -> EventSeen | None:
    """Of the workload, its present pods and what they were made by: a pod that is going may complain about that."""
    present = {pod.name for pod in pods if not pod.terminating}
    about = {seen.ref.name, *present, *(name.rpartition("-")[0] for name in present)}
    return next((each for each in warnings if each.reason not in NOISE and each.object_name in about), None)


def _is_older(condition: Condition, run: Run) -> bool:
    """A rollout that was given up stays so on record until the next one gets a pod further."""
    return bool(condition.updated_at and run.applied_at and condition.updated_at < run.applied_at)


def evict_stuck(seen: WorkloadSeen, world: World) -> dict[str, str | int]:
    """Evict the pods that are of another revision than the StatefulSet's present one, unless they run.

    Who they are is read again each time: one that went is not there any more, and its successor is of the right revision.
    """
    if seen.observed_generation < seen.generation or not seen.update_revision:
        raise Transient("The controller has not seen the restored template yet.")
    stuck = [
        pod
        for pod in world.cluster.pods_of(seen)
        if pod.template_hash != seen.update_revision and not pod.ready and not pod.terminating
    ]
    for pod in stuck:
        evicted(pod.ref, world.cluster, world)
    return {"evicted": ", ".join(pod.name for pod in stuck) or "none"}


def evicted(pod: ObjectRef, cluster: KubernetesCluster, world: World) -> bool:
    """Evict a pod, and say whether it was there to go: one that went by itself is as good. Raises `Held`, and the connector's errors."""
    world.hold()
    try:
        cluster.evict(pod, as_=world.person)
    except (Missing, Conflict):
        return False
    return True


def rollout_evidence(seen: WorkloadSeen, pods: Sequence[PodSeen]) -> dict[str, str | int]:
    evidence: dict[str, str | int] = {
        "ready": f"{seen.ready} of {seen.wanted}",
        "updated": seen.updated,
        "available": seen.available,
        "restarts": sum(pod.restarts for pod in pods),
        "observed generation": f"{seen.observed_generation} of {seen.generation}",
    }
    troubled = [pod for pod in pods if pod.trouble]
    if troubled:
        evidence["pod"] = troubled[0].name
        evidence["trouble"] = troubled[0].trouble
        if troubled[0].message:
            evidence["message"] = troubled[0].message[:300]
    return evidence


def hopeless(pods: Sequence[PodSeen], run: Run, now: datetime) -> str:
    """Why the new pods will not become ready, or an empty text. Only pods made by this run count."""
    if run.applied_at is None:
        return ""
    born_after = run.applied_at.replace(microsecond=0) - timedelta(seconds=1)
    young = [p for p in pods if p.created_at and p.created_at >= born_after and p.trouble in HOPELESS and not p.ready]
    if not young:
        return ""
    oldest = min(pod.created_at for pod in young if pod.created_at)
    if now - oldest < SURE_AFTER:
        return ""
    pod = young[0]
    count = f"{len(young)} new {'pod' if len(young) == 1 else 'pods'}"
    return f"{HOPELESS[pod.trouble]}: {count} in {pod.trouble}."


def changed_lines(
    before: Mapping[str, str], after: Mapping[str, str], shown_as: Mapping[str, str] | None = None
) -> tuple[Line, ...]:
    """The fields of an object that the server's dry run changed. `shown_as` replaces a value that is only known when it runs."""
    shown = shown_as or {}
    paths = sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path) and path not in NOT_SHOWN
    )
    return tuple(Line(path, before.get(path, ""), shown.get(path, after.get(path, ""))) for path in paths)


def availability(seen: WorkloadSeen, budgets: Sequence[BudgetSeen]) -> Impact:
    """How many pods are away at a time while a rollout replaces all of them."""
    away = unavailable_at_once(seen)
    keeps = max(0, seen.wanted - away)
    figure = f"{keeps} of {seen.wanted} stay ready" if seen.wanted else "0 pods"
    how = f"Pods are replaced {away} at a time." if away else "A new pod must be ready before an old one goes."
    budget = " ".join(_budget_sentence(each, keeps) for each in budgets)
    low = any(keeps < each.desired_healthy for each in budgets) or keeps == 0
    return Impact("Availability", figure, f"{how} {budget}".strip(), worry=low)


def _budget_sentence(budget: BudgetSeen, keeps: int) -> str:
    if keeps < budget.desired_healthy:
        return f"The disruption budget wants at least {budget.desired_healthy}, but a rollout is not bound by it."
    return f"The disruption budget wants at least {budget.desired_healthy}."


def unavailable_at_once(seen: WorkloadSeen) -> int:
    """`maxUnavailable` as a number of pods: Kubernetes rounds a percentage down. A StatefulSet goes one by one."""
    if seen.ref.kind == "StatefulSet" and not seen.max_unavailable:
        return min(1, seen.wanted)
    if seen.strategy == "Recreate":
        return seen.wanted
    text = seen.max_unavailable or ("25%" if seen.ref.kind == "Deployment" else "1")
    if text.endswith("%"):
        part = int(text[:-1]) * seen.wanted
        return part // 100 if seen.ref.kind == "Deployment" else -(-part // 100)
    return min(int(text), seen.wanted)


def autoscaler_text(autoscaler: AutoscalerSeen) -> str:
    return f"{autoscaler.min_replicas} to {autoscaler.max_replicas}"


def kubectl(target: Target, *words: str) -> str:
    """The command that does the same without us, for the day Afterdeck is down."""
    return " ".join(["kubectl", "--context", target.cluster, "-n", target.ref.namespace, *words])
