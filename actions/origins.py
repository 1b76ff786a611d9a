"""Where a template and its images come from, by our own record: which run made it, for whom, and whether it was seen to be good."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from inventory.models import Workload

from .models import Execution, JournalEntry, Verified
from .plans import Target
from .states import ExecutionState

SHORT = 12
"""How much of a template's hash a run leaves in its journal."""


@dataclass(frozen=True)
class Origin:
    """The last run of ours that made it. `state` is what came of that run."""

    request: int
    summary: str
    by: str
    at: datetime
    state: str
    verified: bool
    soak_seconds: int

    @property
    def sentence(self) -> str:
        """`request 12 by Mira, verified here`."""
        came_of_it = {
            ExecutionState.REVERTED: ", taken back",
            ExecutionState.FAILED: ", failed",
            ExecutionState.NEEDS_HUMAN: ", not finished",
        }
        good = ", verified here" if self.verified else came_of_it.get(ExecutionState(self.state), "")
        return f"request {self.request} by {self.by}{good}"


def workload_of(target: Target) -> Workload | None:
    """The inventory's row of a target. A namesake that has replaced it is another one."""
    return (
        Workload.objects.select_related("service", "environment", "cluster")
        .filter(cluster__name=target.cluster, uid=target.ref.uid)
        .first()
    )


def origins(target: Target, templates: Collection[str]) -> Mapping[str, Origin]:
    """Of those templates, by their hash, that a run of ours has made or seen to be good."""
    there = {"request__workload__cluster__name": target.cluster, "request__workload__uid": target.ref.uid}
    made = JournalEntry.objects.filter(
        phase=JournalEntry.Phase.APPLY,
        status=JournalEntry.Status.DONE,
        execution__in=Execution.objects.filter(**there),
        evidence__template__in=[template[:SHORT] for template in templates],
    )
    seen_good = Verified.objects.filter(
        workload__cluster__name=target.cluster, workload__uid=target.ref.uid, template_hash__in=templates
    )
    whole = {template[:SHORT]: template for template in templates}
    found: dict[str, Origin] = {}
    for entry in made.select_related("execution__request__requester").order_by("id"):
        at = entry.ended_at or entry.started_at
        found[whole[str(entry.evidence["template"])]] = _origin(entry.execution, at, verified=False)
    for row in seen_good.select_related("execution__request__requester").order_by("at"):
        found[row.template_hash] = _origin(row.execution, row.at, verified=True)
    return found


def before(workload: Workload) -> Workload | None:
    """The same workload of the same service in the nearest environment before its own."""
    return (
        Workload.objects.select_related("service", "environment", "cluster")
        .filter(service=workload.service, kind=workload.kind, name=workload.name, gone_at=None)
        .filter(environment__position__lt=workload.environment.position)
        .order_by("-environment__position", "-seen_at")
        .first()
    )


def seen_good(workload: Workload, images: Mapping[str, str]) -> Origin | None:
    """The last run of ours that saw it run well with all these images (container → image)."""
    rows = Verified.objects.filter(workload=workload).select_related("execution__request__requester").order_by("-at")
    found = next((row for row in rows[:100] if images.items() <= row.images.items()), None)
    return _origin(found.execution, found.at, verified=True) if found else None


def _origin(execution: Execution, at: datetime, *, verified: bool) -> Origin:
    request = execution.request
    soak = int(json.loads(request.plan_text)["soak_seconds"])
    return Origin(request.pk, request.summary, request.requester.name, at, execution.state, verified, soak)
