"""The steps that bring those who read a secret to read it anew: restart, see that all of it is new, and back again.

Which template a consumer runs is its owner's business: a deployment between approval and run changes nothing here. What counts is
that no pod is left that was made before the new version was there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.errors import Missing
from connectors.kubernetes import KubernetesCluster, ObjectRef, PodSeen, WorkloadSeen
from connectors.vault.seen import KV, VersionSeen

from ..protocol import NotYet, Outcome, Plan, Run, Step, StepFailed, Verdict, World
from ..workloads import evict_stuck, evicted, rolling, rollout_verdict
from .copying import written_at
from .readers import Consumer, read_reader, step_id
from .syncing import copied_at
from .values import Evidence
from .vaulting import place

NEVER = "never"
TOLERANCE = timedelta(seconds=2)
"""Between the clocks of a vault and a cluster."""


def restart_steps(found: Iterable[Consumer], *, wait: bool) -> tuple[Step, ...]:
    restarted = [each for each in found if each.restarts]
    several = len({each.cluster for each in restarted}) > 1
    return tuple(_restart(each.cluster, each.ref, wait, several) for each in restarted)


def _restart(cluster: str, ref: ObjectRef, wait: bool, several: bool) -> Step:
    """`several` clusters: then a title needs to say which."""
    return Step(
        step_id("restart", cluster, ref.kind, ref.namespace, ref.name), f"Restart {ref}{f' in {cluster}' if several else ''}", "restart",
        {"cluster": cluster, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "uid": ref.uid, "wait": wait},
    )  # fmt: skip


def way_back(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The last one restarted goes back first."""
    return tuple(
        Step(f"back-{step.id}", f"Put {step.title.removeprefix('Restart ')} back", "restart-back", step.args, undoes=step.id)
        for step in reversed(steps)
    )  # fmt: skip


def restart(step: Step, plan: Plan, world: World) -> Evidence:
    """Restart it once, and, where the plan says so, be done when its rollout is."""
    run, cluster, name = world.current_run, world.cluster_named(str(step.args["cluster"])), _name(step)
    seen = _read(cluster, step)
    at = _told_at(seen, run, name)
    if at is None:
        if f"{name} before" not in run.evidence:  # written down first: the way back needs it, whatever happens to us
            was: Evidence = {f"{name} before": seen.restarted_at or NEVER, f"{name} ready before": seen.ready}
            raise NotYet(f"{name} is restarted next.", was)
        if rolling(seen):
            raise NotYet(f"A rollout of {name} is in flight; it is restarted when that is done.")
        world.hold()
        cluster.restart(seen.ref, as_=world.person, stamp=run.stamp, execution=run.id, seen=seen.resource_version)
        raise NotYet(f"{name} is being restarted.", {f"{name} restarted": world.now.isoformat(timespec="seconds")})
    if not step.args["wait"]:
        return {}
    verdict = rollout_verdict(seen, cluster.pods_of(seen), _run_since(run, at), world.now, "restarted")
    if verdict.outcome is Outcome.FAILED:
        raise StepFailed(f"{name}: {verdict.sentence}")
    if verdict.outcome is Outcome.WAIT:
        raise NotYet(f"{name}: {verdict.sentence}.")
    return {f"{name} after": verdict.sentence}


