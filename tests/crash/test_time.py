"""A run that nobody looks at is late, and says so; it is never merely old."""

from datetime import timedelta

from django.utils import timezone

from actions import sweeping
from actions.models import Execution
from inventory.models import Workload
from tests.characters import People, asks
from tests.crash.record import verbs


def test_a_run_that_no_worker_takes_raises_the_alarm_once(staging: Workload, people: People):
    request = asks(people.mira, "restart-workload", staging)
    sweeping.sweep()
    assert "execution.overdue" not in verbs(request)
    Execution.objects.filter(request=request).update(run_after=timezone.now() - timedelta(minutes=3))
    sweeping.sweep()
    sweeping.sweep()
    assert verbs(request).count("execution.overdue") == 1
    assert Execution.objects.get(request=request).overdue_alarm_at is not None
