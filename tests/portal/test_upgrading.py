"""An installation of before rounds knew time: its requests, rounds and votes are there after the upgrade, asked of the same people."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from actions.models import Request
from actions.protocol import Plan
from actions.states import RequestState
from approvals.models import Asked, Vote
from inventory.models import Cluster, Environment, Person, Service, Workload
from sandbox.stack import Endpoints
from tests import environment
from tests.portal.api.rows import plan_on

BEFORE = [
    ("approvals", "0002_initial"), ("actions", "0005_no_second_target_key"), ("inventory", "0003_node_room"),
    ("contenttypes", "0002_remove_content_type_name"),
]  # fmt: skip


@pytest.fixture
def installation(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A database of its own, still empty, in the place of this run's."""
    name = sql.Identifier(f"{environment.database}_before")
    with psycopg.connect(endpoints.postgres_superuser_url, autocommit=True) as server:
        owner = sql.Identifier(str(connections["owner"].settings_dict["USER"]))
        server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))
        try:
            with django_db_blocker.unblock():
                for alias in ("default", "owner"):
                    connections[alias].close()
                    monkeypatch.setitem(connections[alias].settings_dict, "NAME", f"{environment.database}_before")
                yield
                for alias in ("default", "owner"):
                    connections[alias].close()
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def plan_of_then() -> Plan:
    place = {
        "service": Service(slug="ledger", name="Ledger"),
        "environment": Environment(slug="production", criticality=3),
    }
    return plan_on(
        Workload(
            pk=1, cluster=Cluster(name="sandbox"), namespace="pay", kind="Deployment", name="ledger", uid="u", **place
        )
    )


def make_what_was_there(plan: Plan) -> None:
    """As the portal of then wrote it: a round that Ines has answered and that waits for Jonas, and one that Jonas approved."""
    executor = MigrationExecutor(connections["owner"])
    executor.migrate(BEFORE)
    old = executor.loader.project_state(BEFORE).apps

    def make(app: str, model: str, **values: Any) -> Any:
        return old.get_model(app, model).objects.using("owner").create(**values)

    now = timezone.now()
    group, approvers = (make("auth", "Group", name=name) for name in ("payments", "payments-approvers"))
    team = make("inventory", "Team", slug="payments", name="Payments", group=group, approvers=approvers)
    mira, ines, jonas = (
        make("inventory", "Person", username=name, display_name=name.capitalize()) for name in ("mira", "ines", "jonas")
    )
    for person in (ines, jonas):
        person.groups.add(approvers)
    service = make("inventory", "Service", slug="ledger", name="Ledger", team=team)
    production = make("inventory", "Environment", slug="production", criticality=3)
    cluster = make("inventory", "Cluster", name="sandbox", simulated=True)
    workload = make(
        "inventory", "Workload", service=service, environment=production, cluster=cluster, namespace="pay", kind="Deployment",
        name="ledger", uid="u", wanted=2, ready=2, seen_at=now,
    )  # fmt: skip
    people = [{"identity": each.pk, "username": each.username, "name": each.display_name} for each in (ines, jonas)]
    for count, state, voter in ((2, "open", ines), (1, "approved", jonas)):
        need = {"rule": "somebody-looks", "count": count, "of": "owning-team-approvers", "people": people}
        asked = make(
            "approvals", "Round", digest=plan.digest, requester_identity=mira.pk, requirements=[need], state=state,
            candidates=[ines.pk, jonas.pk], opened_at=now, expires_at=now + timedelta(days=1),
        )  # fmt: skip
        make(
            "approvals",
            "Vote",
            round=asked,
            voter=voter,
            identity=voter.pk,
            decision="approve",
            digest=plan.digest,
            note="Fine.",
            at=now,
        )
        make(
            "actions", "Request", action=plan.action, service=service, environment=production, workload=workload,
            target_key=plan.target.key,
            target_label=plan.target.label, params={}, summary=plan.summary, reason="r", entrance="browser", requester=mira, risk=2,
            plan_text=plan.text, digest=plan.digest, round=asked, created_at=now,
            state="awaiting_approval" if state == "open" else "approved",
            ruling={"effect": "needs", "answers": [{"rule": "somebody-looks", "effect": "needs", "because": "It is production."}],
                    "requirements": [need], "policy_digest": "0" * 64, "looked_at": 1},
        )  # fmt: skip


def page(username: str, path: str) -> str:
    client = Client()
    client.force_login(Person.objects.get(username=username), backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_what_was_asked_and_answered_before_is_still_there(installation: None) -> None:
    plan = plan_of_then()
    make_what_was_there(plan)
    call_command("setup_database", verbosity=0)

    waits, agreed = Request.objects.order_by("pk")
    assert sorted(Asked.objects.values_list("round", "identity", "risk", "open")) == [
        (waits.round_id, 2, 2, False), (waits.round_id, 3, 2, True), (agreed.round_id, 2, 2, False), (agreed.round_id, 3, 2, False),
    ]  # fmt: skip
    assert {plan.target.key, "service:ledger"} <= set(waits.touches)
    assert "Fine." in page("ines", "/approvals/decided")
    assert "To decide" not in page("ines", "/")

    jonas = Client()
    jonas.force_login(Person.objects.get(username="jonas"), backend="django.contrib.auth.backends.ModelBackend")
    jonas.post(f"/requests/{waits.pk}/vote", {"decision": "approve", "digest": plan.digest})
    assert Request.objects.get(pk=waits.pk).state == RequestState.APPROVED
    assert Vote.objects.filter(round=waits.round).count() == 2
    assert "Signed by" in page("mira", f"/requests/{agreed.pk}")
