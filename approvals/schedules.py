"""Times that a policy names once and rules refer to: business hours, a freeze, a maintenance window; by the clock of their own zone.

Twice a year the clock jumps. A time that it skips is the moment at which it jumps; of an hour that comes twice, the first counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FAR = 8
"""Days to look ahead for the next change: the days of a week come again."""
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Schedule:
    """Holds on `days` (0 is Monday) from `start` until `end`, past midnight when `end` is not later; or in the `spans`, which are UTC."""

    name: str
    zone: ZoneInfo
    days: frozenset[int] = frozenset()
    start: time = time(0)
    end: time = time(0)
    spans: tuple[tuple[datetime, datetime], ...] = ()

    def holds(self, at: datetime) -> bool:
        return any(begins <= at < ends for begins, ends in self._around(at, 0))

    def next_change(self, at: datetime) -> datetime | None:
        """When it holds no more, or holds again; `None` when never."""
        now = self.holds(at)
        for _ in range(len(self.spans) + 2):  # beyond the end of a span the days count again
            moments = sorted({moment for span in self._around(at, FAR) for moment in span if moment > at})
            for moment in moments:
                if self.holds(moment) is not now:
                    return moment
            if not moments:
                return None
            at = moments[-1]
        return None

    def _around(self, at: datetime, ahead: int) -> Iterator[tuple[datetime, datetime]]:
        yield from self.spans
        today = at.astimezone(self.zone).date()
        for offset in range(-1, ahead + 1):
            day = today + timedelta(days=offset)
            if day.weekday() in self.days:
                later = 0 if self.end > self.start else 1
                yield (
                    moment_of(datetime.combine(day, self.start), self.zone),
                    moment_of(datetime.combine(day + timedelta(days=later), self.end), self.zone),
                )


def moment_of(clock: datetime, zone: ZoneInfo) -> datetime:
    """When a clock in the zone shows this, in UTC: two times of one zone are compared by their clocks, of which an hour comes twice."""
    moment = clock.replace(tzinfo=zone).astimezone(UTC)
    after = moment.astimezone(zone)
    if after.replace(tzinfo=None) != clock:  # it is skipped: go back to the jump
        while (moment - MINUTE).astimezone(zone).utcoffset() == after.utcoffset():
            moment -= MINUTE
    return moment
