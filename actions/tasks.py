"""What Celery can be told: look at a run. Everything else a worker needs is in Postgres."""

from celery import shared_task

from . import claiming, execution
from .bell import EXECUTE


@shared_task(name=EXECUTE, ignore_result=True)
def execute(execution_id: int) -> None:
    """Carry a run as far as it goes. A repeated, late or forged message finds nothing to claim."""
    run = claiming.claim(only=int(execution_id))
    if run is not None:
        execution.advance(run)