def restart_back(step: Step, plan: Plan, world: World) -> Evidence:
    """Put the old template back, so that pods which still run can stay, and let go of those that were made with the new value."""
    run, cluster, name = world.current_run, world.cluster_named(str(step.args["cluster"])), _name(step)
    before = run.evidence.get(f"{name} before")
    try:
        seen = _read(cluster, step)
    except StepFailed as gone:
        return {name: str(gone)}
    if seen.execution == run.id and seen.restarted_at == run.stamp and before is not None:
        world.hold()
        cluster.restart(
            seen.ref,
            as_=world.person,
            stamp=None if before == NEVER else str(before),
            execution=run.id,
            seen=seen.resource_version,
        )
        raise NotYet(f"{name} goes back to the pods it had.")
    if rolling(seen):
        if (
            seen.ref.kind == "StatefulSet"
        ):  # it waits for a pod that does not come up, whatever its template says by then
            evict_stuck(seen, replace(world, kubernetes=cluster))
        raise NotYet(f"{name} goes back to the pods it had.")
    since, until = _held_the_new_one(step, plan, world)
    holding = [pod for pod in cluster.pods_of(seen) if pod.created_at and since <= pod.created_at <= until]
    for pod in holding:
        if not pod.terminating:
            evicted(pod.ref, cluster, world)
    if holding:
        raise NotYet(f"{name}: {_pods(len(holding))} made in between {'goes' if len(holding) == 1 else 'go'}.")
    return {name: "as before"}


def _held_the_new_one(step: Step, plan: Plan, world: World) -> tuple[datetime, datetime]:
    """From when until when a pod that started was given a value that has been taken back. Empty where no value was written."""
    written = next((s for s in plan.steps if s.verb == "write"), None)
    kept = {} if written is None else {v.number: v.created_at for v in _versions(plan, world)}
    numbers = sorted(number for number in kept if written and number > int(written.args["from"] or 0))
    times = [at for number in numbers[:2] if (at := kept[number])]
    if len(times) < 2:  # what was put back is the only new version: the other one never arrived
        return datetime.max.replace(tzinfo=world.now.tzinfo), world.now
    place = str(step.args["cluster"]), str(step.args["namespace"])
    copied = [*copied_at(plan, world, *place), *written_at(plan, world, *place)]
    return times[0] - TOLERANCE, max([times[1], *copied]) + TOLERANCE


def _versions(plan: Plan, world: World) -> Sequence[VersionSeen]:
    return world.vault.read_secret(KV, *place(plan)).kept


def prove(step: Step, plan: Plan, world: World) -> Evidence:
    """All pods of all consumers were made after they were told to read anew, nothing of before is left, and it stays like this."""
    run, counted, restarts = world.current_run, 0, 0
    for each in _restarted(plan):
        seen, pods, at = _look(each, world)
        name = _name(each)
        verdict = rollout_verdict(seen, pods, _run_since(run, at), world.now, "restarted")
        if verdict.outcome is Outcome.FAILED:
            raise StepFailed(f"{name}: {verdict.sentence}")
        if verdict.outcome is Outcome.WAIT:
            raise NotYet(f"{name}: {verdict.sentence}.", {"in use since": ""})
        if left := _of_before(pods, at):
            raise NotYet(
                f"{name}: {_pods(len(left))} of before still {'ends' if len(left) == 1 else 'end'}.",
                {"in use since": ""},
            )
        counted, restarts = counted + len(pods), restarts + sum(pod.restarts for pod in pods)
    since = str(run.evidence.get("in use since") or "")
    if not since or not _restarted(plan):
        if not _restarted(plan):
            return {"in use": "nothing that runs reads it"}
        now = world.now.isoformat(timespec="seconds")
        raise NotYet("The new one is in use; it has to stay good.", {"in use since": now, "restarts then": restarts})
    if restarts > int(run.evidence.get("restarts then", 0)):
        raise StepFailed("A container of a consumer restarted while the new one was in use.")
    if (world.now - datetime.fromisoformat(since)).total_seconds() < world.soak_seconds:
        raise NotYet(f"The new one is in use by {_pods(counted)}; it has to stay good.")
    return {"in use": f"by {_pods(counted)}, all made after the new one was there"}


