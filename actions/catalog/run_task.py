"""Run a task: a Job from a template that an administrator of the cluster approved, with values inside the bounds it sets.

The task runs once and is not tried again. Cancelling the run is the switch that stops it: the Job goes, and its pods with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from shlex import quote
from typing import Any

from pydantic import Field

from connectors.errors import Missing
from connectors.kubernetes.jobs import LogSeen, job_name, job_of_template

from .. import jobs
from ..planning import read_values
from ..protocol import (
    Action,
    CannotPlan,
    Change,
    Drifted,
    Impact,
    Option,
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
from ..task_templates import Task, belongs_to
from ..workloads import kubectl


class RunTaskParams(Params):
    template: str = Field(
        max_length=253, title="Task", description="Approved by an administrator of the cluster",
        json_schema_extra={"widget": "choice"},
    )  # fmt: skip
    values: dict[str, str] = Field(
        default={}, description="Become variables in the task's environment; seen by all who see the request"
    )


@register
class RunTask(Action[RunTaskParams]):
    id, title, icon, risk = "run-task", "Run task", "player-play", Risk.MEDIUM
    preposition = "for"
    only_stops = True
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet")
    params = RunTaskParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        first = _tasks(target, world)[0]
        return {"template": first.name, "values": first.defaults}

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        return {"template": [Option(task.name, task.title, task.description) for task in _tasks(target, world)]}

    def inner(self, target: Target, chosen: Mapping[str, Any], world: World) -> Mapping[str, type[Params]]:
        return {"values": _task(target, str(chosen.get("template", "")), world).values}

    def plan(self, target: Target, params: RunTaskParams, world: World) -> Plan:
        task = _task(target, params.template, world)
        values = {name: str(value) for name, value in read_values("values", task.values, params.values)}
        namespace = target.ref.namespace
        dry = world.cluster.jobs.create(
            job_of_template(task.seen, name=job_name(task.name, "plan"), values=values, execution="plan", deadline=task.deadline),
            as_=world.person, dry_run=True,
        )  # fmt: skip
        images = ", ".join(container.image for container in task.seen.containers)
        return Plan(
            action=self.id,
            # The task has itself to itself, not the workload: a restart need not wait for it.
            target=replace(target, key=f"task:{task.seen.ref.uid}"),
            params={"template": task.name, "values": values},
            summary=f"Run {task.title}",
            preconditions={"template": task.seen.template_hash},
            changes=(Change(jobs.label(namespace, task.name), jobs.lines_of(dry, values)),),
            steps=(Step("start", f"Create a Job from {task.name}", "start", {"template": task.seen.template_hash}),),
            revert=(jobs.STOP,),
            no_revert="",
            undo=None,
            no_undo=jobs.NO_UNDO,
            irreversible=(jobs.IRREVERSIBLE,),
            eject=(_eject(target, task, values),),
            soak_seconds=0,
            deadline_seconds=jobs.deadline(task.deadline),
            numbers={"pods": 1},
            impact=(
                Impact("Task", task.title, task.description or images),
                Impact("Runs", "once", "It is not tried again when it fails, and nothing else waits for it."),
                Impact("At most", _time(task.deadline), "Then the cluster stops it. Cancelling the run stops it at once."),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        namespace, name, run = plan.target.ref.namespace, _name(plan, world), world.current_run
        if step.verb == "stop":
            return jobs.stop(namespace, name, world)
        template = plan.params["template"]
        try:
            seen = world.cluster.jobs.read_template(namespace, template)
        except Missing as gone:
            raise Drifted(f"The task {template} is not approved any more. Nothing was started.") from gone
        if seen.template_hash != step.args["template"]:
            raise Drifted(f"The task {template} is no longer what was planned on. Nothing was started.")
        manifest = job_of_template(
            seen, name=name, values=plan.params["values"], execution=run.id, deadline=Task(seen).deadline
        )
        return jobs.start(manifest, world)

    def verify(self, plan: Plan, world: World) -> Verdict:
        return jobs.watch(plan.target.ref.namespace, _name(plan, world), world)

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return jobs.watch_stop(plan.target.ref.namespace, _name(plan, world), world)

    def logs(self, plan: Plan, world: World) -> Sequence[LogSeen]:
        return jobs.logs(plan.target.ref.namespace, _name(plan, world), world)


def _tasks(target: Target, world: World) -> list[Task]:
    """Those that can be used; one that cannot must not hide the others. Raises `CannotPlan` when there is none."""
    found, problems = [], []
    for seen in world.cluster.jobs.templates(target.ref.namespace):
        if belongs_to(seen, target):
            try:
                found.append(Task(seen))
            except CannotPlan as problem:
                problems.append(str(problem))
    if not found:
        none = (
            f"No task is approved for {target.service} in {target.ref.namespace}. An administrator of the cluster adds one: "
            "a PodTemplate with the label afterdeck.dev/task."
        )
        raise CannotPlan(" ".join([none, *problems[:3]]))
    return found


def _task(target: Target, name: str, world: World) -> Task:
    seen = next((each for each in world.cluster.jobs.templates(target.ref.namespace) if each.ref.name == name), None)
    if seen is None or not belongs_to(seen, target):
        raise CannotPlan(f"{target.service} has no task {name[:60]!r} in {target.ref.namespace}. Choose another one.")
    return Task(seen)


def _name(plan: Plan, world: World) -> str:
    return job_name(plan.params["template"], world.current_run.id)


def _time(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds >= 120 else f"{seconds} s"


def _eject(target: Target, task: Task, values: Mapping[str, str]) -> str:
    job = (
        '{apiVersion: "batch/v1", kind: "Job", metadata: {name: "' + task.name + '-by-hand"}, '
        f"spec: {{backoffLimit: 0, activeDeadlineSeconds: {task.deadline}, template: .template}}}}"
    )
    given = [f"{name}={value}" for name, value in values.items()]
    chosen = [kubectl(target, "set", "env", "--local", "-o", "yaml", "-f", "-", *map(quote, given))] if given else []
    made = [kubectl(target, "get", "podtemplate", task.name, "-o", "json"), f"jq {quote(job)}"]
    return " | ".join([*made, *chosen, kubectl(target, "create", "-f", "-")])
