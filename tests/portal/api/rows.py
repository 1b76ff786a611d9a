"""Rows that need no cluster behind them: for everything that ends before a plan does."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.utils import timezone

from actions.models import Request
from actions.protocol import Change, Line, Plan, Step
from actions.states import RequestState
from actions.targets import target_of
from approvals.facts import Approver
from approvals.rulings import Effect, Requirement, RuleAnswer, Ruling
from approvals.services import open_round
from inventory.models import Cluster, Environment, Person, Service, Team, Workload
from tests.characters import People


def make_workload(slug: str, team: str) -> Workload:
    service = Service.objects.create(slug=slug, name=slug, team=Team.objects.get(slug=team))
    environment, _ = Environment.objects.get_or_create(slug="production", defaults={"criticality": 3})
    cluster, _ = Cluster.objects.get_or_create(name="sandbox", defaults={"simulated": True})
    return Workload.objects.create(
        service=service, environment=environment, cluster=cluster, namespace=f"{team}-production", kind="Deployment", name=slug,
        uid=f"uid-{slug}", wanted=2, ready=2, seen_at=timezone.now(),
    )  # fmt: skip


def make_request(
    target: Workload, people: People, number: int = 1, asked: Sequence[Person] = (), **fields: Any
) -> Request:
    """Waits for Jonas or Ines, or who else is asked. All at the same moment: position is time and id, and time alone does not tell
    them apart.
    """
    now = timezone.now().replace(second=0, microsecond=0)
    plan, answer = plan_on(target), _ruling(asked or (people.ines, people.jonas))
    return Request.objects.create(
        action=plan.action, service=target.service, environment=target.environment, workload=target, target_key=plan.target.key,
        target_label=plan.target.label, params={}, summary=f"{number}", reason="r", entrance="test", requester=people.mira,
        plan_text=plan.text, digest=plan.digest, ruling=asdict(answer), state=RequestState.AWAITING_APPROVAL, created_at=now,
        round=open_round(
            digest=plan.digest, requester_identity=people.mira.identity, requirements=answer.requirements, now=now,
            expires_at=now + timedelta(days=1), risk=fields.get("risk", 1),
        ),
        **{"risk": 1, **fields},
    )  # fmt: skip


def plan_on(target: Workload) -> Plan:
    line = Line("spec.replicas", "2", "3")
    return Plan(
        action="resize-workload", target=target_of(target), params={"replicas": 3}, summary="Resize, replicas 2 to 3",
        preconditions={"replicas": 2}, changes=(Change(str(target), (line,)),), steps=(Step("scale", "Set 3", "scale", {"replicas": 3}),),
        revert=(), no_revert="Nothing to take back.", undo={"replicas": 2}, no_undo="", irreversible=(), eject=("kubectl scale",),
        soak_seconds=2, deadline_seconds=60, numbers={"pods": 1, "percent": 50.0},
    )  # fmt: skip


def _ruling(people: Sequence[Person]) -> Ruling:
    asked = tuple(Approver(each.identity, each.username, each.name) for each in people)
    answer = RuleAnswer("production-needs-approver", Effect.NEEDS, "This is production.")
    return Ruling(Effect.NEEDS, (answer,), (Requirement(answer.rule, 1, "owning-team-approvers", asked),), "0" * 64)
