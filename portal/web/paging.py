"""A place in a list that is ordered by time and id, as it stands in an address: page ten million costs what page one costs."""

from datetime import datetime

from django.http import Http404

Place = tuple[datetime, int]


def text_of(at: datetime, number: int) -> str:
    return f"{at.isoformat()},{number}"


def read(text: str) -> Place | None:
    """Raises `Http404` for a place that no page of ours links to."""
    if not text:
        return None
    at, _, number = text[:80].partition(",")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as problem:
        raise Http404("There is no such place in this list.") from problem
    if moment.tzinfo is None or not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise Http404("There is no such place in this list.")
    return moment, int(number)
