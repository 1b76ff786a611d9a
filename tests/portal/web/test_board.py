"""What a cell of the services' table says, for everything that can be true of a service in one environment."""

from datetime import UTC, datetime

import pytest

from inventory.models import Cluster, Environment, Workload
from portal.web.board import cell_of

PRODUCTION = Environment(slug="production", criticality=3)
HERE = Cluster(pk=1, name="here")
SILENT = Cluster(pk=2, name="there", unreachable_since=datetime(2026, 1, 1, tzinfo=UTC))


def seen(
    ready: int, wanted: int, trouble: str = "", kind: str = "Deployment", cluster: Cluster = HERE, **more: bool
) -> Workload:
    return Workload(ready=ready, wanted=wanted, trouble=trouble, kind=kind, cluster=cluster, **more)


@pytest.mark.parametrize(
    ("workloads", "state", "figure"),
    [
        ([seen(2, 2)], "ready", "2/2"),
        ([seen(1, 2)], "degraded", "1/2"),
        ([seen(0, 2)], "failed", "0/2"),
        ([seen(2, 2, "1 of 2 crashes again and again")], "degraded", "2/2"),
        ([seen(0, 0)], "none", "0/0"),
        ([seen(2, 2), seen(1, 1)], "ready", "3/3"),
        ([seen(2, 2), seen(0, 1, "the image cannot be pulled")], "degraded", "2/3"),
        ([seen(0, 0, kind="CronJob")], "ready", "Scheduled"),
        ([seen(0, 0, kind="CronJob", paused=True)], "ready", "Suspended"),
        ([seen(0, 0, "the last run failed", kind="CronJob")], "failed", "Scheduled"),
        ([seen(2, 2, cluster=SILENT)], "unknown", "2/2"),
    ],
)
def test_a_cell_says_the_worst_that_is_true(workloads: list[Workload], state: str, figure: str) -> None:
    cell = cell_of(PRODUCTION, workloads)
    assert (cell.state, cell.figure) == (state, figure)


def test_what_is_not_ready_is_named_even_without_a_cause() -> None:
    assert cell_of(PRODUCTION, [seen(1, 3)]).trouble == "2 of 3 not ready"


def test_an_old_figure_says_since_when_nobody_answers() -> None:
    assert cell_of(PRODUCTION, [seen(2, 2, cluster=SILENT)]).sentence == "2 of 2 ready when there last answered"
