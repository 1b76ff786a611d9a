"""Times by the clock of their own zone: over midnight, over the end of a week, and over the two hours of the year that are odd."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.schedules import Schedule

BERLIN = ZoneInfo("Europe/Berlin")
WORKDAYS = frozenset(range(5))


def at(text: str) -> datetime:
    """By the clock in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def daily(start: str, end: str, days: frozenset[int] = frozenset(range(7))) -> Schedule:
    return Schedule("s", BERLIN, days, time.fromisoformat(start), time.fromisoformat(end))


OFFICE, NIGHT, ALL_DAY = (
    daily("09:00", "17:00", WORKDAYS),
    daily("22:00", "06:00", WORKDAYS),
    daily("00:00", "00:00", WORKDAYS),
)


@pytest.mark.parametrize(
    ("schedule", "moment", "holds"),
    [
        (OFFICE, "2026-11-24T09:00", True),
        (OFFICE, "2026-11-24T08:59:59", False),
        (OFFICE, "2026-11-24T16:59:59", True),
        (OFFICE, "2026-11-24T17:00", False),
        (OFFICE, "2026-11-28T12:00", False),  # a Saturday
        (NIGHT, "2026-11-27T23:00", True),  # a Friday
        (NIGHT, "2026-11-28T05:59", True),  # and the night that began on it
        (NIGHT, "2026-11-28T22:30", False),
        (NIGHT, "2026-11-30T05:00", False),  # on Sunday no night began
        (ALL_DAY, "2026-11-27T23:59:59", True),
        (ALL_DAY, "2026-11-28T00:00", False),
        (daily("02:00", "03:00"), "2026-10-25T02:30", True),
        (daily("01:00", "02:30"), "2027-03-28T01:59:59", True),
        (daily("01:00", "02:30"), "2027-03-28T03:00", False),  # 02:30 is skipped: it ends when the clock jumps
        (daily("02:30", "05:00"), "2027-03-28T03:00", True),  # and begins then
        (daily("02:15", "02:45"), "2027-03-28T03:00", False),
    ],
)
def test_when_it_holds(schedule: Schedule, moment: str, holds: bool) -> None:
    assert schedule.holds(at(moment)) is holds


def test_an_hour_that_comes_twice_is_all_of_it_within_and_its_first_at_an_edge() -> None:
    twice = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # both 02:30 in Berlin
    assert [daily("02:00", "03:00").holds(each) for each in twice] == [True, True]
    assert [daily("01:00", "02:30").holds(each) for each in twice] == [False, False]
    assert [daily("02:30", "04:00").holds(each) for each in twice] == [True, True]


@pytest.mark.parametrize(
    ("schedule", "moment", "changes"),
    [
        (OFFICE, "2026-11-27T12:00", "2026-11-27T17:00"),
        (OFFICE, "2026-11-27T17:00", "2026-11-30T09:00"),
        (ALL_DAY, "2026-11-24T12:00", "2026-11-28T00:00"),  # days that touch are one time
        (NIGHT, "2026-11-28T03:00", "2026-11-28T06:00"),
        (OFFICE, "2027-03-26T18:00", "2027-03-29T09:00"),  # the weekend is an hour shorter
        (daily("00:00", "00:00"), "2026-11-24T12:00", None),
        (Schedule("s", BERLIN, spans=((at("2026-12-20T00:00"), at("2027-01-02T00:00")),)), "2026-11-24T00:00", "2026-12-20T00:00"),
        (Schedule("s", BERLIN, spans=((at("2026-12-20T00:00"), at("2027-01-02T00:00")),)), "2027-01-02T00:00", None),
        (
            Schedule("s", BERLIN, WORKDAYS, spans=((at("2026-12-01T00:00"), at("2027-01-02T00:00")),)),  # ends on a Saturday
            "2026-12-03T00:00", "2027-01-02T00:00",
        ),
        (
            Schedule("s", BERLIN, WORKDAYS, spans=((at("2026-12-01T00:00"), at("2027-01-04T00:00")),)),  # and on a Monday
            "2026-12-03T00:00", "2027-01-09T00:00",
        ),
    ],
)  # fmt: skip
def test_when_it_changes_next(schedule: Schedule, moment: str, changes: str | None) -> None:
    assert schedule.next_change(at(moment)) == (at(changes) if changes else None)


clocks = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))
zones = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"]
)
schedules = st.builds(
    Schedule, st.just("s"), zones.map(ZoneInfo), st.frozensets(st.integers(0, 6), min_size=1), clocks, clocks
)
moments = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # bounds are naive here


@given(schedules, moments)
def test_at_the_next_change_it_changes_and_not_before(schedule: Schedule, moment: datetime) -> None:
    change = schedule.next_change(moment)
    if change is None:
        assert len(schedule.days) == 7
        return
    assert change > moment
    assert schedule.holds(change) is not schedule.holds(moment)
    halfway = moment + (change - moment) / 2
    assert schedule.holds(halfway) is schedule.holds(moment)
