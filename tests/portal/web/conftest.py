"""Browsers without a browser: Django's client for each person, and rows that need no cluster behind them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from actions.models import Execution, Request
from approvals.models import Asked, Round
from inventory.models import Cluster, Environment, Person, Service, Team, Workload
from tests.characters import People

SignedIn = Callable[[Person], Client]


@pytest.fixture
def signed_in() -> SignedIn:
    def client_of(person: Person) -> Client:
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return client_of


@pytest.fixture
def town(people: People) -> "Town":
    return Town()


class Town:
    """Services that the inventory knows, and requests about them in whatever state a page has to show."""

    def __init__(self) -> None:
        self.cluster = Cluster.objects.create(name="sandbox", simulated=True, seen_at=timezone.now())
        self.environments = {
            slug: Environment.objects.create(slug=slug, criticality=criticality, position=criticality)
            for slug, criticality in (("dev", 0), ("staging", 1), ("production", 3))
        }

    def service(self, slug: str, team: str = "payments", **fields: Any) -> Service:
        return Service.objects.create(slug=slug, team=Team.objects.get(slug=team), tier=1, **{"name": slug, **fields})

    def workload(self, service: Service, environment: str = "production", **fields: Any) -> Workload:
        values = {"kind": "Deployment", "name": service.slug, "wanted": 2, "ready": 2, "version": "1.0.0", **fields}
        return Workload.objects.create(
            service=service, environment=self.environments[environment], cluster=self.cluster,
            namespace=f"team-{environment}", uid=f"uid-{environment}-{values['kind']}-{service.slug}"[:64],
            seen_at=timezone.now(), **values,
        )  # fmt: skip

    def request(
        self, by: Person, workload: Workload, state: str = "approved", asked: tuple[Person, ...] = (), **fields: Any
    ) -> Request:
        now = timezone.now()
        return Request.objects.create(
            action="restart-workload", service=workload.service, environment=workload.environment, workload=workload,
            target_key=f"workload:{workload.uid}", target_label=str(workload), params={}, plan_text="{}", digest="d" * 64,
            entrance="test", requester=by, ruling={}, risk=1, state=state, created_at=now,
            decided_at=now, round=self._round(by, asked) if asked else None,
            **{"summary": f"Restart {workload.name}", "reason": "The pool is stuck.", **fields},
        )  # fmt: skip

    def run(self, request: Request, state: str, **fields: Any) -> Execution:
        now = timezone.now()
        return Execution.objects.create(
            request=request, state=state, stamp="s", run_after=now, queued_at=now,
            started_at=now, **fields,
        )  # fmt: skip

    def _round(self, by: Person, asked: tuple[Person, ...]) -> Round:
        people = [{"identity": each.identity, "username": each.username, "name": each.name} for each in asked]
        now = timezone.now()
        made = Round.objects.create(
            digest="d" * 64, requester_identity=by.identity, opened_at=now, expires_at=now + timedelta(hours=1),
            requirements=[{"rule": "r", "count": 1, "of": "owning-team-approvers", "people": people}],
        )  # fmt: skip
        Asked.objects.bulk_create(Asked(round=made, identity=each.identity, at=now) for each in asked)
        return made
