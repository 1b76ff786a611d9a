"""Run a CronJob now: the Job that its schedule would start, started by hand, as `kubectl create job --from=cronjob/…` does.

Its schedule goes on as it is, also when it is suspended. Cancelling the run stops the Job.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import msgspec

from connectors.kubernetes.jobs import LogSeen, job_name, job_of_cronjob
from connectors.kubernetes.seen import CronJobSeen

from .. import jobs
from ..cronjobs import read_before_write, read_cronjob, schedule
from ..protocol import (
    Action,
    CannotPlan,
    Change,
    Drifted,
    Impact,
    Params,
    Plan,
    Risk,
    Step,
    Target,
    TargetKind,
    Verdict,
    World,
)
from ..registry import register
from ..workloads import kubectl

DEADLINE = 3600
"""Seconds to watch a Job whose CronJob sets no deadline of its own."""


class RunCronJobParams(Params):
    """Nothing to choose: it runs as its template says."""


@register
class RunCronJob(Action[RunCronJobParams]):
    id, title, icon, risk = "run-cronjob", "Run now", "player-play", Risk.LOW
    target, kinds = TargetKind.WORKLOAD, ("CronJob",)
    only_stops = True
    params = RunCronJobParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        read_cronjob(target, world)
        return {}

    def plan(self, target: Target, params: RunCronJobParams, world: World) -> Plan:
        seen = read_cronjob(target, world)
        active = world.cluster.jobs.active_of(seen.ref)
        if active and seen.concurrency == "Forbid":
            raise CannotPlan(
                f"{', '.join(active[:3])} is still running, and it may not run twice at once. Wait for its end."
            )
        manifest = job_of_cronjob(seen, name=job_name(target.ref.name, "plan"), execution="plan")
        dry = world.cluster.jobs.create(manifest, as_=world.person, dry_run=True)
        limit, name = seen.deadline or DEADLINE, f"{target.ref.name}-by-hand"
        return Plan(
            action=self.id,
            target=replace(target, key=f"task:{target.ref.uid}"),  # it can be suspended while it runs
            params={},
            summary=f"Run {target.ref.name} now",
            preconditions={"template": _hash(seen)},
            changes=(Change(jobs.label(target.ref.namespace, target.ref.name), jobs.lines_of(dry, {})),),
            steps=(Step("start", f"Create a Job of {target.ref.name}", "start", {"template": _hash(seen)}),),
            revert=(jobs.STOP,),
            no_revert="",
            undo=None,
            no_undo=jobs.NO_UNDO,
            irreversible=(jobs.IRREVERSIBLE,),
            eject=(kubectl(target, "create", "job", name, f"--from=cronjob/{target.ref.name}"),),
            soak_seconds=0,
            deadline_seconds=jobs.deadline(limit),
            numbers={"pods": 1},
            impact=(
                *schedule(seen, active, world.now),
                Impact("Watched for", f"{limit // 60} min", "Cancelling the run stops the Job. The schedule goes on as it is."),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        namespace, name, run = plan.target.ref.namespace, _name(plan, world), world.current_run
        if step.verb == "stop":
            return jobs.stop(namespace, name, world)
        seen = read_before_write(plan.target, world)
        if _hash(seen) != step.args["template"]:
            raise Drifted("What the CronJob runs is no longer what was planned on. Nothing was started.")
        return jobs.start(job_of_cronjob(seen, name=name, execution=run.id), world)

    def verify(self, plan: Plan, world: World) -> Verdict:
        return jobs.watch(plan.target.ref.namespace, _name(plan, world), world)

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return jobs.watch_stop(plan.target.ref.namespace, _name(plan, world), world)

    def logs(self, plan: Plan, world: World) -> Sequence[LogSeen]:
        return jobs.logs(plan.target.ref.namespace, _name(plan, world), world)


def _name(plan: Plan, world: World) -> str:
    return job_name(plan.target.ref.name, world.current_run.id)


def _hash(seen: CronJobSeen) -> str:
    return sha256(msgspec.json.encode(seen.job_template, order="sorted")).hexdigest()