def verify(plan: Plan, world: World) -> Verdict:
    """That nothing breaks once the old one is refused."""
    run, ready, wanted, restarts = world.current_run, 0, 0, 0
    for each in _restarted(plan):
        try:
            seen, pods, at = _look(each, world)
        except StepFailed as gone:
            return Verdict(Outcome.FAILED, str(gone))
        verdict = rollout_verdict(seen, pods, _run_since(run, at), world.now, "restarted")
        if verdict.outcome is Outcome.FAILED or (verdict.outcome is Outcome.WAIT and run.good_since is None):
            return replace(verdict, sentence=f"{_name(each)}: {verdict.sentence}")
        ready, wanted, restarts = ready + seen.ready, wanted + seen.wanted, restarts + sum(pod.restarts for pod in pods)
    evidence: Evidence = {"ready": f"{ready} of {wanted}", "restarts": restarts}
    if run.good_since is not None and restarts > int(run.baseline.get("restarts", 0)):
        return Verdict(Outcome.FAILED, "A container of a consumer restarted after the rotation.", evidence)
    if run.good_since is not None and ready < wanted:
        return Verdict(
            Outcome.FAILED,
            f"A pod of a consumer turned unready after the rotation: {ready} of {wanted} ready.",
            evidence,
        )
    return Verdict(
        Outcome.OK, f"{ready} of {wanted} pods of consumers ready" if wanted else "nothing that runs reads it", evidence
    )


def verify_back(plan: Plan, world: World) -> Verdict:
    """As ready as before. Only those count that were restarted."""
    run, ready, wanted = world.current_run, 0, 0
    for each in _restarted(plan):
        name = _name(each)
        if f"{name} before" not in run.evidence:
            continue
        try:
            seen = _read(world.cluster_named(str(each.args["cluster"])), each)
        except StepFailed:
            continue
        as_before = min(seen.wanted, int(run.evidence.get(f"{name} ready before", seen.wanted)))
        if rolling(seen) or seen.ready < as_before:
            return Verdict(Outcome.WAIT, f"{name}: {seen.ready} of {seen.wanted} ready")
        ready, wanted = ready + seen.ready, wanted + seen.wanted
    return Verdict(
        Outcome.OK, f"{ready} of {wanted} pods of consumers ready, as before", {"ready": f"{ready} of {wanted}"}
    )


def _restarted(plan: Plan) -> list[Step]:
    return [step for step in plan.steps if step.verb == "restart"]


def _look(step: Step, world: World) -> tuple[WorkloadSeen, list[PodSeen], datetime]:
    cluster = world.cluster_named(str(step.args["cluster"]))
    seen = _read(cluster, step)
    at = _told_at(seen, world.current_run, _name(step))
    return seen, cluster.pods_of(seen), at or datetime.fromisoformat(world.current_run.stamp)


def _read(cluster: KubernetesCluster, step: Step) -> WorkloadSeen:
    ref = ObjectRef(str(step.args["kind"]), str(step.args["namespace"]), str(step.args["name"]), str(step.args["uid"]))
    try:
        seen = read_reader(cluster, ref)
    except Missing as gone:
        raise StepFailed(gone.sentence) from gone
    assert seen is not None  # what has no pods is not restarted
    return seen


def _told_at(seen: WorkloadSeen, run: Run, name: str) -> datetime | None:
    """When this run restarted it, or None. If nobody could write that down any more, the run's own time is early enough."""
    noted = run.evidence.get(f"{name} restarted")
    if noted:
        return datetime.fromisoformat(str(noted))
    return datetime.fromisoformat(run.stamp) if seen.execution == run.id and seen.restarted_at == run.stamp else None


def _run_since(run: Run, at: datetime) -> Run:
    """As a run that began with that restart, and has no soak of its own."""
    return replace(run, applied_at=at, good_since=None, baseline={})


def _of_before(pods: Sequence[PodSeen], at: datetime) -> list[PodSeen]:
    """A cluster counts in whole seconds."""
    return [pod for pod in pods if pod.created_at and pod.created_at < at.replace(microsecond=0) - timedelta(seconds=1)]


def _name(step: Step) -> str:
    """Whole, because evidence is kept by it: two clusters may have the same, and two kinds in one namespace."""
    return f"{step.args['kind']} {step.args['namespace']}/{step.args['name']} in {step.args['cluster']}"


def _pods(count: int) -> str:
    return f"{count} pod{'' if count == 1 else 's'}"
