"""People and workloads to measure with, and rows by the ten thousand: as an installation has them after some years."""

import psycopg
from django.db import connection
from django.db.models import Model

from actions.models import Request
from approvals.models import Round
from benchmarks.place import Place
from connectors.kubernetes import ClusterConfig, KubernetesCluster
from sandbox.stack import Endpoints
from tests.characters import Shop, asks, make_people
from tests.cluster import Namespace, workload

NAMESPACE = "benchmark"
EVENTS = """
    INSERT INTO audit_event (verb, actor_kind, actor, actor_id, request_id, execution_id, action, service, environment, target,
                             summary, correlation, text)
    SELECT verb, actor_kind, actor, actor_id, 1000 + n, execution_id, action, service, environment, target, summary, correlation, text
    FROM (SELECT * FROM audit_event WHERE request_id IS NOT NULL ORDER BY id LIMIT 1) AS one, generate_series(1, %s) AS n
"""
WAITING = """
    WITH made AS (
        INSERT INTO approvals_round (opened_at, {asked})
        SELECT opened_at + n * interval '1 second', {asked} FROM approvals_round, generate_series(1, %(count)s) AS n WHERE id = %(round)s
        RETURNING id, opened_at
    ), asked AS (
        INSERT INTO approvals_asked (round_id, identity, kind, risk, at, open)
        SELECT made.id, identity, kind, 1 + made.id %% 3, made.opened_at, true FROM made, approvals_asked WHERE round_id = %(round)s
    )
    INSERT INTO actions_request (round_id, created_at, risk, {alike})
    SELECT made.id, made.opened_at, 1 + made.id %% 3, {alike} FROM made, actions_request AS first WHERE first.id = %(request)s
"""


class Rows:
    """Mira restarts `by-portal` in staging at once. In production Jonas has to agree; there ten of hers wait for him."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.people = make_people()
        namespace = Namespace(endpoints, NAMESPACE)
        namespace.kubectl("create", "namespace", NAMESPACE)
        # The two without pods are for the arms that only patch.
        sizes = {"by-portal": 1, "in-production": 2, "by-patch": 0, "by-kubectl": 0}
        namespace.apply(*(workload(name, replicas=size) for name, size in sizes.items()))
        for name in sizes:
            namespace.roll_out("deployment", name)
        shop = Shop(KubernetesCluster("sandbox", ClusterConfig(endpoints.kubeconfig_portal, simulated=True)), namespace)
        self.staging = shop.knows("by-portal", environment=shop.staging)
        production = shop.knows("in-production")
        self.waiting = [asks(self.people.mira, "resize-workload", production, replicas=3 + each) for each in range(10)]

    def add_events(self, count: int) -> None:
        """As the application may: without a time or an id of its choice."""
        with connection.cursor() as cursor:
            cursor.execute(EVENTS, [count])

    def add_waiting(self, count: int) -> None:
        """More requests like the first one, of every risk, each with a round of its own, asked one second after the other."""
        first = Request.objects.get(pk=self.waiting[0].pk)
        alike, asked = _columns(Request, "id", "round_id", "created_at", "risk"), _columns(Round, "id", "opened_at")
        with connection.cursor() as cursor:
            cursor.execute(
                WAITING.format(alike=alike, asked=asked),
                {"count": count, "request": first.pk, "round": first.round_id},
            )

    def settle(self, place: Place) -> None:
        """What autovacuum would have done by the time an installation has so many rows. Who owns no table is only warned that it did
        nothing.
        """
        with psycopg.connect(place.database, autocommit=True) as superuser:
            superuser.execute("VACUUM ANALYZE")


def _columns(model: type[Model], *without: str) -> str:
    """Of its table, as they stand in a statement."""
    return ", ".join(
        field.column for field in model._meta.concrete_fields if field.column and field.column not in without
    )
