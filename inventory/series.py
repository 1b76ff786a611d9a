"""The last day of a workload as a chart can draw it: a few hundred points, whatever was sampled.

A dip that lasted one sample must stay visible, so each span of time is told by the sample that fell shortest of what was wanted.
Restarts are a counter that falls when a pod goes away; only its rises are restarts.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import DateTimeField, F, Func, Min, Value
from django.db.models.functions import Extract

from .models import Sample, Workload

DAY = timedelta(hours=24)
POINTS, BARS = 288, 48
SHORTEST = timedelta(seconds=5)


@dataclass(frozen=True)
class Series:
    """`at` in seconds since the epoch, one entry for each span that has samples; the rest in step with it."""

    at: tuple[int, ...] = ()
    wanted: tuple[int, ...] = ()
    ready: tuple[int, ...] = ()
    restarted: tuple[int, ...] = ()
    """Restarts that began within the span."""


@dataclass(frozen=True)
class Window:
    """The time a chart shows: a day, or as long as we have been looking."""

    since: datetime
    until: datetime

    @property
    def span(self) -> timedelta:
        return max(SHORTEST, (self.until - self.since) / POINTS)

    @property
    def bar(self) -> timedelta:
        return max(2 * SHORTEST, (self.until - self.since) / BARS)


def window_of(workloads: Collection[Workload], *, now: datetime) -> Window:
    seen = Sample.objects.filter(workload__in=workloads, at__gte=now - DAY).aggregate(first=Min("at"))["first"]
    return Window(now - DAY if seen is None or seen < now - DAY * 0.95 else seen, now)


def series_of(workloads: Collection[Workload], window: Window) -> Series:
    """All of them together, in one query."""
    since = window.since
    rows = (
        Sample.objects.filter(workload__in=workloads, at__gte=since)
        .annotate(bin=Extract(_bin(window.span, since), "epoch", tzinfo=UTC))  # else in the reader's zone, hours away
        .order_by("bin", "workload_id", (F("wanted") - F("ready")).desc(), "-at")
        .distinct("bin", "workload_id")
        .values_list("workload_id", "bin", "wanted", "ready", "restarts")
    )
    return fold([(workload, int(at), wanted, ready, restarts) for workload, at, wanted, ready, restarts in rows])


def _bin(span: timedelta, since: datetime) -> Func:
    return Func(Value(span), F("at"), Value(since), function="date_bin", output_field=DateTimeField())


def fold(rows: Sequence[tuple[int, int, int, int, int]]) -> Series:
    """Add up (workload, at, wanted, ready, restarts) per moment. Rows are in order of time."""
    sums: dict[int, list[int]] = {}
    counters: dict[int, int] = {}
    for workload, at, wanted, ready, restarts in rows:
        risen = max(0, restarts - counters.get(workload, restarts))
        counters[workload] = restarts
        into = sums.setdefault(at, [0, 0, 0])
        for position, value in enumerate((wanted, ready, risen)):
            into[position] += value
    return Series(tuple(sums), *(tuple(values[position] for values in sums.values()) for position in range(3)))
