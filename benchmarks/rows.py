"""People and workloads to measure with, and rows by the ten thousand: as an installation has them after some years."""

from django.db import connection
from django.utils import timezone

from actions.models import Request
from approvals.models import Asked, Round
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
        """More requests like the first one, each with a round of its own, asked one second after the other."""
        first = Request.objects.select_related("round").get(pk=self.waiting[0].pk)
        asked = first.round
        assert asked is not None
        rounds = [
            Round(
                digest=asked.digest, requester_identity=asked.requester_identity, requirements=asked.requirements,
                opened_at=asked.opened_at, expires_at=asked.expires_at,
            )
            for _ in range(count)
        ]  # fmt: skip
        made = Round.objects.bulk_create(rounds, batch_size=1000)
        identities = list(asked.asked.values_list("identity", flat=True))
        Asked.objects.bulk_create(
            (
                Asked(round=each, identity=human, risk=first.risk, at=first.created_at)
                for each in made
                for human in identities
            ),
            batch_size=5000,
        )
        fields = [
            field.attname
            for field in Request._meta.concrete_fields
            if field.attname not in ("id", "round_id", "created_at")
        ]
        same = {name: getattr(first, name) for name in fields}
        now = timezone.now()
        Request.objects.bulk_create([Request(**same, round=each, created_at=now) for each in made], batch_size=1000)

    def settle(self) -> None:
        """What autovacuum would have done by the time an installation has so many rows."""
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
