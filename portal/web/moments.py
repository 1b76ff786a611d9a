"""Moments that people type, in the time zone that their pages speak in: what `<input type="datetime-local">` sends."""

from datetime import UTC, datetime

from django.utils import timezone

from actions.errors import BadParams

LIKE = "%Y-%m-%dT%H:%M"
YEARS = range(2000, 2101)


def read_moment(name: str, typed: str) -> datetime:
    """Raises `BadParams` for `name`, also for an hour that a change of the clocks leaves out or has twice."""
    try:
        clock = datetime.strptime(typed.strip(), LIKE)  # noqa: DTZ007  # its zone is the reader's, below
    except ValueError as wrong:
        raise BadParams({name: ["Give a date and a time, like 2026-12-24T18:00."]}) from wrong
    if clock.year not in YEARS:
        raise BadParams({name: ["Give a date and a time, like 2026-12-24T18:00."]})
    zone = timezone.get_current_timezone()
    moment, other = clock.replace(tzinfo=zone), clock.replace(tzinfo=zone, fold=1)
    if moment.utcoffset() != other.utcoffset():
        there = moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == clock
        what = "comes twice" if there else "does not exist"
        raise BadParams(
            {
                name: [
                    f"{clock:%H:%M} {what} on that day in {zone}, because the clocks change. Choose an hour earlier or later."
                ]
            }
        )
    return moment


def as_typed(at: datetime) -> str:
    """What such a field shows."""
    return f"{timezone.localtime(at):{LIKE}}"
