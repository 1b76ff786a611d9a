"""What we saw of workloads over time: the only source of the charts, kept for two weeks.

A sample is written when something changed, and every few minutes when nothing did, so that a silence in the series means that we
did not look.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from .models import Sample, Workload

AT_LEAST_EVERY = timedelta(minutes=5)
KEPT_FOR = timedelta(days=14)
WANT_NOTHING = ("CronJob",)
BATCH = 1000


def keep(workloads: Collection[Workload], *, at: datetime) -> None:
    """Sample the workloads that have changed since their last sample, or have none that is fresh."""
    sampled = [each for each in workloads if each.kind not in WANT_NOTHING]
    fresh = Sample.objects.filter(workload__in=[each.pk for each in sampled], at__gt=at - AT_LEAST_EVERY, at__lte=at)
    newest = fresh.order_by("workload_id", "-at").distinct("workload_id")
    last = {sample.workload_id: (sample.wanted, sample.ready, sample.restarts) for sample in newest}
    new = [
        Sample(workload_id=each.pk, at=at, wanted=each.wanted, ready=each.ready, restarts=each.restarts)
        for each in sampled
        if last.get(each.pk) != (each.wanted, each.ready, each.restarts)
    ]
    Sample.objects.bulk_create(new, BATCH)


def forget(*, now: datetime) -> int:
    """Delete what is older than we promise to keep. Returns how many."""
    return Sample.objects.filter(at__lt=now - KEPT_FOR).delete()[0]
