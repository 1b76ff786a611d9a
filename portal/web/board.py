"""Services as a table: one row each, one cell for each environment, what is wrong, and what changed last.

Five queries, however many rows there are. Deciding what a cell says is a pure function.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from actions import queries as actions
from actions.models import Execution, Request
from actions.registry import title_of
from actions.states import ExecutionState
from inventory import queries as inventory
from inventory.models import Environment, Service, Workload
from inventory.samples import WANT_NOTHING

from .progress import ending_of

SCHEDULED = ("Scheduled", "Runs by its schedule")
SUSPENDED = ("Suspended", "Its schedule is suspended")


@dataclass(frozen=True)
class Cell:
    """A service in one environment. `state` is one of actions.states, or ready, degraded, failed, unknown, none."""

    environment: Environment
    state: str
    figure: str
    version: str
    sentence: str
    trouble: str = ""


@dataclass(frozen=True)
class LastChange:
    request: Request
    title: str
    state: str


@dataclass(frozen=True)
class Row:
    service: Service
    cells: tuple[Cell | None, ...]
    trouble: Cell | None
    change: LastChange | None


@dataclass(frozen=True)
class Board:
    environments: tuple[Environment, ...]
    rows: tuple[Row, ...]


def board_of(services: Sequence[Service]) -> Board:
    if not services:
        return Board((), ())
    workloads = inventory.live_workloads(services)
    active = actions.active_on(workloads)
    changes = actions.last_changes(list(services))
    shown = {workload.environment_id: workload.environment for workload in workloads}
    environments = tuple(sorted(shown.values(), key=lambda each: (each.position, each.slug)))
    places: dict[tuple[int, int], list[Workload]] = {}
    for workload in workloads:
        places.setdefault((workload.service_id, workload.environment_id), []).append(workload)
    rows = []
    for service in services:
        here = [places.get((service.pk, environment.pk), []) for environment in environments]
        cells = tuple(
            cell_of(environment, found, run_on(found, active)) if found else None
            for environment, found in zip(environments, here, strict=True)
        )
        rows.append(Row(service, cells, _worst(cells), _last(changes.get(service.pk))))
    return Board(environments, tuple(rows))


def run_on(workloads: Sequence[Workload], active: dict[str, Execution]) -> Execution | None:
    """The run that acts on one of these workloads now."""
    return next((run for each in workloads if (run := active.get(f"workload:{each.uid}"))), None)


def cell_of(environment: Environment, workloads: Sequence[Workload], run: Execution | None = None) -> Cell:
    """What is true of these workloads of one service in one environment, worst first."""
    ready, wanted = sum(each.ready for each in workloads), sum(each.wanted for each in workloads)
    version = next((each.version for each in workloads if each.version), "")
    trouble = next((each.trouble for each in workloads if each.trouble), "")
    figure, sentence = f"{ready}/{wanted}", f"{ready} of {wanted} ready"
    silent = next((each.cluster for each in workloads if each.cluster.unreachable_since), None)
    if all(each.kind in WANT_NOTHING for each in workloads):
        suspended = all(each.paused for each in workloads)
        figure, sentence = SUSPENDED if suspended else SCHEDULED
    if silent is not None:
        return Cell(environment, "unknown", figure, version, f"{sentence} when {silent.name} last answered", trouble)
    if run is not None:
        said = f"{title_of(run.request.action)}: {ExecutionState(run.state).label.lower()}, {sentence}"
        return Cell(environment, run.state, figure, version, said, trouble)
    if trouble:
        return Cell(environment, "degraded" if ready else "failed", figure, version, f"{sentence}: {trouble}", trouble)
    if ready < wanted:
        missing = f"{wanted - ready} of {wanted} not ready"
        return Cell(environment, "degraded" if ready else "failed", figure, version, sentence, missing)
    if figure == "0/0":
        return Cell(environment, "none", figure, version, "Scaled to 0")
    return Cell(environment, "ready", figure, version, sentence)


def _worst(cells: Sequence[Cell | None]) -> Cell | None:
    """The cell to name under the service: of those in trouble the most critical environment's."""
    troubled = [cell for cell in cells if cell and cell.trouble and cell.state in ("failed", "degraded", "unknown")]
    return max(troubled, key=lambda cell: cell.environment.criticality, default=None)


def _last(request: Request | None) -> LastChange | None:
    if request is None:
        return None
    run = getattr(request, "execution", None)
    return LastChange(request, title_of(request.action), ending_of(request, run) if run else request.state)
