"""What the policy is told of before: nobody gets around it by a chain, by an undo, by another account or by asking for another time."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import policies, services, simulating
from actions.models import Execution, Request
from actions.states import ExecutionState
from actions.terms import Terms
from approvals.facts import PLENTY, Facts, HistoryFacts
from inventory.models import Incident, Person, Workload
from portal.web import acts
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks, fresh
from tests.cluster import Namespace, made_namespace, workload

E = ExecutionState


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        for name in ("api", "worker"):
            made.apply(workload(name))
            made.roll_out("deployment", name)
        yield made


@pytest.fixture
def api(shop: Shop) -> Workload:
    return shop.knows("api", environment=shop.staging)


@pytest.fixture
def worker(shop: Shop) -> Workload:
    return shop.knows("worker", environment=shop.staging)


def facts(
    person: Person, target: Workload, action: str = "restart-workload", terms: Terms | None = None, **params: Any
) -> tuple[Facts, ...]:
    return services.preview(actor=person, action=action, target=target.pk, params=params, terms=terms or Terms()).facts


def history(person: Person, target: Workload, action: str = "restart-workload", **params: Any) -> HistoryFacts:
    return facts(person, target, action, **params)[0].history


def restart(target: Workload) -> Mapping[str, Any]:
    return {"action": "restart-workload", "target": target.pk, "params": {}}


def ran(request: Request, state: str = E.SUCCEEDED) -> Request:
    """As if a worker had done it."""
    now = timezone.now()
    ended = None if state == E.NEEDS_HUMAN else now
    Execution.objects.filter(request=request).update(state=state, started_at=now, applied_at=now, ended_at=ended)
    return fresh(request)


def test_what_ran_in_a_chain_ran_on_each_of_its_targets(people: People, api: Workload, worker: Workload) -> None:
    before = history(people.mira, worker)
    assert (before.minutes_since_target, before.service_reverts_last_day) == (PLENTY, 0)
    ran(asks(people.mira, "restart-workload", worker))
    chained = ran(asks(people.mira, "chain", api, parts=[restart(api), restart(worker)]))
    for target, runs in ((api, 1), (worker, 2)):
        seen = history(people.mira, target)
        assert (seen.target_runs_last_hour, seen.clean_runs, seen.service_reverts_last_day) == (runs, runs, 0)
        assert seen.minutes_since_target < 1
    ran(chained, E.REVERTED)
    seen = history(people.mira, worker)
    assert (seen.target_runs_last_hour, seen.clean_runs, seen.service_reverts_last_day) == (2, 0, 1)
    parts = facts(people.mira, api, "chain", parts=[restart(api), restart(worker)])[1:]
    assert [part.history.target_runs_last_hour for part in parts] == [1, 2]


def test_what_was_asked_for_before_this_was_kept_is_found_by_its_plan(
    people: People, api: Workload, worker: Workload
) -> None:
    asks(people.mira, "chain", api, parts=[restart(api), restart(worker)])
    asks(people.mira, "restart-workload", worker)
    kept = list(Request.objects.values_list("pk", "touches"))
    assert len(dict(kept)) == len({str(touches) for _, touches in kept}) == 2
    Request.objects.update(touches=[])
    with connection.cursor() as cursor:
        cursor.execute(import_module("actions.migrations.0007_what_a_request_touches").FROM_THEIR_PLANS)
    assert sorted(kept) == [
        (pk, sorted(touches)) for pk, touches in Request.objects.order_by("pk").values_list("pk", "touches")
    ]


def test_at_an_earlier_time_what_came_later_had_not_happened(people: People, worker: Workload) -> None:
    ran(asks(people.mira, "restart-workload", worker), E.REVERTED)
    asks(people.mira, "restart-workload", worker)
    then = simulating.simulate(
        viewer=people.mira, person=people.mira, at=timezone.now() - timedelta(minutes=30), action="restart-workload",
        target=worker.pk, params={},
    ).facts[0].history  # fmt: skip
    assert (then.minutes_since_target, then.actor_requests_last_hour, then.service_reverts_last_day) == (PLENTY, 0, 0)


def test_a_run_that_was_undone_or_that_nobody_understands_is_not_clean(
    people: People, api: Workload, namespace: Namespace
) -> None:
    def clean() -> int:
        return history(people.mira, api, "resize-workload", replicas=4).clean_runs

    ran(asks(people.mira, "resize-workload", api, replicas=3))
    second = ran(asks(people.mira, "resize-workload", api, replicas=3))
    assert clean() == 2
    namespace.kubectl("scale", "deployment/api", "--replicas=3")
    undone = services.undo(actor=people.mira, request=second, reason="Too many.", entrance="test")
    assert clean() == 2
    ran(undone)
    assert clean() == 0
    namespace.kubectl("scale", "deployment/api", "--replicas=2")
    third = ran(asks(people.mira, "resize-workload", api, replicas=3))
    assert clean() == 1
    ran(third, E.NEEDS_HUMAN)
    assert clean() == 0


MANY = 4000
COPY_REQUESTS = """
INSERT INTO actions_request ({columns}, created_at)
SELECT {columns}, created_at - number * interval '1 minute' FROM actions_request, generate_series(%s, 1, -1) AS number
"""
COPY_RUNS = """
INSERT INTO actions_execution ({columns}, request_id, mark, started_at, ended_at)
SELECT {columns}, later, gen_random_uuid(), at, at + interval '5 seconds'
FROM actions_execution, (SELECT id AS later, created_at AS at FROM actions_request) AS copy WHERE later > request_id ORDER BY later
"""
READ = "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname IN ('actions_request', 'actions_execution')"


def copied(cursor: Any, statement: str, model: type[Model], *but: str) -> None:
    columns = [f'"{each.column}"' for each in model._meta.concrete_fields if each.column not in ("id", *but)]
    cursor.execute(statement.format(columns=", ".join(columns)), [MANY] if "%s" in statement else None)


def test_a_long_history_is_not_read_from_its_start(people: People, worker: Workload) -> None:
    ran(asks(people.mira, "restart-workload", worker))
    with connections["owner"].cursor() as cursor:
        copied(cursor, COPY_REQUESTS, Request, "created_at", "round_id", "submission_key")
        copied(cursor, COPY_RUNS, Execution, "request_id", "mark", "started_at", "ended_at")
        cursor.execute("ANALYZE actions_request, actions_execution")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(READ)
        [before] = cursor.fetchone()
        assert history(people.mira, worker).clean_runs == 50
        cursor.execute(READ)
        assert cursor.fetchone()[0] - before < MANY / 4


def test_accounts_that_were_joined_in_a_row_ask_as_one(people: People, worker: Workload) -> None:
    nina = Person.objects.create_user("nina", display_name="Nina", same_person_as=people.mira_admin)
    nina.groups.add(*people.mira.groups.all())
    asks(people.mira, "restart-workload", worker)
    assert history(Person.objects.get(pk=nina.pk), worker).actor_requests_last_hour == 1
    asks(Person.objects.get(pk=nina.pk), "restart-workload", worker)
    assert history(people.mira, worker).actor_requests_last_hour == 2


def test_an_incident_of_one_service_is_none_of_another_in_a_chain(
    people: People, api: Workload, worker: Workload
) -> None:
    told = Incident.objects.create(
        reference="INC-7", title="Payments fail", opened_at=timezone.now() - timedelta(hours=1)
    )
    told.services.add(api.service)
    for ticket in ("", "INC-7"):
        seen = facts(people.mira, api, "chain", Terms(ticket), parts=[restart(api), restart(worker)])
        assert [(each.context.open_incident, each.context.incident) for each in seen] == [
            (True, "INC-7"), (True, "INC-7"), (False, ""),
        ]  # fmt: skip
        assert {each.context.ticket for each in seen} == {ticket}


def test_which_policy_was_adopted_is_read_once_for_a_page_of_buttons_and_once_for_a_plan(
    people: People, api: Workload, worker: Workload, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "policy.yaml").write_text('- {id: allows, when: "true", allow: true, because: Because.}')
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": tmp_path, "policy_approvals": 1})
    policies.take_note()
    with CaptureQueriesContext(connection) as queries:
        assert len(acts.acts_on(people.mira, api, timezone.now())) > 3
    assert [query["sql"].count("approvals_policyversion") > 0 for query in queries].count(True) == 1
    with CaptureQueriesContext(connection) as queries:
        facts(people.mira, api, "chain", parts=[restart(api), restart(worker)])
    assert [query["sql"].count("approvals_policyversion") > 0 for query in queries].count(True) == 1
